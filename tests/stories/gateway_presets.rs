//! Every preset against a server that answers as the vendor documents: the request byte by byte, and what success, failure and throttling mean.

use nabz::gateway::preset::Preset;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::TestApp;
use crate::on_both_engines;
use crate::peer::{self, Asked, OPENED, Peer};

/// What the documentation of a vendor says, in `tests/gateway`.
fn sample(preset: Preset) -> Value {
    let text = match preset {
        Preset::TwilioSms => include_str!("../gateway/twilio_sms.json"),
        Preset::TwilioWhatsapp => include_str!("../gateway/twilio_whatsapp.json"),
        Preset::VonageSms => include_str!("../gateway/vonage_sms.json"),
        Preset::WhatsappCloud => include_str!("../gateway/whatsapp_cloud.json"),
        Preset::Kavenegar => include_str!("../gateway/kavenegar.json"),
        Preset::Slack => include_str!("../gateway/slack.json"),
        Preset::Telegram => include_str!("../gateway/telegram.json"),
    };
    serde_json::from_str(text).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// An answer as the sample has it; text stands for itself.
fn answer(sample: &Value) -> String {
    let status = u16::try_from(sample["status"].as_u64().unwrap()).unwrap();
    let headers = sample["headers"].as_str().unwrap_or_default();
    sample["body"].as_str().map_or_else(|| peer::json(status, headers, &sample["body"]), |body| peer::bytes(status, headers, body))
}

/// A survey that delivers by a preset alone, whose vendor is this peer.
async fn delivering(app: &TestApp, preset: Preset, peer: &Peer) {
    let mut whole = sample(preset)["define"].clone();
    let name = preset.as_str().replace('_', "-");
    whole.as_object_mut().unwrap().extend([
        ("name".to_owned(), json!(name)),
        ("preset".to_owned(), json!(preset)),
        ("base_url".to_owned(), json!(peer.url)),
    ]);
    let (status, made) = app.post("/api/v1/gateways", &whole).await;
    assert_eq!(status, StatusCode::CREATED, "{preset}: {made}");
    app.survey(&name, json!({"deliver": [name]})).await;
}

/// Asks a customer and sends what is due; answers the decision.
async fn asked(app: &TestApp, preset: Preset, locale: &str) -> Value {
    let customer = match locale {
        "fa" => json!({"name": "سارا احمدی", "phone": "۰۹۱۲ ۱۲۳ ۴۵۶۷", "ref": "4712", "locale": "fa"}),
        _ => json!({"name": "Sara Smith", "phone": "+49 (0)151 23456789", "ref": "4711", "locale": "en"}),
    };
    // Ids are ordered by the millisecond.
    app.clock.advance(1);
    let survey = preset.as_str().replace('_', "-");
    let body =
        json!({"survey": survey, "ticket": {"id": format!("{survey}-{locale}"), "closed_at": app.clock.now()}, "customer": customer});
    let (_, decided) = app.post("/api/v1/interactions", &body).await;
    assert_eq!(decided["outcome"], "invited", "{preset}: {decided}");
    assert_eq!(app.app.deliver_due().await.unwrap(), 1, "{preset}");
    decided
}

/// The newest message: its id, its state, what was said last, and how long it waits.
async fn message(app: &TestApp) -> (uuid::Uuid, String, String, i64) {
    let id = if app.database_url.starts_with("sqlite:") { "LOWER(HEX(id))" } else { "CAST(id AS TEXT)" };
    let sql = format!(
        "SELECT {id}, state, (SELECT reply FROM outbox_attempt WHERE outbox_id = outbox.id ORDER BY number DESC LIMIT 1), CAST(due_at AS TEXT)
         FROM outbox ORDER BY id DESC LIMIT 1"
    );
    let [id, state, reply, due_at] = app.row(sql.leak()).await.try_into().unwrap();
    let waits_ms = due_at.unwrap().parse::<i64>().unwrap() - app.clock.now().as_millis();
    (id.unwrap().parse().unwrap(), state.unwrap(), reply.unwrap_or_default(), waits_ms)
}

/// The request as the sample has it, with what differs from run to run filled in.
fn expected(sample: &Value, locale: &str, (peer, link, id): (&Peer, &str, uuid::Uuid)) -> (String, String) {
    let encoded: String = url::form_urlencoded::byte_serialize(link.as_bytes()).collect();
    let number = id.as_u128() & ((1 << 53) - 1);
    let body = text(&sample[locale]).replace("{{LINK}}", link).replace("{{LINK_ENCODED}}", &encoded);
    let body = body.replace("{{ID}}", &id.to_string()).replace("{{NUMBER}}", &number.to_string());
    let mut own = String::new();
    for (name, value) in sample["headers"].as_object().unwrap() {
        own = format!("{own}{name}: {}\r\n", text(value));
    }
    let host = peer.url.trim_start_matches("http://");
    let head = format!(
        "POST {} HTTP/1.1\r\n{own}accept: */*\r\nuser-agent: nabz/{}\r\nhost: {host}\r\ncontent-length: {}",
        text(&sample["path"]),
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    (head, body)
}

on_both_engines! {
    async fn every_preset_sends_what_its_vendor_wants_and_knows_what_it_says(app: TestApp = OPENED) {
        for preset in Preset::ALL {
            let sample = sample(*preset);
            let accepted = answer(&sample["accepted"]);
            let peer = Peer::start(move |_: &Asked, _| accepted.clone()).await;
            delivering(&app, *preset, &peer).await;
            for (at, locale) in ["en", "fa"].into_iter().enumerate() {
                let decided = asked(&app, *preset, locale).await;
                let (id, state, reply, _) = message(&app).await;
                let asked = peer.asked().remove(at);
                let (head, body) = expected(&sample, locale, (&peer, text(&decided["invitation"]["link"]), id));
                assert_eq!((asked.head, asked.body), (head, body), "{preset} {locale}");
                assert_eq!(state, "sent", "{preset}: {reply}");
                let known = sample["id"].as_str().is_none_or(|id| reply.starts_with(&format!("id {id}: ")));
                assert!(known && !reply.contains("15123456789") && !reply.contains("9121234567"), "{preset}: {reply}");
            }
        }
    }

    async fn every_preset_knows_a_refusal(app: TestApp = OPENED) {
        for preset in Preset::ALL {
            let sample = sample(*preset);
            let refused = answer(&sample["refused"]);
            let peer = Peer::start(move |_: &Asked, _| refused.clone()).await;
            delivering(&app, *preset, &peer).await;
            let decided = asked(&app, *preset, "en").await;
            let (_, state, reply, _) = message(&app).await;
            assert_eq!((state.as_str(), reply.as_str()), ("failed", text(&sample["told"])), "{preset}");
            let (_, told) = app.get(&format!("/api/v1/interactions/{}", text(&decided["id"]))).await;
            assert_eq!(told["invitation"]["state"], "failed", "{preset}");
        }
    }

    async fn every_preset_waits_where_it_is_throttled(app: TestApp = OPENED) {
        for preset in Preset::ALL {
            let sample = sample(*preset);
            let (throttled, accepted) = (answer(&sample["throttled"]), answer(&sample["accepted"]));
            let peer = Peer::start(move |_: &Asked, before| if before == 0 { throttled.clone() } else { accepted.clone() }).await;
            delivering(&app, *preset, &peer).await;
            asked(&app, *preset, "en").await;
            let (id, state, reply, waits_ms) = message(&app).await;
            let wanted = sample["throttled"]["wait_ms"].as_i64().unwrap();
            assert_eq!(state, "waiting", "{preset}: {reply}");
            assert!((wanted..=wanted + wanted / 5).contains(&waits_ms), "{preset}: {waits_ms}");
            app.clock.advance(waits_ms);
            assert_eq!(app.app.deliver_due().await.unwrap(), 1, "{preset}");
            let (again, state, ..) = message(&app).await;
            assert_eq!((again, state.as_str()), (id, "sent"), "{preset}");
        }
    }

    async fn one_chat_of_telegram_can_get_every_message(app: TestApp = OPENED) {
        let peer = Peer::start(|_, _| peer::json(200, "", &json!({"ok": true, "result": {"message_id": 1}}))).await;
        let whole = json!({"name": "team", "preset": "telegram", "base_url": peer.url, "settings": {"chat_id": "-100123"}, "secrets": {"bot_token": "1:a"}});
        assert_eq!(app.post("/api/v1/gateways", &whole).await.1["address"], "none");
        app.survey("support", json!({"deliver": ["team"]})).await;
        app.close_ticket("support", "1", "sara@example.com").await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        let body: Value = serde_json::from_str(&peer.asked()[0].body).unwrap();
        assert_eq!(body["chat_id"], "-100123");
    }
}
