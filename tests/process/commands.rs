//! The commands beside serving.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::json;

use crate::binary::{Home, KEY};
use crate::client::Caller;

#[test]
fn migrating_twice_is_as_good_as_once() {
    let home = Home::empty();
    for _ in 0..2 {
        let ended = home.run(&["migrate"]);
        assert_eq!((ended.status.code(), ended.out.as_str()), (Some(0), "The database is up to date.\n"), "{}", ended.err);
    }
    assert!(home.path("data/nabz.db").exists());
}

#[tokio::test]
async fn a_key_works_within_its_scope_until_it_is_revoked_and_is_never_shown_again() {
    let home = Home::usual();
    let service = home.serve();
    let caller = Caller::new(&service);
    let create = |scope| home.run(&["key", "create", "--name", &format!("for {scope}"), "--scope", scope]).out.trim().to_owned();
    let keys = ["read", "write", "admin"].map(create);
    let status = async |method: Method, path: &str, key: &str| {
        let request = caller.plain(method, path).bearer_auth(key).json(&json!({}));
        request.send().await.unwrap().status().as_u16()
    };
    for (key, expected) in keys.iter().zip([[200, 403, 403], [200, 422, 403], [200, 422, 200]]) {
        let got = [
            status(Method::GET, "/api/v1/surveys", key).await,
            status(Method::POST, "/api/v1/surveys", key).await,
            status(Method::GET, "/api/v1/sources", key).await,
        ];
        assert_eq!(got, expected);
    }

    let listed = home.run(&["key", "list"]).out;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(keys.iter().all(|key| !listed.contains(key.as_str())), "{listed}");
    assert!(!listed.contains(KEY));
    let id = listed.lines().find(|line| line.contains("for read")).and_then(|line| line.split(' ').next()).unwrap();
    let revoked = home.run(&["key", "revoke", id]);
    assert!(revoked.status.success() && revoked.out.contains(id), "{}", revoked.err);
    assert_eq!(status(Method::GET, "/api/v1/surveys", &keys[0]).await, 401);
    assert_eq!(status(Method::GET, "/api/v1/surveys", &keys[1]).await, 200);
    assert!(home.run(&["key", "list"]).out.lines().any(|line| line.contains(id) && line.contains("revoked 2")));

    for id in [id, "00000000-0000-7000-8000-000000000000", "nonsense"] {
        let again = home.run(&["key", "revoke", id]);
        assert!(!again.status.success() && again.err.contains("nabz key list") && again.err.lines().count() == 1, "{}", again.err);
    }
    let unnamed = home.run(&["key", "create", "--name", " "]);
    assert!(!unnamed.status.success() && unnamed.err.starts_with("error: --name"), "{}", unnamed.err);
}

#[tokio::test]
async fn links_outlive_a_rotation_of_the_secrets() {
    let home = Home::usual();
    let service = home.serve();
    let caller = Caller::new(&service);
    caller.survey("support", &[]).await;
    let old = caller.link("support", "1").await;
    service.terminate();
    assert!(service.ended().status.success());

    // An editor may have taken the last line's end away.
    let secrets = home.path("data/secrets");
    let text = std::fs::read_to_string(&secrets).unwrap();
    std::fs::write(&secrets, text.trim_end()).unwrap();
    assert!(home.run(&["key", "rotate"]).status.success());
    let both = std::fs::read_to_string(&secrets).unwrap();
    assert!(both.starts_with(text.as_str()) && both.lines().count() == 2);

    let service = home.serve();
    let caller = Caller::new(&service);
    let new = caller.link("support", "2").await;
    let number = |link: &str| link.rsplit('/').next().unwrap()[..2].to_owned();
    assert_ne!(number(&old), number(&new), "the newest secret must sign");
    for link in [&old, &new] {
        let nonce = caller.nonce(link).await.unwrap();
        assert_eq!(caller.vote(link, &nonce, 5, "").await.unwrap(), 200);
    }
    assert_eq!(caller.plain(Method::GET, "/api/v1/surveys").bearer_auth(KEY).send().await.unwrap().status(), 200);
}

#[test]
fn health_is_told_by_the_exit_code() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let home = Home::empty().with("NABZ__SERVER__LISTEN", &address);
    let nobody = home.run(&["health"]);
    assert_eq!((nobody.status.code(), nobody.err.lines().count()), (Some(1), 1), "{}", nobody.err);
    assert!(nobody.err.starts_with(&format!("error: nothing listens on {address}")), "{}", nobody.err);

    let service = home.serve();
    let alive = home.run(&["health"]);
    assert_eq!((alive.status.code(), alive.err.as_str()), (Some(0), ""));
    drop(service);
}

#[test]
fn a_command_that_does_not_exist_is_refused_with_the_usage() {
    let ended = Home::empty().run(&["sreve"]);
    assert!(ended.err.starts_with("error: ") && ended.err.contains("serve"), "{}", ended.err);
    assert_eq!(ended.status.code(), Some(2));
    let version = Home::empty().run(&["--version"]);
    assert_eq!(version.out, format!("nabz {}\n", env!("CARGO_PKG_VERSION")));
}
