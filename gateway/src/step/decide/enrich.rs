//! What is looked up before a policy set is asked.

use std::sync::Arc;

use serde_json::Value;

use super::lookup::{LookupError, LookupPlan, Record};
use super::question::Asked;
use super::together::together;
use crate::language::mapping::http::RequestText;
use crate::step::attempt::Attempt;

/// One lookup that a policy set asks before it is asked itself.
#[derive(Debug)]
pub struct EnrichPlan {
    /// What the policy set calls the record.
    pub name: Box<str>,
    /// The lookup.
    pub lookup: Arc<LookupPlan>,
    /// What it is asked for.
    pub key: RequestText,
}

/// What was found, by what the policy set calls it.
#[derive(Debug, Default)]
pub(super) struct Records<'p>(Vec<(&'p str, Arc<Record>)>);

impl Records<'_> {
    /// The record of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let (_, record) = self.0.iter().find(|(known, _)| *known == name)?;
        Some(record.members())
    }
}

/// Looks up what a policy set reads, all at once: no key is made of another record.
///
/// # Cancel safety
/// Safe: see [`LookupPlan::find`].
pub(super) async fn enrich<'p>(
    plans: &'p [EnrichPlan],
    attempt: &Attempt<'_>,
) -> Result<Records<'p>, LookupError> {
    let asking = plans
        .iter()
        .map(|plan| find(&plan.lookup, &plan.key, attempt));
    let found = together(asking).await?;
    let records = plans.iter().zip(found);
    let records = records.filter_map(|(plan, record)| Some((&*plan.name, record?)));
    Ok(Records(records.collect()))
}

/// The record of a key that is made of a request; `None` where there is none, or no key.
///
/// # Cancel safety
/// Safe: see [`LookupPlan::find`].
pub(super) async fn find(
    lookup: &LookupPlan,
    key: &RequestText,
    attempt: &Attempt<'_>,
) -> Result<Option<Arc<Record>>, LookupError> {
    let key = Asked::of(attempt, &Records::default()).text(key);
    match key {
        None => Ok(None),
        Some(key) => lookup.find(&key, attempt.asking, attempt.now).await,
    }
}
