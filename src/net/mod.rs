//! Outgoing connections, and the domains they lead to.

pub mod client;
pub mod documents;
pub mod domain;
pub mod guard;
pub mod range;
pub mod smtp;
