//! What is told of API keys.

use serde::{Deserialize, Serialize};

use crate::store::api_key::{ApiKey, Followed, KeyRules, Unsaid};

/// An API key, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// What it is called.
    pub id: String,
    /// What operators call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// What is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is good for anything.
    pub enabled: bool,
    /// When it was made, in seconds since 1970.
    pub created_unix_seconds: u64,
    /// When it was changed last, in seconds since 1970.
    pub updated_unix_seconds: u64,
    /// The usage plans that it belongs to.
    pub plans: Vec<PlanReport>,
    /// How often it may be used, whatever its plans say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<ThrottleReport>,
    /// Whether its value can be read back.
    pub readable: bool,
}

/// A usage plan that a key belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// Its name.
    pub plan: String,
    /// Since when, in seconds since 1970.
    pub added_unix_seconds: u64,
    /// Whether the configuration has no such plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

/// How often a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleReport {
    /// Millionths of a request per second.
    pub rate_micro_per_second: u64,
    /// Requests.
    pub burst: u64,
    /// Whether it is only noted what it would refuse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub monitor: bool,
}

impl KeyReport {
    pub(super) fn new(key: &ApiKey, rules: &KeyRules) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let plans = key.plans.iter().map(|membership| PlanReport {
            plan: membership.plan.to_string(),
            added_unix_seconds: membership.added_unix_seconds,
            unknown: rules.plans.lack(&membership.plan),
        });
        Self {
            id: key.id.to_string(),
            name: text(&key.name),
            customer: text(&key.customer),
            description: text(&key.description),
            enabled: key.is_enabled,
            created_unix_seconds: key.created_unix_seconds,
            updated_unix_seconds: key.updated_unix_seconds,
            plans: plans.collect(),
            throttle: key.throttle.map(|throttle| ThrottleReport {
                rate_micro_per_second: throttle.rate().micro_per_second,
                burst: throttle.burst(),
                monitor: throttle.is_monitored(),
            }),
            readable: key.is_readable,
        }
    }
}

/// What came of an order about API keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyOutcome {
    /// What was done, in a sentence.
    pub note: String,
    /// Ids of the keys that were made, in their order.
    pub made: Vec<String>,
    /// The value of the one that was made, where it was drawn.
    pub value: Option<Unsaid>,
    /// What is probably not meant, in sentences. Of the rows of a file, only the first ones.
    pub warnings: Vec<String>,
    /// Rows of a file that no key was made of.
    pub left_out: usize,
}

impl KeyOutcome {
    pub(super) fn new(followed: Followed) -> Self {
        let note = match (followed.note, followed.made.as_slice()) {
            (_, [id]) => format!("the API key `{id}` is made"),
            (note, []) if !note.is_empty() => note,
            (_, made) => format!("{} API keys are made", made.len()),
        };
        let remarks = followed.remarks.into_iter();
        Self {
            note,
            made: followed.made.iter().map(ToString::to_string).collect(),
            value: followed
                .drawn
                .map(|value| Unsaid::new(value.expose().to_owned())),
            left_out: followed.warnings.left_out(),
            warnings: remarks.chain(followed.warnings.lines()).collect(),
        }
    }
}
