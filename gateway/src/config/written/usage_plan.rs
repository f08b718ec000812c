//! What holders of API keys may use.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Named, Throttle};

/// One usage plan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsagePlan {
    /// The stages that its keys open.
    #[schemars(extend("minItems" = 1))]
    pub(crate) stages: Vec<PlanStage>,
    /// Limit of each key over all stages of the plan, in requests. Default: none.
    pub(crate) throttle: Option<Throttle>,
    /// How many requests each key has in each period. Default: as many as it likes.
    pub(crate) quota: Option<Quota>,
}

/// A stage that the keys of a plan open.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanStage {
    /// The API, which is a REST API.
    pub(crate) api: String,
    /// The stage.
    pub(crate) stage: String,
    /// Limits of each key for single routes beside that of the plan, by their keys.
    #[serde(default)]
    pub(crate) routes: Named<PlanRoute>,
}

/// What a plan says of one route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanRoute {
    /// Limit of each key, in requests.
    pub(crate) throttle: Throttle,
}

/// How many requests a key has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quota {
    /// Requests in a period.
    #[schemars(range(min = 1))]
    pub(crate) limit: u64,
    /// How long a period is.
    pub(crate) period: QuotaPeriod,
    /// How many of them are gone already in the period in which a key joins the plan: up to `limit`.
    /// Default 0.
    #[serde(default)]
    pub(crate) offset: u64,
    /// Whether what it would refuse is only noted. Default false.
    #[serde(default)]
    pub(crate) monitor: bool,
    /// Whether all gateways of the `fleet` share it. Default false.
    #[serde(default)]
    pub(crate) across_fleet: bool,
}

/// Periods of quotas, which begin at midnight UTC.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QuotaPeriod {
    /// A day.
    Day,
    /// A week, from Sunday.
    Week,
    /// A month, from its first day.
    Month,
}

/// Where the API key of a request is read from.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeySource {
    /// The header `X-API-Key`.
    Header,
    /// What the function of the route's authorizer returns as `usageIdentifierKey`.
    Authorizer,
}
