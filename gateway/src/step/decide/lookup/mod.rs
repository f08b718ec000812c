//! Lookups: the record of a key, which is made of a request.
//!
//! A record is a JSON object. A key that has none is no failure: what would be read of it is left out.
//! Whatever keeps a lookup from knowing whether there is one is a failure, and nothing of that is
//! remembered. Nothing of a record is ever logged.

mod http;
mod record;
mod remote;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;

use self::http::HttpRecords;
pub use self::record::Record;
use self::remote::{Holder, RemoteRecords};
use self::table::TableRecords;
use crate::aws::Client;
use crate::exchange::{Reason, Refusal};
use crate::model::{FileRecords, HttpLookup, TableLookup};
use crate::oauth::{NoToken, Shown};
use crate::step::attempt::Asking;
use crate::store::decision::Decisions;
use crate::upstream::UpstreamPlan;

/// Largest answer with a record that is read.
pub const RECORD_BYTES_MAX: usize = 512 * 1024;

/// Largest memory that a record may take.
pub const RECORD_MEMORY_MAX: usize = 4 * 1024 * 1024;

/// Longest key.
pub const KEY_BYTES_MAX: usize = 1_024;

/// A lookup.
#[derive(Debug)]
pub struct LookupPlan {
    name: Arc<str>,
    records: Records,
}

#[derive(Debug)]
enum Records {
    File(HashMap<Box<str>, Arc<Record>>),
    Remote(RemoteRecords),
}

/// Why a lookup does not know whether there is a record. Nothing of the request is quoted: logs may
/// hold this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lookup `{lookup}`: {why}")]
pub struct LookupError {
    /// The lookup.
    pub lookup: Arc<str>,
    /// What happened.
    pub why: Unfound,
}

/// See [`LookupError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfound {
    /// A key that is too long.
    #[error("the request has a key of {0} bytes: at most {KEY_BYTES_MAX}")]
    LongKey(usize),
    /// A key that would lead elsewhere.
    #[error("the request has a key that no path can have for a segment")]
    Unnameable,
    /// There is nothing to show the server.
    #[error(transparent)]
    Token(NoToken),
    /// No answer came.
    #[error("the server did not answer: {0}")]
    Call(String),
    /// An answer of another kind came.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The service did not do it.
    #[error("the service answered {0}, {1}")]
    Fault(StatusCode, String),
    /// What came is no record.
    #[error("the server answered no JSON object")]
    NoObject,
    /// What came would take more than [`RECORD_MEMORY_MAX`].
    #[error("the server answered with more than {RECORD_MEMORY_MAX} bytes of values")]
    TooLarge,
    /// Nobody could wait for the answer.
    #[error(transparent)]
    Crowd(Crowd),
    /// Nobody is asked just to explain.
    #[error("it would be asked, and was not: nothing is remembered of this")]
    NotAsked,
}

/// Why a request got no share in a question of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowd {
    /// More wait than may.
    #[error("too many wait for its answers already")]
    Full,
    /// The worker that asked has ended.
    #[error("whoever asked has ended")]
    Abandoned,
}

impl LookupPlan {
    /// One that a file answers.
    #[must_use]
    pub fn file(name: Arc<str>, records: &FileRecords) -> Self {
        let records = records.0.iter().map(|(key, members)| {
            let record = Record::new(key, Arc::clone(members));
            (key.clone(), Arc::new(record))
        });
        Self {
            name,
            records: Records::File(records.collect()),
        }
    }

    /// One that a server answers, to which `plan` leads, and which is shown `authorization`. Nothing is
    /// remembered yet.
    #[must_use]
    pub fn http(
        name: Arc<str>,
        lookup: &HttpLookup,
        plan: Arc<UpstreamPlan>,
        authorization: Option<Shown>,
        decisions: &Arc<Decisions>,
    ) -> Self {
        let holder = Holder::Http(HttpRecords::new(lookup, plan, authorization));
        Self::remote(name, holder, lookup.ttl, decisions)
    }

    /// One that a table of Amazon DynamoDB answers, which `client` asks. Nothing is remembered yet.
    #[must_use]
    pub fn table(
        name: Arc<str>,
        lookup: &TableLookup,
        client: Arc<Client>,
        decisions: &Arc<Decisions>,
    ) -> Self {
        let holder = Holder::Table(TableRecords::new(lookup, client));
        Self::remote(name, holder, lookup.ttl, decisions)
    }

    fn remote(name: Arc<str>, holder: Holder, ttl: Duration, decisions: &Arc<Decisions>) -> Self {
        let records = RemoteRecords::new(holder, ttl, &owner(&name), decisions);
        Self {
            name,
            records: Records::Remote(records),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The record of `key` at `now` (seconds since 1970); `None` where there is none.
    ///
    /// # Errors
    /// See [`LookupError`].
    ///
    /// # Cancel safety
    /// Safe: the question goes on, and who asks the same finds what it came to.
    pub async fn find(
        &self,
        key: &str,
        asking: Asking<'_>,
        now: u64,
    ) -> Result<Option<Arc<Record>>, LookupError> {
        let found = match &self.records {
            Records::File(records) => Ok(records.get(key).map(Arc::clone)),
            Records::Remote(_) if key.len() > KEY_BYTES_MAX => Err(Unfound::LongKey(key.len())),
            Records::Remote(records) => records.find(key, asking, now).await,
        };
        found.map_err(|why| LookupError {
            lookup: Arc::clone(&self.name),
            why,
        })
    }
}

/// What the lookup of this name is called where decisions are counted and forgotten.
#[must_use]
pub fn owner(name: &str) -> String {
    format!("lookups/{name}")
}

impl LookupError {
    /// What becomes of the request.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let reason = match &self.why {
            Unfound::LongKey(_) | Unfound::Unnameable => Reason::DecisionFailed,
            Unfound::Token(_)
            | Unfound::Call(_)
            | Unfound::Status(_)
            | Unfound::Fault(..)
            | Unfound::NoObject
            | Unfound::TooLarge
            | Unfound::Crowd(_)
            | Unfound::NotAsked => Reason::DecisionUnavailable,
        };
        Refusal {
            reason,
            detail: Some(self.to_string()),
        }
    }
}
