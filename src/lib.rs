//! nabz asks one question after an interaction, collects the answer, and shows what the answers say.

pub mod clock;
pub mod db;
pub mod delivery;
pub mod i18n;
pub mod metric;
pub mod net;
pub mod random;
pub mod survey;
