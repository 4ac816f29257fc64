//! nabz asks one question after an interaction, collects the answer, and shows what the answers say.

pub mod app;
pub mod clock;
pub mod config;
pub mod db;
pub mod delivery;
pub mod gateway;
pub mod happiness;
pub mod i18n;
pub mod intake;
pub mod invitation;
pub mod keyring;
pub mod link;
pub mod metric;
pub mod net;
pub mod notice;
pub mod outbox;
pub mod random;
pub mod report;
pub mod response;
pub mod routes;
pub mod survey;
pub mod tally;
pub mod web;
pub mod webhook;
