//! Nothing reaches what it must not: hostile addresses against a listener that would notice, and what a strange server can answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that counts who connects and answers everybody with these bytes.
struct Canary {
    port: u16,
    connected: Arc<AtomicUsize>,
}

impl Canary {
    async fn on(address: &str, answer: &'static str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connected = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connected);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    let _ = stream.read(&mut head).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    // Some answers never end.
                    if !answer.ends_with("forever") {
                        let _ = stream.shutdown().await;
                    }
                    let _ = stream.read(&mut head).await;
                });
            }
        });
        Self { port, connected }
    }

    fn connected(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }
}

fn client(opened: &[&str], lookup: &Lookup) -> Client {
    let guard = Guard::new(opened.iter().map(|range| range.parse().unwrap()).collect());
    Client::new(guard, lookup, Duration::from_millis(400)).unwrap()
}

const fn get(url: &str) -> Request<'_> {
    Request { method: Method::Get, url, needs: Needs::Nothing, headers: &[], body: None, within: None }
}

fn scripted(answer: impl Fn(&str) -> Vec<&'static str> + Send + Sync + 'static) -> Lookup {
    Lookup::Scripted(Arc::new(move |name| answer(name).into_iter().map(|text| text.parse().unwrap()).collect()))
}

/// What a hostile user can write for an inner server on port PORT, or on the usual one.
const HOSTILE: &[&str] = &[
    // The loopback in every form that the parser of URLs reads.
    "http://127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/",
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "http://127.0.0.1:80/",
    "http://127.0.0.1:443/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.255.255.254:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.000.000.001:PORT/",
    "http://2130706433:PORT/",
    "http://2130706433/",
    "http://0x7f000001:PORT/",
    "http://0x7F000001/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7f.1/",
    "http://0177.1/",
    "http://0x7f.0x0.0x0.0x1:PORT/",
    "http://127.0x1/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://１２７.0.0.1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "hTTps://127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:/\\127.0.0.1:PORT/",
    "http://127.0.0.1:PORT",
    "http://127.0.0.1:PORT?x",
    "http://127.0.0.1:PORT#x",
    "http://127.0.0.1:0PORT/",
    "http://[::1]:PORT/",
    "https://[::1]/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000::0001]:PORT/",
    "http://[::0.0.0.1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::7f00:1]/",
    // IPv6 forms of IPv4 addresses.
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:7f00:0001]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:7f00:0001::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001::80ff:fffe]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:8.8.8.8]/",
    // Everywhere and nowhere.
    "http://0.0.0.0:PORT/",
    "http://0.0.0.0/",
    "http://0:PORT/",
    "http://0/",
    "http://00000000/",
    "http://0x0/",
    "http://0.0.0.1/",
    "http://[::]:PORT/",
    "http://[::]/",
    "http://255.255.255.255/",
    "http://4294967295/",
    "http://240.0.0.1/",
    "http://224.0.0.1/",
    "http://239.1.2.3/",
    "http://[ff02::1]/",
    "http://[ff0e::1]:PORT/",
    // Private networks, and those of providers.
    "http://10.0.0.1/",
    "http://10.1/",
    "http://167772161/",
    "http://0x0a000001/",
    "http://012.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://192.168.1/",
    "http://3232235521/",
    "http://0xc0a80001/",
    "http://0300.0250.0.1/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.7/",
    "http://203.0.113.7/",
    "http://192.88.99.1/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]:PORT/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    // Secrets of machines in the cloud.
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254:80/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://168.63.129.16/machine",
    // Names that lead inside.
    "http://localhost:PORT/",
    "http://localhost/",
    "https://LOCALHOST/",
    "http://localhost./",
    "http://sub.localhost:PORT/",
    "http://ip6-localhost/",
    "http://127.0.0.1.nip.example/",
    "http://inside.example:PORT/",
    "http://inside.example/",
    "https://inside.example/",
    "http://xn--inside-1a.example/",
    "http://metadata.example/",
    "http://mixed.example/",
    "http://mapped.example/",
    "http://nat64.example/",
    "http://nothing.example/",
    "http://wide.example:PORT/",
    // What only looks like somewhere else.
    "http://acme.example@127.0.0.1:PORT/",
    "http://user:word@127.0.0.1:PORT/",
    "http://@127.0.0.1:PORT/",
    "http://user@acme.example/",
    "http://:@acme.example/",
    "http://127.0.0.1:PORT@acme.example/",
    "http://acme.example\\@127.0.0.1:PORT/",
    "http://acme.example#@127.0.0.1:PORT/x y",
    "http://127.0.0.1:PORT\t/",
    "http://127.0.0.1:PORT\r\nHost: x/",
    " http://127.0.0.1:PORT/",
    "http://1.1.1.1:PORT/",
    "http://acme.example:22/",
    "http://acme.example:6379/",
    "https://acme.example:PORT/",
    // No web at all.
    "ftp://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/_x",
    "dict://127.0.0.1:PORT/",
    "ldap://127.0.0.1:PORT/",
    "unix:///run/x.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "ws://127.0.0.1:PORT/",
    "jar:http://127.0.0.1:PORT!/",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "localhost",
    "http://",
    "https://",
    "http:",
    "",
    "http://:PORT/",
    "http://?",
    "http://[::1",
    "http://256.1.1.1/",
    "http://1.2.3.4.5/",
    "http://127.0.0.1:99999/",
    "http://ex ample/",
    "http://%00/",
];

#[tokio::test]
async fn no_hostile_address_is_ever_connected_to() {
    let canary = Canary::on("[::]:0", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let lookup = scripted(|name| match name {
        "metadata.example" => vec!["169.254.169.254"],
        "mixed.example" => vec!["1.1.1.1", "127.0.0.1"],
        "mapped.example" => vec!["::ffff:127.0.0.1"],
        "nat64.example" => vec!["64:ff9b::7f00:1"],
        "nothing.example" => vec![],
        // Opened, but so is not what stands behind it.
        "wide.example" => vec!["127.0.0.2", "127.0.0.1"],
        _ => vec!["127.0.0.1"],
    });
    // One address is open, so that a name on another port gets as far as being resolved.
    let client = client(&["127.0.0.2/32"], &lookup);
    assert!(HOSTILE.len() >= 120);
    for text in HOSTILE {
        let url = text.replace("PORT", &canary.port.to_string());
        for needs in [Needs::Nothing, Needs::Tls] {
            let refused = client.send(Request { needs, ..get(&url) }).await;
            assert!(matches!(refused, Err(Failed::Refused(_))), "{url}: {refused:?}");
        }
    }
    assert_eq!(canary.connected(), 0);

    // The same canary is reached where an operator opened its address, in each of these forms.
    let opened = self::client(&["127.0.0.0/8", "::1"], &lookup);
    for text in [
        "http://127.0.0.1:PORT/",
        "http://2130706433:PORT/",
        "http://[::ffff:7f00:1]:PORT/",
        "http://[::1]:PORT/",
        "http://localhost:PORT/",
    ] {
        let url = text.replace("PORT", &canary.port.to_string());
        let answer = opened.send(Request { needs: Needs::Tls, ..get(&url) }).await;
        assert_eq!(answer.map(|answer| answer.status), Ok(200), "{url}");
    }
    assert!(canary.connected() > 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_resolved_once_and_checked_each_time() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let good = Canary::on("127.0.0.2:0", ANSWER).await;
    let listener = Canary::on(&format!("127.0.0.1:{}", good.port), ANSWER).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let rebinding = scripted(move |_| if count.fetch_add(1, Ordering::SeqCst) == 0 { vec!["127.0.0.2"] } else { vec!["127.0.0.1"] });
    let client = client(&["127.0.0.2/32"], &rebinding);
    let url = format!("http://rebinding.example:{}/", good.port);
    assert_eq!(client.send(get(&url)).await.unwrap().body, b"ok");
    assert_eq!((asked.load(Ordering::SeqCst), good.connected(), listener.connected()), (1, 1, 0));
    assert_eq!(client.send(get(&url)).await, Err(Failed::Refused(Refused::Private)));
    assert_eq!((asked.load(Ordering::SeqCst), good.connected(), listener.connected()), (2, 1, 0));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inner = Canary::on("127.0.0.1:0", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let location = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n", inner.port);
    let outer = Canary::on("127.0.0.2:0", location.leak()).await;
    let client = client(&["127.0.0.0/8"], &Lookup::System);
    let answer = client.send(get(&format!("http://127.0.0.2:{}/", outer.port))).await.unwrap();
    assert_eq!((answer.status, outer.connected(), inner.connected()), (302, 1, 0));
}

#[tokio::test]
async fn what_is_too_long_too_slow_or_broken_is_told_apart() {
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(LONGEST_ANSWER + 1));
    let longest = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(LONGEST_ANSWER));
    let client = client(&["127.0.0.0/8"], &Lookup::System);
    for (answer, told) in [
        (longest.as_str(), Ok(LONGEST_ANSWER)),
        (long.as_str(), Err(Failed::TooLarge)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nforever", Err(Failed::TimedOut)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx", Err(Failed::Unreachable)),
        ("no HTTP", Err(Failed::Unreachable)),
        ("", Err(Failed::Unreachable)),
    ] {
        let server = Canary::on("127.0.0.1:0", answer.to_owned().leak()).await;
        let read = client.send(get(&format!("http://127.0.0.1:{}/", server.port))).await;
        assert_eq!(read.map(|answer| answer.body.len()), told, "{}", &answer[..answer.len().min(60)]);
        assert_eq!(server.connected(), 1);
    }
    assert_eq!(client.send(get("http://127.0.0.1:1/")).await, Err(Failed::Unreachable));
}

#[test]
fn another_server_can_ask_for_a_pause_in_seconds_or_until_an_instant() {
    let now = Timestamp::parse("2026-01-15T10:30:00Z").unwrap();
    let wait = |text: &str| Answer { status: 429, retry_after: Some(text.to_owned()), body: Vec::new() }.retry_after_ms(now);
    assert_eq!(wait("120"), Some(120_000));
    assert_eq!(wait("Thu, 15 Jan 2026 10:31:00 GMT"), Some(60_000));
    assert_eq!(wait("Thu, 15 Jan 2026 10:29:00 GMT"), Some(0));
    assert_eq!(wait("4000000000"), Some(LONGEST_WAIT_MS));
    assert_eq!(wait("soon"), None);
}

#[tokio::test]
async fn a_request_has_the_method_the_headers_and_the_body_that_it_was_given() {
    let client = client(&["127.0.0.0/8"], &Lookup::System);
    for (method, body, begins) in
        [(Method::Get, None, "GET /a HTTP/1.1\r\nx-one: 1\r\n"), (Method::Post, None, "POST /a "), (Method::Put, Some("{}"), "PUT /a ")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        });
        let headers = [("x-one", "1".to_owned())];
        let request = Request { method, headers: &headers, body: body.map(|body| body.as_bytes().to_vec()), ..get(&url) };
        assert_eq!(client.send(request).await.unwrap().status, 204);
        let sent = server.await.unwrap();
        assert!(sent.starts_with(begins) && sent.ends_with(&format!("\r\n\r\n{}", body.unwrap_or_default())), "{sent}");
    }
}
