//! Policies that say what callers may do, and where they come from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AnyJson, DurationText, Enrichment, Named, VerifiedPolicies};

/// A store of policies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum PolicyStore {
    /// Files, read at start and on reload.
    Files(PolicyFiles),
}

/// Policies in files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFiles {
    /// Files with policies in Cedar's syntax.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) policies: Vec<String>,
    /// File with the schema that policies, entities and requests are held against, in Cedar's syntax
    /// or in JSON. Default: none, and then nothing but requests shows what policies get wrong.
    pub(crate) schema: Option<String>,
    /// JSON file with the entities that policies speak of, such as roles. Default: none.
    pub(crate) entities: Option<String>,
}

/// A policy set: how requests are put to policies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum PolicySet {
    /// Asks a policy store of the gateway's own.
    Cedar(CedarPolicies),
    /// Asks a server over HTTP, such as OPA, Cerbos, Permify or Oso.
    Http(HttpPolicies),
    /// Asks a policy store of Amazon Verified Permissions.
    VerifiedPermissions(VerifiedPolicies),
}

/// How requests are put to a server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpPolicies {
    /// Where it is: `http` or `https`, which is asked by `POST`.
    pub(crate) url: String,
    /// What is looked up before, by the name that `$lookups.NAME` reads it by. At most 8.
    #[serde(default)]
    pub(crate) lookups: Named<Enrichment>,
    /// What is asked: any JSON, with variables of the request in its strings. What has no value is left
    /// out.
    pub(crate) request: AnyJson,
    /// What the server answers where it allows the request.
    pub(crate) allow: HttpAnswer,
    /// File whose content is sent as a bearer token. Default: none is.
    pub(crate) token_file: Option<String>,
    /// Client of `oauth_clients` whose tokens are sent so, instead of `token_file`. Default: none are.
    pub(crate) oauth_client: Option<String>,
    /// From the first byte sent to the last byte of the answer: 50ms to 30s. Default 1s.
    pub(crate) timeout: Option<DurationText>,
    /// Longest time that an answer is remembered, for the same question: 0s to 1h, 0s asks every time.
    /// Default 10s.
    pub(crate) decision_ttl: Option<DurationText>,
    /// Whether it only tells what it would refuse, and lets everything pass. Default false.
    pub(crate) monitor: Option<bool>,
}

/// What a server answers where it allows a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpAnswer {
    /// Path to the value in the answer, such as `result` or `results[0].actions[*]`; with `*`, all of them
    /// have to be so.
    pub(crate) at: String,
    /// What it is. Default `true`.
    pub(crate) is: Option<AnyJson>,
}

/// How requests are put to a policy store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CedarPolicies {
    /// The store that is asked.
    pub(crate) store: StoreChoice,
    /// What is looked up before, by the name that `$lookups.NAME` reads it by. At most 8.
    #[serde(default)]
    pub(crate) lookups: Named<Enrichment>,
    /// Who calls.
    pub(crate) principal: Entity,
    /// What the caller does. Default: an `Action` of the route's own key.
    pub(crate) action: Option<Action>,
    /// What it does that to.
    pub(crate) resource: Entity,
    /// What else policies may ask of the request. What has no value is left out.
    #[serde(default)]
    pub(crate) context: Named<Attribute>,
    /// Whether it only tells what it would refuse, and lets everything pass. Default false.
    pub(crate) monitor: Option<bool>,
}

/// Which store is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StoreChoice {
    /// The one of this name.
    Named(String),
    /// The one that a record names or holds, such as that of the caller's tenant.
    Found(FoundStore),
}

/// A store that a record names or holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundStore {
    /// The lookup that has the record.
    pub(crate) lookup: String,
    /// What it is asked for, with variables of the request. A request without a record is refused.
    pub(crate) key: String,
    /// Path to the value in the record: the name of a policy store, or an object with `policies`, text or
    /// a list of texts in Cedar's syntax, and `entities`, a list.
    pub(crate) at: String,
    /// File with the schema that policies and entities of records are held against. Default: none.
    pub(crate) schema: Option<String>,
}

/// What the caller does.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    /// Its type, such as `Shop::Action`. Default `Action`.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// Its id, with variables of the request. Default: the route's key, such as `GET /pets/{id}`.
    pub(crate) id: Option<String>,
}

/// An entity of a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entity {
    /// Its type, such as `Shop::User`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Its id, with variables of the request. A request in which one of them has no value is refused.
    pub(crate) id: String,
    /// What policies may ask of it, besides what the store says. What has no value is left out.
    #[serde(default)]
    pub(crate) attributes: Named<Attribute>,
    /// What it is in, besides what the store says. At most 16.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(crate) parents: Vec<Parents>,
}

/// Entities of one type that another is in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parents {
    /// Their type, such as `Shop::Role`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Their ids: a claim that is a list gives one for each item, and text one for each word.
    pub(crate) ids: String,
}

/// A value of a request: text with variables, or what says more of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Attribute {
    /// A claim or a value of a record alone keeps its type; everything else is a string.
    Text(String),
    /// Any value, as a type of Cedar.
    Typed(TypedAttribute),
}

/// A value with its type.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedAttribute {
    /// Any JSON, with variables in its strings.
    pub(crate) value: AnyJson,
    /// What it is. Default: what it is in JSON.
    #[serde(rename = "as")]
    pub(crate) kind: Option<AttributeType>,
    /// The type of the entities, where it is `entity`.
    #[serde(rename = "type")]
    pub(crate) entity: Option<String>,
}

/// What a value is in Cedar.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttributeType {
    /// A whole number, also from text.
    Long,
    /// A boolean, also from `true` and `false` as text.
    Bool,
    /// A set: a list as it is, and text by its words.
    Set,
    /// An address, or a range of them.
    Ip,
    /// A number with up to four decimals.
    Decimal,
    /// A moment, as of RFC 3339.
    Datetime,
    /// An entity by its id; of a list one for each item.
    Entity,
}
