//! What help desks send that leave the customer out, what their APIs answer, and what both together must become.

use data_encoding::{BASE64, HEXLOWER};
use hmac::Mac as _;
use nabz::intake::verify::{sha1, sha256};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::hook::Hook;
use crate::peer::{self, Asked};

/// A help desk.
pub struct System {
    pub kind: &'static str,
    event: &'static str,
    /// More options than address and token; PEER stands for the address of the peer.
    options: &'static str,
    token: &'static str,
    /// The headers that every question carries.
    pub credentials: &'static [(&'static str, &'static str)],
    /// What each path is answered.
    answers: &'static [(&'static str, &'static str)],
    /// Columns of the interaction and of its customer.
    pub expected: &'static str,
}

impl System {
    /// The event.
    pub fn event(&self) -> Value {
        serde_json::from_str(self.event).unwrap()
    }

    /// What its API answers.
    pub fn answer(&self, asked: &Asked) -> String {
        let path = asked.path.split('?').next().unwrap();
        match self.answers.iter().find(|(known, _)| *known == path) {
            Some((_, body)) => peer::bytes(200, "content-type: application/json\r\n", body),
            None => peer::json(404, "", &json!({"error": "not found"})),
        }
    }
}

pub const SYSTEMS: &[System] = &[
    System {
        kind: "zendesk",
        event: r#"{"type": "zen:event-type:ticket.status_changed", "account_id": 1, "id": "e-1", "time": "2026-01-15T10:29:58.123456789Z", "subject": "zen:ticket:48213",
            "event": {"current": "SOLVED", "previous": "OPEN"}, "detail": {"id": "48213", "subject": "Wrong VAT number", "requester_id": "11", "assignee_id": "17",
            "group_id": "5", "created_at": "2026-01-14T08:11:00Z", "tags": ["billing", "vip"], "via": {"channel": "email"}, "status": "SOLVED"}}"#,
        options: "{}",
        token: "me@acme.example/token:x",
        credentials: &[("authorization", "Basic bWVAYWNtZS5leGFtcGxlL3Rva2VuOng=")],
        answers: &[
            (
                "/api/v2/users/show_many.json",
                r#"{"users": [{"id": 17, "name": "Jonas Weber", "email": "jonas@acme.example"},
                {"id": 11, "name": "Sara Ahmadi", "email": "sara@example.com", "phone": "+98218877", "locale": "fa"}]}"#,
            ),
            ("/api/v2/groups/5.json", r#"{"group": {"id": 5, "name": "Billing"}}"#),
            ("/api/v2/tickets/48213/metrics.json", r#"{"ticket_metric": {"reopens": 2, "reply_time_in_minutes": {"calendar": 30}}}"#),
        ],
        expected: r#"{"closure_key": "ticket 48213 1768472998123", "email": "sara@example.com", "name": "Sara Ahmadi", "phone": "+98218877", "locale": "fa", "team": "Billing",
            "channel": "email", "tags": ["billing", "vip"], "agent": {"id": "17", "name": "Jonas Weber", "email": "jonas@acme.example"}, "ticket": {"subject": "Wrong VAT number"}}"#,
    },
    System {
        kind: "hubspot",
        event: r#"{"eventId": 1, "subscriptionType": "ticket.propertyChange", "objectId": 7, "propertyName": "hs_pipeline_stage", "propertyValue": "4", "occurredAt": 1768472996000}"#,
        options: "{}",
        token: "pat-x",
        credentials: &[("authorization", "Bearer pat-x")],
        answers: &[
            (
                "/crm/v3/objects/tickets/7",
                r#"{"id": "7", "properties": {"subject": "Export", "createdate": "2026-01-14T08:00:00Z", "source_type": "EMAIL", "hubspot_owner_id": "3"},
                "associations": {"contacts": {"results": [{"id": "21", "type": "ticket_to_contact"}]}}}"#,
            ),
            ("/crm/v3/objects/tickets/8", r#"{"id": "8", "properties": {}, "associations": {"contacts": {"results": [{"id": "21"}]}}}"#),
            (
                "/crm/v3/objects/contacts/21",
                r#"{"id": "21", "properties": {"email": "dana@example.com", "firstname": "Dana", "lastname": "White", "phone": "+15550100", "hs_language": "en-us"}}"#,
            ),
            (
                "/crm/v3/owners/3",
                r#"{"id": "3", "email": "tom@acme.example", "firstName": "Tom", "lastName": "Lind", "teams": [{"name": "West", "primary": false}, {"name": "East", "primary": true}]}"#,
            ),
        ],
        expected: r#"{"closure_key": "ticket 7 1768472996000", "email": "dana@example.com", "name": "Dana White", "phone": "+15550100", "locale": "en-us", "team": "East", "channel": "EMAIL",
            "tags": [], "agent": {"id": "3", "name": "Tom Lind", "email": "tom@acme.example"}, "ticket": {"subject": "Export"}}"#,
    },
    System {
        kind: "crisp",
        event: r#"{"website_id": "w-1", "event": "session:set_state", "data": {"website_id": "w-1", "session_id": "session_8a2f", "state": "resolved"}, "timestamp": 1768472997123}"#,
        options: "{}",
        token: "id:key",
        credentials: &[("authorization", "Basic aWQ6a2V5"), ("x-crisp-tier", "plugin")],
        answers: &[(
            "/v1/website/w-1/conversation/session_8a2f/meta",
            r#"{"error": false, "reason": "resolved", "data": {"nickname": "Mina Tal", "email": "mina@example.com",
            "phone": "+331", "segments": ["chat"], "device": {"locales": ["fr", "en"]}}}"#,
        )],
        expected: r#"{"closure_key": "ticket session_8a2f 1768472997123", "email": "mina@example.com", "name": "Mina Tal", "phone": "+331", "locale": "fr", "tags": ["chat"]}"#,
    },
    System {
        kind: "gitlab",
        event: r#"{"object_kind": "issue", "user": {"id": 7, "name": "Nora Diaz", "email": "[REDACTED]"}, "project": {"id": 14, "path_with_namespace": "acme/helpdesk"},
            "object_attributes": {"id": 301, "iid": 23, "action": "close", "title": "Site unreachable", "closed_at": "2026-01-15 10:29:58 UTC"}, "labels": [{"title": "network"}]}"#,
        options: "{}",
        token: "glpat-x",
        credentials: &[("private-token", "glpat-x")],
        answers: &[(
            "/api/v4/projects/14/issues/23",
            r#"{"id": 301, "iid": 23, "service_desk_reply_to": "ali@example.com", "labels": ["other"]}"#,
        )],
        expected: r#"{"closure_key": "ticket 301 1768472998000", "email": "ali@example.com", "team": "acme/helpdesk", "tags": ["network"],
            "agent": {"id": "7", "name": "Nora Diaz", "email": null}, "ticket": {"subject": "Site unreachable"}}"#,
    },
    System {
        kind: "dynamics365",
        event: r#"{"MessageName": "Close", "PrimaryEntityName": "incident", "OperationCreatedOn": "/Date(1768472998000-0700)/",
            "InputParameters": [{"key": "IncidentResolution", "value": {"Attributes": [{"key": "incidentid", "value": {"Id": "c-9"}}]}}]}"#,
        options: r#"{"token_url": "PEER/token", "client_id": "client"}"#,
        token: "client secret&",
        credentials: &[("authorization", "Bearer fresh")],
        answers: &[
            ("/token", r#"{"token_type": "Bearer", "access_token": "fresh"}"#),
            (
                "/api/data/v9.2/incidents(c-9)",
                r#"{"incidentid": "c-9", "title": "Broken lamp", "caseorigincode": 2, "createdon": "2026-01-14T08:00:00Z", "emailaddress": null,
                "primarycontactid": null, "customerid_contact": {"fullname": "Omid Rad", "emailaddress1": "omid@example.com", "telephone1": "+9821"},
                "owninguser": {"fullname": "Eva Long", "internalemailaddress": "eva@acme.example", "systemuserid": "u-1"}, "owningteam": null}"#,
            ),
        ],
        expected: r#"{"closure_key": "ticket c-9 1768472998000", "email": "omid@example.com", "name": "Omid Rad", "phone": "+9821", "channel": "2",
            "agent": {"id": "u-1", "name": "Eva Long", "email": "eva@acme.example"}, "ticket": {"subject": "Broken lamp"}}"#,
    },
    System {
        kind: "jira",
        event: r#"{"webhookEvent": "jira:issue_updated", "timestamp": 1768472999000, "issue": {"id": "10002", "key": "SUP-142", "fields": {"summary": "Printer",
            "status": {"statusCategory": {"key": "done"}}, "resolutiondate": "2026-01-15T10:29:58.000+0000", "reporter": {"accountId": "a-1", "displayName": "Leila"}}},
            "changelog": {"items": [{"field": "status", "from": "3", "to": "5"}]}}"#,
        options: "{}",
        token: "me@acme.example:x",
        credentials: &[("authorization", "Basic bWVAYWNtZS5leGFtcGxlOng=")],
        answers: &[
            (
                "/rest/api/2/issue/10002",
                r#"{"id": "10002", "fields": {"summary": "Other", "labels": ["hardware"], "project": {"key": "SUP"}, "assignee": {"accountId": "a-7", "displayName": "Max Roth"}}}"#,
            ),
            (
                "/rest/servicedeskapi/request/10002",
                r#"{"issueId": "10002", "reporter": {"displayName": "Leila Karimi", "emailAddress": "leila@example.com"}}"#,
            ),
        ],
        expected: r#"{"closure_key": "ticket 10002 1768472998000", "email": "leila@example.com", "name": "Leila", "team": "SUP", "tags": ["hardware"],
            "agent": {"id": "a-7", "name": "Max Roth", "email": null}, "ticket": {"subject": "Printer"}}"#,
    },
    System {
        kind: "intercom",
        event: r#"{"topic": "conversation.admin.closed", "data": {"item": {"type": "conversation", "id": "198", "source": {"type": "push", "author": {"type": "admin", "id": "25"}},
            "contacts": {"contacts": [{"type": "contact", "id": "65a1"}]}, "admin_assignee_id": 25, "statistics": {"last_close_at": 1768472990}}}}"#,
        options: "{}",
        token: "dG9r",
        credentials: &[("authorization", "Bearer dG9r")],
        answers: &[
            (
                "/contacts/65a1",
                r#"{"type": "contact", "id": "65a1", "external_id": "C-9", "email": "dana.white@example.com", "name": "Dana White", "phone": null, "browser_language": "en"}"#,
            ),
            ("/admins/25", r#"{"type": "admin", "id": "25", "name": "Tomas Lind", "email": "tomas@acme.example"}"#),
        ],
        expected: r#"{"closure_key": "ticket 198 1768472990000", "email": "dana.white@example.com", "name": "Dana White", "locale": "en", "channel": "push",
            "agent": {"id": "25", "name": "Tomas Lind", "email": "tomas@acme.example"}}"#,
    },
];

/// A source of a system for the survey of the same name, whose API is at an address.
pub async fn connect(app: &TestApp, system: &System, api_url: &str) -> Hook {
    connect_to(app, system, system.kind, api_url).await
}

/// A source of a system for a survey, whose API is at an address.
pub async fn connect_to(app: &TestApp, system: &System, survey: &str, api_url: &str) -> Hook {
    let mut options: Value = serde_json::from_str(&system.options.replace("PEER", api_url)).unwrap();
    options["api_url"] = json!(format!("{api_url}/"));
    options["api_token"] = json!(system.token);
    let draft = json!({"name": "Desk", "kind": system.kind, "survey": survey, "secret": "test-secret", "options": options});
    let (status, source) = app.post("/api/v1/sources", &draft).await;
    assert_eq!(status, StatusCode::CREATED, "{source}");
    let text = |name: &str| source[name].as_str().unwrap().to_owned();
    Hook { id: text("id"), url: text("hook_url"), secret: text("secret") }
}

/// Delivers an event as its system signs it.
pub async fn send(app: &TestApp, hook: &Hook, kind: &str, event: &Value) -> (StatusCode, Value) {
    let (body, now, secret) = (event.to_string(), app.clock.now(), "test-secret");
    let request = app.plain(Method::POST, &hook.url).header("content-type", "application/json");
    let request = match kind {
        "zendesk" => {
            let mac = sha256(secret, &[now.to_string().as_bytes(), body.as_bytes()]).unwrap();
            request
                .header("x-zendesk-webhook-signature-timestamp", now.to_string())
                .header("x-zendesk-webhook-signature", BASE64.encode(&mac.finalize().into_bytes()))
        }
        "hubspot" => {
            let millis = now.as_millis().to_string();
            let mac = sha256(secret, &[b"POST", hook.url.as_bytes(), body.as_bytes(), millis.as_bytes()]).unwrap();
            request
                .header("x-hubspot-request-timestamp", &millis)
                .header("x-hubspot-signature-v3", BASE64.encode(&mac.finalize().into_bytes()))
        }
        "intercom" => {
            let mac = sha1(secret, &[body.as_bytes()]).unwrap();
            request.header("x-hub-signature", format!("sha1={}", HEXLOWER.encode(&mac.finalize().into_bytes())))
        }
        "gitlab" => request.header("x-gitlab-token", secret),
        _ => request.header("x-webhook-secret", secret),
    };
    answer(request.body(body)).await
}
