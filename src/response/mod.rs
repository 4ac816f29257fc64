//! The answer: who may vote, what counts, and how it gets to disk.

pub mod count;
pub mod http;
pub mod human;
pub mod import;
pub mod list;
pub mod lookup;
pub mod page;
pub mod recorder;
pub mod rendered;
pub mod store;
pub mod told;

use crate::db::{id, text_enum};

id! {
    /// The id of a response.
    ResponseId
}

text_enum! {
    /// The way an answer came.
    pub enum Via {
        /// By a link in our mail.
        Email = "email",
        /// By a link that the caller passed on.
        Page = "page",
        /// By the API, from where it was given.
        Api = "api",
        /// By a file of past answers.
        Import = "import",
    }
}

text_enum! {
    /// How far the team has got with an answer.
    pub enum Status {
        /// Nobody has looked at it.
        New = "new",
        /// The customer was contacted.
        Contacted = "contacted",
        /// There is nothing more to do.
        Closed = "closed",
    }
}
