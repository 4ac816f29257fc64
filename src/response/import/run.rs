//! A whole file: read on a thread of its own, taken in in batches, each in one transaction that also notes how far it got.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::columns::Mapping;
use super::file::{self, Row, Rows, Unusable};
use super::row::{Entry, Reading, Refused};
use super::{Answer, store, take};
use crate::clock::Timestamp;
use crate::db;
use crate::invitation::receive::{self, Received};
use crate::invitation::{Outcome, Reason};
use crate::response::Via;
use crate::response::human::Evidence;
use crate::survey::{self, Survey, SurveyId};
use crate::web::Context;

/// What one transaction may hold: answers weigh 1, tickets more, because each is decided about.
const BATCH: usize = 2000;
const TICKET: usize = 4;
/// Batches that are read before the database has taken them.
const AHEAD: usize = 2;
const SURVEYS_AT_ONCE: i64 = 500;
/// A tenth of the time is left to others who write to the same SQLite file.
const REST: u32 = 10;
/// How often a batch is tried that the database does not take.
const TRIES: u32 = 5;
const TRY_AFTER: Duration = Duration::from_millis(200);

/// How a file is imported.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The slug of the survey of those rows that name none.
    pub survey: Option<String>,
    /// What columns hold, where their names do not say so.
    pub mapping: Mapping,
    /// Only read, check and decide.
    pub dry_run: bool,
}

/// What is told while a file is imported.
#[derive(Debug)]
pub enum Event<'a> {
    /// Columns that are not kept.
    Unknown(&'a [String]),
    /// A row that is not taken.
    Refused(u64, &'a Refused),
    /// How far it is: rows, and bytes of all.
    Progress(u64, u64),
}

/// What became of a file's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// All rows.
    pub rows: u64,
    /// Answers that are new.
    pub answers: u64,
    /// Tickets whose customers are asked.
    pub invited: u64,
    /// Tickets whose customers are not asked, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// What was there already.
    pub known: u64,
    /// Customers who were asked elsewhere and did not answer.
    pub unanswered: u64,
    /// Rows that were not taken.
    pub refused: u64,
}

/// Why an import ended before its file.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The file or what was said of it.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The database; what is stored stays, and the same command goes on from there.
    #[error("the database did not take the rows: {0}; those before are stored, and the same command goes on from there")]
    Database(#[from] db::Error),
}

/// What one transaction takes in.
#[derive(Default)]
struct Batch {
    entries: Vec<(u64, Entry)>,
    refused: Vec<(u64, Refused)>,
    unknown: Vec<String>,
    last: u64,
    bytes: u64,
    weight: usize,
    /// Whether a row was refused that another run may take: its survey was not there.
    is_open: bool,
}

/// Imports a file; tells what is going on.
///
/// # Errors
/// When the file cannot be used, or the database does not take it.
pub async fn run(context: &Context, path: &Path, options: &Options, mut tell: impl FnMut(Event<'_>)) -> Result<Summary, Failed> {
    let surveys = surveys(context).await?;
    let default = default_survey(&surveys, options)?;
    let identity = identity(path, default.as_ref(), options)?;
    let done = store::find_done(&mut context.db.read().await?, &identity).await?;
    let done = if options.dry_run { 0 } else { u64::try_from(done).unwrap_or(0) };
    let (sender, mut batches) = mpsc::channel(AHEAD);
    let reader = Reader { path: path.to_owned(), options: options.clone(), surveys, default, now: context.clock.now() };
    let reading = tokio::task::spawn_blocking(move || reader.send(&sender));
    let mut desk = Desk {
        context,
        dry_run: options.dry_run,
        identity: &identity,
        done,
        is_open: false,
        seen: HashSet::new(),
        hasher: RandomState::new(),
        summary: Summary::default(),
    };
    while let Some(batch) = batches.recv().await {
        if !batch.unknown.is_empty() {
            tell(Event::Unknown(&batch.unknown));
        }
        for (row, refused) in &batch.refused {
            tell(Event::Refused(*row, refused));
        }
        let (last, bytes) = (batch.last, batch.bytes);
        desk.take(batch).await?;
        tell(Event::Progress(last, bytes));
    }
    match reading.await {
        Ok(read) => read?,
        Err(error) => return Err(Unusable(format!("the file could not be read to its end: {error}")).into()),
    }
    desk.end().await
}

async fn surveys(context: &Context) -> db::Result<HashMap<String, Arc<Survey>>> {
    let mut read = context.db.read().await?;
    let mut surveys = HashMap::new();
    let mut after = SurveyId::default();
    loop {
        let some = survey::store::list(&mut read, after, SURVEYS_AT_ONCE).await?;
        let Some(last) = some.last() else { return Ok(surveys) };
        after = last.id;
        surveys.extend(some.into_iter().map(|survey| (survey.slug.clone(), Arc::new(survey))));
    }
}

/// The survey of rows that name none: the one that is said, or the only one there is.
fn default_survey(surveys: &HashMap<String, Arc<Survey>>, options: &Options) -> Result<Option<Arc<Survey>>, Unusable> {
    match &options.survey {
        Some(slug) => {
            let found = surveys.get(slug).cloned();
            found
                .map(Some)
                .ok_or_else(|| Unusable(format!("--survey: there is no survey {slug}; create it first, with POST /api/v1/surveys")))
        }
        None if surveys.is_empty() => Err(Unusable("there is no survey yet; create one first, with POST /api/v1/surveys".to_owned())),
        None => Ok(surveys.values().next().filter(|_| surveys.len() == 1).cloned()),
    }
}

/// What names an import that may be cut off: the same file, read in the same way.
fn identity(path: &Path, default: Option<&Arc<Survey>>, options: &Options) -> Result<[u8; 32], Unusable> {
    let mut hash = Sha256::new();
    hash.update(file::digest(path)?);
    hash.update(default.map(|survey| survey.id.0).unwrap_or_default());
    hash.update(format!("{:?}", options.mapping));
    Ok(hash.finalize().into())
}

/// Reads and checks rows, ahead of the database.
struct Reader {
    path: PathBuf,
    options: Options,
    surveys: HashMap<String, Arc<Survey>>,
    default: Option<Arc<Survey>>,
    now: Timestamp,
}

impl Reader {
    fn send(&self, batches: &mpsc::Sender<Batch>) -> Result<(), Unusable> {
        let mut rows = Rows::open(&self.path, &self.options.mapping)?;
        if self.default.is_none() && !rows.names_surveys() {
            return Err(Unusable("--survey is needed: there are several surveys, and the file has no column survey".to_owned()));
        }
        let mut twins = Twins::default();
        let mut batch = Batch::default();
        while let Some(Row { number, cells }) = rows.next() {
            let entry = cells.and_then(|cells| {
                let reading = Reading { vendor: rows.vendor(), survey: self.survey(&cells)?, now: self.now };
                reading.entry(&cells, |print| twins.number(print))
            });
            batch.add(number, entry);
            if batch.weight >= BATCH || batch.refused.len() >= BATCH {
                batch.close(&mut rows);
                if batches.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return Ok(());
                }
            }
        }
        batch.close(&mut rows);
        // Whoever no longer listens has told why.
        let _ = batches.blocking_send(batch);
        Ok(())
    }

    fn survey(&self, cells: &super::row::Cells) -> Result<Arc<Survey>, Refused> {
        match cells.text(super::columns::Field::Survey) {
            Some(slug) => self.surveys.get(slug).cloned().ok_or_else(|| Refused::new("survey", NO_SURVEY)),
            None => self.default.clone().ok_or_else(|| Refused::new("survey", "is needed: there are several surveys")),
        }
    }
}

const NO_SURVEY: &str = "must be the slug of a survey";

/// Which rows without any id say the same, by the beginning of their hash: two that share it are numbered together, and always alike.
#[derive(Default)]
struct Twins {
    once: HashSet<u64>,
    /// Few rows are here, so that a long file takes little memory.
    more: HashMap<u64, u32>,
}

impl Twins {
    /// The number of a row among those that say the same, from 1.
    fn number(&mut self, print: [u8; 32]) -> u32 {
        let beginning = print.first_chunk::<8>().copied().map(u64::from_be_bytes).unwrap_or_default();
        if self.once.insert(beginning) {
            return 1;
        }
        let count = self.more.entry(beginning).or_insert(1);
        *count += 1;
        *count
    }
}

impl Batch {
    fn add(&mut self, row: u64, entry: Result<Entry, Refused>) {
        self.last = row;
        match entry {
            Ok(entry) => {
                self.weight += if matches!(entry, Entry::Ticket(..)) { TICKET } else { 1 };
                self.entries.push((row, entry));
            }
            Err(refused) => {
                self.is_open |= refused.rule == NO_SURVEY;
                self.refused.push((row, refused));
            }
        }
    }

    fn close(&mut self, rows: &mut Rows) {
        self.bytes = rows.bytes_read();
        self.unknown = rows.take_unknown();
    }
}

/// Takes batches in.
struct Desk<'a> {
    context: &'a Context,
    dry_run: bool,
    identity: &'a [u8; 32],
    /// Rows that were taken in before the import was cut off.
    done: u64,
    is_open: bool,
    /// What a dry run saw, because nothing of it is stored.
    seen: HashSet<u64>,
    hasher: RandomState,
    summary: Summary,
}

impl Desk<'_> {
    async fn take(&mut self, batch: Batch) -> db::Result<()> {
        let refused = u64::try_from(batch.refused.len()).unwrap_or(u64::MAX);
        self.summary.refused += refused;
        self.summary.rows += refused + u64::try_from(batch.entries.len()).unwrap_or(u64::MAX);
        self.is_open |= batch.is_open;
        let (mut answers, mut tickets) = (Vec::new(), Vec::new());
        for (row, entry) in batch.entries {
            match entry {
                Entry::NoAnswer => self.summary.unanswered += 1,
                _ if row <= self.done || self.is_seen(&entry) => self.summary.known += 1,
                Entry::Answer(answer) => answers.push(answer),
                Entry::Ticket(survey, received) => tickets.push((survey, received)),
            }
        }
        if batch.last <= self.done {
            return Ok(());
        }
        let since = Instant::now();
        let mut tries = 1;
        let summary = loop {
            match self.commit(&answers, &tickets, batch.last).await {
                Err(error) if tries < TRIES => {
                    // Somebody else may write at the same time, or decide about the same ticket.
                    tracing::debug!(cause = %error, "a batch is tried again");
                    tries += 1;
                    tokio::time::sleep(TRY_AFTER).await;
                }
                done => break done?,
            }
        };
        self.summary = summary;
        self.rest(since.elapsed()).await;
        Ok(())
    }

    /// Takes answers and tickets in with one transaction; answers what became of the file so far.
    async fn commit(&self, answers: &[Box<Answer>], tickets: &[(Arc<Survey>, Box<Received>)], last: u64) -> db::Result<Summary> {
        let mut summary = self.summary.clone();
        let mut tx = self.context.db.begin().await?;
        if !answers.is_empty() {
            let answers: Vec<&Answer> = answers.iter().map(AsRef::as_ref).collect();
            let taken = take(&mut tx, self.context, &answers, (Via::Import, Evidence::Import)).await?;
            let new = taken.new.len();
            summary.known += u64::try_from(answers.len() - new).unwrap_or(u64::MAX);
            summary.answers += u64::try_from(new).unwrap_or(u64::MAX);
        }
        let arrivals: Vec<(&Survey, &Received)> = tickets.iter().map(|(survey, received)| (survey.as_ref(), received.as_ref())).collect();
        let decided = if arrivals.is_empty() { Vec::new() } else { receive::receive_all(&mut tx, self.context, &arrivals).await? };
        for taken in decided {
            match (taken.is_new, taken.decided.outcome) {
                (false, _) => summary.known += 1,
                (true, Outcome::Invited) => summary.invited += 1,
                (true, Outcome::Skipped) => {
                    *summary.skipped.entry(taken.decided.reason.map_or("", Reason::as_str)).or_default() += 1;
                }
            }
        }
        if !self.dry_run {
            if !self.is_open {
                let rows = i64::try_from(last).unwrap_or(i64::MAX);
                store::note_done(&mut tx, self.identity, rows, self.context.clock.now()).await?;
            }
            tx.commit().await?;
        }
        Ok(summary)
    }

    /// Whether a dry run saw the same before.
    fn is_seen(&mut self, entry: &Entry) -> bool {
        let hash = match entry {
            _ if !self.dry_run => return false,
            Entry::Answer(answer) => self.hasher.hash_one((answer.survey.id, &answer.key)),
            Entry::Ticket(survey, received) => {
                let ticket = &received.interaction.ticket;
                self.hasher.hash_one((survey.id, &ticket.id, ticket.closed_at, received.closed, &received.request_key))
            }
            Entry::NoAnswer => return false,
        };
        !self.seen.insert(hash)
    }

    /// SQLite has one writer, and whoever waits for it asks now and then only.
    async fn rest(&self, worked: Duration) {
        if self.context.db.engine() == "SQLite" {
            tokio::time::sleep(worked / REST).await;
        }
    }

    async fn end(self) -> Result<Summary, Failed> {
        if !self.dry_run {
            let mut tx = self.context.db.begin().await?;
            store::forget(&mut tx, self.identity).await?;
            tx.commit().await?;
        }
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_say_the_same_are_numbered() {
        let mut twins = Twins::default();
        let numbers = [1_u8, 2, 1, 1, 2, 3].map(|print| twins.number([print; 32]));
        assert_eq!(numbers, [1, 1, 2, 3, 2, 1]);
    }
}
