//! Several statements as one text.

use super::{Statement, Value, Values};
use crate::db::{Error, Result};

/// Rows in one statement at most: SQLite takes 32,766 values.
const MOST_ROWS: usize = 256;

/// The parts of one text, and their values. Rows are given by `?`, which sqlx counts through all statements, and so come first; `$1` is the first text.
/// Many rows are several parts.
pub(super) fn joined(statements: Vec<Statement>) -> Result<(Vec<String>, Vec<Value>)> {
    let (mut parts, mut rows, mut texts) = (Vec::with_capacity(statements.len()), Vec::new(), Vec::new());
    for Statement { text, values } in statements {
        match values {
            Values::Texts(values) => {
                check(text, values.len())?;
                parts.push((text.to_owned(), texts.len()));
                texts.extend(values.into_iter().map(Value::Text));
            }
            Values::Rows(mut values) => {
                while !values.is_empty() {
                    let rest = values.split_off(values.len().min(MOST_ROWS));
                    let width = values.first().map_or(0, Vec::len);
                    check(text, width)?;
                    // As many as the next power of two, the rest empty, so that there are few statements to prepare.
                    let count = values.len().next_power_of_two();
                    let empty = (count - values.len()) * width;
                    rows.extend(values.into_iter().flatten().chain(std::iter::repeat_n(Value::Null, empty)));
                    parts.push((repeated(text, (width, count)), 0));
                    values = rest;
                }
            }
        }
    }
    let parts = parts.iter().map(|(text, before)| shifted(text, rows.len() + before)).collect();
    rows.append(&mut texts);
    Ok((parts, rows))
}

/// Statements that change rows as one, and their values: the last with all others as its common table expressions, which PostgreSQL carries out whether
/// or not they are read.
pub(super) fn merged(statements: Vec<Statement>) -> Result<(String, Vec<String>)> {
    let (mut parts, mut texts) = (Vec::with_capacity(statements.len()), Vec::new());
    for Statement { text, values } in statements {
        let Values::Texts(values) = values else {
            return Err(Error::Encode("rows of values are SQLite's".into()));
        };
        check(text, values.len())?;
        parts.push(shifted(text, texts.len()));
        texts.extend(values);
    }
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        return Ok((last, texts));
    }
    let others: Vec<String> = parts.iter().zip(1..).map(|(text, number)| format!("part_{number} AS (\n{text})")).collect();
    Ok((format!("WITH {}\n{last}", others.join(",\n")), texts))
}

/// The statement with `count` rows of `?` in place of its one row.
fn repeated(text: &str, (width, count): (usize, usize)) -> String {
    let (before, rest) = text.split_once("VALUES (").unwrap_or((text, ""));
    let (_, after) = rest.split_once(')').unwrap_or_default();
    let row = format!("({})", vec!["?"; width].join(","));
    format!("{before}VALUES {}{after}", vec![row.as_str(); count].join(","))
}

/// A parameter without a value would be NULL on SQLite.
fn check(text: &str, values: usize) -> Result<()> {
    let parameters = highest(text);
    if parameters == values {
        return Ok(());
    }
    Err(Error::Encode(format!("a statement with {parameters} parameters is given {values} values").into()))
}

/// The parts of a statement behind each `$`, with the number they begin with where they are a parameter.
fn parts(text: &str) -> impl Iterator<Item = (Option<usize>, &str)> {
    text.split('$').skip(1).map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        part.split_at_checked(digits)
            .map_or((None, part), |(number, rest)| number.parse().map_or((None, part), |number| (Some(number), rest)))
    })
}

fn highest(text: &str) -> usize {
    parts(text).filter_map(|(number, _)| number).max().unwrap_or(0)
}

/// The statement with `by` added to the number of each parameter.
fn shifted(text: &str, by: usize) -> String {
    let mut shifted = text.split('$').next().unwrap_or_default().to_owned();
    for (number, rest) in parts(text) {
        shifted.push('$');
        if let Some(number) = number {
            shifted.push_str(&(number + by).to_string());
        }
        shifted.push_str(rest);
    }
    shifted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &'static str, values: &[&str]) -> Statement {
        Statement { text, values: Values::Texts(values.iter().map(ToString::to_string).collect()) }
    }

    fn rows(text: &'static str, values: &[&[i64]]) -> Statement {
        Statement { text, values: Values::Rows(values.iter().map(|row| row.iter().map(|value| Value::Int(*value)).collect()).collect()) }
    }

    #[test]
    fn each_statement_keeps_its_own_values() {
        let a = "A (VALUES ($1, $2)) B";
        let statements = vec![
            texts("C $1, $2, $1", &["a", "b"]),
            rows(a, &[&[1, 2], &[3, 4], &[5, 6]]),
            texts("D '$.n[0]' $1; E $2", &["c", "d"]),
            rows(a, &[&[7, 8]]),
        ];
        let (parts, values) = joined(statements).unwrap();
        let four = "A (VALUES (?,?),(?,?),(?,?),(?,?)) B";
        assert_eq!(parts, ["C $11, $12, $11", four, "D '$.n[0]' $13; E $14", "A (VALUES (?,?)) B"]);
        let shown = format!("{values:?}").replace("Int(", "").replace("Text(", "").replace(')', "");
        assert_eq!(shown, "[1, 2, 3, 4, 5, 6, Null, Null, 7, 8, \"a\", \"b\", \"c\", \"d\"]");
        assert!(joined(vec![rows(a, &[])]).unwrap().0.is_empty());
    }

    #[test]
    fn postgres_is_given_one_statement() {
        let statements = || vec![texts("A $1, $2", &["a", "b"]), texts("B $1 '$.n'", &["c"]), texts("C $2 $1", &["d", "e"])];
        let (text, values) = merged(statements()).unwrap();
        assert_eq!(text, "WITH part_1 AS (\nA $1, $2),\npart_2 AS (\nB $3 '$.n')\nC $5 $4");
        assert_eq!(values, ["a", "b", "c", "d", "e"]);
        let one = statements().into_iter().take(1).collect();
        assert_eq!(merged(one).unwrap(), ("A $1, $2".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
        assert!(merged(vec![rows("A (VALUES ($1))", &[&[1]])]).is_err());
        assert!(merged(vec![texts("A $2", &["a"])]).is_err());
    }

    #[test]
    fn many_rows_are_several_statements() {
        let many = vec![[0].as_slice(); MOST_ROWS + 3];
        let (parts, values) = joined(vec![rows("A (VALUES ($1))", &many)]).unwrap();
        let of = |count: usize| format!("A (VALUES {})", vec!["(?)"; count].join(","));
        assert_eq!((parts, values.len()), (vec![of(MOST_ROWS), of(4)], MOST_ROWS + 4));
    }

    #[test]
    fn a_parameter_without_a_value_is_a_fault() {
        assert!(joined(vec![texts("A $2", &["a"])]).is_err());
        assert!(joined(vec![texts("A $1", &["a", "b"])]).is_err());
        assert!(joined(vec![rows("A (VALUES ($1, $2))", &[&[1]])]).is_err());
    }
}
