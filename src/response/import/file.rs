//! The rows of a file: CSV with any usual delimiter, or one JSON object a line, one at a time. What a row may be long is bounded, and so is memory.

use std::cell::Cell as Count;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::columns::{Columns, Field, Mapping};
use super::row::{Cells, Refused};

/// The longest row, in bytes: a quote that is not closed must not take the rest of the file for one cell.
const LONGEST_ROW: u64 = 1024 * 1024;
const BUFFER: usize = 64 * 1024;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Why a file cannot be imported at all, in words for whoever gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// The hash of everything in a file.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> Result<[u8; 32], Unusable> {
    let mut file = open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = file.read(&mut buffer).map_err(|error| unreadable(path, &error))?;
        let Some(part) = buffer.get(..length).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
    }
    Ok(hash.finalize().into())
}

fn open(path: &Path) -> Result<File, Unusable> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Unusable {
    Unusable(format!("{} cannot be read: {error}", path.display()))
}

/// Counts what is read, and ends when one row is longer than a row may be.
struct Bounded<R> {
    inner: R,
    read: Rc<Count<u64>>,
    until: Rc<Count<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read.get() >= self.until.get() {
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "a row is too long"));
        }
        let length = self.inner.read(buffer)?;
        self.read.set(self.read.get().saturating_add(u64::try_from(length).unwrap_or(0)));
        Ok(length)
    }
}

type Input = BufReader<Bounded<File>>;

/// One row of a file.
#[derive(Debug)]
pub struct Row {
    /// Its number as a spreadsheet or editor shows it: the header of a CSV file is row 1.
    pub number: u64,
    /// What its cells say, or why they cannot be read.
    pub cells: Result<Cells, Refused>,
}

/// A file that is read row by row.
pub struct Rows {
    input: Rest,
    columns: Columns,
    number: u64,
    read: Rc<Count<u64>>,
    until: Rc<Count<u64>>,
    is_over: bool,
}

enum Rest {
    Csv { reader: Box<csv::Reader<Input>>, fields: Vec<Option<Field>>, record: csv::ByteRecord },
    Ndjson { reader: Input, mapping: Option<Mapping>, line: Vec<u8> },
}

impl Rows {
    /// Opens a file and reads what its columns are called.
    ///
    /// # Errors
    /// When it cannot be read, or none of its columns means anything.
    pub fn open(path: &Path, mapping: &Mapping) -> Result<Self, Unusable> {
        let (read, until) = (Rc::new(Count::new(0)), Rc::new(Count::new(LONGEST_ROW)));
        let bounded = Bounded { inner: open(path)?, read: Rc::clone(&read), until: Rc::clone(&until) };
        let mut reader = BufReader::with_capacity(BUFFER, bounded);
        let start = reader.fill_buf().map_err(|error| unreadable(path, &error))?;
        let bom = if start.starts_with(BOM) { BOM.len() } else { 0 };
        let start = start.get(bom..).unwrap_or_default();
        let (first, delimiter) = (start.trim_ascii_start().first().copied(), delimiter(start));
        if matches!(start, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Err(Unusable(format!("{} is UTF-16; save it as CSV in UTF-8", path.display())));
        }
        reader.consume(bom);
        let columns = Columns::new(mapping, &[]);
        let mut rows = match first {
            None => return Err(Unusable(format!("{} is empty", path.display()))),
            Some(b'[') => return Err(Unusable(format!("{} is one JSON list; write one object a line (NDJSON)", path.display()))),
            Some(b'{') => {
                let input = Rest::Ndjson { reader, mapping: Some(mapping.clone()), line: Vec::new() };
                return Ok(Self { input, columns, number: 0, read, until, is_over: false });
            }
            Some(_) => {
                let reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(reader);
                let input = Rest::Csv { reader: Box::new(reader), fields: Vec::new(), record: csv::ByteRecord::new() };
                Self { input, columns, number: 0, read, until, is_over: false }
            }
        };
        rows.read_header(path, mapping)?;
        Ok(rows)
    }

    fn read_header(&mut self, path: &Path, mapping: &Mapping) -> Result<(), Unusable> {
        let Rest::Csv { reader, fields, record } = &mut self.input else { return Ok(()) };
        let is_read =
            reader.read_byte_record(record).map_err(|_| Unusable(format!("{} has no header that can be read", path.display())))?;
        let names: Vec<String> = record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        if !is_read || names.iter().all(|name| name.trim().is_empty()) {
            return Err(Unusable(format!("{} has no header", path.display())));
        }
        if let Some(field) = mapping.missing(&names) {
            return Err(Unusable(format!("--map {field}: {} has no column of that name; it has {}", path.display(), shown(&names))));
        }
        self.columns = Columns::new(mapping, &names);
        *fields = names.iter().map(|name| self.columns.field(name)).collect();
        let needed = [Field::Score, Field::Raw, Field::TicketId, Field::Id];
        if !fields.iter().flatten().any(|field| needed.contains(field)) {
            let help = "name them as in `nabz import --help`, or say what they hold: --map \"score=Rating,ticket.id=Ticket\"";
            return Err(Unusable(format!("{} has no column score, id or ticket.id, only {}; {help}", path.display(), shown(&names))));
        }
        self.number = 1;
        Ok(())
    }

    /// Who wrote the file.
    #[must_use]
    pub fn vendor(&self) -> super::columns::Vendor {
        self.columns.vendor
    }

    /// Whether each row may name its survey.
    #[must_use]
    pub fn names_surveys(&self) -> bool {
        match &self.input {
            Rest::Csv { fields, .. } => fields.contains(&Some(Field::Survey)),
            Rest::Ndjson { .. } => true,
        }
    }

    /// How many bytes were read.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// Columns that say nothing to us and were not told yet.
    pub fn take_unknown(&mut self) -> Vec<String> {
        self.columns.take_unknown()
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.is_over {
            return None;
        }
        // What is read ahead belongs to the next rows.
        self.until.set(self.read.get().saturating_add(LONGEST_ROW));
        match &mut self.input {
            Rest::Csv { reader, fields, record } => {
                self.number += 1;
                let cells = match reader.read_byte_record(record) {
                    Ok(false) => return None,
                    Ok(true) => csv_cells(record, fields),
                    Err(error) => {
                        self.is_over = true;
                        Err(broken(error.is_io_error()))
                    }
                };
                Some(Row { number: self.number, cells })
            }
            Rest::Ndjson { reader, mapping, line } => loop {
                line.clear();
                self.number += 1;
                match reader.read_until(b'\n', line) {
                    Ok(0) => return None,
                    Ok(_) if line.trim_ascii().is_empty() => {}
                    Ok(_) => return Some(Row { number: self.number, cells: json_cells(line, &mut self.columns, mapping) }),
                    Err(_) => {
                        self.is_over = true;
                        return Some(Row { number: self.number, cells: Err(broken(true)) });
                    }
                }
            },
        }
    }
}

fn broken(is_too_long: bool) -> Refused {
    let rule =
        if is_too_long { "is longer than 1 MiB (is a quote not closed?), so the rest of the file is not read" } else { "cannot be read" };
    Refused::new("row", rule)
}

fn csv_cells(record: &csv::ByteRecord, fields: &[Option<Field>]) -> Result<Cells, Refused> {
    if record.len() > fields.len() {
        return Err(Refused::new("row", format!("has {} cells, and the header {}", record.len(), fields.len())));
    }
    let mut cells = Cells::default();
    for (bytes, field) in record.iter().zip(fields) {
        let Some(field) = field else { continue };
        let text = std::str::from_utf8(bytes).map_err(|_| Refused::new(field.as_str(), "must be UTF-8"))?;
        cells.put(*field, text);
    }
    if cells.is_empty() { Err(Refused::new("row", "is empty")) } else { Ok(cells) }
}

/// `recognise` is what the caller says of columns, before the first object was seen: whoever wrote the file is known by its names.
fn json_cells(line: &[u8], columns: &mut Columns, recognise: &mut Option<Mapping>) -> Result<Cells, Refused> {
    let value: Value = serde_json::from_slice(line.trim_ascii_end())
        .map_err(|error| Refused::new("row", format!("is not valid JSON at column {}", error.column())))?;
    let Value::Object(_) = &value else { return Err(Refused::new("row", "must be a JSON object")) };
    let mut leaves = Vec::new();
    flatten(&value, &mut String::new(), &mut leaves);
    if let Some(mapping) = recognise.take() {
        *columns = Columns::new(&mapping, &leaves.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
    }
    let mut cells = Cells::default();
    for (name, leaf) in leaves {
        let Some(field) = columns.field(&name) else { continue };
        match leaf {
            Value::String(text) => cells.put(field, text),
            Value::Number(number) => cells.put(field, &number.to_string()),
            Value::Bool(truth) => cells.put(field, &truth.to_string()),
            Value::Array(list) if field == Field::Tags => {
                let tags: Option<Vec<String>> = list.iter().map(|tag| tag.as_str().map(ToOwned::to_owned)).collect();
                cells.put_list(field, tags.ok_or_else(|| Refused::new("tags", "must be texts"))?);
            }
            Value::Null => {}
            Value::Array(_) | Value::Object(_) => return Err(Refused::new(field.as_str(), "must be a text or a number")),
        }
    }
    Ok(cells)
}

/// The values of an object under the names that a column would have: `ticket.id`.
fn flatten<'a>(value: &'a Value, path: &mut String, leaves: &mut Vec<(String, &'a Value)>) {
    let Value::Object(fields) = value else {
        leaves.push((path.clone(), value));
        return;
    };
    for (name, inner) in fields {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        flatten(inner, path, leaves);
        path.truncate(length);
    }
}

/// The delimiter that a header uses most, outside of quotes.
fn delimiter(start: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut counts = [0_usize; DELIMITERS.len()];
    for byte in start {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            byte if !is_quoted => {
                for (count, delimiter) in counts.iter_mut().zip(DELIMITERS) {
                    *count += usize::from(*byte == delimiter);
                }
            }
            _ => {}
        }
    }
    let mut best = (0, b',');
    for (count, delimiter) in counts.into_iter().zip(DELIMITERS) {
        if count > best.0 {
            best = (count, delimiter);
        }
    }
    best.1
}

/// Names of columns for people; a file without a header would have customers there, so only the shape of long ones is told.
fn shown(names: &[String]) -> String {
    let short = |name: &String| name.trim().chars().filter(|c| !c.is_control()).take(40).collect::<String>();
    names.iter().take(30).map(short).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a file with these bytes: number, and the text of a field or the rule that is broken.
    fn rows(bytes: &[u8], field: Field) -> Result<Vec<(u64, String)>, Unusable> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let told = |row: Row| match row.cells {
            Ok(cells) => (row.number, cells.text(field).unwrap_or_default().to_owned()),
            Err(refused) => (row.number, refused.to_string()),
        };
        Ok(Rows::open(&path, &Mapping::default())?.map(told).collect())
    }

    #[test]
    fn the_delimiter_is_the_one_that_the_header_uses() {
        for (header, expected) in [
            ("score,comment", b','),
            ("score;comment, if any;team", b';'),
            ("score\tcomment", b'\t'),
            ("score|comment", b'|'),
            ("\"score, as a number\";comment", b';'),
            ("score", b','),
        ] {
            assert_eq!(delimiter(format!("{header}\r\n1,2,3,4,5").as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn a_row_of_csv_may_hold_quotes_and_line_breaks_and_lack_its_last_cells() {
        let file = b"\xef\xbb\xbfscore;comment;team\r\n5;\"a \"\"b\"\"\nc; d\";x\r\n4\r\n3;e;x;y\r\n2;\xff;x\r\n;;\r\n";
        let expected =
            [(2, "a \"b\"\nc; d"), (3, ""), (4, "row: has 4 cells, and the header 3"), (5, "comment: must be UTF-8"), (6, "row: is empty")];
        assert_eq!(rows(file, Field::Comment).unwrap(), expected.map(|(row, text)| (row, text.to_owned())));
    }

    #[test]
    fn objects_may_be_nested_or_flat_and_a_line_that_is_none_is_refused_alone() {
        let file = b"{\"ticket\":{\"id\":7}}\n\n{\"ticket.id\":\"8\"}\n{\"ticket\":[1]}\n[1]\n{\"ticket\":\n{\"ticket\":{\"id\":[1]}}\n{\"ticket\":{\"id\":9}}";
        let expected = [
            (1, "7"),
            (3, "8"),
            (4, ""),
            (5, "row: must be a JSON object"),
            (6, "row: is not valid JSON at column 10"),
            (7, "ticket.id: must be a text or a number"),
            (8, "9"),
        ];
        assert_eq!(rows(file, Field::TicketId).unwrap(), expected.map(|(row, text)| (row, text.to_owned())));
    }

    #[test]
    fn a_file_of_another_kind_says_what_it_is() {
        for (bytes, why) in
            [(&b"\xff\xfes\0c\0"[..], "UTF-16"), (b"[1]", "one JSON list"), (b" \n", "empty"), (b";;;\n1;2;3;4", "no header")]
        {
            let told = rows(bytes, Field::Score).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
