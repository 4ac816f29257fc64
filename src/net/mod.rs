//! Outgoing connections.

pub mod smtp;
