//! Usage: the thread that writes it, and what the admin socket may ask of it.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::background::{Background, Ended};
use super::protocol::Response;
use crate::clock;
use crate::model::{ApiKeyId, Day, Period, UsagePlanName};
use crate::store::Backoff;
use crate::store::fleet::{Allowance, Fleet};
use crate::store::key_ring::KeyRings;
use crate::store::usage::{NoPeriod, PlanKey, QUOTA_MAX, Usage, UsageError, Wanted};
use crate::telemetry::operator_log::explain;

/// From the beginning of one commit to that of the next. Whoever kills the gateway takes what was counted since
/// the last commit began that has ended: a second at most, beside the one that is under way. Half of it is for
/// what a commit takes, and for a machine that is busy.
const INTERVAL: Duration = Duration::from_millis(500);
/// Longest time that a stop waits for the last commit: a disk that stalls must not keep the process.
const LAST_COMMIT_MAX: Duration = Duration::from_secs(5);

/// The thread that writes usage.
#[derive(Debug)]
pub(super) struct UsageWriter {
    thread: Background,
    stop: mpsc::SyncSender<()>,
}

impl UsageWriter {
    pub(super) fn start(usage: &Usage) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::sync_channel(1);
        let usage = usage.clone();
        let thread = Background::start("usage", move || write(&usage, &stopped))?;
        Ok(Self { thread, stop })
    }

    /// Whether the thread ended without being told to.
    pub(super) fn has_died(&self) -> bool {
        self.thread.has_died()
    }

    /// Ends the thread, after it has written everything, for which this waits a bounded time. Nobody may
    /// count any more.
    pub(super) fn stop(self) {
        drop(self.stop);
        match self.thread.wait(LAST_COMMIT_MAX) {
            Ended::InTime => {}
            Ended::NotInTime => tracing::error!(
                "usage: the disk did not answer within {LAST_COMMIT_MAX:?}, and what was counted since it \
                 was last written may be lost"
            ),
            Ended::Died => tracing::error!("the thread that writes usage had died"),
        }
    }
}

fn write(usage: &Usage, stopped: &mpsc::Receiver<()>) {
    let mut backoff = Backoff::default();
    let mut fails = false;
    let mut begun = clock::monotonic_ns();
    loop {
        let since = Duration::from_nanos(clock::monotonic_ns().saturating_sub(begun));
        if stopped.recv_timeout(INTERVAL.saturating_sub(since)) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        begun = clock::monotonic_ns();
        if !backoff.is_due() {
            continue;
        }
        match usage.commit(clock::unix_seconds()) {
            Ok(()) => {
                if std::mem::take(&mut fails) {
                    tracing::info!("usage: written again, and nothing is missing");
                }
                backoff = Backoff::default();
            }
            Err(error) => {
                fails = true;
                backoff.failed();
                tracing::error!(
                    error = explain(&error),
                    "usage: what was counted is not written, and would be lost with this process; \
                     tried again"
                );
            }
        }
    }
    // Twice: a database whose disk has failed is opened anew by the next attempt.
    let last = usage.commit(clock::unix_seconds());
    if let Err(error) = last.or_else(|_first| usage.commit(clock::unix_seconds())) {
        tracing::error!(
            error = explain(&error),
            "usage: what was counted since it was last written is lost"
        );
    }
}

/// What a report is to be of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageQuestion {
    /// The first day, as `2026-11-23`.
    pub from: String,
    /// The last day.
    pub to: String,
    /// One plan; `None` means all.
    pub plan: Option<String>,
    /// The id of one key; `None` means all.
    pub key: Option<String>,
    /// Day, plan and key behind which the page begins; `None` is the first page.
    pub after: Option<(String, String, String)>,
}

/// Requests that are to be left to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRemaining {
    /// The plan.
    pub plan: String,
    /// The id of the key.
    pub key: String,
    /// In the present period.
    pub remaining: u64,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePage {
    /// In the order of days, plans and keys.
    pub rows: Vec<UsageRow>,
    /// What the next page is asked with, where there is one.
    pub after: Option<(String, String, String)>,
    /// Since when something could not be written that is not in here, in seconds since 1970.
    pub lacks_since_unix_seconds: Option<u64>,
}

/// What a key has used on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// As `2026-11-23`, of UTC.
    pub day: String,
    /// The plan.
    pub plan: String,
    /// The id of the key.
    pub key: String,
    /// Requests.
    pub used: u64,
    /// Requests left of the quota behind the last one of the day, where that is known.
    pub remaining: Option<u64>,
}

/// Why a question about usage is not answered.
#[derive(Debug, thiserror::Error)]
pub enum UsageRefusal {
    /// A day.
    #[error(transparent)]
    Day(#[from] crate::model::DayError),
    /// A plan.
    #[error(transparent)]
    Plan(#[from] crate::model::UsagePlanNameError),
    /// A key.
    #[error(transparent)]
    Key(#[from] crate::model::ApiKeyIdError),
    /// Nothing is known of a key.
    #[error(
        "no request of the API key `{key}` was counted under the plan `{plan}`, so nothing can be left \
         of its quota: `gateway usage` shows who has used what"
    )]
    Unknown {
        /// The plan.
        plan: UsagePlanName,
        /// The key.
        key: ApiKeyId,
    },
    /// Its quota has no period yet.
    #[error(transparent)]
    NoPeriod(#[from] NoPeriod),
    /// Too many.
    #[error("{0} requests are too many to be left: at most {QUOTA_MAX}")]
    TooMany(u64),
    /// It is in force, and not on the disk.
    #[error(
        "this is in force, and could not be written, which is tried again while the gateway runs"
    )]
    Unwritten(#[source] UsageError),
    /// The store.
    #[error("usage")]
    Store(#[from] UsageError),
}

/// A page of a report.
///
/// # Errors
/// See [`UsageRefusal`].
pub fn page(usage: &Usage, question: &UsageQuestion) -> Result<UsagePage, UsageRefusal> {
    let after = match &question.after {
        None => None,
        Some((day, plan, key)) => {
            let plan = UsagePlanName::parse(plan)?;
            let key = ApiKeyId::parse(key)?;
            Some((day.parse::<Day>()?, PlanKey { plan, key }))
        }
    };
    let wanted = Wanted {
        from: question.from.parse()?,
        to: question.to.parse()?,
        plan: question
            .plan
            .as_deref()
            .map(UsagePlanName::parse)
            .transpose()?,
        key: question.key.as_deref().map(ApiKeyId::parse).transpose()?,
        after,
    };
    let page = usage.page(&wanted)?;
    let name = |day: Day, plan_key: &PlanKey| {
        let (plan, key) = (plan_key.plan.to_string(), plan_key.key.to_string());
        (day.to_string(), plan, key)
    };
    let rows = page.rows.into_iter().map(|(day, plan_key, day_use)| {
        let (day, plan, key) = name(day, &plan_key);
        UsageRow {
            day,
            plan,
            key,
            used: day_use.used,
            remaining: day_use.remaining,
        }
    });
    Ok(UsagePage {
        rows: rows.collect(),
        after: page.last.map(|(day, plan_key)| name(day, &plan_key)),
        lacks_since_unix_seconds: page.lacks_since,
    })
}

/// Leaves a key so many requests, and says so. `period` is that of its plan's quota, where it is known that
/// the key belongs to the plan; without one it is that in which a request was counted last.
///
/// # Errors
/// See [`UsageRefusal`]; with [`UsageRefusal::Store`] it holds in `usage` alone.
pub fn set_remaining(
    usage: &Usage,
    asked: &SetRemaining,
    period: Option<Period>,
) -> Result<String, UsageRefusal> {
    let plan = UsagePlanName::parse(&asked.plan)?;
    let key = ApiKeyId::parse(&asked.key)?;
    if asked.remaining > QUOTA_MAX {
        return Err(UsageRefusal::TooMany(asked.remaining));
    }
    let plan_key = PlanKey { plan, key };
    let cell = match period {
        Some(_) => Some(usage.cell(&plan_key.plan, &plan_key.key)),
        None => usage.find(&plan_key),
    };
    let PlanKey { plan, key } = plan_key;
    let Some(cell) = cell else {
        return Err(UsageRefusal::Unknown { plan, key });
    };
    let (now, remaining) = (clock::unix_seconds(), asked.remaining);
    cell.set_remaining(remaining, period, now)?;
    usage.commit(now)?;
    Ok(format!(
        "the API key `{key}` has {remaining} requests left under the plan `{plan}` until its period ends"
    ))
}

/// Answers a question about usage. What has been counted until now is written first, so that it is told.
pub(super) async fn answer_page(usage: Usage, question: UsageQuestion) -> Response {
    let page = blocking(move || {
        if question.after.is_none()
            && let Err(error) = usage.commit(clock::unix_seconds())
        {
            tracing::error!(
                error = explain(&error),
                "usage: not written before a report"
            );
        }
        page(&usage, &question)
    });
    match page.await {
        Ok(page) => Response::Usage(page),
        Err(message) => Response::Refused { message },
    }
}

/// Follows an order about what is left.
pub(super) async fn answer_set(
    usage: Usage,
    rings: &KeyRings,
    fleet: &Fleet,
    asked: SetRemaining,
) -> Result<String, String> {
    let across = ApiKeyId::parse(&asked.key).ok();
    let across = across.and_then(|key| rings.current().quota_across(&key, &asked.plan));
    if let Some(across) = across {
        return set_across(fleet, across, &asked).await;
    }
    let period = period(rings, &asked);
    let set = move || match set_remaining(&usage, &asked, period) {
        Err(UsageRefusal::Store(error)) => Err(UsageRefusal::Unwritten(error)),
        outcome => outcome,
    };
    blocking(set).await
}

/// Leaves a key so many requests on all gateways.
async fn set_across(
    fleet: &Fleet,
    across: Arc<Allowance>,
    asked: &SetRemaining,
) -> Result<String, String> {
    let &SetRemaining {
        ref plan,
        ref key,
        remaining,
    } = asked;
    if remaining > QUOTA_MAX {
        return Err(explain(&UsageRefusal::TooMany(remaining)));
    }
    let set = fleet.set_remaining(across, remaining).await;
    set.map_err(|error| explain(&error))?;
    Ok(format!(
        "the API key `{key}` has {remaining} requests left under the plan `{plan}` on all gateways of the \
         fleet until its period ends, beside those that they had in hand"
    ))
}

/// The period of the plan's quota, where the key belongs to the plan.
fn period(rings: &KeyRings, asked: &SetRemaining) -> Option<Period> {
    let keys = rings.keys().all();
    let key = keys.find(&ApiKeyId::parse(&asked.key).ok()?)?;
    let ring = rings.current();
    let mut plans = ring.plans().iter();
    let plan = plans.find(|plan| plan.name.as_str() == asked.plan && key.belongs_to(&plan.name))?;
    Some(plan.quota?.period)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UsageRefusal> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|error| explain(&error)),
        Err(died) => Err(format!("usage: {died}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "basic";
    const KEY: &str = "abc0123xyz";

    /// What the file says; nothing is written for the question.
    fn written(usage: &Usage) -> Vec<u64> {
        let today = Day::of(clock::unix_seconds());
        let question = UsageQuestion {
            from: today.before(1).to_string(),
            to: today.to_string(),
            plan: None,
            key: None,
            after: None,
        };
        let rows = page(usage, &question).unwrap().rows;
        rows.into_iter().map(|row| row.used).collect()
    }

    #[test]
    fn what_is_counted_is_written_unasked_and_when_the_thread_ends() {
        let directory = tempfile::tempdir().unwrap();
        let now = clock::unix_seconds();
        let usage = Usage::open(directory.path(), now).unwrap();
        let writer = UsageWriter::start(&usage).unwrap();
        let cell = usage.cell(&UsagePlanName::new(PLAN), &ApiKeyId::new(KEY));
        let _first = cell.count(now);
        for _ in 0..3_000 {
            if !written(&usage).is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(written(&usage), [1]);
        assert!(!writer.has_died());
        let _second = cell.count(now);
        writer.stop();
        assert_eq!(written(&usage), [2]);
    }

    #[test]
    fn what_is_left_needs_a_period_that_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let usage = Usage::open(directory.path(), clock::unix_seconds()).unwrap();
        let asked = |remaining| SetRemaining {
            plan: PLAN.to_owned(),
            key: KEY.to_owned(),
            remaining,
        };
        let refused = set_remaining(&usage, &asked(3), None).unwrap_err();
        assert!(matches!(refused, UsageRefusal::Unknown { .. }));
        set_remaining(&usage, &asked(3), Some(Period::Month)).unwrap();
        set_remaining(&usage, &asked(2), None).unwrap();
        let refused = set_remaining(&usage, &asked(QUOTA_MAX + 1), None).unwrap_err();
        assert!(matches!(refused, UsageRefusal::TooMany(_)));
    }
}
