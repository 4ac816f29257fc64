//! The real program as its users run it: started, configured, stopped and killed as a child process.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "what is missing fails the test")]

mod binary;
mod bouncing;
mod canaries;
mod chance;
mod client;
mod commands;
mod durability;
mod endpoint;
mod importing;
mod judgement;
mod ledger;
mod logging;
mod nothing_lost;
mod nothing_lost_inside;
mod nothing_untold;
mod refusing;
mod relay;
mod starting;
mod stopping;
