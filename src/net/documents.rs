//! Documents of other servers, kept in memory: fetched when they are needed and old, and never in a rush. What they say is the caller's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;

use super::client::{Answer, Client, Method, Request};
use super::guard::Needs;
use crate::clock::{DAY_MS, MINUTE_MS, Timestamp};

/// A document is fetched again after an hour, in milliseconds.
const FRESH_MS: i64 = 60 * MINUTE_MS;
/// Where its server does not answer, it is used for a day.
const USABLE_MS: i64 = DAY_MS;
/// A document that does not hold what is looked for is fetched again, but not more often than once a minute.
const AGAIN_MS: i64 = MINUTE_MS;
/// After a failure it is tried again after five seconds.
const AFTER_FAILURE_MS: i64 = 5_000;
/// Somebody waits for it.
const WITHIN: Duration = Duration::from_secs(3);

/// The document cannot be had right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a document of another server cannot be had right now")]
pub struct Unavailable;

#[derive(Debug, Default)]
struct Kept {
    body: Option<(Vec<u8>, Timestamp)>,
    tried_at: Option<Timestamp>,
    has_failed: bool,
}

impl Kept {
    /// The document, if it is at most this old.
    fn within(&self, age_ms: i64, now: Timestamp) -> Option<&[u8]> {
        self.body.as_ref().filter(|(_, at)| now.since(*at) < age_ms).map(|(body, _)| body.as_slice())
    }

    fn may_try(&self, now: Timestamp) -> bool {
        let pause = if self.has_failed { AFTER_FAILURE_MS } else { AGAIN_MS };
        self.tried_at.is_none_or(|at| now.since(at) >= pause)
    }
}

/// Documents by their address.
#[derive(Debug, Default)]
pub struct Documents {
    kept: Lock<HashMap<String, Arc<Mutex<Kept>>>>,
}

impl Documents {
    /// What a document says that satisfies, as `read` understands it; where it does not satisfy although it was just fetched, what it says.
    ///
    /// # Errors
    /// [`Unavailable`] where there is none that is readable and young enough.
    pub async fn find<T>(
        &self,
        (client, now): (&Client, Timestamp),
        url: &str,
        read: impl Fn(&[u8]) -> Option<T>,
        satisfies: impl Fn(&T) -> bool,
    ) -> Result<T, Unavailable> {
        let slot = Arc::clone(self.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(url.to_owned()).or_default());
        // Whoever needs the same document waits for the one who fetches it.
        let mut kept = slot.lock().await;
        if let Some(said) = kept.within(FRESH_MS, now).and_then(&read).filter(&satisfies) {
            return Ok(said);
        }
        if kept.may_try(now) {
            fetch(&mut kept, (client, now), url, &read).await;
        }
        let said = kept.within(USABLE_MS, now).and_then(&read).ok_or(Unavailable)?;
        // What cannot be asked for cannot be said not to be there.
        if kept.has_failed && !satisfies(&said) { Err(Unavailable) } else { Ok(said) }
    }
}

async fn fetch<T>(kept: &mut Kept, (client, now): (&Client, Timestamp), url: &str, read: &impl Fn(&[u8]) -> Option<T>) {
    let request = Request {
        method: Method::Get,
        url,
        needs: Needs::Tls,
        headers: &[("accept", "application/json".to_owned())],
        body: None,
        within: Some(WITHIN),
    };
    let answer = client.send(request).await;
    kept.tried_at = Some(now);
    kept.has_failed = !matches!(&answer, Ok(Answer { status: 200, body, .. }) if read(body).is_some());
    match answer {
        Ok(answer) if !kept.has_failed => kept.body = Some((answer.body, now)),
        Ok(answer) => tracing::warn!(url, status = answer.status, "a document of another server cannot be read"),
        Err(error) => tracing::warn!(url, cause = %error, "a document of another server cannot be fetched"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::client::Lookup;
    use crate::net::guard::Guard;

    /// A server that tells how often it was asked, until it breaks.
    async fn counting(breaks_at: usize) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let _ = stream.read(&mut [0; 4096]).await;
                let status = if number >= breaks_at { 500 } else { 200 };
                let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 1\r\n\r\n{number}");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (url, asked)
    }

    fn number(body: &[u8]) -> Option<usize> {
        std::str::from_utf8(body).ok()?.parse().ok()
    }

    #[tokio::test]
    async fn a_document_is_fetched_once_an_hour_and_used_for_a_day_where_its_server_fails() {
        let (url, asked) = counting(3).await;
        let client = Client::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()]), &Lookup::System, Duration::from_secs(2)).unwrap();
        let documents = Documents::default();
        let find = async |now_ms: i64| documents.find((&client, Timestamp::from_millis(now_ms)), &url, number, |_| true).await;
        for (now_ms, said, requests) in [
            (0, Ok(1), 1),
            (FRESH_MS - 1, Ok(1), 1),
            (FRESH_MS, Ok(2), 2),
            (2 * FRESH_MS, Ok(2), 3),
            (2 * FRESH_MS + AFTER_FAILURE_MS - 1, Ok(2), 3),
            (2 * FRESH_MS + AFTER_FAILURE_MS, Ok(2), 4),
            (FRESH_MS + USABLE_MS - 1, Ok(2), 5),
            (FRESH_MS + USABLE_MS, Err(Unavailable), 5),
        ] {
            assert_eq!((find(now_ms).await, asked.load(Ordering::SeqCst)), (said, requests), "{now_ms}");
        }
    }

    #[tokio::test]
    async fn many_who_need_a_document_at_once_wait_for_one_request() {
        let (url, asked) = counting(9).await;
        let client = Client::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()]), &Lookup::System, Duration::from_secs(2)).unwrap();
        let documents = Documents::default();
        let find = || documents.find((&client, Timestamp::from_millis(0)), &url, number, |_| true);
        let found = futures_util::future::join_all((0..20).map(|_| find())).await;
        assert_eq!((found, asked.load(Ordering::SeqCst)), (vec![Ok(1); 20], 1));
        // What it does not hold is looked for again after a minute, not before.
        let missing = async |now_ms| documents.find((&client, Timestamp::from_millis(now_ms)), &url, number, |said| *said > 5).await;
        for (now_ms, said) in [(AGAIN_MS - 1, 1), (AGAIN_MS, 2), (AGAIN_MS + 1, 2)] {
            assert_eq!(missing(now_ms).await, Ok(said));
        }
    }
}
