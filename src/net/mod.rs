//! Outgoing connections, and the domains they lead to.

pub mod domain;
pub mod smtp;
