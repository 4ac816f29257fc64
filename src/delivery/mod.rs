//! Every message that leaves: composed from what is stored, and sent.

pub mod harmless;
pub mod mail;
pub mod transport;
