//! Negative controls: the rules are shown code that breaks them, and code that only looks as if it did.

use crate::imports::references;
use crate::rules::{crates, cycles, hygiene, imports};
use crate::source::{Source, Violation};

/// The lines that a rule complains about.
fn lines(violations: &[Violation]) -> Vec<usize> {
    let line = |Violation(text): &Violation| text.split(':').nth(1)?.parse().ok();
    violations.iter().filter_map(line).collect()
}

fn importing(path: &str, code: &str) -> Vec<usize> {
    lines(&imports(&Source::new(path, code)))
}

fn naming(path: &str, code: &str) -> Vec<usize> {
    lines(&crates(&Source::new(path, code)))
}

fn unclean(path: &str, code: &str) -> Vec<usize> {
    lines(&hygiene(&Source::new(path, &format!("//! Owns it.\n{code}"))))
}

#[test]
fn a_stage_may_not_use_one_to_its_right() {
    assert_eq!(importing("src/survey/mod.rs", "use crate::report::breakdown;"), [1]);
    assert_eq!(importing("src/survey/mod.rs", "\nfn f() { crate::happiness::page::show() }"), [2]);
    assert_eq!(importing("src/link/keys.rs", "use crate::link::Purpose;\nuse crate::metric::Metric;\nuse crate::db;"), [0; 0]);
}

#[test]
fn braces_hide_nothing() {
    let code = "use crate::{\n    db::{self, Tx},\n    metric::Metric,\n    delivery as sending,\n    {report::{http, store}},\n};";
    assert_eq!(importing("src/link/mod.rs", code), [4, 5, 5]);
}

#[test]
fn super_does_not_escape_a_stage() {
    assert_eq!(importing("src/link/keys.rs", "use super::super::response::Response;"), [1]);
    assert_eq!(importing("src/link/mod.rs", "use super::response::Response;"), [1]);
    assert_eq!(importing("src/link/keys.rs", "use super::{super::response, Purpose};"), [1]);
    assert_eq!(
        importing("src/link/keys.rs", "mod deep {\n use super::super::Purpose;\n use super::super::super::report;\n}\nuse super::Purpose;"),
        [3]
    );
    assert_eq!(importing("src/clock.rs", "use self::super::survey::Survey;\nuse super::super::outside;"), [1, 2]);
}

#[test]
fn the_root_cannot_be_taken_as_a_whole() {
    for code in
        ["use crate::*;", "use crate as root;", "use crate::{self as root};", "use super::*;", "use super as up;", "use crate::{*};"]
    {
        assert_eq!(importing("src/clock.rs", code), [1], "{code}");
    }
    assert_eq!(importing("src/clock.rs", "mod tests { use super::*; }\npub(crate) fn f(&self) {}\npub(super) const N: u8 = 1;"), [0; 0]);
}

#[test]
fn a_macro_and_the_crate_s_own_name_lead_into_it_too() {
    assert_eq!(importing("src/db/text.rs", "macro_rules! m { () => { $crate::report::f() } }"), [1]);
    assert_eq!(importing("src/db/text.rs", "use nabz::report;\nuse ::nabz::report;"), [1, 2]);
}

#[test]
fn tests_inside_a_file_keep_the_order_too() {
    assert_eq!(importing("src/metric/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::report::Breakdown;\n}"), [3]);
}

#[test]
fn the_platform_knows_no_stage_and_no_composition() {
    assert_eq!(importing("src/db/mod.rs", "use crate::metric::Metric;\nuse crate::app::App;\nuse crate::config::Config;"), [1, 2, 3]);
    assert_eq!(importing("src/web/limit.rs", "use crate::clock::Clock;\nuse crate::web::problem::Problem;"), [0; 0]);
}

#[test]
fn routes_use_handlers_and_main_starts_the_app() {
    assert_eq!(importing("src/routes.rs", "use crate::report::{http, store};\nuse crate::{web, link};"), [1, 2]);
    assert_eq!(importing("src/main.rs", "use nabz::{app, config};\nuse nabz::db::Engine;"), [2]);
    assert_eq!(importing("src/app.rs", "use crate::{config, happiness, main, web};"), [0; 0]);
}

#[test]
fn a_module_without_a_place_is_refused() {
    assert_eq!(importing("src/manager/mod.rs", ""), [0]);
    assert_eq!(importing("src/report/mod.rs", "use crate::manager::Manager;"), [1]);
}

#[test]
fn comments_strings_and_lifetimes_are_no_code() {
    let code = "/* crate::report /* nested */ crate::report */ // crate::report\nconst A: &str = \"\\\" crate::report\";\nconst B: &str = r#\"\" crate::report\"#;\n\
        const C: char = '\"'; const D: u8 = b'\\''; fn f<'a>(x: &'a str) {}\nuse crate::happiness;";
    assert_eq!(importing("src/survey/mod.rs", code), [5]);
}

#[test]
fn a_path_is_read_as_it_lies_from_the_root() {
    let source = Source::new("src/report/http.rs", "use super::{store::{self, list}, Breakdown as B};\nlet x = crate::db::read::<T>();");
    let paths: Vec<_> = references(&source).into_iter().map(|reference| reference.path.join("::")).collect();
    assert_eq!(paths, ["report::store", "report::store::list", "report::Breakdown", "db::read"]);
}

#[test]
fn a_crate_away_from_home_is_refused() {
    assert_eq!(
        naming(
            "src/report/mod.rs",
            "use sqlx::query;\nuse actix_web::{get, web};\nuse lettre::Message;\nuse reqwest::Client;\nuse maud::html;"
        ),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(naming("src/report/page.rs", "use maud::html;\nuse actix_web::web;"), [2]);
    assert_eq!(naming("src/gateway/call.rs", "use minijinja::Value;"), [1]);
    assert_eq!(naming("src/network/mod.rs", "use lettre::Message;"), [1]);
    assert_eq!(naming("src/delivery/worker.rs", "extern crate lettre;"), [1]);
    assert_eq!(naming("src/delivery/mail.rs", "use lettre::Message;\nuse maud::html;\nuse reqwest::Url;"), [3]);
    for (path, code) in
        [("src/outbox/store.rs", "use sqlx::query;"), ("src/db/mod.rs", "use sqlx::query;"), ("src/intake/http.rs", "use actix_web::web;")]
    {
        assert_eq!(naming(path, code), [0; 0], "{path}");
    }
}

#[test]
fn an_instant_may_be_a_database_type_and_nothing_more() {
    let instant = "#[derive(Debug, sqlx::Type)]\n#[sqlx(transparent)]\npub struct Timestamp(i64);";
    assert_eq!(naming("src/clock.rs", instant), [0; 0]);
    assert_eq!(naming("src/random.rs", instant), [1, 2]);
    assert_eq!(naming("src/clock.rs", "fn f() { sqlx::query(\"\") }\nuse sqlx;\nuse sqlx::Type::x;"), [1, 2, 3]);
}

#[test]
fn only_the_tested_item_is_free_in_its_crates() {
    let code = "#[cfg(test)]\n#[derive(Debug)]\nmod tests {\n    use sqlx::query;\n    fn f() {}\n}\nuse sqlx::query;\n#[cfg(test)]\nuse sqlx::query;\nuse maud::html;";
    assert_eq!(naming("src/report/mod.rs", code), [7, 10]);
}

#[test]
fn a_cycle_of_platform_modules_is_shown_with_its_lines() {
    let sources = [
        ("src/db/mod.rs", "use crate::clock;\n\nuse crate::web;"),
        ("src/web/limit.rs", "use crate::i18n;"),
        ("src/i18n/mod.rs", "use crate::db;"),
        ("src/clock.rs", ""),
    ]
    .map(|(path, code)| Source::new(path, code));
    let found = cycles(&sources);
    let [first, ..] = found.as_slice() else { panic!("the cycle was not found") };
    for edge in ["db -> web (src/db/mod.rs:3)", "web -> i18n (src/web/limit.rs:1)", "i18n -> db (src/i18n/mod.rs:1)"] {
        assert!(first.0.contains(edge), "{}", first.0);
    }
    let [.., i18n, clock] = sources;
    assert!(cycles(&[i18n, clock]).is_empty());
}

#[test]
fn a_file_says_what_it_owns_and_stays_small() {
    assert_eq!(lines(&hygiene(&Source::new("src/link/mod.rs", "use std::fs;\n//! Too late."))), [1]);
    assert_eq!(unclean("src/link/mod.rs", &"\n".repeat(399)), [0; 0]);
    assert_eq!(unclean("src/link/mod.rs", &"\n".repeat(400)), [0]);
    assert_eq!(unclean("src/link/utils.rs", ""), [0]);
    assert_eq!(unclean("src/helpers/mod.rs", "mod types;"), [0, 2]);
    assert_eq!(unclean("tests/stories/common.rs", ""), [0; 0]);
}

#[test]
fn nothing_is_switched_off_hidden_or_left_for_later() {
    let refused = [
        "#[allow(dead_code)]".to_owned(),
        "#![allow(dead_code)]".to_owned(),
        "#[cfg_attr(test, allow(dead_code))]".to_owned(),
        "fn f() { todo!() }".to_owned(),
        "fn f() { unimplemented!(\"\") }".to_owned(),
        format!("// {} later", concat!("FIX", "ME")),
        "#[path = \"x.rs\"]".to_owned(),
        "include!(\"x.rs\");".to_owned(),
    ];
    for code in refused {
        assert_eq!(unclean("src/link/mod.rs", &code), [2], "{code}");
    }
    let fine = "#[expect(dead_code, reason = \"#[allow(x)]\")]\nfn allow(x: [u8; 1]) { limit.allow(x); include_str!(\"\"); }\n#[utoipa::path(get, path = \"/\")]";
    assert_eq!(unclean("src/link/mod.rs", fine), [0; 0]);
}
