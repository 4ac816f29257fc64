//! What the world sees: the public report of a survey, published in lots and served from memory.

pub mod http;
pub mod kept;
pub mod page;
pub mod publication;
pub mod recount;
pub mod snapshot;
pub mod store;

use crate::db::text_enum;

text_enum! {
    /// Whether there is anything to see yet.
    pub enum State {
        /// Votes are shown.
        Published = "published",
        /// There are too few of them.
        Collecting = "collecting",
    }
}
