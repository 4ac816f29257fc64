//! Reads a query string: what is not valid is 422 and names the parameter, as in a body.

use actix_web::error::QueryPayloadError;
use actix_web::web::QueryConfig;

use super::problem::Problem;

/// Makes every `Query` extractor answer with our problems.
#[must_use]
pub fn config() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| explain(&error).into())
}

/// The problem that an unreadable query string is. Only an unknown, missing or repeated parameter has its name in the message.
fn explain(error: &QueryPayloadError) -> Problem {
    let text = match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        _ => String::new(),
    };
    let is_named = ["unknown field", "missing field", "duplicate field"]
        .iter()
        .any(|start| text.starts_with(start));
    let name = text.split('`').nth(1).filter(|_| is_named).unwrap_or("query").to_owned();
    Problem::field(name, text.replace("field", "parameter"))
}

#[cfg(test)]
mod tests {
    use actix_web::web::Query;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Asked {
        survey: String,
        limit: Option<i64>,
    }

    #[test]
    fn a_parameter_that_is_unknown_missing_or_repeated_is_named() {
        for (query, field, message) in [
            (
                "survey=a&limits=1",
                "limits",
                "unknown parameter `limits`, expected `survey` or `limit`",
            ),
            ("limit=1", "survey", "missing parameter `survey`"),
            ("survey=a&survey=b", "survey", "duplicate parameter `survey`"),
            ("survey=a&limit=x", "query", "invalid digit found in string"),
        ] {
            let problem = explain(&Query::<Asked>::from_query(query).unwrap_err());
            let [error] = problem.errors() else { panic!("{query}") };
            assert_eq!((error.field.as_str(), error.message.as_str()), (field, message), "{query}");
        }
    }
}
