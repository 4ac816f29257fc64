//! Stories over HTTP through the whole service, each on both engines. One program, because linking it costs more than running it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what is missing fails the test")]

mod asking_again;
mod bounces;
mod common;
mod decided;
mod events;
mod gateways;
mod given_elsewhere;
mod happiness;
mod helpdesk;
mod hook;
mod hooks;
mod import;
mod interactions;
mod left_in_peace;
mod life_of_a_survey;
mod lookup_samples;
mod lookups;
mod mail_command;
mod operating;
mod outbox_lanes;
mod peer;
mod plans;
mod policy;
mod providers;
mod reports;
mod schema;
mod sending;
mod smtp_relay;
mod smtp_sink;
mod sql;
mod statement;
mod store_counts;
mod store_outbox;
mod store_people;
mod store_setup;
mod storms;
mod suppressions;
mod tokens;
mod voting;
mod voting_limits;
mod voting_together;
mod whom_we_ask;
mod zoho;
