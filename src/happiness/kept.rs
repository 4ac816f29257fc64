//! The reports kept in memory. A reader gets bytes; the database is asked only after something changed, by one request at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::publication::publish;
use super::recount::{Base, read};
use super::snapshot::Snapshot;
use super::{Entry, page};
use crate::clock::{Clock, Timestamp};
use crate::db::changes::Change;
use crate::db::{Db, Result};
use crate::i18n::{Locale, messages};
use crate::survey::{self, Survey, SurveyId};
use crate::web::still::Still;

/// How long a report is believed when nothing is told: another node may have died before it told.
const BELIEVED: Duration = Duration::from_secs(30);
/// How long votes that come without a pause may wait to be looked at.
const LONGEST_REST: Duration = Duration::from_millis(800);
/// Surveys read at a time.
const PART: i64 = 500;

/// A report as it is served.
#[derive(Debug)]
pub struct Served {
    survey: Survey,
    snapshot: Snapshot,
    json: Still,
    pages: [OnceLock<Still>; Locale::ALL.len()],
}

impl Served {
    fn new(survey: Survey, snapshot: Snapshot) -> Self {
        Self {
            json: Still::data(serde_json::to_string(&snapshot).unwrap_or_default()),
            pages: std::array::from_fn(|_| OnceLock::new()),
            survey,
            snapshot,
        }
    }

    /// The report as JSON.
    #[must_use]
    pub const fn json(&self) -> &Still {
        &self.json
    }

    /// The report as a page; drawn when it is first asked for.
    #[must_use]
    pub fn page(&self, locale: Locale) -> Option<&Still> {
        let (_, page) = Locale::ALL.iter().zip(&self.pages).find(|(language, _)| **language == locale)?;
        Some(page.get_or_init(|| page::report(&self.survey, &self.snapshot, messages(locale))))
    }

    /// The language of the survey.
    #[must_use]
    pub const fn locale(&self) -> Locale {
        self.survey.locale
    }
}

/// One report, as it was when it was last looked at.
#[derive(Debug, Clone)]
struct Look {
    served: Arc<Served>,
    /// How many changes had been told.
    changes: u64,
    at: Instant,
    ripens_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Report {
    survey: SurveyId,
    changes: AtomicU64,
    look: Mutex<Look>,
    /// Held by the one request that looks again.
    past: tokio::sync::Mutex<Past>,
}

impl Report {
    fn is_stale(&self, now: Timestamp) -> bool {
        let look = locked(&self.look);
        let is_ripe = look.ripens_at.is_some_and(|ripens_at| now >= ripens_at);
        is_ripe || look.changes != self.changes.load(Ordering::SeqCst) || look.at.elapsed() > BELIEVED
    }

    fn served(&self) -> Arc<Served> {
        Arc::clone(&locked(&self.look).served)
    }
}

/// What is kept from look to look.
#[derive(Debug)]
struct Past {
    base: Option<Base>,
    rests_until: Instant,
}

#[derive(Debug)]
struct List {
    entries: Arc<[Entry]>,
    /// How many changes had been told.
    changes: u64,
    at: Instant,
}

#[derive(Debug)]
struct Kept {
    reports: HashMap<String, Arc<Report>>,
    list: Option<List>,
    /// How often a survey may have changed.
    survey_changes: u64,
    changes: Receiver<Change>,
}

impl Kept {
    /// Marks every report that was told to have changed.
    fn note_changes(&mut self) {
        loop {
            let told = match self.changes.try_recv() {
                Ok(Change::Tally(id)) => Some(SurveyId(id)),
                Ok(Change::Survey(id)) => {
                    self.survey_changes += 1;
                    Some(SurveyId(id))
                }
                Ok(Change::Outbox | Change::Source(_) | Change::Webhook(_) | Change::Invitation(_)) => continue,
                Err(TryRecvError::Lagged(_)) => {
                    self.survey_changes += 1;
                    None
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            };
            for report in self.reports.values().filter(|report| told.is_none_or(|id| report.survey == id)) {
                report.changes.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// All public reports.
#[derive(Debug)]
pub struct Reports {
    db: Db,
    clock: Clock,
    kept: Mutex<Kept>,
    /// Held by the one request that looks at a report for the first time.
    first: tokio::sync::Mutex<()>,
}

impl Reports {
    /// The public reports of a database.
    #[must_use]
    pub fn new(db: &Db, clock: &Clock) -> Self {
        let kept = Kept { reports: HashMap::new(), list: None, survey_changes: 0, changes: db.changes().listen() };
        Self { db: db.clone(), clock: clock.clone(), kept: Mutex::new(kept), first: tokio::sync::Mutex::new(()) }
    }

    /// The public report of a survey; `None` where there is no survey with this slug or its report is not enabled.
    ///
    /// # Errors
    /// When the database cannot answer and nothing is kept.
    pub async fn find(&self, slug: &str) -> Result<Option<Arc<Served>>> {
        let Some(report) = self.look_up(slug) else {
            return self.begin(slug).await;
        };
        if !report.is_stale(self.clock.now()) {
            return Ok(Some(report.served()));
        }
        // whoever comes while another looks gets what there is
        let Ok(mut past) = report.past.try_lock() else {
            return Ok(Some(report.served()));
        };
        tokio::time::sleep_until(past.rests_until.into()).await;
        match self.look_again(&report, slug, &mut past).await {
            Ok(served) => Ok(served),
            Err(error) => {
                tracing::warn!(%error, "a public report could not be brought up to date");
                past.rests_until = Instant::now() + LONGEST_REST;
                Ok(Some(report.served()))
            }
        }
    }

    fn look_up(&self, slug: &str) -> Option<Arc<Report>> {
        let mut kept = locked(&self.kept);
        kept.note_changes();
        kept.reports.get(slug).cloned()
    }

    /// Looks at a report for the first time.
    async fn begin(&self, slug: &str) -> Result<Option<Arc<Served>>> {
        let _first = self.first.lock().await;
        if let Some(report) = self.look_up(slug) {
            return Ok(Some(report.served()));
        }
        let mut session = self.db.read().await?;
        let found = survey::store::find_by_slug(&mut session, slug).await?;
        let Some(survey) = found.filter(|survey| survey.public.enabled) else {
            return Ok(None);
        };
        let mut base = None;
        let now = self.clock.now();
        let votes = read(&mut session, &survey, &mut base).await?;
        let (snapshot, ripens_at) = publish(&survey, &votes, now);
        let id = survey.id;
        let served = Arc::new(Served::new(survey, snapshot));
        let look = Look { served: Arc::clone(&served), changes: 0, at: Instant::now(), ripens_at };
        let past = Past { base, rests_until: look.at };
        let report = Report {
            survey: id,
            // what was told while it was being read may not be in it: the next reader looks again
            changes: AtomicU64::new(1),
            look: Mutex::new(look),
            past: tokio::sync::Mutex::new(past),
        };
        locked(&self.kept).reports.insert(slug.to_owned(), Arc::new(report));
        Ok(Some(served))
    }

    async fn look_again(&self, report: &Report, slug: &str, past: &mut Past) -> Result<Option<Arc<Served>>> {
        let begun = Instant::now();
        let changes = report.changes.load(Ordering::SeqCst);
        let mut session = self.db.read().await?;
        let found = survey::store::find(&mut session, report.survey).await?;
        let Some(survey) = found.filter(|survey| survey.public.enabled) else {
            locked(&self.kept).reports.remove(slug);
            return Ok(None);
        };
        let now = self.clock.now();
        let votes = read(&mut session, &survey, &mut past.base).await?;
        let (mut snapshot, ripens_at) = publish(&survey, &votes, now);
        let old = report.served();
        snapshot.updated_at = old.snapshot.updated_at;
        let is_same = snapshot == old.snapshot && survey.updated_at == old.survey.updated_at;
        let served = if is_same {
            old
        } else {
            snapshot.updated_at = now;
            Arc::new(Served::new(survey, snapshot))
        };
        let at = Instant::now();
        past.rests_until = at + LONGEST_REST.min(10 * (at - begun));
        *locked(&report.look) = Look { served: Arc::clone(&served), changes, at, ripens_at };
        Ok(Some(served))
    }

    /// Every public report, the oldest survey first.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn list(&self) -> Result<Arc<[Entry]>> {
        let changes = {
            let mut kept = locked(&self.kept);
            kept.note_changes();
            let known = kept.list.as_ref().filter(|list| list.changes == kept.survey_changes && list.at.elapsed() < BELIEVED);
            if let Some(list) = known {
                return Ok(Arc::clone(&list.entries));
            }
            kept.survey_changes
        };
        let at = Instant::now();
        let mut session = self.db.read().await?;
        let (mut entries, mut after) = (Vec::new(), SurveyId::default());
        loop {
            let part = survey::store::list(&mut session, after, PART).await?;
            let Some(last) = part.last() else { break };
            after = last.id;
            entries.extend(part.iter().filter(|survey| survey.public.enabled).map(Entry::from));
        }
        let entries: Arc<[Entry]> = entries.into();
        locked(&self.kept).list = Some(List { entries: Arc::clone(&entries), changes, at });
        Ok(entries)
    }
}

/// What a panic left behind is as good as before: every value here is replaced whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
