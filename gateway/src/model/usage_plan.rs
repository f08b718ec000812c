//! What holders of API keys may use.
//!
//! Source: Amazon API Gateway Developer Guide, "Usage plans and API keys for REST APIs" (6 of
//! docs/semantics.md).

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{ApiName, Period, RouteKey, StageName, Throttle, UsagePlanName};

/// One usage plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsagePlan {
    /// Its name, by which keys say that they belong to it.
    pub name: UsagePlanName,
    /// The stages that its keys open. Never empty.
    pub stages: Vec<PlanStage>,
    /// The bucket of each key, over all stages of the plan.
    pub throttle: Option<Throttle>,
    /// How many requests each key has.
    pub quota: Option<Quota>,
}

/// A stage that the keys of a plan open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStage {
    /// The API.
    pub api: ApiName,
    /// The stage.
    pub stage: StageName,
    /// The buckets of each key for single routes.
    pub routes: BTreeMap<RouteKey, Throttle>,
}

/// How many requests a key has in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a period, at least 1.
    pub limit: u64,
    /// How many of them are gone in the period in which a key joins the plan; at most `limit`, default 0.
    pub offset: u64,
    /// How long a period is.
    pub period: Period,
    /// Whether it is only noted what it would refuse; default false.
    pub is_monitored: bool,
    /// How many gateways share it; `None` where each has all of it.
    pub across: Option<NonZeroU32>,
}

/// Where the API key of a request is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// The header `X-API-Key`.
    #[default]
    Header,
    /// What the function of the route's authorizer returns as `usageIdentifierKey`.
    Authorizer,
}

impl Quota {
    /// Most requests in a period.
    pub const LIMIT_MAX: u64 = 500_000_000_000;
}
