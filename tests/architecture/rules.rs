//! The rules of the house: who may import whom, where a crate may appear, and what no file may hold.

use std::collections::BTreeMap;

use crate::imports::{Reference, references};
use crate::source::{Source, Violation};

/// The life of a survey: a stage may import the stages to its left.
pub const STAGES: [&str; 12] =
    ["metric", "gateway", "survey", "tally", "intake", "link", "webhook", "invitation", "delivery", "response", "report", "happiness"];

/// What stages stand on; it knows no stage.
pub const PLATFORM: [&str; 9] = ["clock", "random", "keyring", "i18n", "db", "web", "net", "outbox", "notice"];

/// Names that say nothing about what a file owns.
const REFUSED_NAMES: [&str; 9] = ["common", "helper", "helpers", "service", "services", "types", "util", "utils", "misc"];

/// The hard limit; 300 is the aim.
const MOST_LINES: usize = 400;

/// Where a top-level module stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Stage(usize),
    Platform,
    /// `config`: what the operator sets; handed to the others by `app`, so that only `app` and `main` know it.
    Config,
    /// Every URL on one page.
    Routes,
    /// `app` and the map, `lib`.
    Everything,
    Main,
    Nowhere,
}

fn place(module: &str) -> Place {
    if let Some(order) = STAGES.iter().position(|stage| *stage == module) {
        return Place::Stage(order);
    }
    match module {
        _ if PLATFORM.contains(&module) => Place::Platform,
        "config" => Place::Config,
        "routes" => Place::Routes,
        "app" | "lib" => Place::Everything,
        "main" => Place::Main,
        _ => Place::Nowhere,
    }
}

/// `report` for `src/report/http.rs`, `clock` for `src/clock.rs`.
fn top_module(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Whether a file is a module's: `src/net.rs`, or anything in `src/net/`.
fn belongs(path: &str, module: &str) -> bool {
    let inner = path.strip_prefix("src/").and_then(|path| path.strip_prefix(module)).unwrap_or_default();
    inner == ".rs" || inner.starts_with('/')
}

/// The import rule between stages, platform and the files that put them together.
pub fn imports(source: &Source) -> Vec<Violation> {
    let module = top_module(&source.path);
    if place(module) == Place::Nowhere {
        return vec![source.violation(0, &format!("`{module}` has no place in the order: see STAGES and PLATFORM in tests/architecture"))];
    }
    let refused = |reference: Reference| {
        let reason = why_not(module, &reference.path)?;
        Some(source.violation(reference.line, &reason))
    };
    references(source).into_iter().filter_map(refused).collect()
}

/// Why a module may not use a path; None where it may.
fn why_not(module: &str, path: &[String]) -> Option<String> {
    let from = place(module);
    if from == Place::Everything {
        return None;
    }
    let Some(target) = path.first() else {
        return Some("takes the root of the crate as a whole, which hides what is used: name the module".to_owned());
    };
    let to = place(target);
    let allowed = match (from, to) {
        (_, Place::Nowhere) => return Some(format!("`{target}` is no module of the map")),
        (Place::Main, _) => ["app", "config"].contains(&target.as_str()),
        (Place::Stage(this), Place::Stage(that)) => that <= this,
        (Place::Routes, Place::Stage(_)) => path.get(1).is_some_and(|file| file == "http"),
        (_, Place::Platform) => true,
        _ => module == target,
    };
    (!allowed).then(|| format!("`{module}` may not use `{}`", path.join("::")))
}

/// Where a crate may appear outside tests.
struct Home {
    krate: &'static str,
    place: &'static str,
    admits: fn(&str) -> bool,
}

const HOMES: [Home; 7] = [
    Home { krate: "sqlx", place: "db/ and */store.rs", admits: |path| belongs(path, "db") || path.ends_with("/store.rs") },
    Home {
        krate: "actix",
        place: "web/, */http.rs, routes.rs and app.rs",
        admits: |path| {
            belongs(path, "web") || path.ends_with("/http.rs") || path.contains("/http/") || belongs(path, "routes") || belongs(path, "app")
        },
    },
    Home { krate: "lettre", place: "delivery/mail.rs and net/", admits: |path| belongs(path, "delivery/mail") || belongs(path, "net") },
    Home {
        krate: "mail_parser",
        place: "delivery/bounce/ and delivery/mailbox/",
        admits: |path| belongs(path, "delivery/bounce") || belongs(path, "delivery/mailbox"),
    },
    Home { krate: "minijinja", place: "gateway/template.rs", admits: |path| path == "src/gateway/template.rs" },
    Home { krate: "reqwest", place: "net/", admits: |path| belongs(path, "net") },
    Home {
        krate: "maud",
        place: "*/page.rs, web/layout.rs and delivery/, which composes the mail",
        admits: |path| path.ends_with("/page.rs") || path.contains("/page/") || path == "src/web/layout.rs" || belongs(path, "delivery"),
    },
];

/// Crates stay at home; tests inside a file may use what they need.
pub fn crates(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| !token.test_only) {
        let is_path = source.word(at, 1) == "::" || source.word_before(at, 1) == "use";
        let names = |home: &&Home| token.text == home.krate || is_path && token.text.split('_').next() == Some(home.krate);
        let stranger = HOMES.iter().find(names).filter(|home| !(home.admits)(&source.path));
        if let Some(home) = stranger.filter(|_| !is_type_of_an_instant(source, at)) {
            let message = format!("`{}` belongs to {} only", token.text, home.place);
            violations.push(source.violation(token.line, &message));
        }
    }
    violations
}

/// The one exception: an instant is stored as a bare BIGINT, so `clock.rs` derives `sqlx::Type` (and says `#[sqlx(transparent)]`). A hand
/// written implementation in `db/` would need the inside of `Timestamp`. Nothing else of sqlx may be named there.
fn is_type_of_an_instant(source: &Source, at: usize) -> bool {
    let derives = source.reads(at, &["sqlx", "::", "Type"]) && source.word(at, 3) != "::";
    let attribute = source.word_before(at, 2) == "#" && source.reads(at, &["sqlx", "(", "transparent", ")"]);
    source.path == "src/clock.rs" && (derives || attribute)
}

/// What holds for every file, tests and benches too.
pub fn hygiene(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !source.text.starts_with("//! ") {
        violations.push(source.violation(1, "a file begins with one `//!` sentence on what it owns"));
    }
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        violations.push(source.violation(0, &format!("{lines} lines, the limit is {MOST_LINES}: one idea per file")));
    }
    let named = source.path.trim_end_matches(".rs").split('/');
    if source.path != "tests/stories/common.rs" {
        let refused = named.filter(|name| REFUSED_NAMES.contains(name));
        violations.extend(refused.map(|name| source.violation(0, &format!("`{name}` does not say what the file owns"))));
    }
    let unfinished = concat!("FIX", "ME");
    for (line, _) in (1..).zip(source.text.lines()).filter(|(_, text)| text.contains(unfinished)) {
        violations.push(source.violation(line, "unfinished work belongs in an issue"));
    }
    violations.extend(forbidden_words(source));
    violations
}

fn forbidden_words(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut attribute = 0_usize;
    for (at, token) in source.tokens.iter().enumerate() {
        let next = source.word(at, 1);
        let opens_attribute = source.word_before(at, 1) == "#" || source.reads(at.saturating_sub(2), &["#", "!", "["]);
        match token.text.as_str() {
            "[" if attribute > 0 || opens_attribute => attribute += 1,
            "]" => attribute = attribute.saturating_sub(1),
            _ => {}
        }
        let message = match token.text.as_str() {
            "allow" if attribute > 0 && next == "(" => "use `#[expect(…, reason = \"…\")]`, which notices when it is no longer needed",
            "todo" | "unimplemented" if next == "!" => "unfinished work belongs in an issue",
            "include" if next == "!" => "hides code from these rules",
            "path" if next == "=" && source.reads(at.saturating_sub(2), &["#", "["]) => "hides where a module lies",
            "mod" if REFUSED_NAMES.contains(&next) && !source.path.starts_with("tests/") => "a name that does not say what the module owns",
            _ => continue,
        };
        violations.push(source.violation(token.line, message));
    }
    violations
}

/// A cycle among the platform modules, if there is one; among stages the order leaves none.
pub fn cycles(sources: &[Source]) -> Vec<Violation> {
    let mut uses: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for source in sources {
        let from = top_module(&source.path);
        for Reference { path, line } in references(source) {
            let target = PLATFORM.iter().find(|module| path.first().is_some_and(|first| first == *module));
            if let Some(to) = target.filter(|to| PLATFORM.contains(&from) && **to != from) {
                let edges = uses.entry(from).or_default();
                edges.entry(to).or_insert_with(|| format!("{from} -> {to} ({}:{line})", source.path));
            }
        }
    }
    let found = PLATFORM.iter().find_map(|module| cycle(&uses, &mut vec![module])).unwrap_or_default();
    let edges: Vec<_> = found.windows(2).filter_map(|pair| uses.get(pair.first()?)?.get(pair.last()?)).map(String::as_str).collect();
    let shown = (!edges.is_empty()).then(|| Violation(format!("a cycle of platform modules:\n    {}", edges.join("\n    "))));
    shown.into_iter().collect()
}

/// A way from the first module of `way` back to it, itself at both ends.
fn cycle<'a>(uses: &BTreeMap<&'a str, BTreeMap<&'a str, String>>, way: &mut Vec<&'a str>) -> Option<Vec<&'a str>> {
    let (first, last) = (*way.first()?, *way.last()?);
    for next in uses.get(last)?.keys() {
        if *next == first {
            return Some(way.iter().copied().chain([first]).collect());
        }
        if !way.contains(next) {
            way.push(next);
            if let Some(found) = cycle(uses, way) {
                return Some(found);
            }
            way.pop();
        }
    }
    None
}
