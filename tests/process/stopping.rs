//! SIGTERM: what is under way is finished, what was acknowledged is on disk, and nobody waits longer than ten seconds.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::binary::{Home, WITHIN};
use crate::client::{Caller, path_of};

const STOPS_WITHIN: Duration = Duration::from_secs(10);

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_is_answered_and_kept_and_idle_connections_hold_nothing_up() {
    let home = Home::usual();
    let service = home.serve();
    let caller = Caller::new(&service);
    caller.survey("support", &[]).await;
    let (early, late) = (caller.link("support", "1").await, caller.link("support", "2").await);
    let nonce = caller.nonce(&early).await.unwrap();
    assert_eq!(caller.vote(&early, &nonce, 4, "").await.unwrap(), 200);

    let mut idle = connect(service.address());
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: nabz\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0);
    let mut half = connect(service.address());
    half.write_all(b"GET /healthz HTT").unwrap();

    let form = format!("nonce={}&score=5&evidence=pointerdown", caller.nonce(&late).await.unwrap());
    let (first, second) = form.split_at(10);
    let head = format!("POST {} HTTP/1.1\r\nHost: nabz\r\nContent-Length: {}\r\n\r\n{first}", path_of(&late), form.len());
    let mut under_way = connect(service.address());
    under_way.write_all(head.as_bytes()).unwrap();
    // Whoever is answered after it was accepted after it, so the request above is in by then.
    assert_eq!(caller.plain(reqwest::Method::GET, "/healthz").send().await.unwrap().status(), 200);

    let told = Instant::now();
    service.terminate();
    service.err.until("stopping");
    under_way.write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let ended = service.ended();
    assert!(told.elapsed() < STOPS_WITHIN, "{:?}", told.elapsed());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);
    drop((idle, half));

    let url = format!("sqlite:{}", home.path("data/nabz.db").display());
    assert_eq!(crate::durability::scalar(&url, "SELECT COUNT(*) * 100 + SUM(score) FROM response").await, 209);
}

#[tokio::test]
async fn a_relay_that_says_nothing_holds_nothing_up() {
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = relay.local_addr().unwrap();
    let home = Home::usual().with("NABZ__MAIL__TRANSPORT", "smtp").with("NABZ__MAIL__SMTP_URL", &format!("smtp://{address}?tls=none"));
    let service = home.serve();
    let caller = Caller::new(&service);
    caller.survey("support", &["email"]).await;
    caller.link("support", "1").await;
    let (_silent, _) = tokio::task::spawn_blocking(move || relay.accept().unwrap()).await.unwrap();

    let told = Instant::now();
    service.terminate();
    let ended = service.ended();
    assert!(told.elapsed() < STOPS_WITHIN, "{:?}", told.elapsed());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);
}

#[test]
fn a_stop_right_after_the_address_is_told_is_heard() {
    let home = Home::empty();
    let service = home.serve();
    service.terminate();
    let ended = service.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);
}
