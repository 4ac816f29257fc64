//! The answer: its page, its evidence, its versions.

pub mod page;
