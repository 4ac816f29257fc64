//! What all pages and answers share.

pub mod color;
pub mod layout;
