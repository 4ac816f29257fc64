//! Mail leaving through a real SMTP conversation, into a folder and into memory.

use std::sync::Arc;
use std::time::Duration;

use nabz::clock::Timestamp;
use nabz::delivery::mail::{Mail, Mailbox};
use nabz::delivery::transport::Transport;
use nabz::net::smtp::{Options, SendError, SmtpRelay, Step};

use crate::smtp_sink::{Act, Offers, Sink, Stage};

fn mail(id: &str) -> Mail {
    Mail {
        id: id.to_owned(),
        date: Timestamp::parse("2026-11-20T08:30:00Z").unwrap(),
        from: Mailbox::parse("Acme <survey@acme.example>").unwrap(),
        to: Mailbox { name: Some("Sara".to_owned()), address: "sara@example.com".to_owned() },
        reply_to: None,
        return_path: None,
        subject: "نظر شما چیست؟".to_owned(),
        text: "One line\n.\n..two dots\nEnd".to_owned(),
        html: "<p>سلام</p>\n".to_owned(),
        unsubscribe: Some("https://nabz.example/u/abc".to_owned()),
        list: Some("support".to_owned()),
    }
}

fn relay(url: &str, options: Options) -> Transport {
    Transport::Smtp(SmtpRelay::from_url(url, options).unwrap())
}

fn plain(sink: &Sink) -> Transport {
    relay(&sink.url("?tls=none"), Options::default())
}

fn impatient() -> Options {
    Options { connect_timeout: Duration::from_millis(500), send_timeout: Duration::from_millis(500), ..Options::default() }
}

#[tokio::test]
async fn what_arrives_is_byte_for_byte_what_was_composed() {
    let sink = Sink::start().await;
    let transport = plain(&sink);
    let reply = transport.send(&mail("m-1")).await.unwrap();
    assert_eq!(reply, "250 2.0.0 queued as 7F");
    let seen = sink.seen();
    assert_eq!(seen.messages.len(), 1);
    assert_eq!(seen.messages[0].data, mail("m-1").to_bytes().unwrap());
    assert_eq!(seen.messages[0].from, "MAIL FROM:<survey@acme.example>");
    assert_eq!(seen.messages[0].to, ["RCPT TO:<sara@example.com>"]);
}

#[tokio::test]
async fn many_messages_share_one_connection() {
    let sink = Sink::start().await;
    let transport = plain(&sink);
    for number in 0..40 {
        transport.send(&mail(&format!("m-{number}"))).await.unwrap();
    }
    assert_eq!(sink.seen().messages.len(), 40);
    assert_eq!(sink.seen().connections, 1);
}

/// Without `TCP_NODELAY` every message waits some 40 ms for the peer's delayed acknowledgement. The quickest of many is looked at, as the machine
/// may be busy.
#[tokio::test]
async fn no_message_waits_for_a_delayed_acknowledgement() {
    let sink = Sink::start().await;
    let transport = plain(&sink);
    let mut quickest = Duration::MAX;
    for number in 0..40 {
        let begun = tokio::time::Instant::now();
        transport.send(&mail(&format!("m-{number}"))).await.unwrap();
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_millis(20), "{quickest:?}");
}

#[tokio::test]
async fn a_connection_is_replaced_after_its_share_of_messages() {
    let sink = Sink::start().await;
    let options = Options { max_messages: 3, ..Options::default() };
    let transport = relay(&sink.url("?tls=none"), options);
    for number in 0..7 {
        transport.send(&mail(&format!("m-{number}"))).await.unwrap();
    }
    let used: Vec<usize> = sink.seen().messages.iter().map(|message| message.connection).collect();
    assert_eq!(used, [1, 1, 1, 2, 2, 2, 3]);
}

#[tokio::test]
async fn an_unused_connection_is_closed_when_its_time_is_over() {
    let sink = Sink::start().await;
    let options = Options { idle_timeout: Duration::from_millis(20), ..Options::default() };
    let transport = relay(&sink.url("?tls=none"), options);
    transport.send(&mail("m-1")).await.unwrap();
    sink.until(|seen| seen.open == 0).await;
    assert!(sink.seen().lines.contains(&"QUIT".to_owned()));
    transport.send(&mail("m-2")).await.unwrap();
    assert_eq!(sink.seen().connections, 2);
}

#[tokio::test]
async fn no_more_connections_are_opened_than_allowed() {
    let sink = Sink::start().await;
    sink.script(Stage::Dot, Act::Hold, 12);
    let options = Options { max_connections: 3, ..Options::default() };
    let transport = relay(&sink.url("?tls=none"), options);
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..12 {
        let transport = transport.clone();
        sending.spawn(async move { transport.send(&mail(&format!("m-{number}"))).await });
    }
    sink.until(|seen| seen.held == 3).await;
    sink.release();
    for sent in sending.join_all().await {
        sent.unwrap();
    }
    assert_eq!(sink.seen().messages.len(), 12);
    assert_eq!(sink.seen().most_open, 3);
}

#[tokio::test]
async fn a_connection_that_the_relay_closed_meanwhile_costs_no_message() {
    for goodbye in [Act::Drop, Act::Reply("421 4.4.2 idle for too long")] {
        let sink = Sink::start().await;
        let transport = plain(&sink);
        transport.send(&mail("m-1")).await.unwrap();
        sink.script(Stage::Mail, goodbye, 1);
        transport.send(&mail("m-2")).await.unwrap();
        assert_eq!(sink.seen().messages.len(), 2);
        assert_eq!(sink.seen().connections, 2);
    }
}

#[tokio::test]
async fn a_refusal_for_now_is_temporary_and_keeps_the_connection() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
        let sink = Sink::start().await;
        sink.script(stage, Act::Reply("451 4.3.0 <sara@example.com> try later"), 1);
        let transport = plain(&sink);
        let error = transport.send(&mail("m-1")).await.unwrap_err();
        let reply = "451 4.3.0 try later".to_owned();
        assert_eq!(error, SendError::Temporary { reply }, "{stage:?}");
        transport.send(&mail("m-1")).await.unwrap();
        assert_eq!(sink.seen().connections, 1, "{stage:?}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_permanent_and_keeps_the_reply() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
        let sink = Sink::start().await;
        sink.script(stage, Act::Reply("550-5.1.1 no such\r\n550 5.1.1 user"), 1);
        let error = plain(&sink).send(&mail("m-1")).await.unwrap_err();
        let reply = "550 5.1.1 no such user".to_owned();
        assert_eq!(error, SendError::Permanent { reply }, "{stage:?}");
    }
}

#[tokio::test]
async fn a_relay_that_fails_before_the_message_is_unreachable() {
    let faults = [
        (Stage::Greeting, Act::Drop),
        (Stage::Greeting, Act::Silence),
        (Stage::Greeting, Act::Reply("554 5.7.1 go away")),
        (Stage::Greeting, Act::Reply("HTTP/1.1 400 Bad Request")),
        (Stage::Ehlo, Act::Drop),
        (Stage::Ehlo, Act::Reply("421 4.3.2 closing")),
        (Stage::Mail, Act::Drop),
        (Stage::Rcpt, Act::Silence),
        (Stage::Data, Act::Reply("250 not what DATA answers")),
    ];
    for (stage, act) in faults {
        let sink = Sink::start().await;
        sink.script(stage, act, 1);
        let transport = relay(&sink.url("?tls=none"), impatient());
        let error = transport.send(&mail("m-1")).await.unwrap_err();
        assert!(matches!(error, SendError::Unreachable { .. }), "{stage:?} {act:?}: {error:?}");
        transport.send(&mail("m-1")).await.unwrap();
        assert_eq!(sink.seen().messages.len(), 1, "{stage:?} {act:?}");
    }
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let transport = relay(&format!("smtp://{address}?tls=none"), Options::default());
    let error = transport.send(&mail("m-1")).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_line_lost_before_the_final_dot_is_unreachable() {
    let sink = Sink::start().await;
    sink.script(Stage::Message, Act::Drop, 1);
    // More than fits the buffers of both ends, so that the loss shows before the dot is written.
    let mut large = mail("m-1");
    large.text = "x".repeat(16_000_000);
    let error = plain(&sink).send(&large).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(sink.seen().messages.len(), 0);
}

#[tokio::test]
async fn a_line_lost_after_the_final_dot_leaves_the_outcome_unknown() {
    for act in [Act::Drop, Act::Silence, Act::Reply("gibberish"), Act::Reply("354 go on")] {
        let sink = Sink::start().await;
        sink.script(Stage::Dot, act, 1);
        let transport = relay(&sink.url("?tls=none"), impatient());
        let error = transport.send(&mail("m-1")).await.unwrap_err();
        assert!(matches!(error, SendError::Unknown { .. }), "{act:?}: {error:?}");
        transport.send(&mail("m-1")).await.unwrap();
        let seen = sink.seen();
        assert_eq!(seen.connections, 2, "{act:?}");
        assert_eq!(seen.messages[0].data, seen.messages[1].data, "a repeated mail is the same mail");
    }
}

#[tokio::test]
async fn without_starttls_a_relay_that_must_have_it_gets_neither_mail_nor_password() {
    let sink = Sink::offering(Offers { login: Some(("me", "secret")), ..Offers::default() }).await;
    let url = format!("smtp://me:secret@{}?tls=required", sink.address);
    let failure = relay(&url, Options::default()).try_to_send(&mail("m-1")).await.unwrap_err();
    let reason = "the relay offers no STARTTLS, and tls=required asks for it".to_owned();
    assert_eq!(failure, (Some(Step::StartTls), SendError::Unreachable { reason }));
    let seen = sink.seen();
    assert!(seen.lines.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{:?}", seen.lines);
}

/// A certificate for this machine that nobody else trusts, as PEM and as what a server needs.
fn certificate() -> (Vec<u8>, tokio_rustls::TlsAcceptor) {
    certificate_of(&["localhost", "127.0.0.1"])
}

fn certificate_of(names: &[&str]) -> (Vec<u8>, tokio_rustls::TlsAcceptor) {
    use tokio_rustls::rustls::{ServerConfig, crypto, pki_types::PrivateKeyDer};
    let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem().into_bytes(), Arc::new(config).into())
}

#[tokio::test]
async fn mail_and_password_travel_encrypted_by_starttls_and_from_the_first_byte() {
    let (pem, acceptor) = certificate();
    for (scheme, query, implicit) in [("smtp", "?tls=required", false), ("smtp", "", false), ("smtps", "", true)] {
        let sink =
            Sink::offering(Offers { tls: Some(acceptor.clone()), implicit, login: Some(("me", "se:cret+")), ..Offers::default() }).await;
        let url = format!("{scheme}://me:se%3Acret+@localhost:{}{query}", sink.address.port());
        let options = Options { extra_root: Some(pem.clone()), ..Options::default() };
        let transport = relay(&url, options);
        for number in 0..3 {
            transport.send(&mail(&format!("m-{number}"))).await.unwrap();
        }
        let seen = sink.seen();
        assert!(seen.messages.iter().all(|message| message.encrypted && message.connection == 1));
        assert_eq!(seen.messages.len(), 3);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_or_of_another_name_gets_no_mail() {
    let (other, foreign) = (certificate(), certificate_of(&["mail.acme.example"]));
    let trusting = Options { extra_root: Some(foreign.0), ..Options::default() };
    for (acceptor, options, said) in [(other.1, Options::default(), "UnknownIssuer"), (foreign.1, trusting, "not valid for name")] {
        for (scheme, implicit) in [("smtp", false), ("smtps", true)] {
            let sink =
                Sink::offering(Offers { tls: Some(acceptor.clone()), implicit, login: Some(("me", "secret")), ..Offers::default() }).await;
            let url = format!("{scheme}://me:secret@localhost:{}", sink.address.port());
            let (step, error) = relay(&url, options.clone()).try_to_send(&mail("m-1")).await.unwrap_err();
            assert_eq!(step, Some(Step::Encrypt), "{error}");
            assert!(matches!(&error, SendError::Unreachable { reason } if reason.contains(said)), "{error}");
            let seen = sink.seen();
            assert!(seen.messages.is_empty() && !seen.lines.iter().any(|line| line.starts_with("AUTH")), "{:?}", seen.lines);
        }
    }
}

#[tokio::test]
async fn a_relay_that_offers_starttls_and_refuses_it_gets_no_mail() {
    let (pem, acceptor) = certificate();
    for query in ["", "?tls=required"] {
        let sink = Sink::offering(Offers { tls: Some(acceptor.clone()), ..Offers::default() }).await;
        sink.script(Stage::StartTls, Act::Reply("454 4.7.0 TLS not available"), 1);
        let options = Options { extra_root: Some(pem.clone()), ..Options::default() };
        let failure =
            relay(&format!("smtp://localhost:{}{query}", sink.address.port()), options).try_to_send(&mail("m-1")).await.unwrap_err();
        let reason = "454 4.7.0 TLS not available".to_owned();
        assert_eq!(failure, (Some(Step::Encrypt), SendError::Unreachable { reason }));
        assert!(sink.seen().messages.is_empty());
    }
}

#[tokio::test]
async fn a_relay_that_knows_only_login_is_logged_in_to() {
    for (password, expected) in [("secret", 1), ("wrong", 0)] {
        let sink = Sink::offering(Offers { login: Some(("me", "secret")), only_login: true, ..Offers::default() }).await;
        let sent = relay(&format!("smtp://me:{password}@{}?tls=none", sink.address), Options::default()).try_to_send(&mail("m-1")).await;
        assert_eq!(sink.seen().messages.len(), expected, "{sent:?}");
        assert!(sent.is_ok() || matches!(sent, Err((Some(Step::Authenticate), _))), "{sent:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_the_relays_trouble_and_not_the_messages() {
    let sink = Sink::offering(Offers { login: Some(("me", "secret")), ..Offers::default() }).await;
    let url = format!("smtp://me:wrong@{}", sink.address);
    let error = relay(&url, Options::default()).send(&mail("m-1")).await.unwrap_err();
    let reason = "535 5.7.8 wrong".to_owned();
    assert_eq!(error, SendError::Unreachable { reason });
}

#[tokio::test]
async fn a_closed_relay_says_goodbye_and_takes_no_more() {
    let sink = Sink::start().await;
    let transport = plain(&sink);
    transport.send(&mail("m-1")).await.unwrap();
    transport.close().await;
    sink.until(|seen| seen.open == 0).await;
    assert!(sink.seen().lines.contains(&"QUIT".to_owned()));
    let error = transport.send(&mail("m-2")).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(sink.seen().messages.len(), 1);
}

#[tokio::test]
async fn a_folder_holds_each_mail_once_however_often_it_is_sent() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data/mail");
    let transport = Transport::Folder(folder.clone());
    transport.send(&mail("m-1")).await.unwrap();
    transport.send(&mail("m-1")).await.unwrap();
    transport.send(&mail("../../m-2")).await.unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".._.._m-2.eml", "m-1.eml"]);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder.join("m-1.eml")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read(folder.join("m-1.eml")).unwrap(), mail("m-1").to_bytes().unwrap());
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_tried_again_later() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Transport::Folder(file.join("mail")).send(&mail("m-1")).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_address_that_no_mail_can_carry_fails_for_good_without_repeating_it() {
    let memory = Transport::Memory(Arc::default());
    for address in ["nobody", "@example.com", "a@b@", "a\r\nb@example.com", "سارا@example.com", "sara@exa mple.com", ""] {
        let mut unsendable = mail("m-1");
        unsendable.to.address = address.to_owned();
        match memory.send(&unsendable).await {
            Err(SendError::Permanent { reply }) => assert!(reply.starts_with("customer's address: "), "{reply}"),
            other => panic!("{address:?}: {other:?}"),
        }
    }
}
