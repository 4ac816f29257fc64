//! The API, readable: one page drawn from the OpenAPI document, without a script.

pub mod fields;
pub mod http;
pub mod page;
