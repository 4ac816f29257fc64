//! The developer's mailbox over HTTP: for whoever sits at this machine, and only where mail goes to the folder.

use std::io;
use std::net::IpAddr;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use url::{Host, Url};

use crate::delivery::mailbox::{Letter, Mailbox, page};
use crate::web::Context;
use crate::web::problem::{Kind, Problem};

/// What says that a request came through somebody else.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
/// A mail may style itself and show images; it may run, send, fetch and frame nothing, and belongs to no origin. Links open in a window of their own.
const OF_A_MAIL: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; base-uri 'none'; form-action 'none'; \
                         frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";
const OF_TEXT: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// Copies hold addresses and links that answer for customers.
const CACHE: &str = "no-store";

/// The developer's mailbox: what the folder transport wrote; on this machine only
#[utoipa::path(get, path = "/dev/mailbox", tag = "Operations",
    responses((status = 200, description = "The newest mails", content_type = "text/html", body = String), (status = 404, description = "Mail goes to a server, or the caller is elsewhere")))]
pub(crate) async fn list(request: HttpRequest, context: Data<Context>) -> Result<HttpResponse, Problem> {
    let (mails, count) = look(&request, &context, Mailbox::list).await?;
    Ok(page::list(&mails, count).answer(&request, CACHE))
}

/// One mail of the developer's mailbox
#[utoipa::path(get, path = "/dev/mailbox/{name}", tag = "Operations", params(("name" = String, Path, description = "The name of its file")),
    responses((status = 200, description = "HTML, text and headers", content_type = "text/html", body = String), (status = 404, description = "No such mail")))]
pub(crate) async fn show(request: HttpRequest, context: Data<Context>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let letter = find(&request, &context, name).await?;
    Ok(page::letter(&letter).answer(&request, CACHE))
}

/// The HTML part of one mail
#[utoipa::path(get, path = "/dev/mailbox/{name}/html", tag = "Operations", params(("name" = String, Path, description = "The name of its file")),
    responses((status = 200, description = "The HTML part", content_type = "text/html", body = String), (status = 404, description = "No such mail")))]
pub(crate) async fn html(request: HttpRequest, context: Data<Context>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let letter = find(&request, &context, name).await?;
    let body = letter.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    Ok(answer(OF_A_MAIL, "text/html; charset=utf-8", body.into_bytes()))
}

/// Every byte of one mail
#[utoipa::path(get, path = "/dev/mailbox/{name}/raw", tag = "Operations", params(("name" = String, Path, description = "The name of its file")),
    responses((status = 200, description = "The mail", content_type = "text/plain", body = String), (status = 404, description = "No such mail")))]
pub(crate) async fn raw(request: HttpRequest, context: Data<Context>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let letter = find(&request, &context, name).await?;
    Ok(answer(OF_TEXT, "text/plain; charset=utf-8", letter.raw))
}

fn answer(policy: &'static str, content_type: &'static str, body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, CACHE))
        .content_type(content_type)
        .body(body)
}

async fn find(request: &HttpRequest, context: &Context, name: Path<String>) -> Result<Letter, Problem> {
    let name = name.into_inner();
    look(request, context, move |mailbox| mailbox.find(&name)).await?.ok_or(Problem::new(Kind::NotFound))
}

/// Looks into the mailbox, where there is one and whoever asks may.
async fn look<T: Send + 'static>(
    request: &HttpRequest,
    context: &Context,
    ask: impl FnOnce(&Mailbox) -> io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let folder = context.mail_folder.clone().filter(|_| is_here(request, &context.public_url)).ok_or(Problem::new(Kind::NotFound))?;
    let asked = tokio::task::spawn_blocking(move || ask(&Mailbox(folder))).await;
    asked.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| {
        tracing::warn!(cause = %error, "the mail folder cannot be read");
        Problem::unavailable()
    })
}

/// Whether a request was made on this machine: by its peer, through nobody else, and under a name of ours. The last keeps out web pages elsewhere that
/// have a name of theirs resolve to this machine.
fn is_here(request: &HttpRequest, public_url: &str) -> bool {
    let is_peer_here = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let is_forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    let asked = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|host| Url::parse(&format!("http://{host}")).ok());
    let is_ours = asked.as_ref().and_then(Url::host).is_some_and(|host| match &host {
        Host::Domain("localhost") => true,
        Host::Domain(_) => Url::parse(public_url).ok().as_ref().and_then(Url::host).as_ref() == Some(&host),
        Host::Ipv4(ip) => IpAddr::from(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::from(*ip).to_canonical().is_loopback(),
    });
    is_peer_here && !is_forwarded && is_ours
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(peer: &str, host: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let request = TestRequest::default().peer_addr(format!("{peer}:40000").parse().unwrap()).insert_header((HOST, host));
        let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
        is_here(&request.to_http_request(), "http://nabz.dev.example:8080")
    }

    #[test]
    fn only_who_sits_at_this_machine_may_look() {
        for (peer, host) in [
            ("127.0.0.1", "localhost:8080"),
            ("127.8.8.8", "127.0.0.1:8080"),
            ("[::1]", "[::1]:8080"),
            ("[::ffff:127.0.0.1]", "nabz.dev.example:8080"),
        ] {
            assert!(asked(peer, host, &[]), "{peer} {host}");
            for header in FORWARDED {
                assert!(!asked(peer, host, &[(header, "127.0.0.1")]), "{header}");
            }
        }
        for (peer, host) in [
            ("192.168.1.7", "localhost:8080"),
            ("[2001:db8::1]", "localhost:8080"),
            ("[::ffff:192.168.1.7]", "localhost:8080"),
            ("127.0.0.1", "rebound.evil.example:8080"),
            ("127.0.0.1", "192.168.1.7:8080"),
            ("127.0.0.1", "localhost.evil.example"),
            ("127.0.0.1", ""),
        ] {
            assert!(!asked(peer, host, &[]), "{peer} {host}");
        }
    }
}
