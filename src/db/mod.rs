//! Engines, transactions and migrations.

pub mod text;

pub(crate) use text::text_enum;
