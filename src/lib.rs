//! nabz asks one question after an interaction, collects the answer, and shows what the answers say.

pub mod clock;
pub mod db;
pub mod i18n;
pub mod metric;
pub mod random;
pub mod response;
pub mod survey;
pub mod web;
