//! The page of the API: endpoints by subject, the objects they speak in, and every kind of problem.

use std::collections::BTreeSet;

use maud::{Markup, html};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{Components, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr, Required, Response};

use super::fields::{Field, Word, description, fields, words};
use crate::i18n::Locale;
use crate::web::layout::{self, Frame};
use crate::web::problem::Kind;

const STYLE: &str = include_str!("../../../templates/assets/docs.css");

/// One method of one address.
struct Endpoint<'a> {
    method: &'static str,
    path: &'a str,
    operation: &'a Operation,
}

impl Endpoint<'_> {
    fn tag(&self) -> &str {
        self.operation.tags.iter().flatten().next().map_or("Other", String::as_str)
    }

    /// `get-api-v1-surveys-slug`
    fn anchor(&self) -> String {
        let words = self.path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        std::iter::once(self.method.to_ascii_lowercase()).chain(words.map(str::to_owned)).collect::<Vec<_>>().join("-")
    }
}

/// What surrounds the page.
#[must_use]
pub fn frame() -> Frame<'static> {
    Frame { style: STYLE, indexed: true, ..Frame::plain(Locale::En, "nabz: the API", "") }
}

/// The page.
#[must_use]
pub fn docs(document: &OpenApi) -> Markup {
    let endpoints = endpoints(document);
    let tags = tags(&endpoints);
    let nothing = Components::default();
    let components = document.components.as_ref().unwrap_or(&nothing);
    let content = html! {
        main.card {
            h1 { "The API of nabz " span.soft { (document.info.version) } }
            p { (prose(document.info.description.as_deref().unwrap_or_default())) }
            (contents(&tags, &endpoints))
            (general())
            @for tag in &tags {
                section {
                    h2 id=(anchor_of(tag)) { (tag) }
                    @for endpoint in endpoints.iter().filter(|endpoint| endpoint.tag() == *tag) { (self::endpoint(endpoint, components)) }
                }
            }
            (objects(components))
            (problems())
        }
    };
    layout::page(&frame(), &content)
}

fn endpoints(document: &OpenApi) -> Vec<Endpoint<'_>> {
    let mut endpoints = Vec::new();
    for (path, item) in &document.paths.paths {
        let methods = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("PATCH", &item.patch), ("DELETE", &item.delete)];
        endpoints.extend(methods.into_iter().filter_map(|(method, operation)| {
            let operation = operation.as_ref()?;
            Some(Endpoint { method, path, operation })
        }));
    }
    endpoints
}

/// The subjects, each once, in the order in which they first come; what only operators need is last.
fn tags<'a>(endpoints: &'a [Endpoint<'_>]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let mut tags: Vec<&str> = endpoints.iter().map(Endpoint::tag).filter(|tag| seen.insert(*tag)).collect();
    tags.sort_by_key(|tag| *tag == "Operations");
    tags
}

fn anchor_of(tag: &str) -> String {
    tag.to_lowercase().replace(' ', "-")
}

fn contents(tags: &[&str], endpoints: &[Endpoint<'_>]) -> Markup {
    html! {
        nav aria-label="Contents" {
            @for tag in tags {
                p.tag { a href={ "#" (anchor_of(tag)) } { (tag) } }
                ul role="list" {
                    @for endpoint in endpoints.iter().filter(|endpoint| endpoint.tag() == *tag) {
                        li { a href={ "#" (endpoint.anchor()) } { code { b { (endpoint.method) } " " (endpoint.path) } } }
                    }
                }
            }
            p.tag { a href="#objects" { "Objects" } " · " a href="#problems" { "Problems" } " · " a href="/openapi.json" { "openapi.json" } }
        }
    }
}

fn general() -> Markup {
    html! {
        section {
            h2 #general { "In general" }
            ul {
                li { "Everything below " code { "/api" } " needs a key: " code { "Authorization: Bearer KEY" } ". Make one with " code { "nabz key create --name NAME --scope read|write|admin" } "." }
                li { "Bodies are JSON in UTF-8. A field or parameter that is not known is refused, and named." }
                li { "Instants are RFC 3339 in UTC with milliseconds; days are " code { "YYYY-MM-DD" } " in the survey's time zone." }
                li { "A list comes in parts: send " code { "next" } " of one part as " code { "cursor" } " of the next, until it is null." }
                li { code { "PATCH" } " merges (RFC 7396): null removes, what is left out stays." }
                li { "Where there is no answer, figures are null: nothing is not zero." }
            }
        }
    }
}

fn endpoint(endpoint: &Endpoint<'_>, components: &Components) -> Markup {
    let operation = endpoint.operation;
    let parameters: Vec<&Parameter> = operation.parameters.iter().flatten().filter_map(in_place).collect();
    let body = operation.request_body.as_ref().and_then(in_place);
    html! {
        article id=(endpoint.anchor()) {
            h3 { code { b { (endpoint.method) } " " (endpoint.path) } }
            p { (prose(operation.summary.as_deref().unwrap_or_default())) }
            @if let Some(text) = &operation.description { p { (prose(text)) } }
            @if !parameters.is_empty() { (table("Parameters", &parameters.into_iter().map(of_parameter).collect::<Vec<_>>())) }
            @if let Some(body) = body { @for (kind, content) in &body.content { (content_of("Request", kind, content, components)) } }
            @for (status, response) in &operation.responses.responses {
                @if let Some(response) = in_place(response) { (self::response(status, response, components)) }
            }
        }
    }
}

fn in_place<T>(value: &RefOr<T>) -> Option<&T> {
    match value {
        RefOr::T(value) => Some(value),
        RefOr::Ref(_) => None,
    }
}

fn of_parameter(parameter: &Parameter) -> Field {
    let place = match parameter.parameter_in {
        ParameterIn::Path => " in the path",
        ParameterIn::Header => " header",
        _ => "",
    };
    let mut words = parameter.schema.as_ref().map_or_else(Vec::new, words);
    words.push(Word::Text(place.to_owned()));
    Field {
        name: parameter.name.clone(),
        words,
        required: matches!(parameter.required, Required::True),
        description: parameter.description.clone().unwrap_or_default(),
    }
}

fn response(status: &str, response: &Response, components: &Components) -> Markup {
    let is_problem = !status.starts_with('2');
    html! {
        @if is_problem || response.content.is_empty() {
            p.response { b { (status) } " " (prose(&response.description)) }
        } @else {
            @for (kind, content) in &response.content { (content_of(&format!("{status} {}", response.description), kind, content, components)) }
        }
    }
}

/// A body: its type and, where it has some, its fields.
fn content_of(heading: &str, kind: &str, content: &RefOr<Content>, components: &Components) -> Markup {
    let schema = in_place(content).and_then(|content| content.schema.as_ref());
    let listed = schema.map_or_else(Vec::new, |schema| fields(schema, components));
    let named = html! { b { (prose(heading.trim())) } };
    let of_type = html! { @if kind == "application/json" { (schema.map(type_of).unwrap_or_default()) } @else { code { (kind) } } };
    html! {
        @if listed.is_empty() {
            p.response { (named) " " (of_type) }
        } @else {
            details open[heading == "Request"] {
                // a link inside the summary would be a control within a control
                summary { (named) }
                p.response { (of_type) }
                (table("Fields", &listed))
            }
        }
    }
}

fn table(caption: &str, listed: &[Field]) -> Markup {
    html! {
        table {
            caption.hidden { (caption) }
            thead.hidden { tr { th scope="col" { "Name" } th scope="col" { "Type" } th scope="col" { "Meaning" } } }
            tbody {
                @for field in listed {
                    tr {
                        th scope="row" { code { (field.name) } @if field.required { " " span.needed { "required" } } }
                        td.type { (said(&field.words)) }
                        td { (prose(&field.description)) }
                    }
                }
            }
        }
    }
}

fn type_of(schema: &RefOr<Schema>) -> Markup {
    said(&words(schema))
}

fn said(words: &[Word]) -> Markup {
    html! {
        @for word in words {
            @match word {
                Word::Text(text) => (text),
                Word::Value(value) => code { (value) },
                Word::Object(name) => a href={ "#object-" (name) } { (name) },
            }
        }
    }
}

fn objects(components: &Components) -> Markup {
    html! {
        section {
            h2 #objects { "Objects" }
            @for (name, schema) in &components.schemas {
                article id={ "object-" (name) } {
                    h3 { (name) }
                    p { (prose(description(schema))) }
                    @let listed = fields(schema, components);
                    @if listed.is_empty() { p { (type_of(schema)) } } @else { (table("Fields", &listed)) }
                }
            }
        }
    }
}

fn problems() -> Markup {
    html! {
        section {
            h2 #problems { "Problems" }
            p {
                "Whatever is no success is answered as " code { "application/problem+json" } " (RFC 9457). Its " code { "type" } " leads here; "
                code { "detail" } " says what happened, " code { "errors" } " names each field that is not valid, and " code { "request_id" }
                " finds the request in the log."
            }
            table {
                caption.hidden { "Kinds of problems" }
                thead.hidden { tr { th scope="col" { "Kind" } th scope="col" { "Status" } th scope="col" { "Meaning" } } }
                tbody {
                    @for kind in Kind::ALL {
                        tr id=(kind.word()) { th scope="row" { code { (kind.word()) } } td.type { (kind.status()) } td { (kind.title()) "." } }
                    }
                }
            }
        }
    }
}

/// Text with code between backticks.
fn prose(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drawn() -> String {
        let document = json!({
            "openapi": "3.1.0", "info": {"title": "t", "version": "1.2.3", "description": "d"},
            "paths": {"/api/v1/surveys/{slug}": {"patch": {"tags": ["Surveys"], "summary": "Change `it` <b>", "operationId": "c",
                "parameters": [{"name": "slug", "in": "path", "required": true, "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Draft"}}}},
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Draft"}}}},
                    "404": {"description": "No such survey"}}}}},
            "components": {"schemas": {"Draft": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "description": "Its name."}}}}}
        });
        docs(&serde_json::from_value(document).unwrap()).into_string()
    }

    #[test]
    fn an_endpoint_has_its_anchor_parameters_fields_and_answers() {
        let page = drawn();
        for expected in [
            "href=\"#patch-api-v1-surveys-slug\"",
            "<article id=\"patch-api-v1-surveys-slug\">",
            "Change <code>it</code> &lt;b&gt;",
            "<code>name</code> <span class=\"needed\">required</span>",
            "Its name.",
            "<a href=\"#object-Draft\">Draft</a>",
            "<article id=\"object-Draft\">",
            "No such survey",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }

    #[test]
    fn every_kind_of_problem_is_explained_where_its_type_leads() {
        let page = drawn();
        for kind in Kind::ALL {
            assert_eq!(page.matches(&format!("id=\"{}\"", kind.word())).count(), 1, "{}", kind.word());
        }
    }

    #[test]
    fn the_page_needs_no_script_and_nothing_from_elsewhere() {
        let page = drawn();
        assert!(!page.contains("<script") && !page.contains("http") && !page.contains("style=\""));
    }
}
