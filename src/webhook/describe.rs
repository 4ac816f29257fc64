//! What is said of an event: each stage describes its own, and `app` brings them together, because delivery knows no later stage.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use super::EventKind;
use super::event::store::Event;
use crate::db::{Result, Tx};

/// What an asynchronous method of a trait object gives.
pub type Coming<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// How telling an event ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// An endpoint accepted it.
    Accepted,
    /// It was given up, for this reason.
    GivenUp(String),
    /// It was no longer to be told.
    Unwanted,
}

/// Whoever knows what events of some kinds say.
pub trait Describe: Send + Sync {
    /// The kinds.
    fn kinds(&self) -> &'static [EventKind];

    /// What `data` holds; `None` where the event is no longer to be told.
    fn describe<'a>(&'a self, event: &'a Event) -> Coming<'a, Option<Value>>;

    /// What follows when telling it has ended, in the transaction that settles it.
    fn ended<'a>(&'a self, tx: &'a mut Tx, event: &'a Event, ending: &'a Ending) -> Coming<'a, ()> {
        let _ = (tx, event, ending);
        Box::pin(async { Ok(()) })
    }
}

/// The describer of an event.
#[must_use]
pub fn of<'a>(all: &'a [Box<dyn Describe>], event: &Event) -> Option<&'a dyn Describe> {
    all.iter().find(|describe| describe.kinds().contains(&event.kind)).map(AsRef::as_ref)
}
