//! What everything is held against: actix-web answering the same bytes and doing nothing else.

use std::collections::HashMap;
use std::path::Path;

use actix_web::http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result};
use serde::Deserialize;

use super::connection::Answer;

/// The form of a vote.
#[derive(Deserialize)]
struct Vote {
    nonce: String,
    score: u8,
    evidence: String,
}

/// An answer kept ready.
#[derive(Clone)]
struct Kept {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

type Shelf = HashMap<String, Kept>;

/// Keeps an answer of the real server for the bare one.
pub fn keep(folder: &Path, name: &str, answer: &Answer<'_>) -> Result<()> {
    let mut bytes = answer.head.to_vec();
    bytes.extend_from_slice(&answer.content()?);
    Ok(std::fs::write(folder.join(name), bytes)?)
}

/// Serves what was kept in `folder`: GET at once, POST after reading the form of a vote.
pub fn serve(port: u16, folder: &Path) -> Result<()> {
    let shelf = read(folder)?;
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(move || {
            App::new().app_data(web::Data::new(shelf.clone())).route("/{name}", web::get().to(page)).route("/{name}", web::post().to(vote))
        })
        .bind(("127.0.0.1", port))?
        .run()
        .await
    })?;
    Ok(())
}

async fn page(name: web::Path<String>, shelf: web::Data<Shelf>) -> HttpResponse {
    answer(&name, &shelf)
}

async fn vote(name: web::Path<String>, form: web::Form<Vote>, shelf: web::Data<Shelf>) -> HttpResponse {
    let Vote { nonce, score, evidence } = form.into_inner();
    if nonce.is_empty() || evidence.is_empty() || score > 10 {
        return HttpResponse::UnprocessableEntity().finish();
    }
    answer(&name, &shelf)
}

fn answer(name: &str, shelf: &Shelf) -> HttpResponse {
    let Some(kept) = shelf.get(name) else {
        return HttpResponse::NotFound().finish();
    };
    let mut response = HttpResponse::Ok();
    for (name, value) in &kept.headers {
        response.append_header((name.clone(), value.clone()));
    }
    response.body(kept.body.clone())
}

fn read(folder: &Path) -> Result<Shelf> {
    let mut shelf = Shelf::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a name that is not text")?;
        shelf.insert(name, parse(&std::fs::read(entry.path())?)?);
    }
    Ok(shelf)
}

fn parse(bytes: &[u8]) -> Result<Kept> {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").context("no head")?;
    let (head, body) = bytes.split_at_checked(end + 4).context("no body")?;
    let mut headers = Vec::new();
    for line in std::str::from_utf8(head)?.lines().skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').context("no header")?;
        let name = HeaderName::try_from(name)?;
        // These actix writes itself.
        if ![CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING].contains(&name) {
            headers.push((name, HeaderValue::try_from(value.trim())?));
        }
    }
    Ok(Kept { headers, body: Bytes::copy_from_slice(body) })
}
