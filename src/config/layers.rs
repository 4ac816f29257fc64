//! Settings laid over one another: what a file and the environment say, and why not.

use anyhow::{Context, anyhow};
use toml::{Table, Value};

/// What the names of our variables begin with.
pub(super) const PREFIX: &str = "NABZ__";
const FROM_FILE: &str = "_FILE";
/// The table whose names are the operator's own.
const OWN_NAMES: &str = "mail.per_domain_per_minute";

/// The variables of this process that are ours; the others may hold anything, also bytes that are no text.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(super) fn environment() -> anyhow::Result<Vec<(String, String)>> {
    let ours = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    ours.map(|(name, value)| match (name.to_str(), value.into_string()) {
        (Some(name), Ok(value)) => Ok((name.to_owned(), value)),
        _ => Err(anyhow!("environment variable {}: is not valid UTF-8", name.to_string_lossy())),
    })
    .collect()
}

/// Names the line, and does not show it: it may hold a secret.
pub(super) fn not_toml(place: &str, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    anyhow!("{place} is not valid TOML at line {line}: {}", error.message())
}

/// Lays the values of `above` over `below`; a key that `below` does not have is unknown, but in a table of the operator's own names.
pub(super) fn overlay(below: &mut Table, above: Table, section: &str) -> anyhow::Result<()> {
    for (key, value) in above {
        let path = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        let Some(slot) = below.get_mut(&key) else {
            return Err(unknown(&path, &key, below));
        };
        match (slot, value) {
            (slot, value) if path == OWN_NAMES => *slot = value,
            (Value::Table(inner), Value::Table(table)) => overlay(inner, table, &path)?,
            (slot, value) => *slot = value,
        }
    }
    Ok(())
}

fn unknown(path: &str, key: &str, known: &Table) -> anyhow::Error {
    let likeness = |name: &&String| (strsim::jaro_winkler(name, key) * 1000.0).round();
    let nearest = known.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    anyhow!("unknown setting `{path}`{hint}")
}

/// One variable as a table of one value, typed as the default is.
pub(super) fn variable(defaults: &Table, name: &str, text: String) -> anyhow::Result<Table> {
    let path = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    let mut keys: Vec<&str> = path.split("__").collect();
    let key = keys.pop().unwrap_or_default();
    let known = keys.first().map_or(Some(defaults), |section| defaults.get(*section).and_then(Value::as_table));
    let secret = key.strip_suffix(&FROM_FILE.to_ascii_lowercase()).filter(|_| known.is_some_and(|known| !known.contains_key(key)));
    let (key, text) = match secret {
        Some(key) => (key, std::fs::read_to_string(&text).with_context(|| format!("the file {text} cannot be read"))?.trim().to_owned()),
        None => (key, text),
    };
    let value = match known.and_then(|known| known.get(key)) {
        Some(Value::Integer(_)) => Value::Integer(text.trim().parse().map_err(|_| anyhow!("must be a whole number"))?),
        Some(Value::Boolean(_)) => Value::Boolean(text.trim().parse().map_err(|_| anyhow!("must be true or false"))?),
        Some(Value::Array(_)) => {
            serde_json::from_str(&text).map_err(|_| anyhow!("must be a JSON array, such as [\"a\", \"b\"] or [1, 2]"))?
        }
        Some(Value::Table(_)) => {
            serde_json::from_str(&text).map_err(|_| anyhow!("must be a JSON object, such as {{\"gmail.com\": 60}}"))?
        }
        _ => Value::String(text),
    };
    let leaf = Table::from_iter([(key.to_owned(), value)]);
    Ok(keys.into_iter().rev().fold(leaf, |inner, section| Table::from_iter([(section.to_owned(), Value::Table(inner))])))
}
