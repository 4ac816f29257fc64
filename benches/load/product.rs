//! The product as its users meet it: the real binary, started with the settings of a measurement, and its API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::connection::Connection;
use super::crowd;
use super::database::Place;
use super::process::Process;

/// The survey that is voted on.
pub const SURVEY: &str = "load";
const KEY: &str = "a-key-for-measurements-and-nothing-else";

/// Answers per score.
pub type Counts = BTreeMap<u8, usize>;

/// Starts the server on a place; it commits at most `vote_batch` votes together.
pub async fn start(place: &Place, vote_batch: usize) -> Result<Process> {
    let command = |address: SocketAddr| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nabz"));
        command.current_dir(&place.folder).env_clear().envs([
            // Connections are opened before they are used: the generator is no slow client.
            ("NABZ__SERVER__HEAD_TIMEOUT_MS", "600000".to_owned()),
            ("NABZ__DATA_DIR", place.folder.display().to_string()),
            ("NABZ__DATABASE__URL", place.url.clone()),
            ("NABZ__DATABASE__VOTE_BATCH", vote_batch.to_string()),
            ("NABZ__SERVER__LISTEN", address.to_string()),
            ("NABZ__AUTH__ROOT_KEY", KEY.to_owned()),
            ("NABZ__LOG__FILTER", "warn".to_owned()),
            ("NABZ__LIMITS__VOTES_PER_CLIENT_PER_MINUTE", "0".to_owned()),
            ("NABZ__LIMITS__VOTES_PER_LINK_PER_MINUTE", "0".to_owned()),
            ("NABZ__LIMITS__API_PER_KEY_PER_MINUTE", "0".to_owned()),
        ]);
        command
    };
    Process::start(&place.folder.join("server.log"), "/readyz", command).await
}

/// The bytes of an API request.
pub fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Makes the survey: the caller sends the links, and nobody is spared.
pub async fn create_survey(address: SocketAddr) -> Result<()> {
    let survey = serde_json::json!({
        "slug": SURVEY, "name": "Load", "metric": "csat", "company": "Acme", "deliver": [],
        "policy": {"quiet_days": 0, "quiet_any_days": 0},
    });
    create(address, "/api/v1/surveys", &survey).await?;
    Ok(())
}

/// Makes something by the API, and gives what the API says of it.
pub async fn create(address: SocketAddr, path: &str, draft: &Value) -> Result<Value> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.ask(&request("POST", path, &draft.to_string())).await?;
    ensure!(answer.status == 201, crowd::describe(&answer));
    Ok(serde_json::from_slice(&answer.content()?)?)
}

/// What the breakdown counts, per score.
pub async fn counts(address: SocketAddr) -> Result<Counts> {
    let path = format!("/api/v1/reports/breakdown?survey={SURVEY}");
    let mut connection = Connection::open(address).await?;
    let answer = connection.ask(&request("GET", &path, "")).await?;
    ensure!(answer.status == 200, crowd::describe(&answer));
    let report: Value = serde_json::from_slice(&answer.content()?)?;
    let total = report.get("total").context("a breakdown without a total")?;
    let points = total.get("counts").and_then(Value::as_object).context("a total without counts")?;
    let mut counts = Counts::new();
    for (score, count) in points {
        let count = count.as_u64().context("a count that is no number")?;
        counts.insert(score.parse()?, usize::try_from(count)?);
    }
    let n = total.get("n").and_then(Value::as_u64).context("a total without n")?;
    let sum: usize = counts.values().sum();
    ensure!(usize::try_from(n)? == sum, "n is {n} but its counts add to {sum}");
    Ok(counts)
}
