//! `nabz bounce` as a mail server runs it: a report on stdin, one line of what was done, and an exit code that says whether to try again.

use crate::binary::Home;
use crate::client::Caller;

const REPORT: &str = include_str!("../bounces/postfix-5.1.1.eml");

fn told(home: &Home, message: &str) -> (Option<i32>, String) {
    let ended = home.run_with_input(&["bounce"], message.as_bytes());
    (ended.status.code(), format!("{}{}", ended.out, ended.err))
}

#[tokio::test]
async fn a_report_on_stdin_is_taken_in_and_the_exit_code_says_how_it_went() {
    let home = Home::usual();
    let service = home.serve();
    let caller = Caller::new(&service);
    caller.survey("support", &[]).await;
    let link = caller.link("support", "1").await;
    let found = caller.api(reqwest::Method::GET, "/api/v1/interactions").send().await.unwrap().json::<serde_json::Value>().await.unwrap();
    let id = found["items"][0]["invitation"]["id"].as_str().unwrap();
    let secrets = std::fs::read_to_string(home.path("data/secrets")).unwrap();
    let links = nabz::link::Links::new(&nabz::keyring::Keyring::parse(&secrets).unwrap());
    let token = links.token(nabz::link::Purpose::Bounce, id.parse().unwrap());
    let report = REPORT.replace("TOKEN", &token).replace("INVITATION", id);

    let first = told(&home, &report);
    assert_eq!(first, (Some(0), format!("hard 5.1.1, invitation {id}: no message reaches the address any more\n")));
    let again = told(&home, &report);
    assert_eq!(again, (Some(0), format!("hard 5.1.1, invitation {id}: it was told before, and changes nothing\n")));
    let (code, vacation) = told(&home, include_str!("../bounces/vacation.eml"));
    assert_eq!((code, vacation.starts_with("ignored: ")), (Some(0), true), "{vacation}");
    for (message, words) in
        [(REPORT, "not trusted"), ("", "no report that can be read"), (include_str!("../bounces/qmail.eml"), "no report that can be read")]
    {
        let (code, told) = told(&home, message);
        assert_eq!((code, told.lines().count()), (Some(1), 1), "{told}");
        assert!(told.starts_with("error: ") && told.contains(words), "{told}");
    }
    assert!(!format!("{first:?}{again:?}").contains("example.com") && !link.is_empty());
    let state = caller.api(reqwest::Method::GET, "/api/v1/interactions").send().await.unwrap().json::<serde_json::Value>().await.unwrap();
    assert_eq!(state["items"][0]["invitation"]["state"], "bounced");
    assert_eq!(home.run(&["bounce", "message.eml"]).status.code(), Some(2));
}

#[test]
fn a_report_that_cannot_be_stored_is_left_to_the_mail_server() {
    let closed = "postgres://nobody@127.0.0.1:1/none";
    for home in [Home::usual().with("NABZ__DATABASE__URL", closed), Home::usual().with("NABZ__MAIL__TRANSPORT", "pigeon")] {
        let (code, told) = told(&home, REPORT);
        assert_eq!((code, told.starts_with("error: ")), (Some(75), true), "{told}");
    }
}
