//! Which modules of this crate a file names, from wherever it stands: `crate::`, `$crate::`, `nabz::`, `self::` and `super::`.

use crate::source::Source;

/// A path into this crate, as it reads from the root.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    /// `["report", "http"]` for `crate::report::http`; empty where the root itself is imported, by name or by `*`.
    pub path: Vec<String>,
    pub line: usize,
}

/// Every path of a file that leads into this crate.
pub fn references(source: &Source) -> Vec<Reference> {
    let mut reader = Reader { source, at: 0, found: Vec::new() };
    let mut inside = Inside::new(&source.path);
    while reader.at < source.tokens.len() {
        inside.pass(source, reader.at);
        if reader.begins_path() {
            reader.tree(inside.module.clone());
        } else {
            reader.at += 1;
        }
    }
    reader.found
}

/// The module that a place in a file belongs to.
struct Inside {
    module: Vec<String>,
    depth: usize,
    /// How deep the braces were where each inline module began.
    opened: Vec<usize>,
}

impl Inside {
    fn new(path: &str) -> Self {
        let inner = path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")).unwrap_or_default();
        let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
        module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        Self { module, depth: 0, opened: Vec::new() }
    }

    fn pass(&mut self, source: &Source, at: usize) {
        match source.word(at, 0) {
            "{" => {
                if source.word_before(at, 2) == "mod" {
                    self.opened.push(self.depth);
                    self.module.push(source.word_before(at, 1).to_owned());
                }
                self.depth += 1;
            }
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self.opened.pop_if(|depth| *depth == self.depth).is_some() {
                    self.module.pop();
                }
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    at: usize,
    found: Vec<Reference>,
}

impl Reader<'_> {
    /// Whether a path into this crate begins here. A keyword alone is visibility (`pub(crate)`) or a value (`self`), unless it is renamed.
    fn begins_path(&self) -> bool {
        let leads_on = self.source.word(self.at, 1) == "::" || self.source.word(self.at, 1) == "as";
        let starts = self.source.word_before(self.at, 1) != "::";
        match self.source.word(self.at, 0) {
            "nabz" => leads_on,
            "crate" | "self" | "super" => leads_on && starts,
            _ => false,
        }
    }

    /// Reads one path or tree of `use`, which continues `prefix` (at its beginning the module that it stands in).
    fn tree(&mut self, mut prefix: Vec<String>) {
        loop {
            match self.source.word(self.at, 0) {
                "{" => return self.group(&prefix),
                "crate" | "nabz" => prefix.clear(),
                "super" if prefix.is_empty() => prefix.push("super".to_owned()),
                "super" => drop(prefix.pop()),
                "self" | "*" => {}
                segment => prefix.push(segment.to_owned()),
            }
            self.at += 1;
            if self.source.word(self.at, 0) != "::" || self.source.word(self.at, 1) == "<" {
                break;
            }
            self.at += 1;
        }
        let line = self.source.line_of(self.at - 1);
        self.found.push(Reference { path: prefix, line });
    }

    /// Reads the trees between braces.
    fn group(&mut self, prefix: &[String]) {
        self.at += 1;
        while !["}", ""].contains(&self.source.word(self.at, 0)) {
            match self.source.word(self.at, 0) {
                "," => self.at += 1,
                "as" => self.at += 2,
                _ => self.tree(prefix.to_vec()),
            }
        }
        self.at += 1;
    }
}
