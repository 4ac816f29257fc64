//! The first start: nothing is configured, and everything is where it is said to be.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nabz::config::Config;
use reqwest::Method;
use serde_json::json;

use crate::binary::Home;
use crate::client::{Caller, eventually};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn an_empty_folder_is_enough_to_serve_and_to_write_the_first_mail() {
    let home = Home::empty();
    let service = home.serve();
    assert_eq!(service.out.next().unwrap(), "mail goes to data/mail");
    assert_eq!((mode(&home.path("data")), mode(&home.path("data/secrets"))), (0o700, 0o600));
    assert!(home.path("data/nabz.db").exists());

    let key = home.run(&["key", "create", "--name", "start", "--scope", "admin"]);
    let key = key.out.trim();
    let caller = Caller::new(&service);
    let post = async |path: &str, body: serde_json::Value| {
        let response = caller.plain(Method::POST, path).bearer_auth(key).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        response.json::<serde_json::Value>().await.unwrap()
    };
    post("/api/v1/surveys", json!({"slug": "support", "name": "Support", "metric": "csat"})).await;
    let ticket = json!({"survey": "support", "ticket": {"id": "1"}, "customer": {"email": "sara@example.com"}});
    let decided = post("/api/v1/interactions", ticket).await;
    let link = decided["invitation"]["link"].as_str().unwrap();
    assert!(link.starts_with(&service.url), "{link}");

    let folder = home.path("data/mail");
    let mail = eventually(async || {
        let files = std::fs::read_dir(&folder).ok()?.map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "eml"))
    })
    .await;
    assert_eq!(mode(&mail), 0o600);
    let text = std::fs::read_to_string(&mail).unwrap();
    assert!(text.contains("To: sara@example.com\r\n"), "{text}");
    assert_eq!(caller.plain(Method::GET, link).send().await.unwrap().status(), 200);
    assert_eq!(caller.plain(Method::GET, "/").send().await.unwrap().status(), 200);
}

#[test]
fn the_printed_settings_are_the_default_file_and_can_be_used() {
    let home = Home::empty();
    let printed = home.run(&["config"]);
    assert_eq!(printed.out, include_str!("../../config.default.toml"));
    let config = Config::from_parts(Some(("printed", &printed.out)), []).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");

    std::fs::write(home.path("nabz.toml"), &printed.out).unwrap();
    let checked = home.run(&["config", "check"]);
    assert_eq!((checked.status.code(), checked.out.as_str()), (Some(0), "The settings are valid.\n"), "{}", checked.err);
    assert!(!home.path("data").exists(), "a check must leave nothing behind");
}

#[tokio::test]
async fn settings_come_from_the_usual_file_a_named_file_and_the_environment() {
    let home = Home::empty();
    std::fs::write(home.path("nabz.toml"), "data_dir = \"from-usual\"\n").unwrap();
    std::fs::write(home.path("other.toml"), "data_dir = \"from-other\"\n").unwrap();
    for (arguments, folder) in [(&[][..], "from-usual"), (&["--config", "other.toml", "serve"][..], "from-other")] {
        let service = home.serve_with(arguments);
        assert_eq!(service.out.next().unwrap(), format!("mail goes to {folder}/mail"));
        assert!(home.path(folder).join("secrets").exists());
    }
    let home = home.with("NABZ__DATA_DIR", "from-environment").with("NABZ__SERVER__PUBLIC_URL", "https://ask.example");
    let service = home.serve();
    assert_eq!(service.out.next().unwrap(), "customers and help desks reach it at https://ask.example");
    assert_eq!(service.out.next().unwrap(), "mail goes to from-environment/mail");
}

#[tokio::test]
async fn a_secret_is_read_from_the_file_that_a_variable_names() {
    let home = Home::empty();
    let key = "a-root-key-from-a-file-of-32-characters-or-more";
    std::fs::write(home.path("key"), format!("{key}\n")).unwrap();
    let home = home.with("NABZ__AUTH__ROOT_KEY_FILE", "key");
    let service = home.serve();
    let asked = Caller::new(&service).plain(Method::GET, "/api/v1/surveys").bearer_auth(key);
    assert_eq!(asked.send().await.unwrap().status(), 200);
}

#[test]
fn the_first_start_that_was_cut_off_leaves_nothing_in_the_way() {
    let home = Home::empty();
    std::fs::create_dir(home.path("data")).unwrap();
    std::fs::write(home.path("data/secrets"), "").unwrap();
    drop(home.serve());
    assert!(std::fs::read_to_string(home.path("data/secrets")).unwrap().starts_with("1 "));
}

#[test]
fn a_variable_that_is_no_text_stops_nobody_unless_it_is_ours() {
    let home = Home::empty();
    let foreign = home.run_with_bytes(&["config", "check"], "FOREIGN", b"\xff");
    assert!(foreign.status.success(), "{}", foreign.err);
    let ours = home.run_with_bytes(&["config", "check"], "NABZ__DATA_DIR", b"\xff");
    assert_eq!(ours.err, "error: environment variable NABZ__DATA_DIR: is not valid UTF-8\n");
    assert!(!ours.status.success());
}
