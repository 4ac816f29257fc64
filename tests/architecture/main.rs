//! The rules of the house, checked: reads every Rust file and names each line that breaks one.
#![expect(clippy::expect_used, reason = "a source file that cannot be read must fail the test")]

mod controls;
mod imports;
mod rules;
mod source;

use source::{Source, Violation};

/// More would only scroll the first away.
const SHOWN: usize = 20;

/// All files below `src`.
fn product() -> Vec<Source> {
    let sources = source::read("src");
    assert!(sources.iter().any(|source| source.path == "src/metric/mod.rs"), "the files of the product were not found");
    sources
}

#[track_caller]
fn assert_none(violations: &[Violation]) {
    let shown: Vec<_> = violations.iter().take(SHOWN).map(|Violation(text)| text.as_str()).collect();
    assert!(violations.is_empty(), "{} violations\n\n{}\n", violations.len(), shown.join("\n"));
}

#[test]
fn imports_point_left() {
    assert_none(&product().iter().flat_map(rules::imports).collect::<Vec<_>>());
}

#[test]
fn every_crate_stays_where_it_belongs() {
    assert_none(&product().iter().flat_map(rules::crates).collect::<Vec<_>>());
}

#[test]
fn platform_modules_form_no_cycle() {
    assert_none(&rules::cycles(&product()));
}

#[test]
fn every_file_is_small_named_and_finished() {
    let mut sources = product();
    sources.extend(source::read("tests"));
    sources.extend(source::read("benches"));
    assert_none(&sources.iter().flat_map(rules::hygiene).collect::<Vec<_>>());
}
