//! The log: lines for people, or JSON for programs.

use reqwest::Method;
use serde_json::Value;

use crate::binary::Home;
use crate::client::Caller;

async fn log_of(home: &Home) -> String {
    let service = home.serve();
    let caller = Caller::new(&service);
    let asked = caller.plain(Method::GET, "/api/v1/surveys").header("x-request-id", "the-id-of-the-test");
    assert_eq!(asked.send().await.unwrap().status(), 401);
    service.terminate();
    let ended = service.ended();
    assert!(ended.status.success());
    ended.err
}

#[tokio::test]
async fn a_log_for_programs_is_json_in_every_line_and_names_the_request() {
    let home = Home::empty().with("NABZ__LOG__FORMAT", "json").with("NABZ__LOG__FILTER", "info,nabz::web=debug");
    let log = log_of(&home).await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
    let answered = lines.iter().find(|line| line["fields"]["message"] == "answered").unwrap();
    assert_eq!((&answered["span"]["request_id"], &answered["fields"]["status"]), (&"the-id-of-the-test".into(), &401.into()));
    assert_eq!(answered["span"]["route"], "/api/v1/surveys");
}

#[tokio::test]
async fn a_log_for_people_holds_no_colour_codes_where_nobody_looks() {
    let home = Home::empty().with("NABZ__LOG__FILTER", "info,nabz::web=debug");
    let log = log_of(&home).await;
    assert!(!log.contains('\u{1b}'), "{log}");
    let answered = log.lines().find(|line| line.contains("answered")).unwrap();
    assert!(answered.contains("the-id-of-the-test") && answered.contains("status=401"), "{answered}");
}
