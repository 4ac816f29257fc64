//! `nabz mail test`: what it says of each way in which a mail does not leave, and its exit code.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto, pki_types::PrivateKeyDer};

use crate::smtp_sink::{Act, Offers, Sink, Stage};

/// How the command ended: its exit code, and what it said.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the command with settings.
async fn run(address: &str, settings: &[(&str, &str)]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nabz"));
    command.args(["mail", "test", address]).current_dir(folder.path()).env_clear().env("NABZ__MAIL__FROM", "Acme <survey@acme.example>");
    command.envs(settings.iter().copied());
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
}

async fn by(url: &str) -> Told {
    run("sara@example.com", &[("NABZ__MAIL__TRANSPORT", "smtp"), ("NABZ__MAIL__SMTP_URL", url)]).await
}

/// It failed: says what happened in its first line with these words, and what to do in its second with those.
fn assert_explained(told: &Told, what: &str, hint: &str) {
    let lines: Vec<&str> = told.err.lines().collect();
    assert_eq!((told.code, lines.len(), told.out.as_str()), (Some(1), 2, ""), "{}", told.err);
    assert!(lines[0].contains(what), "{}", told.err);
    assert!(lines[1].starts_with("What to do: ") && lines[1].contains(hint), "{}", told.err);
}

/// A certificate that no authority has signed.
fn unknown_certificate() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap()).into()
}

#[tokio::test]
async fn a_mail_that_the_server_took_is_told_with_its_reply() {
    let sink = Sink::offering(Offers { login: Some(("me", "secret")), ..Offers::default() }).await;
    let url = format!("smtp://me:secret@127.0.0.1:{}?tls=none", sink.address.port());
    let settings =
        [("NABZ__MAIL__TRANSPORT", "smtp"), ("NABZ__MAIL__SMTP_URL", url.as_str()), ("NABZ__MAIL__BOUNCE_DOMAIN", "bounce.acme.example")];
    let told = run("Sara <sara@example.com>", &settings).await;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let begin = format!(
        "127.0.0.1:{} took the test mail to sara@example.com from survey@acme.example. It said: 250 2.0.0 queued as 7F\n",
        sink.address.port()
    );
    assert!(told.out.starts_with(&begin) && !told.out.contains("secret"), "{}", told.out);
    let seen = sink.seen();
    let message = &seen.messages[0];
    assert_eq!((message.from.as_str(), message.to[0].as_str()), ("MAIL FROM:<bounce@bounce.acme.example>", "RCPT TO:<sara@example.com>"));
    assert!(String::from_utf8(message.data.clone()).unwrap().contains("\r\nSubject: A test mail from nabz\r\n"));
}

#[tokio::test]
async fn without_a_server_it_says_in_which_file_the_mail_is() {
    let folder = tempfile::tempdir().unwrap();
    let told = run("sara@example.com", &[("NABZ__DATA_DIR", folder.path().to_str().unwrap())]).await;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let file = told.out.strip_prefix("The test mail is in ").unwrap().split(". Nothing was sent").next().unwrap();
    assert!(std::fs::read_to_string(file).unwrap().contains("To: sara@example.com\r\n"));
}

#[tokio::test]
async fn what_stands_between_us_and_the_server_is_explained() {
    assert_explained(
        &by("smtp://nobody.invalid?tls=none").await,
        "The mail server's name was not found (nobody.invalid)",
        "check the host",
    );
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_explained(&by(&format!("smtp://{closed}?tls=none")).await, "cannot be connected to (127.0.0.1:", "check host and port");
    let sink = Sink::start().await;
    sink.script(Stage::Greeting, Act::Reply("554 5.7.1 not you"), 1);
    assert_explained(&by(&sink.url("?tls=none")).await, "does not greet us (127.0.0.1:", "smtps://");
    let sink = Sink::start().await;
    let told = by(&sink.url("?tls=required")).await;
    assert_explained(&told, "offers no TLS at this port", "587");
    let sink = Sink::offering(Offers { tls: Some(unknown_certificate()), ..Offers::default() }).await;
    let told = by(&format!("smtp://localhost:{}", sink.address.port())).await;
    assert_explained(&told, "invalid peer certificate: UnknownIssuer", "a name in the server's certificate");
    let sink = Sink::start().await;
    let told = by(&format!("smtps://localhost:{}", sink.address.port())).await;
    assert_explained(&told, "No encrypted connection", "use smtp:// instead of smtps://");
}

#[tokio::test]
async fn what_the_server_refuses_is_explained_with_its_reply() {
    let sink = Sink::offering(Offers { login: Some(("me", "secret")), ..Offers::default() }).await;
    let told = by(&format!("smtp://me:planted-password@{}?tls=none", sink.address)).await;
    assert_explained(&told, "does not accept user and password (127.0.0.1:", "a password made for programs");
    assert!(told.err.contains("535 5.7.8 wrong") && !told.err.contains("planted-password"), "{}", told.err);
    assert_explained(&by(&sink.url("?tls=none")).await, "530 5.7.0 authentication required", "without user and password");
    for (stage, reply, what, hint) in [
        (Stage::Mail, "553 5.7.1 not your sender", "does not accept the sender", "mail.from"),
        (Stage::Rcpt, "550 5.1.1 no such user", "does not accept the recipient", "check the address"),
        (Stage::Data, "451 4.3.0 busy", "does not want the mail", "try again later"),
        (Stage::Dot, "554 5.6.0 spam", "refused the mail", "its reply says why"),
        (Stage::Dot, "gibberish", "Nobody knows whether", "look whether it arrives"),
    ] {
        let sink = Sink::start().await;
        sink.script(stage, Act::Reply(reply), 1);
        let told = by(&sink.url("?tls=none")).await;
        assert_explained(&told, what, hint);
        assert!(told.err.contains(reply) || reply == "gibberish", "{}", told.err);
    }
}

#[tokio::test]
async fn an_address_or_a_setting_that_cannot_be_used_is_told_with_another_exit_code() {
    for (address, settings, said) in [
        ("sara", &[][..], "error: sara is no address to send to: not a mail address\n"),
        ("sara@example.com", &[("NABZ__MAIL__FROM", "nobody")], "error: mail.from: "),
        ("sara@example.com", &[("NABZ__MAIL__TRANSPORT", "smtp"), ("NABZ__MAIL__SMTP_URL", "mail.acme.example")], "error: mail.smtp_url: "),
    ] {
        let told = run(address, settings).await;
        assert!(told.code == Some(2) && told.err.starts_with(said) && told.err.lines().count() == 1, "{:?}: {}", told.code, told.err);
    }
}
