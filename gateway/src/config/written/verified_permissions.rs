//! Policy stores of Amazon Verified Permissions.

use schemars::JsonSchema;
use serde::Deserialize;

use super::policies::{Action, Attribute, Entity};
use super::{DurationText, Enrichment, Named};

/// How requests are put to a policy store of Amazon Verified Permissions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifiedPolicies {
    /// Id of the policy store, such as `PSEXAMPLEabcdefg111111`, or its alias behind
    /// `policy-store-alias/`; or where a record has it.
    pub(crate) policy_store: VerifiedStoreId,
    /// Where it is. Default: the region of `aws`.
    pub(crate) region: Option<String>,
    /// What is looked up before, by the name that `$lookups.NAME` reads it by. At most 8.
    #[serde(default)]
    pub(crate) lookups: Named<Enrichment>,
    /// Who calls, as the token says that the route's authorizer accepted: `access` or `identity`, as the
    /// store's identity source takes it for. Default: what `principal` says.
    pub(crate) token: Option<TokenKind>,
    /// Who calls. Default: what the `token` says.
    pub(crate) principal: Option<Entity>,
    /// What the caller does. Default: an `Action` of the route's own key.
    pub(crate) action: Option<Action>,
    /// What it does that to.
    pub(crate) resource: Entity,
    /// What else policies may ask of the request. What has no value is left out.
    #[serde(default)]
    pub(crate) context: Named<Attribute>,
    /// From the first byte sent to the last byte of the answer: 50ms to 30s. Default 1s.
    pub(crate) timeout: Option<DurationText>,
    /// Longest time that an answer is remembered, for the same question: 0s to 1h, 0s asks every time.
    /// Default 10s.
    pub(crate) decision_ttl: Option<DurationText>,
    /// Whether it only tells what it would refuse, and lets everything pass. Default false.
    pub(crate) monitor: Option<bool>,
}

/// Which policy store is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum VerifiedStoreId {
    /// The one of this id.
    Fixed(String),
    /// The one whose id a record has, such as that of the caller's tenant.
    Found(FoundStoreId),
}

/// An id that a record has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundStoreId {
    /// The lookup that has the record.
    pub(crate) lookup: String,
    /// What it is asked for, with variables of the request. A request without a record is refused.
    pub(crate) key: String,
    /// Path to the id in the record.
    pub(crate) at: String,
}

/// What a token is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenKind {
    /// For access.
    Access,
    /// Of a user.
    Identity,
}
