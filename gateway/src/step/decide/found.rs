//! Values of records by which a policy set chooses whom it asks.

use std::sync::Arc;

use serde_json::Value;

use super::enrich::find;
use super::lookup::{LookupError, LookupPlan, Record};
use crate::language::json_path::{Found, JsonPath};
use crate::language::mapping::http::RequestText;
use crate::step::attempt::Attempt;

/// A value of the record that a lookup finds.
#[derive(Debug)]
pub struct FoundPlan {
    /// The lookup.
    pub lookup: Arc<LookupPlan>,
    /// What it is asked for.
    pub key: RequestText,
    /// Where in the record the value is.
    pub at: JsonPath,
}

impl FoundPlan {
    /// The record for a request; `None` where there is none, or no key.
    ///
    /// # Cancel safety
    /// Safe: see [`LookupPlan::find`].
    pub(super) async fn record(
        &self,
        attempt: &Attempt<'_>,
    ) -> Result<Option<Arc<Record>>, LookupError> {
        find(&self.lookup, &self.key, attempt).await
    }

    /// The value in a record; `None` where there is none, or `null`.
    pub(super) fn value<'r>(&self, record: &'r Record) -> Option<&'r Value> {
        value(&self.at, record)
    }
}

/// The value of a record that `at` leads to; `None` where there is none, or `null`.
pub(super) fn value<'r>(at: &JsonPath, record: &'r Record) -> Option<&'r Value> {
    match at.find(record.members())? {
        Found::One(Value::Null) | Found::Many(_) => None,
        Found::One(value) => Some(value),
    }
}
