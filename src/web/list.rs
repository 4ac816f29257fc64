//! One part of a long list: `{"items": […], "next": cursor or null}`.

use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// Items at a time where the caller does not say.
const USUAL: i64 = 50;
/// Items at a time at most.
const MOST: i64 = 500;

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `next` of the part before.
    pub cursor: Option<String>,
    /// How many, 1 to 500; 50 by default.
    pub limit: Option<i64>,
}

impl ListQuery {
    /// The key after which the part begins, and how many items it has at most.
    ///
    /// # Errors
    /// 422 when either is not valid.
    pub fn bounds<K: DeserializeOwned + Default>(&self) -> Result<(K, i64), Problem> {
        Ok((cursor(self.cursor.as_deref())?.unwrap_or_default(), limit(self.limit)?))
    }
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next part; null at the end.
    #[schema(value_type = Option<String>)]
    pub next: Option<Cursor>,
}

/// Where the next part begins, as an opaque text.
#[derive(Debug)]
pub struct Cursor(String);

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<T> Page<T> {
    /// A part of at most `limit` of the items found, of which there is one more where the list goes on.
    pub fn of<K: Serialize>(mut found: Vec<T>, limit: i64, key: impl Fn(&T) -> K) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let goes_on = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| goes_on);
        let next = last.and_then(|item| serde_json::to_vec(&key(item)).ok()).map(|key| Cursor(BASE64URL_NOPAD.encode(&key)));
        Self { items: found, next }
    }

    /// The same part with every item turned into something else.
    pub fn map<U>(self, turn: impl Fn(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

/// The number of items asked for.
///
/// # Errors
/// 422 when it is not from 1 to 500.
pub fn limit(asked: Option<i64>) -> Result<i64, Problem> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) { Ok(limit) } else { Err(Problem::field("limit", format!("must be from 1 to {MOST}"))) }
}

/// The key in a cursor.
///
/// # Errors
/// 422 when it is no cursor of this list.
pub fn cursor<K: DeserializeOwned>(text: Option<&str>) -> Result<Option<K>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    key.map(Some).ok_or_else(|| Problem::field("cursor", "must be `next` of the part before"))
}
