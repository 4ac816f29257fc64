//! What has to be there before anything is measured: a survey, links, the nonce of each page, and the answers that the bare server repeats.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::connection::{Answer, Connection};
use super::crowd::{self, Requests};
use super::database::{Ground, Place};
use super::product::{self, SURVEY};
use super::{bare, number};

/// Connections that prepare; not measured against anything.
const CONNECTIONS: usize = 32;
const BATCH: usize = 256;
/// Different forms that the bare server is sent.
const BARE_FORMS: usize = 5000;
/// What a browser says it can read.
const BROWSER: &str = "Accept-Encoding: gzip, deflate, br\r\n";

/// Everything that a measurement needs.
pub struct Prepared {
    /// The stopped server's data, with one answer in it.
    pub place: Place,
    /// One vote through each link.
    pub votes: Requests,
    /// The same form for the bare server.
    pub bare_votes: Requests,
    /// The pages to measure.
    pub pages: Vec<Page>,
    /// The bare server's answers.
    pub kept: PathBuf,
    /// Interactions accepted in a second while preparing.
    pub interactions: f64,
}

/// A page of the real server, and the same bytes from the bare one.
pub struct Page {
    /// Its name in the table.
    pub name: &'static str,
    /// One request for each link.
    pub requests: Requests,
    /// The request to the bare server.
    pub bare: Requests,
}

/// The score that the vote through this link gives.
pub fn score(link: usize) -> u8 {
    [1, 2, 3, 4, 4, 4, 5, 5, 5, 5].get(link % 10).copied().unwrap_or(5)
}

/// Prepares `links` links; the last one is used up for the answer that thanks.
pub async fn prepare(ground: &mut Ground, links: usize) -> Result<Prepared> {
    let place = ground.empty().await?;
    let kept = ground.folder("kept")?;
    let server = product::start(&place, BATCH).await?;
    let address = server.address;
    product::create_survey(address).await?;

    let since = Instant::now();
    let interactions: Requests = Arc::new((0..=links).map(interaction).collect());
    let tokens = crowd::gather(address, &interactions, CONNECTIONS, token).await?;
    let rate = number(tokens.len()) / since.elapsed().as_secs_f64();
    let pages: Requests = Arc::new(tokens.iter().map(|token| get(&format!("/s/{token}"), "")).collect());
    let nonces = crowd::gather(address, &pages, CONNECTIONS, nonce).await?;
    let mut votes: Vec<_> =
        (0..).zip(tokens.iter().zip(&nonces)).map(|(at, (token, nonce))| form(&format!("/s/{token}"), nonce, score(at))).collect();
    let thanks = votes.pop().context("no links")?;
    keep(address, &thanks, &kept, "thanks").await?;
    let stored: usize = product::counts(address).await?.values().sum();
    ensure!(stored == 1, "one vote was sent and {stored} were counted");
    let pages = keep_pages(address, &kept, &tokens, pages).await?;
    server.stop().await?;

    let bare_votes = (0..).zip(&nonces).take(BARE_FORMS).map(|(at, nonce)| form("/thanks", nonce, score(at)));
    Ok(Prepared { place, votes: Arc::new(votes), bare_votes: Arc::new(bare_votes.collect()), pages, kept, interactions: rate })
}

async fn keep_pages(address: SocketAddr, kept: &Path, tokens: &[String], plain: Requests) -> Result<Vec<Page>> {
    let chosen = (0..).zip(tokens).map(|(at, token)| get(&format!("/s/{token}/{}", score(at)), ""));
    let compressed = tokens.iter().map(|token| get(&format!("/s/{token}"), BROWSER));
    let mut pages = Vec::new();
    for (name, file, headers, requests) in [
        ("survey page", "page", "", plain),
        ("survey page, score chosen", "chosen", "", Arc::new(chosen.collect())),
        ("survey page, as a browser asks", "compressed", BROWSER, Arc::new(compressed.collect())),
    ] {
        keep(address, requests.first().context("no links")?, kept, file).await?;
        pages.push(Page { name, requests, bare: Arc::new(vec![get(&format!("/{file}"), headers)]) });
    }
    Ok(pages)
}

/// Asks once, and keeps the answer for the bare server.
async fn keep(address: SocketAddr, request: &[u8], folder: &Path, name: &str) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.ask(request).await?;
    ensure!(answer.status == 200, crowd::describe(&answer));
    bare::keep(folder, name, &answer)
}

/// A closed ticket of one of 20 agents in 4 teams and 2 channels; every fifth has a tag.
fn interaction(at: usize) -> Vec<u8> {
    let agent = at % 20;
    let body = serde_json::json!({
        "survey": SURVEY,
        "ticket": {"id": at.to_string()},
        "customer": {"email": format!("customer-{at}@example.com")},
        "agent": {"id": agent.to_string(), "name": format!("Agent {agent}")},
        "team": format!("Team {}", agent % 4),
        "channel": if at.is_multiple_of(3) { "chat" } else { "email" },
        "tags": if at.is_multiple_of(5) { vec!["vip"] } else { vec![] },
    });
    product::request("POST", "/api/v1/interactions", &body.to_string())
}

fn token(answer: &Answer<'_>) -> Result<String> {
    ensure!(answer.status == 201, "no interaction was stored");
    let body: serde_json::Value = serde_json::from_slice(&answer.content()?)?;
    let link = body.pointer("/invitation/link").and_then(serde_json::Value::as_str).context("no link")?;
    let (_, token) = link.split_once("/s/").context("a link without /s/")?;
    Ok(token.to_owned())
}

/// The value of the hidden field.
fn nonce(answer: &Answer<'_>) -> Result<String> {
    ensure!(answer.status == 200, "no page");
    let page = String::from_utf8(answer.content()?)?;
    let field = page.split('<').find(|tag| tag.starts_with("input") && tag.contains("name=\"nonce\"")).context("no field nonce")?;
    let (_, value) = field.split_once("value=\"").context("a nonce without a value")?;
    let (value, _) = value.split_once('"').context("a value without an end")?;
    Ok(value.to_owned())
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

fn form(path: &str, nonce: &str, score: u8) -> Vec<u8> {
    let body = format!("nonce={nonce}&score={score}&evidence=pointerdown");
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
