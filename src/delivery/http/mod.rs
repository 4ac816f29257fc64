//! What others ask of deliveries, and tell of them.

pub mod bounces;
pub mod list;
pub mod mailbox;
pub mod trial;
