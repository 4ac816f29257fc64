//! The real program as its users run it: started, configured, stopped and killed as a child process.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "what is missing fails the test")]

mod binary;
mod bouncing;
mod canaries;
mod client;
mod commands;
mod durability;
mod importing;
mod logging;
mod refusing;
mod starting;
mod stopping;
