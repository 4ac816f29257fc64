//! The conversation with a help desk's API about one closing.

use std::collections::VecDeque;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::clock::Timestamp;
use crate::intake::options::Options;
use crate::intake::{Interaction, SourceKind};
use crate::net::client::{Answer, Client, Failed, Method, Request};
use crate::net::guard::Needs;

/// One closing is worth so many questions.
const MOST: usize = 6;

/// A help desk's API.
#[derive(Debug)]
pub struct Desk<'a> {
    /// What it is.
    pub kind: SourceKind,
    /// What is known of it.
    pub options: &'a Options,
    /// The token.
    pub token: SecretString,
    /// Outgoing requests.
    pub http: &'a Client,
    /// The instant now, for how long it wants to be left in peace.
    pub now: Timestamp,
}

/// Why the customer is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It may be known later.
    Later {
        /// What went wrong.
        why: String,
        /// How long the API wants to be left in peace, in milliseconds.
        retry_after_ms: Option<i64>,
    },
    /// Asking again would not help.
    Never(String),
}

impl Desk<'_> {
    /// Completes an interaction by what the API knows. A question that is refused counts only where the address stays unknown.
    ///
    /// # Errors
    /// Why the address is not known.
    pub async fn complete(&self, mut interaction: Interaction, questions: &[String]) -> Result<Interaction, Stop> {
        let api = self
            .options
            .api_url
            .as_deref()
            .or(self.kind.usual_api())
            .ok_or_else(|| Stop::Never("There is no options.api_url.".to_owned()))?;
        let api = api.trim_end_matches('/');
        let headers = self.credentials(api).await?;
        let mut waiting: VecDeque<String> = questions.iter().cloned().collect();
        let mut refused = None;
        for _ in 0..MOST {
            let Some(question) = waiting.pop_front() else { break };
            match self.get(&format!("{api}{question}"), &headers).await {
                Ok(answer) => waiting.extend(self.kind.learn(&mut interaction, &question, &answer)),
                Err(Stop::Never(why)) => refused = refused.or(Some(why)),
                Err(later) => return Err(later),
            }
        }
        interaction.tidy();
        match refused {
            _ if interaction.customer.email.is_some() => Ok(interaction),
            Some(why) => Err(Stop::Never(why)),
            None => Err(Stop::Never("The help desk's API shows no address of this customer.".to_owned())),
        }
    }

    /// The headers to ask with; where tokens come from a place of their own, with a fresh one.
    async fn credentials(&self, api: &str) -> Result<Vec<(&'static str, String)>, Stop> {
        let (Some(url), Some(client)) = (&self.options.token_url, &self.options.client_id) else {
            return Ok(self.kind.credentials(self.token.expose_secret()));
        };
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        let request = Request {
            method: Method::Post,
            url,
            needs: Needs::Tls,
            headers: &headers,
            body: Some(self.grant(client, api).into_bytes()),
            within: None,
        };
        let answer = self.send("options.token_url", request).await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        token.map(|token| self.kind.credentials(token)).ok_or_else(|| later("options.token_url answered without an access_token"))
    }

    /// The request for a token by client credentials (RFC 6749, 4.4.2).
    fn grant(&self, client: &str, api: &str) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").append_pair("client_id", client);
        form.append_pair("client_secret", self.token.expose_secret()).append_pair("scope", &format!("{api}/.default"));
        form.finish()
    }

    async fn get(&self, url: &str, headers: &[(&'static str, String)]) -> Result<Value, Stop> {
        self.send("The help desk's API", Request { method: Method::Get, url, needs: Needs::Tls, headers, body: None, within: None }).await
    }

    async fn send(&self, whom: &str, request: Request<'_>) -> Result<Value, Stop> {
        let answer = match self.http.send(request).await {
            Ok(answer) => answer,
            Err(Failed::Refused(refused)) => return Err(Stop::Never(format!("{whom} was not asked: its address {refused}."))),
            Err(Failed::TooLarge) => return Err(Stop::Never(format!("{whom} answered with more than 64 KiB."))),
            Err(failed) => return Err(later(&format!("{whom} was asked, but {failed}"))),
        };
        judge(whom, &answer, self.now)
    }
}

fn later(why: &str) -> Stop {
    Stop::Later { why: why.to_owned(), retry_after_ms: None }
}

/// What an answer means.
fn judge(whom: &str, answer: &Answer, now: Timestamp) -> Result<Value, Stop> {
    let told = |advice: &str| Stop::Never(format!("{whom} answered {}: {advice}.", answer.status));
    match answer.status {
        200..=299 => serde_json::from_slice(&answer.body).map_err(|_| later(&format!("{whom} answered with something that is no JSON"))),
        401 | 403 => Err(told("check options.api_token and what it may read")),
        404 => Err(told("check options.api_url, and that options.api_token may see this ticket")),
        300..=399 => Err(told("options.api_url has to be the address of the API itself, because redirects are not followed")),
        408 | 425 | 429 | 500.. => {
            Err(Stop::Later { why: format!("{whom} answered {}", answer.status), retry_after_ms: answer.retry_after_ms(now) })
        }
        _ => Err(told("it does not understand the question")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_everything_else_is_told() {
        let now = Timestamp::from_millis(0);
        let judged = |status: u16, body: &str| {
            judge("It", &Answer { status, retry_after: Some("7".to_owned()), body: body.as_bytes().to_vec() }, now)
        };
        assert_eq!(judged(200, "{}"), Ok(Value::Object(serde_json::Map::new())));
        for status in [408, 425, 429, 500, 502, 503, 599] {
            assert_eq!(judged(status, ""), Err(Stop::Later { why: format!("It answered {status}"), retry_after_ms: Some(7000) }));
        }
        for status in [301, 302, 400, 401, 403, 404, 405, 410, 422] {
            assert!(matches!(judged(status, "{}"), Err(Stop::Never(why)) if why.contains(&status.to_string())), "{status}");
        }
        assert!(matches!(judged(200, "<html>"), Err(Stop::Later { .. })));
    }
}
