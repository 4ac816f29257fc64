//! Every message that leaves: composed from what is stored, and sent.

mod aftermath;
pub mod announce;
pub mod bounce;
pub mod compose;
#[cfg(any(feature = "dkim", test))]
pub mod dkim;
pub mod gateway;
pub mod harmless;
pub mod http;
pub mod list;
pub mod mail;
mod mail_page;
pub mod mailbox;
pub mod pace;
pub mod store;
pub mod transport;
pub mod trial;
pub mod verdict;
pub mod verp;
pub mod worker;
