//! Templates that operators write. Where one stands decides how values are written into it, and none runs or grows without end.

use std::fmt::Write as _;
use std::io;

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, filters, tests};
use serde::Serialize;

use super::gsm7;

/// The longest template, in bytes.
pub const LONGEST_TEMPLATE: usize = 16 * 1024;
/// The longest text that a template may render to, in bytes.
pub const LONGEST_RENDERED: usize = 64 * 1024;
/// Steps that a template may take.
const FUEL: u64 = 50_000;
/// The longest expression, in characters, and how deep `if` and `for` may stand in one another: the compiler calls itself for each level.
const LONGEST_EXPRESSION: usize = 500;
const DEEPEST: usize = 20;
/// How often `loop(…)` may call itself.
const RECURSION: usize = 20;
/// The words that a `{% … %}` may begin with. Nothing here remembers a value, so nothing can be made to double itself; nothing here (`raw`) changes how the rest
/// is to be read.
const WORDS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Where a template stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An address: values are percent-encoded.
    Url,
    /// JSON: values are written as JSON, texts with their quotes.
    Json,
    /// A text that whoever uses it encodes as a whole: a field of a form, a header, a message.
    Text,
}

/// The variables of a template.
#[derive(Debug, Clone)]
pub struct Values(Value);

impl Values {
    /// The fields of `whole`.
    #[must_use]
    pub fn new(whole: &impl Serialize) -> Self {
        Self(Value::from(Serde(whole)))
    }
}

/// What is wrong with a template. It repeats what the operator wrote, and no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
}

impl Wrong {
    /// Something that is wrong with the whole.
    #[must_use]
    pub fn new(problem: impl Into<String>) -> Self {
        Self { line: None, problem: problem.into() }
    }

    fn of(error: &Error) -> Self {
        let near = error.range().and_then(|range| error.template_source()?.get(range)).map(|code| format!(" at `{}`", code.trim()));
        let near = near.unwrap_or_default();
        let problem = match error.kind() {
            ErrorKind::OutOfFuel => "takes more than 50,000 steps".to_owned(),
            ErrorKind::WriteFailure => "renders to more than 64 KiB".to_owned(),
            ErrorKind::UndefinedError => format!("there is no such value{near}"),
            // These speak of the template; what others say may hold a customer's data.
            ErrorKind::SyntaxError | ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::BadSerialization => {
                format!("{}{near}", error.detail().unwrap_or("cannot be read"))
            }
            kind => format!("{kind}{near}"),
        };
        Self { line: error.line(), problem }
    }
}

/// Renders a template.
///
/// # Errors
/// Says what is wrong with it, or with the way these values meet it.
pub fn render(place: Place, source: &str, values: &Values) -> Result<String, Wrong> {
    if source.len() > LONGEST_TEMPLATE {
        return Err(Wrong::new("is longer than 16 KiB"));
    }
    refuse_growth(source)?;
    let environment = environment(place);
    let template = environment.template_from_str(source).map_err(|error| Wrong::of(&error))?;
    let mut rendered = Bounded(Vec::new());
    template.render_captured_to(values.0.clone(), &mut rendered).map_err(|error| Wrong::of(&error))?;
    String::from_utf8(rendered.0).map_err(|_| Wrong::new("renders to something that is no text"))
}

fn environment(place: Place) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_debug(true);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(move |out, _, value| write(out, place, value));
    environment.add_filter("default", filters::default);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("length", filters::length);
    environment.add_filter("tojson", |value: &Value| bounded(json(value)?));
    environment.add_filter("segments", |text: String| bounded(text.split('/').map(percent_encoded).collect::<Vec<_>>().join("/")));
    environment.add_filter("entities", |text: String| bounded_text(entities(&text)));
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
    environment.add_test("gsm7", |_: &State, text: String| gsm7::fits(&text));
    environment
}

/// Writes a value as its place wants it. What a filter of ours already wrote for a place is left as it is.
fn write(out: &mut Output, place: Place, value: &Value) -> Result<(), Error> {
    let text = match (place, value.kind()) {
        _ if value.is_safe() => value.to_string(),
        (Place::Json, _) => json(value)?,
        (_, ValueKind::None) => String::new(),
        (Place::Url, ValueKind::String | ValueKind::Number | ValueKind::Bool) => percent_encoded(&value.to_string()),
        (Place::Text, ValueKind::String | ValueKind::Number | ValueKind::Bool) => value.to_string(),
        _ => return Err(Error::new(ErrorKind::BadSerialization, "this is no text: name one of its fields")),
    };
    out.write_str(&text).map_err(|_| Error::from(ErrorKind::WriteFailure))
}

fn json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::new(ErrorKind::BadSerialization, "this cannot be written as JSON"))
}

/// A text that needs no more encoding, unless it is too long.
fn bounded(text: String) -> Result<Value, Error> {
    if text.len() > LONGEST_RENDERED { Err(Error::from(ErrorKind::WriteFailure)) } else { Ok(Value::from_safe_string(text)) }
}

fn bounded_text(text: String) -> Result<Value, Error> {
    if text.len() > LONGEST_RENDERED { Err(Error::from(ErrorKind::WriteFailure)) } else { Ok(Value::from(text)) }
}

/// The three characters that chat programs read as markup.
fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A value within a path or a query (RFC 3986): everything but unreserved characters and `:` is encoded.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What a template writes to.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_RENDERED {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses what lets a short template make an endless text before it writes any: assigned values and repeated texts. Fuel counts steps, not sizes.
fn refuse_growth(source: &str) -> Result<(), Wrong> {
    let mut rest = source;
    let mut depth = 0_usize;
    while let Some(start) = rest.find('{') {
        let line = source.len() - rest.len() + start;
        let wrong = |problem: String| {
            let line = source.get(..line).map(|before| before.matches('\n').count() + 1);
            Err(Wrong { line, problem })
        };
        let inner = rest.get(start + 1..).unwrap_or_default();
        let kind = inner.chars().next();
        let close = match kind {
            Some('{') => "}}",
            Some('%') => "%}",
            Some('#') => "#}",
            _ => {
                rest = inner;
                continue;
            }
        };
        let (code, behind) = code_until(inner.get(1..).unwrap_or_default(), close, kind != Some('#'));
        if close != "#}" && code.contains('*') {
            return wrong("`*` is not available here".to_owned());
        }
        let word = code.trim_start_matches(['-', '+']).split_whitespace().next().unwrap_or_default().trim_end_matches(['-', '+']);
        if close == "%}" && !WORDS.contains(&word) {
            return wrong(format!("`{{% {word} %}}` is not available here: there are if and for"));
        }
        if close != "#}" && code.chars().count() > LONGEST_EXPRESSION {
            return wrong("is longer than 500 characters between its braces".to_owned());
        }
        match word {
            "if" | "for" => depth += 1,
            "endif" | "endfor" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return wrong("stands more than 20 levels deep".to_owned());
        }
        rest = behind;
    }
    Ok(())
}

/// The code up to where it closes, without the texts in it, and what stands behind.
fn code_until<'a>(text: &'a str, close: &str, has_texts: bool) -> (String, &'a str) {
    let mut code = String::new();
    let (mut quote, mut depth) = (None, 0_usize);
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match quote {
            Some(_) if character == '\\' => drop(characters.next()),
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(close)) => {
                return (code, text.get(at + close.len()..).unwrap_or_default());
            }
            None if has_texts && matches!(character, '"' | '\'') => quote = Some(character),
            None => {
                match character {
                    '{' if has_texts => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                code.push(character);
            }
        }
    }
    (code, "")
}

#[cfg(test)]
mod tests_of_templates {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> Values {
        let links: serde_json::Map<String, serde_json::Value> = (0..=10).map(|score| (score.to_string(), json!("x"))).collect();
        Values::new(&json!({"name": "Sa\"ra & <b> ü/?#", "none": null, "number": 5, "links": links, "settings": {"path": "T0/B 0"}}))
    }

    fn rendered(place: Place, source: &str) -> Result<String, Wrong> {
        render(place, source, &values())
    }

    #[test]
    fn a_value_is_written_as_its_place_wants_it() {
        for (place, source, expected) in [
            (Place::Json, r#"{"a": {{ name }}, "b": {{ none }}, "c": {{ number }}}"#, r#"{"a": "Sa\"ra & <b> ü/?#", "b": null, "c": 5}"#),
            (Place::Json, r#"{{ "to:" ~ number }}"#, r#""to:5""#),
            (
                Place::Url,
                "https://a.example/{{ name }}{{ none }}?n={{ number }}",
                "https://a.example/Sa%22ra%20%26%20%3Cb%3E%20%C3%BC%2F%3F%23?n=5",
            ),
            (Place::Url, "/{{ settings.path|segments }}", "/T0/B%200"),
            (Place::Text, "{{ name }}{{ none }}", "Sa\"ra & <b> ü/?#"),
            (Place::Text, "{{ name|entities }}", "Sa\"ra &amp; &lt;b&gt; ü/?#"),
            (Place::Text, r#"{{ {"1": name, "2": number}|tojson }}"#, r#"{"1":"Sa\"ra & <b> ü/?#","2":5}"#),
            (Place::Text, r#"{{ settings["x"]|default("y") }}{{ none or "z" }}"#, "yz"),
            (Place::Text, r#"{{ "a" if "Hello €" is gsm7 else "b" }}{{ "a" if "سلام" is gsm7 else "b" }}"#, "ab"),
            (Place::Text, "{% for score in links %}{% if score == \"5\" %}{{ links[score]|upper }}{% endif %}{% endfor %}", "X"),
        ] {
            assert_eq!(rendered(place, source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (source, line, problem) in [
            ("a\n{{ nmae }}", 2, "there is no such value at `nmae`"),
            ("{{ settings.form }}", 1, "there is no such value at `settings.form`"),
            ("\n\n{{ name", 3, "unexpected end of input"),
            ("{{ name|uper }}", 1, "filter uper is unknown"),
            ("{{ settings }}", 1, "this is no text"),
            ("a\n{% set x = 1 %}", 2, "`{% set %}` is not available here"),
            ("{%- include 'x' %}", 1, "`{% include %}`"),
            ("{% raw %}{{ ' {% endraw %}{{ name * 2 }}{% raw %}' }}{% endraw %}", 1, "`{% raw %}` is not available here"),
            ("{{ name * 2 }}", 1, "`*` is not available here"),
            ("{{ {'a': {'b': 1}} * 2 }}", 1, "`*` is not available here"),
            ("{{ name + 2 }}", 1, "invalid operation"),
        ] {
            let wrong = rendered(Place::Text, source).unwrap_err();
            assert_eq!(wrong.line, Some(line), "{source}: {wrong:?}");
            assert!(wrong.problem.contains(problem) && !wrong.problem.contains("Sa"), "{source}: {wrong:?}");
        }
        assert_eq!(rendered(Place::Text, "{# * #}{{ '*' }} * {{ '{{' }}").as_deref(), Ok("* * {{"));
    }

    #[test]
    fn no_template_runs_or_grows_without_end() {
        let nested = |depth: usize| format!("{}x{}", "{% for score in links %}".repeat(depth), "{% endfor %}".repeat(depth));
        assert_eq!(rendered(Place::Text, &nested(2)).map(|text| text.len()), Ok(121));
        assert_eq!(rendered(Place::Text, &nested(6)).unwrap_err().problem, "takes more than 50,000 steps");
        let long = format!("{{% for a in links %}}{}{{% endfor %}}", "x".repeat(10_000));
        assert_eq!(rendered(Place::Text, &long).unwrap_err().problem, "renders to more than 64 KiB");
        let doubling = format!("{{{{ name{} }}}}", "|tojson".repeat(60));
        assert_eq!(rendered(Place::Text, &doubling).unwrap_err().problem, "renders to more than 64 KiB");
        assert_eq!(rendered(Place::Text, &"x".repeat(LONGEST_TEMPLATE + 1)).unwrap_err().problem, "is longer than 16 KiB");
        assert!(rendered(Place::Text, "{% for a in links recursive %}{{ loop(links) }}{% endfor %}").is_err());
        let conditions = |depth: usize| format!("{}x{}", "{% if name %}".repeat(depth), "{% endif %}".repeat(depth));
        assert_eq!(rendered(Place::Text, &conditions(20)).as_deref(), Ok("x"));
        assert_eq!(rendered(Place::Text, &conditions(21)).unwrap_err().problem, "stands more than 20 levels deep");
    }

    #[test]
    fn no_expression_is_too_deep_for_the_stack() {
        for (begin, level, end) in [
            ("name", "|d", ""),
            ("", "-", "1"),
            ("", "not ", "1"),
            ("", "[", ""),
            ("", "(", ""),
            ("", "{1:", ""),
            ("name", ".a", ""),
            ("1", "~1", ""),
            ("1", "+1", ""),
            ("1", " if 1 else 1", ""),
            ("name", "[0]", ""),
            ("name", "()", ""),
            ("1", "==1", ""),
            ("1", " or 1", ""),
        ] {
            let whole = |count: usize| format!("{{{{ {begin}{}{end} }}}}", level.repeat(count));
            let longest = (LONGEST_EXPRESSION - begin.len() - end.len() - 2) / level.len();
            let _ = rendered(Place::Text, &whole(longest));
            assert_eq!(
                rendered(Place::Text, &whole(longest + 8)).unwrap_err().problem,
                "is longer than 500 characters between its braces",
                "{level}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_value_json_stays_json_and_an_address_keeps_its_parts(name in "\\PC{0,20}|[\"\\\\/?#&\\n\\r\\x00{}%]{0,9}") {
            let values = Values::new(&json!({"name": name}));
            let text = render(Place::Json, r#"{"name": {{ name }}}"#, &values).unwrap();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read["name"].as_str(), Some(name.as_str()));
            let url = url::Url::parse(&render(Place::Url, "https://a.example/x/{{ name }}?q={{ name }}&z=1", &values).unwrap()).unwrap();
            prop_assert_eq!(url.host_str(), Some("a.example"));
            prop_assert!(url.fragment().is_none());
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("q".to_owned(), name), ("z".to_owned(), "1".to_owned())]);
        }

        #[test]
        fn no_template_makes_it_panic(source in "(\\{\\{|\\}\\}|\\{%|%\\}|\\{#|#\\}|[a-z '\"*\\\\|.\\n]|if |for |é){0,24}") {
            let _ = render(Place::Text, &source, &Values::new(&json!({"a": "b"})));
        }
    }
}
