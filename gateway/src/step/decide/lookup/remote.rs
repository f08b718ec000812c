//! Records that others have: they are asked once for a key, and believed for a while.
//!
//! That there is no record is remembered apart from records, for seconds and in a room of its own: keys
//! are made of requests, and whoever makes some up pushes out nothing that is there.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::http::HttpRecords;
use super::record::{Absent, Record};
use super::table::TableRecords;
use super::{Crowd, Unfound};
use crate::step::attempt::{Asking, NEVER_ASKS};
use crate::step::decide::server::Means;
use crate::store::decision::{
    DecisionCache, Decisions, Flights, Fresh, Lifetime, Looked, Undecided,
};

/// Somebody who has records, and what is remembered of them.
#[derive(Debug)]
pub(super) struct RemoteRecords {
    asked: Arc<Holder>,
    ttl: Duration,
    found: Arc<DecisionCache<Record>>,
    absent: Arc<DecisionCache<Absent>>,
    flights: Arc<Flights<Record, Missed>>,
}

/// Who has them.
#[derive(Debug)]
pub(super) enum Holder {
    /// A server.
    Http(HttpRecords),
    /// A table.
    Table(TableRecords),
}

impl Holder {
    async fn ask(&self, key: &str, means: &Means, now: u64) -> Result<Option<Value>, Unfound> {
        match self {
            Self::Http(records) => records.ask(key, means).await,
            Self::Table(records) => records.ask(key, means, now).await,
        }
    }
}

/// Why nothing came of a question.
#[derive(Clone, Debug)]
enum Missed {
    /// There is no record.
    Absent,
    /// Nobody knows.
    Failed(Unfound),
}

impl RemoteRecords {
    /// Nothing is remembered yet; what will be is counted under `owner`.
    pub(super) fn new(
        asked: Holder,
        ttl: Duration,
        owner: &str,
        decisions: &Arc<Decisions>,
    ) -> Self {
        Self {
            asked: Arc::new(asked),
            ttl,
            found: Arc::new(decisions.cache(owner)),
            absent: Arc::new(decisions.refusals(owner)),
            flights: Arc::default(),
        }
    }

    /// The record of `key` at `now` (seconds since 1970); `None` where there is none.
    ///
    /// # Cancel safety
    /// Safe: the question goes on, and who asks the same finds what it came to.
    pub(super) async fn find(
        &self,
        key: &str,
        asking: Asking<'_>,
        now: u64,
    ) -> Result<Option<Arc<Record>>, Unfound> {
        let means = Means {
            pool: Rc::clone(asking.pool),
            budget: asking.budget.clone(),
            now,
        };
        if self.ttl.is_zero() && asking.purpose != NEVER_ASKS {
            let record = self.asked.ask(key, &means, now).await?;
            return Ok(record.map(|record| Arc::new(Record::new(key, Arc::new(record)))));
        }
        let (found_under, absent_under) = (
            self.found.key(0, &[key.as_bytes()]),
            self.absent.key(0, &[key.as_bytes()]),
        );
        let since = match self.absent.look(&absent_under, now) {
            Looked::Found(_) => return Ok(None),
            Looked::Missed(since) => since,
        };
        let begin = || {
            if asking.purpose == NEVER_ASKS {
                return Err(Missed::Failed(Unfound::NotAsked));
            }
            let (asked, absent) = (Arc::clone(&self.asked), Arc::clone(&self.absent));
            let key = key.to_owned();
            let lifetime = Lifetime {
                now,
                // Whether the caller's token still counts is judged with every request.
                expires_at: u64::MAX,
                ttl: self.ttl,
            };
            Ok(async move {
                let record = asked.ask(&key, &means, now).await.map_err(Missed::Failed)?;
                let Some(record) = record else {
                    let none = Arc::new(Absent::new(&key));
                    absent.remember(since, absent_under, &none, lifetime);
                    return Err(Missed::Absent);
                };
                let decision = Arc::new(Record::new(&key, Arc::new(record)));
                Ok(Fresh { decision, lifetime })
            })
        };
        let decided = self.found.decided(&self.flights, found_under, now, begin);
        match decided.await {
            Ok(record) => Ok(Some(record)),
            Err(Undecided::Failed(Missed::Absent)) => Ok(None),
            Err(Undecided::Failed(Missed::Failed(why))) => Err(why),
            Err(Undecided::Crowded) => Err(Unfound::Crowd(Crowd::Full)),
            Err(Undecided::Abandoned) => Err(Unfound::Crowd(Crowd::Abandoned)),
        }
    }
}
