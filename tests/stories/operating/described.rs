//! The description of the API against what is really served.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{On, TestApp};

/// Everything below `here` that is called `name`.
fn collect<'a>(here: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match here {
        Value::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|member| collect(member, name, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        _ => {}
    }
}

/// `GET /healthz` and so on, as the description has them.
fn described(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, verbs)| verbs.as_object().unwrap().keys().map(move |verb| (path, verb)));
    operations.map(|(path, verb)| format!("{} {path}", verb.to_uppercase())).collect()
}

/// The same as they are registered, read from the page of every URL.
fn registered() -> BTreeSet<String> {
    // A long registration stands on several lines.
    let routes =
        include_str!("../../../src/routes.rs").split_whitespace().collect::<Vec<_>>().join(" ").replace(".service( at(", ".service(at(");
    let mut found = BTreeSet::new();
    for registration in routes.split(".service(at(\"").skip(1) {
        let (path, rest) = registration.split_once('"').unwrap();
        let verbs = rest.split_once("vec![").unwrap().1.split_once(']').unwrap().0;
        for verb in ["get", "post", "patch", "put", "delete"] {
            if verbs.contains(&format!("{verb}(")) {
                found.insert(format!("{} {path}", verb.to_uppercase()));
            }
        }
    }
    assert!(found.len() > 20, "the registrations were not found");
    found
}

#[tokio::test]
async fn the_description_of_the_api_is_what_is_served() {
    let app = TestApp::start(On::Sqlite).await;
    let (status, document) = app.get("/openapi.json").await;
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let described = described(&document);
    let is_for_programs = |operation: &&String| {
        operation.contains(" /api/") || operation.starts_with("POST /hooks/") || operation.starts_with("POST /bounces/")
    };
    let registered = registered();
    let hidden: Vec<_> = registered.iter().filter(is_for_programs).filter(|operation| !described.contains(*operation)).collect();
    assert!(hidden.is_empty(), "served, but not described: {hidden:?}");
    let invented: Vec<_> = described.difference(&registered).collect();
    assert!(invented.is_empty(), "described, but not served: {invented:?}");

    // What is registered might still be hidden behind another address: each one is called.
    for operation in &described {
        let (verb, path) = operation.split_once(' ').unwrap();
        let address = path.replace(['{', '}'], "");
        let answer = app.api(verb.parse().unwrap(), &address).body("").send().await.unwrap();
        assert_ne!(answer.status(), 405, "{operation}");
    }
    let numbers = app.app.context.metrics.text();
    for operation in &described {
        let (verb, path) = operation.split_once(' ').unwrap();
        assert!(numbers.contains(&format!("route=\"{path}\",method=\"{verb}\"")), "{operation} was answered by another handler");
    }
}

#[tokio::test]
async fn the_description_of_the_api_refers_to_nothing_that_is_missing() {
    let app = TestApp::start(On::Sqlite).await;
    let (_, document) = app.get("/openapi.json").await;
    let (mut references, mut names) = (Vec::new(), Vec::new());
    collect(&document, "$ref", &mut references);
    collect(&document, "operationId", &mut names);
    assert!(references.len() > 10 && names.len() > 10);
    let is_missing = |reference: &&Value| document.pointer(reference.as_str().unwrap().trim_start_matches('#')).is_none();
    let missing: Vec<_> = references.into_iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let different: BTreeSet<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), names.len(), "two operations share a name: {names:?}");
    for (path, verbs) in document["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            assert_eq!(path.starts_with("/api/"), operation["security"][0]["key"].is_array(), "{verb} {path}");
            assert!(operation["summary"].is_string(), "{verb} {path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{verb} {path}");
        }
    }
    assert!(document["components"]["securitySchemes"]["key"]["scheme"] == "bearer");
}
