//! Every crate that nabz is built from has a licence that deny.toml allows, is not banned there, and comes from crates.io.
#![expect(clippy::expect_used, reason = "a graph or a rule that cannot be read must fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    root: String,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    /// `name`, `name:<1.2.3` or `name@1.2.3`, as cargo-deny writes them.
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

fn policy() -> Policy {
    toml::from_str(include_str!("../deny.toml")).expect("deny.toml has the sections that are read here")
}

/// The crates that are reachable from nabz by normal, build and dev dependencies on the platform of the release.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Metadata { mut packages, resolve } = serde_json::from_slice(&output.stdout).expect("cargo describes the graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.into_iter().map(|node| (node.id, node.dependencies)).collect();
    let (mut reached, mut open) = (BTreeSet::new(), vec![resolve.root]);
    while let Some(id) = open.pop() {
        if let Some(dependencies) = nodes.get(&id).filter(|_| reached.insert(id)) {
            open.extend(dependencies.iter().cloned());
        }
    }
    packages.retain(|package| reached.contains(&package.id));
    assert!(packages.iter().any(|package| package.name == "actix-web"), "the graph is not that of nabz");
    packages
}

/// Whether an SPDX expression, or the older form `MIT/Apache-2.0`, can be met with allowed licences only; None where it cannot be read.
/// `WITH` binds closest and makes a licence of its own, then `AND`, then `OR`.
fn is_allowed(expression: &str, allow: &BTreeSet<String>) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<_> = spaced.split_whitespace().rev().collect();
    let met = any_of(&mut words, allow)?;
    words.is_empty().then_some(met)
}

/// Reads from the end of `words`, which are in reverse.
fn any_of(words: &mut Vec<&str>, allow: &BTreeSet<String>) -> Option<bool> {
    let mut met = all_of(words, allow)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        met |= all_of(words, allow)?;
    }
    Some(met)
}

fn all_of(words: &mut Vec<&str>, allow: &BTreeSet<String>) -> Option<bool> {
    let mut met = single(words, allow)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        met &= single(words, allow)?;
    }
    Some(met)
}

fn single(words: &mut Vec<&str>, allow: &BTreeSet<String>) -> Option<bool> {
    match words.pop()? {
        "(" => {
            let met = any_of(words, allow)?;
            (words.pop()? == ")").then_some(met)
        }
        "OR" | "AND" | "WITH" | ")" => None,
        licence if words.pop_if(|word| *word == "WITH").is_some() => Some(allow.contains(&format!("{licence} WITH {}", words.pop()?))),
        licence => Some(allow.contains(licence)),
    }
}

/// Whether a ban speaks of this crate. A form of ban that is not known here fails the test, so that none is passed over.
fn hits(spec: &str, name: &str, version: &str) -> bool {
    let (banned, versions) = spec.find([':', '@']).map_or((spec, ""), |at| spec.split_at(at));
    banned == name
        && match versions.strip_prefix(":<") {
            Some(limit) => numbers(version) < numbers(limit),
            None if versions.is_empty() => true,
            None => numbers(version) == numbers(versions.strip_prefix('@').expect("a ban is `name`, `name:<1.2.3` or `name@1.2.3`")),
        }
}

fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|number| number.parse().expect("a version is three numbers")).collect()
}

#[test]
fn every_licence_is_allowed() {
    let allow = policy().licenses.allow;
    let refused: Vec<_> = packages()
        .into_iter()
        .filter(|package| !package.license.as_deref().and_then(|expression| is_allowed(expression, &allow)).unwrap_or(false))
        .map(|package| {
            format!("{} {}: {}", package.name, package.version, package.license.unwrap_or_else(|| "no licence named".to_owned()))
        })
        .collect();
    assert!(refused.is_empty(), "licences that deny.toml does not allow:\n{}", refused.join("\n"));
}

#[test]
fn no_crate_is_banned() {
    let (bans, packages) = (policy().bans.deny, packages());
    let found: Vec<_> = packages
        .iter()
        .flat_map(|package| bans.iter().map(move |ban| (package, ban)))
        .filter(|(package, ban)| hits(&ban.spec, &package.name, &package.version))
        .map(|(package, ban)| format!("{} {}: {}", package.name, package.version, ban.reason))
        .collect();
    assert!(found.is_empty(), "banned by deny.toml:\n{}", found.join("\n"));
}

#[test]
fn every_crate_comes_from_crates_io() {
    let strangers: Vec<_> = packages()
        .into_iter()
        .filter(|package| package.name != "nabz" && package.source.as_deref() != Some(CRATES_IO))
        .map(|package| format!("{} {}: {}", package.name, package.version, package.source.unwrap_or_else(|| "a path".to_owned())))
        .collect();
    assert!(strangers.is_empty(), "not from crates.io:\n{}", strangers.join("\n"));
}

#[test]
fn an_expression_is_met_by_any_choice_and_by_all_parts() {
    let allow = ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for met in [
        "MIT",
        "GPL-2.0-only OR Apache-2.0",
        "MIT/GPL-3.0",
        "GPL-3.0 / MIT",
        "(GPL-3.0 OR MIT) AND ISC",
        "GPL-3.0 OR MIT AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert_eq!(is_allowed(met, &allow), Some(true), "{met}");
    }
    for refused in
        ["GPL-3.0-or-later", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT AND GPL-3.0 OR MPL-2.0", "MIT WITH LLVM-exception"]
    {
        assert_eq!(is_allowed(refused, &allow), Some(false), "{refused}");
    }
    for unreadable in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "OR MIT"] {
        assert_eq!(is_allowed(unreadable, &allow), None, "{unreadable}");
    }
}

#[test]
fn a_ban_hits_its_crate_and_its_versions_only() {
    assert!(hits("openssl-sys", "openssl-sys", "0.9.1"));
    assert!(!hits("openssl-sys", "openssl", "0.9.1"));
    assert!(hits("h2:<0.4.16", "h2", "0.3.27") && hits("h2:<0.4.16", "h2", "0.4.9"));
    assert!(!hits("h2:<0.4.16", "h2", "0.4.16") && !hits("h2:<0.4.16", "h2", "0.10.0"));
    assert!(hits("left@1.0.0", "left", "1.0.0") && !hits("left@1.0.0", "left", "1.0.1"));
}
