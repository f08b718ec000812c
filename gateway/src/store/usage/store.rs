//! All cells, and the file that they are written to.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::Database;

use super::cell::{Notice, QuotaCell};
use super::database::{self, Cleaned, Pending};
use super::disk::{self, Disk, StateDirectory};
use super::error::UsageError;
use super::record::{Changed, Changes, DayUse, PlanKey, Words};
use super::tally::on_day;
use crate::model::{ApiKeyId, Day, UsagePlanName};
use crate::store::directory;

/// Days with their use in a page of a report.
pub const PAGE_ROWS_MAX: usize = 10_000;
/// Days of any key under any plan that are looked at for a page.
const PAGE_SEEN_MAX: usize = 100_000;

/// What keys have used. Clones share it.
#[derive(Clone, Debug)]
pub struct Usage(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: Arc<Path>,
    disk: Arc<dyn Disk>,
    /// Those of which the file says something, and those that keys hold: no more than a gateway would have
    /// that starts on the day.
    cells: RwLock<HashMap<PlanKey, Arc<QuotaCell>>>,
    changes: Arc<Changes>,
    /// Used on threads that may block.
    file: Mutex<File>,
    failures: AtomicU64,
}

#[derive(Debug)]
struct File {
    /// `None` behind a failure: it is opened anew.
    database: Option<Database>,
    pending: Pending,
    /// The day on which old ones were taken away for the last time.
    cleaned: Option<Day>,
    /// The first day that it kept then; `None` where it kept all.
    first: Option<Day>,
    /// The day on which cells were last taken away of which it says nothing.
    forgotten: Option<Day>,
    /// When it had everything for the last time, in seconds since 1970.
    complete_at: u64,
    /// Whether it could not be written since.
    lacks: bool,
}

/// Of which days and keys a report is.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Of this plan alone.
    pub plan: Option<UsagePlanName>,
    /// Of this key alone.
    pub key: Option<ApiKeyId>,
    /// Behind this row of the page before.
    pub after: Option<(Day, PlanKey)>,
}

/// A part of a report.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order of days, plans and keys.
    pub rows: Vec<(Day, PlanKey, DayUse)>,
    /// What was looked at last, where there is more.
    pub last: Option<(Day, PlanKey)>,
    /// Since when the file lacks something that could not be written, in seconds since 1970.
    pub lacks_since: Option<u64>,
}

impl Usage {
    /// Opens the database in `state_directory`; both are made where they are missing, with modes 0600 and
    /// 0700, the file in the ownership of its directory. A file that a killed process left behind is
    /// repaired.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub fn open(state_directory: &Path, unix_seconds: u64) -> Result<Self, UsageError> {
        directory::create(state_directory, 0o700).map_err(|source| UsageError::Io {
            call: "create",
            path: state_directory.to_owned(),
            source,
        })?;
        let disk = StateDirectory::new(state_directory);
        let path = Arc::clone(&disk.0.path);
        // The library checks as much of a file as it needs to go on, and panics on some damage.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = if Self::exists(state_directory) {
                disk.open()?
            } else {
                let made = disk.make()?;
                // Quotas begin anew with it, which nobody wants who has lost it.
                tracing::info!(
                    file = %path.display(),
                    "usage of API keys is counted from here on: nothing was kept of what was used before"
                );
                made
            };
            Self::new(Arc::clone(&path), Arc::new(disk), database, unix_seconds)
        }));
        opened.unwrap_or_else(|_panic| {
            let path = path.to_path_buf();
            Err(UsageError::Unreadable { path })
        })
    }

    /// Has what `database` says, which `disk` opens.
    pub(super) fn new(
        path: Arc<Path>,
        disk: Arc<dyn Disk>,
        database: Database,
        unix_seconds: u64,
    ) -> Result<Self, UsageError> {
        let words = database::read_words(&database, &path)?;
        let mut known: HashMap<PlanKey, (Words, u64)> = words
            .into_iter()
            .map(|(plan_key, words)| (plan_key, (words, 0)))
            .collect();
        let today = Day::of(unix_seconds);
        database::visit_days(
            &database,
            &path,
            (today, None),
            today,
            |_, plan_key, day| {
                known.entry(plan_key).or_default().1 = day.used;
                true
            },
        )?;
        let changes = Arc::new(Changes::default());
        let cells = known.into_iter().map(|(plan_key, (words, used))| {
            let notice = Notice {
                plan_key: plan_key.clone(),
                changes: Arc::clone(&changes),
            };
            let today = on_day(today, used);
            let cell = QuotaCell::restored(notice, words, Some(today));
            (plan_key, Arc::new(cell))
        });
        Ok(Self(Arc::new(Shared {
            cells: RwLock::new(cells.collect()),
            path,
            disk,
            changes,
            file: Mutex::new(File {
                database: Some(database),
                pending: Pending::default(),
                cleaned: None,
                first: None,
                forgotten: None,
                complete_at: unix_seconds,
                lacks: false,
            }),
            failures: AtomicU64::new(0),
        })))
    }

    /// Whether `state_directory` has a database.
    #[must_use]
    pub fn exists(state_directory: &Path) -> bool {
        disk::path(state_directory).symlink_metadata().is_ok()
    }

    /// What `key` has used under `plan`: nothing yet where nothing is known.
    #[must_use]
    pub fn cell(&self, plan: &UsagePlanName, key: &ApiKeyId) -> Arc<QuotaCell> {
        let plan_key = PlanKey {
            plan: plan.clone(),
            key: key.clone(),
        };
        if let Some(cell) = self.find(&plan_key) {
            return cell;
        }
        let mut cells = self.0.cells.write().unwrap_or_else(PoisonError::into_inner);
        let cell = cells.entry(plan_key.clone()).or_insert_with(|| {
            let notice = Notice {
                plan_key,
                changes: Arc::clone(&self.0.changes),
            };
            Arc::new(QuotaCell::restored(notice, Words::default(), None))
        });
        Arc::clone(cell)
    }

    /// As [`Self::cell`], where there is one.
    #[must_use]
    pub fn find(&self, plan_key: &PlanKey) -> Option<Arc<QuotaCell>> {
        let cells = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.get(plan_key).map(Arc::clone)
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        let cells = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.len()
    }

    /// How often it could not be written what was used.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Relaxed)
    }

    /// Writes what has changed; when this returns, it is on the disk. What could not be written is kept in
    /// memory, and is written with what comes.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub fn commit(&self, unix_seconds: u64) -> Result<(), UsageError> {
        let mut file = self.file();
        let today = Day::of(unix_seconds);
        self.gather(&mut file.pending, today);
        if file.pending.is_empty() {
            file.complete_at = unix_seconds;
            self.forget(&mut file, today);
            return Ok(());
        }
        let cleans = file.cleaned != Some(today);
        let File {
            database, pending, ..
        } = &mut *file;
        let written = self.with(database, |database| {
            database::write(database, &self.0.path, pending, cleans)
        });
        match written {
            Ok(cleaned) => {
                match cleaned {
                    Cleaned::No => {}
                    Cleaned::Nothing => file.first = None,
                    Cleaned::Before(first) => file.first = Some(first),
                }
                file.pending = Pending::default();
                file.cleaned = Some(today);
                file.complete_at = unix_seconds;
                file.lacks = false;
                self.forget(&mut file, today);
                Ok(())
            }
            Err(error) => {
                self.0.failures.fetch_add(1, Relaxed);
                file.lacks = true;
                Err(error)
            }
        }
    }

    /// A page of what the file says.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub fn page(&self, wanted: &Wanted) -> Result<Page, UsageError> {
        let mut file = self.file();
        let mut page = Page {
            lacks_since: file.lacks.then_some(file.complete_at),
            ..Page::default()
        };
        let (from, after) = match &wanted.after {
            Some((day, plan_key)) => (*day, Some(plan_key)),
            None => (wanted.from, None),
        };
        if from > wanted.to {
            return Ok(page);
        }
        let mut seen = 0;
        self.with(&mut file.database, |database| {
            let start = (from, after);
            database::visit_days(
                database,
                &self.0.path,
                start,
                wanted.to,
                |day, plan_key, used| {
                    seen += 1;
                    let is_full = seen == PAGE_SEEN_MAX || page.rows.len() + 1 == PAGE_ROWS_MAX;
                    page.last = is_full.then(|| (day, plan_key.clone()));
                    let is_of_plan = wanted.plan.as_ref().is_none_or(|it| *it == plan_key.plan);
                    if is_of_plan && wanted.key.as_ref().is_none_or(|it| *it == plan_key.key) {
                        page.rows.push((day, plan_key, used));
                    }
                    !is_full
                },
            )
        })?;
        Ok(page)
    }

    /// Takes away the cells, once a day, that nobody holds and of which the file says nothing: of keys that
    /// are deleted. A key that comes back under such an id finds what it would find behind a restart.
    fn forget(&self, file: &mut File, today: Day) {
        if file.forgotten.replace(today) == Some(today) {
            return;
        }
        let mut cells = self.0.cells.write().unwrap_or_else(PoisonError::into_inner);
        // Nobody comes to hold one meanwhile: that takes this lock.
        cells.retain(|_, cell| {
            let alone = Arc::get_mut(cell);
            !alone.is_some_and(|cell| cell.says_nothing(file.first, today))
        });
        cells.shrink_to_fit();
    }

    /// Adds what cells have changed to what is to be written.
    fn gather(&self, pending: &mut Pending, today: Day) {
        for plan_key in self.0.changes.take() {
            let Some(cell) = self.find(&plan_key) else {
                continue;
            };
            let Changed { words, days, last } = cell.take_changes();
            for change in days {
                let is_last = last == Some(change.day);
                let remaining = words.remaining_on(change.day).filter(|_| is_last);
                let key = (change.day, plan_key.clone());
                let day = pending.days.entry(key).or_default();
                day.add(change.requests, remaining);
            }
            // What an operator has changed is shown before the next request comes.
            if last == Some(today) {
                let key = (today, plan_key.clone());
                let day = pending.days.entry(key).or_default();
                day.add(0, words.remaining_on(today));
            }
            if !words.is_empty() {
                pending.words.insert(plan_key, words);
            }
        }
    }

    /// Does something with the database, which is opened again where it was given up, and given up where
    /// this fails: the library refuses to go on with one whose disk has failed.
    fn with<T>(
        &self,
        held: &mut Option<Database>,
        work: impl FnOnce(&Database) -> Result<T, UsageError>,
    ) -> Result<T, UsageError> {
        let database = held.take();
        // It panics on some damage.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let database = match database {
                Some(database) => database,
                // A file that has gone is not made anew: what it said would be lost without a word.
                None => self.0.disk.open()?,
            };
            let done = work(&database)?;
            Ok((done, database))
        }));
        let (done, database) = done.unwrap_or_else(|_panic| {
            let path = self.0.path.to_path_buf();
            Err(UsageError::Unreadable { path })
        })?;
        *held = Some(database);
        Ok(done)
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
