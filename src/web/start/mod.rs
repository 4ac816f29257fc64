//! The door: what is running, and the first steps from there.

pub mod http;
pub mod page;

/// What the start page tells.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The version of this program.
    pub version: &'a str,
    /// The database it speaks to.
    pub engine: &'a str,
    /// The address it is reached at.
    pub public_url: &'a str,
    /// How the program was started, so that its other commands can be copied.
    pub program: &'a str,
    /// Where outgoing mail ends up.
    pub mail_goes_to: &'a str,
    /// Whether that mail can be looked at here.
    pub has_mailbox: bool,
}
