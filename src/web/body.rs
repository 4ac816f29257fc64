//! Reads a JSON body, whatever its content type says: what cannot be read is 400, what is not valid is 422 and names the field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::{FieldError, Kind, Problem};

/// A JSON body of type `T`.
#[derive(Debug)]
pub struct Body<T> {
    /// What was read.
    pub value: T,
    /// The bytes as they came, for telling one request from another.
    pub raw: web::Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let raw = bytes.await.map_err(|error| Problem::of_status(error.error_response().status()))?;
            Ok(Self { value: read(&raw)?, raw })
        })
    }
}

/// Reads JSON into `T`.
///
/// # Errors
/// 400 for text that is no JSON, with line and column; 422 for JSON that does not fit, with the field.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })?;
    json.end().map_err(|error| explain("", &error))?;
    Ok(value)
}

fn explain(path: &str, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        return Problem::new(Kind::BadRequest).detail(format!(
            "The body is not valid JSON at line {}, column {}.",
            error.line(),
            error.column()
        ));
    }
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    let named = message.split('`').nth(1).filter(|_| message.starts_with("unknown field") || message.starts_with("missing field"));
    let parent = path.trim_matches('.').trim_end_matches('?').trim_end_matches('.');
    let field = match named {
        Some(name) if parent.is_empty() || parent == name || parent.ends_with(&format!(".{name}")) => {
            if parent.is_empty() {
                name.to_owned()
            } else {
                parent.to_owned()
            }
        }
        Some(name) => format!("{parent}.{name}"),
        None => parent.to_owned(),
    };
    Problem::fields(vec![FieldError { field, message: message.to_owned() }])
}

/// RFC 7396: an object is merged member by member, null removes, anything else replaces.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::body::MessageBody;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        days: u8,
    }

    fn answer(body: &str) -> (u16, serde_json::Value) {
        let response = read::<Outer>(body.as_bytes()).unwrap_err().error_response();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.into_body().try_into_bytes().unwrap()).unwrap())
    }

    #[test]
    fn the_field_is_named_with_its_whole_path() {
        for (body, field) in [
            (r#"{"inner":{"days":"x"}}"#, "inner.days"),
            (r#"{"inner":{"days":300}}"#, "inner.days"),
            (r#"{"inner":{"days":1,"hours":2}}"#, "inner.hours"),
            (r#"{"inner":{}}"#, "inner.days"),
            (r"{}", "inner"),
            (r#"{"inner":{"days":1},"other":1}"#, "other"),
        ] {
            let (status, problem) = answer(body);
            assert_eq!((status, problem["errors"][0]["field"].as_str().unwrap()), (422, field), "{body}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_400_with_the_place() {
        let (status, problem) = answer("{\"inner\":");
        assert_eq!(status, 400);
        assert_eq!(problem["detail"], "The body is not valid JSON at line 1, column 9.");
        assert_eq!(answer(r#"{"inner":{"days":1}} x"#).0, 400);
    }

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn merging_follows_the_examples_of_the_rfc() {
        for (mut target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!(["a", "b"]), json!(["c"]), json!(["c"])),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            merge(&mut target, patch);
            assert_eq!(target, result);
        }
    }
}
