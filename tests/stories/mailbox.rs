//! The developer's mailbox over HTTP: what it shows, to whom, and what no request gets out of it.

use nabz::delivery::transport::Transport;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::{On, TestApp};
use crate::on_each_engine;

/// A service whose mail goes to the folder that its settings name, with one mail in it; and the name of that mail's file.
async fn with_a_mail(on: On, folder: &std::path::Path) -> (TestApp, String) {
    let mails = folder.join("mail");
    let settings = [("NABZ__DATA_DIR", folder.to_str().unwrap())];
    let app = TestApp::start_sending(on, Transport::Folder(mails.clone()), &settings).await;
    app.survey("support", json!({})).await;
    app.close_ticket("support", "1", "sara@example.com").await;
    app.app.deliver_due().await.unwrap();
    let name = std::fs::read_dir(mails).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    (app, name)
}

on_each_engine! {
    async fn the_mailbox_shows_each_mail_as_html_text_headers_and_bytes(on: On) {
        let folder = tempfile::tempdir().unwrap();
        let (app, name) = with_a_mail(on, folder.path()).await;
        let get = async |path: &str| {
            let answer = app.plain(Method::GET, path).send().await.unwrap();
            let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            (answer.status(), header("content-security-policy"), header("cache-control"), answer.text().await.unwrap())
        };
        assert!(get("/").await.3.contains("href=\"/dev/mailbox\""));
        let (status, _, cache, list) = get("/dev/mailbox").await;
        assert_eq!((status, cache.as_str()), (StatusCode::OK, "no-store"));
        assert!(list.contains("One question from Acme") && list.contains("sara@example.com") && list.contains("Thu, 15 Jan 2026 10:30:00 +0000"));
        assert!(list.contains(&format!("href=\"/dev/mailbox/{name}\"")), "{list}");

        let (status, policy, _, mail) = get(&format!("/dev/mailbox/{name}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(policy.starts_with("default-src 'none'") && policy.ends_with("frame-src 'self'") && !policy.contains("script"), "{policy}");
        assert!(mail.contains(&format!("src=\"/dev/mailbox/{name}/html\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\"")), "{mail}");
        assert!(mail.contains("5 - Very satisfied: http") && mail.contains("<dt>List-Id</dt><dd><bdi>&lt;support.acme.example&gt;</bdi></dd>"), "{mail}");

        let (_, policy, cache, html) = get(&format!("/dev/mailbox/{name}/html")).await;
        assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<base target=\"_blank\">"), "{html}");
        assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:;"), "{policy}");
        assert!(policy.contains("form-action 'none'") && policy.contains("sandbox allow-popups") && !policy.contains("allow-scripts"), "{policy}");
        assert!(!policy.contains("allow-same-origin") && cache == "no-store");

        let (_, policy, _, raw) = get(&format!("/dev/mailbox/{name}/raw")).await;
        assert_eq!(raw.as_bytes(), std::fs::read(folder.path().join("mail").join(&name)).unwrap());
        assert!(policy.ends_with("sandbox"), "{policy}");
    }

    async fn the_mailbox_is_for_whoever_sits_at_this_machine(on: On) {
        let folder = tempfile::tempdir().unwrap();
        let (app, name) = with_a_mail(on, folder.path()).await;
        for path in ["/dev/mailbox".to_owned(), format!("/dev/mailbox/{name}"), format!("/dev/mailbox/{name}/html"), format!("/dev/mailbox/{name}/raw")] {
            assert_eq!(app.plain(Method::GET, &path).send().await.unwrap().status(), StatusCode::OK, "{path}");
            for (header, value) in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("via", "1.1 proxy"), ("host", "rebound.evil.example")] {
                let status = app.plain(Method::GET, &path).header(header, value).send().await.unwrap().status();
                assert_eq!(status, StatusCode::NOT_FOUND, "{path} {header}");
            }
            assert_eq!(app.plain(Method::POST, &path).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }

    async fn the_mailbox_opens_no_other_file(on: On) {
        let folder = tempfile::tempdir().unwrap();
        let (app, _) = with_a_mail(on, folder.path()).await;
        std::fs::write(folder.path().join("outside.eml"), "Subject: planted\r\n\r\nplanted\r\n").unwrap();
        assert!(folder.path().join("secrets").exists());
        for name in ["..%2Foutside.eml", "%2e%2e%2foutside.eml", "..%2Fsecrets", "..%5Coutside.eml", "....%2F%2Foutside.eml", "mail%2F..%2F..%2Foutside.eml", "outside.eml", "%00"] {
            for end in ["", "/html", "/raw"] {
                let answer = app.plain(Method::GET, &format!("/dev/mailbox/{name}{end}")).send().await.unwrap();
                let status = answer.status();
                let body = answer.text().await.unwrap();
                assert!(matches!(status.as_u16(), 400 | 404) && !body.contains("planted"), "{name}{end}: {status}");
            }
        }
    }

    async fn where_mail_goes_to_a_server_there_is_no_mailbox(on: On) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mail")).unwrap();
        std::fs::write(folder.path().join("mail/a.eml"), "Subject: old\r\n\r\nold\r\n").unwrap();
        let settings =
            [("NABZ__DATA_DIR", folder.path().to_str().unwrap()), ("NABZ__MAIL__TRANSPORT", "smtp"), ("NABZ__MAIL__SMTP_URL", "smtp://localhost")];
        let app = TestApp::start_with(on, &settings).await;
        for path in ["/dev/mailbox", "/dev/mailbox/a.eml", "/dev/mailbox/a.eml/raw"] {
            assert_eq!(app.plain(Method::GET, path).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
        }
        assert!(!app.plain(Method::GET, "/").send().await.unwrap().text().await.unwrap().contains("mailbox"));
    }
}
