//! The database: what stands in it, and how that is read and written.
//!
//! Commits save what is needed to open the file again at once after a crash, however large it is; so all of
//! one is on the disk before the one page is written that makes it the last. Every row carries a check of
//! itself, because the library checks pages only where it has to repair a file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use flate2::Crc;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    Table, TableDefinition, TableError, WriteTransaction,
};

use super::DAYS_KEPT;
use super::error::UsageError;
use super::record::{DayUse, PlanKey, Words};
use crate::model::{ApiKeyId, Day, UsagePlanName};

/// Version of the tables and of what stands in them.
const VERSION: u64 = 1;
/// Memory that pages may occupy.
const CACHE_BYTES: usize = 16 << 20;

/// Facts about the file.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// The fact that is the version, and that this is what the file is.
const VERSION_FACT: &str = "version of usage";
/// The words of each cell, by plan and key, with their check.
const CELLS: TableDefinition<'_, (&str, &str), (u64, u64, u64, u32)> =
    TableDefinition::new("cells");
/// Days, by number, plan and key: requests, what was left, and their check.
const DAYS: TableDefinition<'_, DayKey<'_>, DayValue> = TableDefinition::new("days");

type DayKey<'a> = (u32, &'a str, &'a str);
type DayValue = (u64, u64, u32);
/// In place of what is left where that is not known.
const UNKNOWN: u64 = u64::MAX;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) words: BTreeMap<PlanKey, Words>,
    pub(super) days: BTreeMap<(Day, PlanKey), PendingDay>,
}

/// What is to be written of a day. What the file said before is read once: a commit that failed may be in
/// the file all the same, and must not be added to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PendingDay {
    pub(super) base: Option<DayUse>,
    pub(super) requests: i64,
    /// What is left, where that is known anew.
    pub(super) remaining: Option<u64>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.days.is_empty()
    }
}

impl PendingDay {
    /// With more requests; `remaining` is what is left behind them, where that is known anew.
    pub(super) fn add(&mut self, requests: i64, remaining: Option<u64>) {
        self.requests = self.requests.saturating_add(requests);
        let last = self.remaining.map(|left| fewer(left, requests));
        self.remaining = remaining.or(last);
    }

    fn sum(self, base: DayUse) -> DayUse {
        let left = || base.remaining.map(|left| fewer(left, self.requests));
        DayUse {
            used: base.used.saturating_add_signed(self.requests),
            remaining: self.remaining.or_else(left),
        }
    }
}

/// What is left behind so many more requests.
fn fewer(left: u64, requests: i64) -> u64 {
    left.saturating_add_signed(requests.saturating_neg())
}

/// Makes an empty database of what `backend` holds, which is nothing yet.
pub(super) fn make(path: &Path, backend: impl StorageBackend) -> Result<Database, UsageError> {
    let database = opened(path, backend)?;
    let transaction = begin_write(&database, path)?;
    {
        let mut facts = transaction.open_table(FACTS).map_err(failed(path))?;
        facts.insert(VERSION_FACT, VERSION).map_err(failed(path))?;
        transaction.open_table(CELLS).map_err(failed(path))?;
        transaction.open_table(DAYS).map_err(failed(path))?;
    }
    transaction.commit().map_err(failed(path))?;
    Ok(database)
}

/// Opens what `backend` holds, which is called `path` in errors. What is of another version or something
/// else is refused.
pub(super) fn open(path: &Path, backend: impl StorageBackend) -> Result<Database, UsageError> {
    let database = opened(path, backend)?;
    let foreign = || UsageError::Foreign(path.to_owned());
    let transaction = database.begin_read().map_err(failed(path))?;
    let facts = match transaction.open_table(FACTS) {
        Ok(facts) => facts,
        Err(TableError::TableDoesNotExist(_)) => return Err(foreign()),
        Err(error) => return Err(failed(path)(error)),
    };
    let found = facts.get(VERSION_FACT).map_err(failed(path))?;
    let found = found.ok_or_else(foreign)?.value();
    if found != VERSION {
        return Err(UsageError::Version {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    drop((facts, transaction));
    Ok(database)
}

fn opened(path: &Path, backend: impl StorageBackend) -> Result<Database, UsageError> {
    Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(backend)
        .map_err(|error| opening(path, error))
}

/// The words of every cell.
pub(super) fn read_words(
    database: &Database,
    path: &Path,
) -> Result<BTreeMap<PlanKey, Words>, UsageError> {
    let transaction = database.begin_read().map_err(failed(path))?;
    let table = transaction.open_table(CELLS).map_err(failed(path))?;
    let mut all = BTreeMap::new();
    for entry in table.iter().map_err(failed(path))? {
        let (plan_key, words) = entry.map_err(failed(path))?;
        let (plan, key) = plan_key.value();
        let plan_key = plan_key_of(plan, key);
        let (used, granted, bound, check) = words.value();
        if check != check_of(0, &plan_key, [used, granted, bound]) {
            return Err(damaged(path, plan_key));
        }
        let words = Words {
            used,
            granted,
            bound,
        };
        all.insert(plan_key, words);
    }
    Ok(all)
}

/// What was used on days from `from` on, in the order of days, plans and keys; each is given to `visit` until
/// that has enough.
pub(super) fn visit_days(
    database: &Database,
    path: &Path,
    (day, after): (Day, Option<&PlanKey>),
    last: Day,
    mut visit: impl FnMut(Day, PlanKey, DayUse) -> bool,
) -> Result<(), UsageError> {
    let transaction = database.begin_read().map_err(failed(path))?;
    let table = transaction.open_table(DAYS).map_err(failed(path))?;
    let from = match after {
        Some(plan_key) => (day.number(), plan_key.plan.as_str(), plan_key.key.as_str()),
        None => (day.number(), "", ""),
    };
    let rows = table.range(from..(last.number() + 1, "", ""));
    for entry in rows.map_err(failed(path))? {
        let (key, value) = entry.map_err(failed(path))?;
        let (number, plan, id) = key.value();
        let (day, plan_key) = (Day::numbered(number), plan_key_of(plan, id));
        if number == from.0 && after == Some(&plan_key) {
            continue;
        }
        let used = day_use(path, day, &plan_key, value.value())?;
        if !visit(day, plan_key, used) {
            break;
        }
    }
    Ok(())
}

/// What the file has taken away with its oldest days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleaned {
    /// It was not asked to.
    No,
    /// Nothing: there are no older days than it keeps.
    Nothing,
    /// What was used before this day, and whatever had ended then.
    Before(Day),
}

/// Writes what is to be written. What the file said before stays noted in it, also where this fails.
pub(super) fn write(
    database: &Database,
    path: &Path,
    pending: &mut Pending,
    cleans: bool,
) -> Result<Cleaned, UsageError> {
    let transaction = begin_write(database, path)?;
    let mut cleaned = if cleans {
        Cleaned::Nothing
    } else {
        Cleaned::No
    };
    {
        let mut cells = transaction.open_table(CELLS).map_err(failed(path))?;
        for (plan_key, words) in &pending.words {
            let Words {
                used,
                granted,
                bound,
            } = *words;
            let check = check_of(0, plan_key, [used, granted, bound]);
            let key = (plan_key.plan.as_str(), plan_key.key.as_str());
            let value = (used, granted, bound, check);
            cells.insert(key, value).map_err(failed(path))?;
        }
        let mut days = transaction.open_table(DAYS).map_err(failed(path))?;
        for ((day, plan_key), pending) in &mut pending.days {
            write_day(&mut days, path, *day, plan_key, pending)?;
        }
        if cleans && let Some(first) = first_kept(&days, path)? {
            days.retain_in(..(first.number(), "", ""), |_, _| false)
                .map_err(failed(path))?;
            let is_kept = |(used, granted, bound, _): (u64, u64, u64, u32)| {
                let words = Words {
                    used,
                    granted,
                    bound,
                };
                words.says_of(Some(first))
            };
            let retained = cells.retain(|_, words| is_kept(words));
            retained.map_err(failed(path))?;
            cleaned = Cleaned::Before(first);
        }
    }
    transaction.commit().map_err(failed(path))?;
    Ok(cleaned)
}

fn write_day(
    days: &mut Table<'_, DayKey<'static>, DayValue>,
    path: &Path,
    day: Day,
    plan_key: &PlanKey,
    pending: &mut PendingDay,
) -> Result<(), UsageError> {
    let key = (day.number(), plan_key.plan.as_str(), plan_key.key.as_str());
    let base = match pending.base {
        Some(base) => base,
        None => {
            let found = days.get(key).map_err(failed(path))?;
            match found {
                Some(found) => day_use(path, day, plan_key, found.value())?,
                None => DayUse::default(),
            }
        }
    };
    pending.base = Some(base);
    let DayUse { used, remaining } = pending.sum(base);
    let remaining = remaining.unwrap_or(UNKNOWN);
    let check = check_of(day_salt(day), plan_key, [used, remaining, 0]);
    let put = days.insert(key, (used, remaining, check));
    put.map_err(failed(path))?;
    Ok(())
}

/// The first of the days that are kept, where there are older ones. Days on which nothing was counted are
/// not among them, so that a clock that was wrong for a while takes nothing away that is not old.
fn first_kept(
    days: &Table<'_, DayKey<'static>, DayValue>,
    path: &Path,
) -> Result<Option<Day>, UsageError> {
    let mut end = u32::MAX;
    for _ in 0..DAYS_KEPT {
        let mut rows = days.range(..(end, "", "")).map_err(failed(path))?;
        match rows.next_back() {
            Some(row) => end = row.map_err(failed(path))?.0.value().0,
            None => return Ok(None),
        }
    }
    Ok(Some(Day::numbered(end)))
}

fn day_use(
    path: &Path,
    day: Day,
    plan_key: &PlanKey,
    (used, remaining, check): DayValue,
) -> Result<DayUse, UsageError> {
    if check != check_of(day_salt(day), plan_key, [used, remaining, 0]) {
        return Err(damaged(path, plan_key.clone()));
    }
    Ok(DayUse {
        used,
        remaining: (remaining != UNKNOWN).then_some(remaining),
    })
}

/// Of days 1 and more, and 0 of words.
fn day_salt(day: Day) -> u32 {
    day.number() + 1
}

fn check_of(salt: u32, plan_key: &PlanKey, values: [u64; 3]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&salt.to_le_bytes());
    crc.update(plan_key.plan.as_str().as_bytes());
    crc.update(b"/");
    crc.update(plan_key.key.as_str().as_bytes());
    for value in values {
        crc.update(&value.to_le_bytes());
    }
    crc.sum()
}

fn plan_key_of(plan: &str, key: &str) -> PlanKey {
    PlanKey {
        plan: UsagePlanName::new(plan),
        key: ApiKeyId::new(key),
    }
}

fn damaged(path: &Path, plan_key: PlanKey) -> UsageError {
    let path = path.to_owned();
    UsageError::Damaged { path, plan_key }
}

fn begin_write(database: &Database, path: &Path) -> Result<WriteTransaction, UsageError> {
    let mut transaction = database.begin_write().map_err(failed(path))?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn failed<E: Into<redb::Error>>(path: &Path) -> impl FnOnce(E) -> UsageError {
    let path = path.to_owned();
    move |error| database_error(path, error.into())
}

fn database_error(path: PathBuf, error: redb::Error) -> UsageError {
    // By these the library says that the disk gave something, and that it is no database.
    let is_of_content = |kind| matches!(kind, ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
    match error {
        redb::Error::Io(source) if !is_of_content(source.kind()) => {
            UsageError::Disk { path, source }
        }
        error => UsageError::Database {
            path,
            source: Box::new(error),
        },
    }
}

pub(super) fn opening(path: &Path, error: DatabaseError) -> UsageError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => UsageError::InUse(path.to_owned()),
        error => database_error(path.to_owned(), error.into()),
    }
}
