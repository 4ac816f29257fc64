//! Stories over HTTP through the whole service, each on both engines. One program, because linking it costs more than running it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what is missing fails the test")]

mod common;
mod happiness;
mod helpdesk;
mod hook;
mod hooks;
mod life_of_a_survey;
mod operating;
mod reports;
mod schema;
mod sql;
mod statement;
mod tokens;
