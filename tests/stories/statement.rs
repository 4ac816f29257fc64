//! Reads every SQL statement of the product out of its sources; what it cannot read is an error, so that none is missed silently.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};

use crate::common::On;
use crate::tokens::{after_turbofish, inside, is, mentions, parameters, split, text_of};

/// A statement as the product sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The file, and the constant where it is one.
    pub place: String,
    /// The text.
    pub text: String,
    /// The only engine that is meant to understand it; `None` for both.
    pub only: Option<On>,
}

/// What a source holds.
#[derive(Debug, Default)]
pub struct Found {
    pub statements: Vec<Statement>,
    /// What could not be read, or binds another number of values than its statement has parameters.
    pub problems: Vec<String>,
}

/// Words that begin a statement.
const BEGINNINGS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "PRAGMA", "MERGE", "CREATE", "DROP", "ALTER"];
/// Ways around `sqlx::query…`, which nobody has needed yet.
const DETOURS: &[&str] = &["raw_sql", "QueryBuilder", "AssertSqlSafe", "prepare", "prepare_with", "execute_many", "fetch_many"];

/// Reads one file.
pub fn read(path: &str, code: &str) -> Found {
    let tokens: Vec<TokenTree> = code.parse::<TokenStream>().unwrap().into_iter().collect();
    let mut source = Source::default();
    source.declare(&tokens);
    let mut reader = Reader { path, source: &source, found: Found::default() };
    reader.constants(path.ends_with("store.rs") || path.starts_with("src/db/"));
    // What it joins are constants of the stores, and it counts their values itself.
    if path != "src/db/script/mod.rs" {
        reader.walk(&[&tokens]);
    }
    reader.found
}

/// What a file declares: macros that make statements, and constants.
#[derive(Default)]
struct Source {
    macros: HashMap<String, (Vec<String>, Vec<TokenTree>)>,
    constants: HashMap<String, Vec<TokenTree>>,
}

impl Source {
    fn declare(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            let rest = &tokens[at + 1..];
            match token {
                TokenTree::Group(group) => self.declare(&inside(group)),
                TokenTree::Ident(word) if word == "macro_rules" => self.declare_macro(rest),
                TokenTree::Ident(word) if word == "const" => self.declare_constant(rest),
                _ => {}
            }
        }
    }

    /// `! name { (pattern) => { body } }`.
    fn declare_macro(&mut self, rest: &[TokenTree]) {
        let [_, TokenTree::Ident(name), TokenTree::Group(rules), ..] = rest else {
            return;
        };
        let rule = inside(rules);
        if let [TokenTree::Group(pattern), _, _, TokenTree::Group(body), ..] = rule.as_slice() {
            let pattern = inside(pattern);
            let names = pattern.windows(2).filter(|pair| is(&pair[0], '$')).map(|pair| pair[1].to_string());
            self.macros.insert(name.to_string(), (names.collect(), inside(body)));
        }
    }

    /// `NAME: type = expression;`, where the type has text in it.
    fn declare_constant(&mut self, rest: &[TokenTree]) {
        let [TokenTree::Ident(name), colon, ..] = rest else { return };
        let Some(equals) = rest.iter().position(|token| is(token, '=')) else {
            return;
        };
        let end = rest.iter().position(|token| is(token, ';')).unwrap_or(rest.len());
        if is(colon, ':') && equals < end && mentions(&rest[2..equals], "str") {
            self.constants.insert(name.to_string(), rest[equals + 1..end].to_vec());
        }
    }

    /// The texts of an expression: one, or one for each part of a tuple.
    fn evaluate(&self, tokens: &[TokenTree]) -> Option<Vec<String>> {
        match tokens {
            [TokenTree::Punct(and), rest @ ..] if and.as_char() == '&' => self.evaluate(rest),
            [TokenTree::Literal(literal)] => Some(vec![text_of(&literal.to_string())?]),
            [TokenTree::Ident(name)] => self.evaluate(self.constants.get(&name.to_string())?),
            [TokenTree::Group(tuple)] => {
                let parts: Option<Vec<_>> = split(&inside(tuple)).iter().map(|part| self.evaluate(part)).collect();
                Some(parts?.concat())
            }
            [TokenTree::Ident(name), bang, TokenTree::Group(arguments)] if is(bang, '!') => {
                self.expand(&name.to_string(), &split(&inside(arguments)))
            }
            _ => None,
        }
    }

    fn expand(&self, name: &str, arguments: &[Vec<TokenTree>]) -> Option<Vec<String>> {
        if name == "concat" {
            let parts: Option<Vec<_>> = arguments.iter().map(|part| self.evaluate(part)).collect();
            return Some(vec![parts?.concat().concat()]);
        }
        let (names, body) = self.macros.get(name)?;
        let values: HashMap<&str, &Vec<TokenTree>> = names.iter().map(String::as_str).zip(arguments).collect();
        self.evaluate(&substitute(body, &values))
    }
}

/// A macro's body with its arguments filled in.
fn substitute(body: &[TokenTree], values: &HashMap<&str, &Vec<TokenTree>>) -> Vec<TokenTree> {
    let mut filled = Vec::new();
    let mut tokens = body.iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let inner = substitute(&inside(group), values).into_iter().collect();
                filled.push(proc_macro2::Group::new(group.delimiter(), inner).into());
            }
            dollar if is(dollar, '$') => {
                let name = tokens.next().map(ToString::to_string).unwrap_or_default();
                filled.extend(values.get(name.as_str()).into_iter().flat_map(|value| value.iter().cloned()));
            }
            other => filled.push(other.clone()),
        }
    }
    filled
}

struct Reader<'a> {
    path: &'a str,
    source: &'a Source,
    found: Found,
}

impl Reader<'_> {
    fn problem(&mut self, what: &str) {
        self.found.problems.push(format!("{}: {what}", self.path));
    }

    /// Every constant that is a statement, whether or not it is sent.
    fn constants(&mut self, all_must_be_readable: bool) {
        let mut names: Vec<&String> = self.source.constants.keys().collect();
        names.sort();
        for name in names {
            match self.source.evaluate(&self.source.constants[name]) {
                Some(texts) if texts.iter().all(|text| begins_statement(text)) => self.note(name, texts),
                None if all_must_be_readable => self.problem(&format!("the constant {name} cannot be read")),
                Some(_) | None => {}
            }
        }
    }

    fn note(&mut self, name: &str, texts: Vec<String>) {
        let only = match (name.contains("SQLITE"), name.contains("POSTGRES")) {
            (true, false) => Some(On::Sqlite),
            (false, true) => Some(On::Postgres),
            _ => None,
        };
        for text in texts {
            let place = format!("{} {name}", self.path);
            let statement = Statement { place, text, only };
            if !self.found.statements.contains(&statement) {
                self.found.statements.push(statement);
            }
        }
    }

    /// `scopes` are the token lists around the last one, the file's first.
    fn walk(&mut self, scopes: &[&[TokenTree]]) {
        let tokens = scopes.last().copied().unwrap_or_default();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    let inner = inside(group);
                    let mut deeper = before(scopes, at);
                    deeper.push(&inner);
                    self.walk(&deeper);
                }
                TokenTree::Ident(word) if DETOURS.iter().any(|detour| word == detour) => {
                    self.problem(&format!("{word} is not understood by this test"));
                }
                TokenTree::Ident(word) if word == "sqlx" => self.import(&tokens[at + 1..]),
                TokenTree::Ident(word) if word.to_string().starts_with("query") => self.query(&before(scopes, at), &tokens[at..]),
                TokenTree::Ident(word) if word.to_string().starts_with("fetch") || word == "execute" => self.sending(&tokens[at + 1..]),
                _ => {}
            }
        }
    }

    /// A text can be sent without `query`, too.
    fn sending(&mut self, rest: &[TokenTree]) {
        if let [TokenTree::Group(arguments), ..] = rest
            && let [TokenTree::Literal(literal), ..] = inside(arguments).as_slice()
            && text_of(&literal.to_string()).is_some()
        {
            self.problem(&format!("{literal} is sent without sqlx::query"));
        }
    }

    /// A `query` that does not stand behind `sqlx::` would be overlooked.
    fn import(&mut self, rest: &[TokenTree]) {
        match rest {
            [_, _, TokenTree::Group(list), ..] if inside(list).iter().any(|word| word.to_string().starts_with("query")) => {
                self.problem("import nothing that sends a statement, call sqlx::query instead");
            }
            [_, _, star, ..] if is(star, '*') => self.problem("import nothing that sends a statement, call sqlx::query instead"),
            _ => {}
        }
    }

    /// `scopes` end before the query, `rest` begins with it.
    fn query(&mut self, scopes: &[&[TokenTree]], rest: &[TokenTree]) {
        let before = scopes.last().copied().unwrap_or_default();
        let is_of_sqlx = before.len() >= 3 && before[before.len() - 3].to_string() == "sqlx";
        if !is_of_sqlx {
            return;
        }
        let Some((TokenTree::Group(arguments), after)) = after_turbofish(&rest[1..]) else {
            return self.problem(&format!("sqlx::{} is not called at once", rest[0]));
        };
        let first = split(&inside(arguments)).into_iter().next().unwrap_or_default();
        let Some(texts) = self.sent(scopes, &first) else {
            let shown: TokenStream = first.into_iter().collect();
            return self.problem(&format!("the statement `{shown}` cannot be read"));
        };
        let bound = bound(after);
        for text in texts {
            if parameters(&text) != Some(bound) {
                self.problem(&format!("{bound} values are bound to {text}"));
            }
        }
    }

    /// The texts that an argument can stand for.
    fn sent(&mut self, scopes: &[&[TokenTree]], argument: &[TokenTree]) -> Option<Vec<String>> {
        if let Some(texts) = self.source.evaluate(argument) {
            let name = if let [TokenTree::Ident(name)] = argument { name.to_string() } else { String::new() };
            self.note(&name, texts.clone());
            return Some(texts);
        }
        let [TokenTree::Ident(variable)] = argument else { return None };
        let value = scopes.iter().rev().find_map(|scope| binding(scope, &variable.to_string()))?;
        let is_made_up = mentions(value, "format") || holds_statement(value);
        let mut names = Vec::new();
        constants_in(value, self.source, &mut names);
        if is_made_up || names.is_empty() {
            return None;
        }
        let mut texts = Vec::new();
        for name in names {
            let found = self.source.evaluate(&self.source.constants[&name])?;
            self.note(&name, found.clone());
            texts.extend(found);
        }
        Some(texts)
    }
}

/// The same lists, the last of them only up to a place: a `let` behind it cannot be meant.
fn before<'a>(scopes: &[&'a [TokenTree]], at: usize) -> Vec<&'a [TokenTree]> {
    let mut before = scopes.to_vec();
    if let Some(last) = before.last_mut() {
        *last = &last[..at];
    }
    before
}

/// What the last `let` of a variable gives it.
fn binding<'a>(scope: &'a [TokenTree], variable: &str) -> Option<&'a [TokenTree]> {
    let lets = scope.iter().enumerate().rev().filter(|(_, token)| token.to_string() == "let");
    lets.map(|(at, _)| &scope[at + 1..]).find_map(|rest| {
        let equals = rest.iter().position(|token| is(token, '='))?;
        let end = rest.iter().position(|token| is(token, ';')).unwrap_or(rest.len());
        (equals < end && mentions(&rest[..equals], variable)).then(|| &rest[equals + 1..end])
    })
}

fn begins_statement(text: &str) -> bool {
    BEGINNINGS.iter().any(|word| text.trim_start().starts_with(word))
}

/// Whether an expression spells a statement out itself.
fn holds_statement(tokens: &[TokenTree]) -> bool {
    tokens.iter().any(|token| match token {
        TokenTree::Group(group) => holds_statement(&inside(group)),
        TokenTree::Literal(literal) => text_of(&literal.to_string()).is_some_and(|text| begins_statement(&text)),
        _ => false,
    })
}

/// The constants that an expression names.
fn constants_in(tokens: &[TokenTree], source: &Source, names: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => constants_in(&inside(group), source, names),
            TokenTree::Ident(name) if source.constants.contains_key(&name.to_string()) => names.push(name.to_string()),
            _ => {}
        }
    }
}

/// How many values the calls behind a query bind, up to the end of their chain.
fn bound(tokens: &[TokenTree]) -> usize {
    let mut count = 0;
    let mut rest = tokens;
    while let [dot, TokenTree::Ident(method), after @ ..] = rest {
        if !is(dot, '.') {
            break;
        }
        count += usize::from(method == "bind");
        rest = match after_turbofish(after) {
            Some((TokenTree::Group(_), more)) => more,
            _ => after,
        };
    }
    count
}
