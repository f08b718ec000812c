//! The written form: every key a configuration file may have.
//!
//! The JSON Schema is generated from these types and the file is held against that schema before
//! it is read into them. What the schema cannot say (references, ranges of durations, addresses)
//! is judged in [`super::lower`]. The doc comments here are what editors show.

mod named;
mod quantity;
mod listener;
mod lookups;
mod xdp;
mod lists;
mod rules;
mod authorizer;
mod aws;
mod fleet;
mod oauth;
mod credentials;
mod upstream;
mod access_mode;
mod private;
mod api;
mod api_keys;
mod buckets;
mod cors;
mod integration;
mod function;
mod json;
mod method;
mod identity;
mod domain;
mod policies;
mod verified_permissions;
mod telemetry;
mod throttle;
mod usage_plan;

pub(super) use access_mode::AccessMode;
pub(super) use api::{
    Api, Body, GatewayResponse, LoggingLevel, RequestLimits, Route, Stage, StageLog, StageRoute,
    Type as ApiType,
};
pub(super) use api_keys::{ApiKeys, KeyValues as KeyValuesWord};
pub(super) use authorizer::{
    Algorithm, Authorizer, ClaimValues, CognitoAuthorizer, Guard, IamAuthorizer, Jwks,
    JwtAuthorizer,
};
pub(super) use aws::{Aws, AwsCredentialSource, AwsCredentials};
pub(super) use buckets::Buckets;
pub(super) use cors::Cors;
pub(super) use credentials::{Credential, CredentialFile, Hidden, SignedSession};
pub(super) use domain::{Domain, MatchHeader, RoutingMode, RoutingRule};
pub(super) use fleet::{Fleet, Redis, RedisTls, WithoutStore};
pub(super) use function::{Function, FunctionAuthorizer, FunctionEvent, PayloadFormat};
pub(super) use identity::Identity;
pub(super) use integration::{
    ContentHandling as ContentHandlingWord, Integration, IntegrationType,
    Passthrough as PassthroughWord, ResponseRule,
};
pub(super) use json::{AnyJson, FreeJson};
pub(super) use listener::{
    Certificate, ForwardedHeader, Limits, Listener, ProxyProtocol, Timeouts, Tls, TlsVersion,
};
pub(super) use lists::{ListAction, ListFormat, ListMode, Lists, NamedList};
pub(super) use lookups::{Enrichment, FileLookup, HttpLookup, Lookup, TableLookup};
pub(super) use method::{MethodResponse, Presence, ResponseCheck as ResponseCheckWord, Validate};
pub(super) use named::Named;
pub(super) use oauth::{ClientAuthentication, OAuthClient};
pub(super) use policies::{
    Action, Attribute, AttributeType, CedarPolicies, Entity, FoundStore, HttpPolicies, PolicyFiles,
    PolicySet, PolicyStore, StoreChoice,
};
pub(super) use private::Private;
pub(super) use quantity::{DurationText, Size};
pub(super) use rules::{
    All, ListenerXdp, Monitor, Penalties, PenaltyMode, Rule, SynThreshold, Treatment, UnderAttack,
};
pub(super) use telemetry::{Admin, Telemetry};
pub(super) use throttle::{
    CallerConcurrency, CallerThrottle, Concurrency, Throttle, ThrottleHeaders,
};
pub(super) use upstream::{BackendTls, Upstream};
pub(super) use usage_plan::{KeySource, PlanStage, Quota, QuotaPeriod, UsagePlan};
pub(super) use verified_permissions::{TokenKind, VerifiedPolicies, VerifiedStoreId};
pub(super) use xdp::{Attach, Mode, Off, OnExit, Rate, SourceLimit, SourceRate, UnparsedToUs, Xdp};

use schemars::JsonSchema;
use serde::Deserialize;

/// Whose quotas hold.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Quotas {
    /// Those of Amazon API Gateway.
    Aws,
}

/// The configuration of one gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Gateway configuration")]
pub(super) struct File {
    /// Name of this gateway on its host; pins, runtime files and sockets carry it. Lower-case
    /// letters, digits, `_` and `-`, 1 to 32 characters. Default `default`.
    pub(super) instance: Option<String>,
    /// What ARNs and hosts of its APIs have in common.
    #[serde(default)]
    pub(super) gateway: Identity,
    /// User to run as after start. Default: whoever started it.
    pub(super) user: Option<String>,
    /// Group to run as after start. Default: the user's own group.
    pub(super) group: Option<String>,
    /// Worker threads. Default: one per CPU this process may use.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) workers: Option<u32>,
    /// Directory of the admin socket and, without BPF, of the buckets. Default
    /// `/run/gateway/<instance>`.
    pub(super) runtime_directory: Option<String>,
    /// Directory of what outlives a reboot. Default `/var/lib/gateway/<instance>`.
    pub(super) state_directory: Option<String>,
    /// How long a stopping gateway waits for its requests: 0s to 1h. Default 30s.
    pub(super) drain_timeout: Option<DurationText>,
    /// What all buffered bodies together may occupy: 1MiB to 1TiB. Default 256MiB.
    pub(super) body_memory_max: Option<Size>,
    /// What remembered decisions of all authorizers together may occupy: 1MiB to 1TiB. Default 64MiB.
    pub(super) decision_cache_max: Option<Size>,
    /// How many buckets limits on requests have, which only a restart changes.
    #[serde(default)]
    pub(super) buckets: Buckets,
    /// API keys.
    #[serde(default)]
    pub(super) api_keys: ApiKeys,
    /// With `aws` the quotas of Amazon API Gateway hold: what exceeds them is refused, and without another
    /// `shared_throttle` all requests share the one of an account. Default: they do not.
    pub(super) limits: Option<Quotas>,
    /// Limit of all requests to all APIs together. Default none; with `limits: aws` a rate of 10,000 and a
    /// burst of 5,000.
    pub(super) shared_throttle: Option<Throttle>,
    /// Other gateways that limits with `across_fleet: true` are shared with. Default: there are none.
    pub(super) fleet: Option<Fleet>,
    /// Where the gateway answers, by name.
    #[schemars(extend("minProperties" = 1))]
    pub(super) listeners: Named<Listener>,
    /// The kernel edge.
    #[serde(default)]
    pub(super) xdp: Xdp,
    /// Lists of addresses: who is never judged, who is let in and who is kept out.
    #[serde(default)]
    pub(super) lists: Lists,
    /// Who proves a caller's identity, by name.
    #[serde(default)]
    pub(super) authorizers: Named<Authorizer>,
    /// How services of AWS are called that the gateway asks on its own account. Default: none is.
    pub(super) aws: Option<Aws>,
    /// How the gateway gets tokens for itself, to show them to servers that it asks, by name.
    #[serde(default)]
    pub(super) oauth_clients: Named<OAuthClient>,
    /// What is looked up before policies decide, by name.
    #[serde(default)]
    pub(super) lookups: Named<Lookup>,
    /// Where policies come from, by name.
    #[serde(default)]
    pub(super) policy_stores: Named<PolicyStore>,
    /// Policy sets, by name: what callers may do, whoever they are.
    #[serde(default)]
    pub(super) policies: Named<PolicySet>,
    /// What holders of API keys may use, by name.
    #[serde(default)]
    pub(super) usage_plans: Named<UsagePlan>,
    /// Where requests are forwarded to, by name.
    #[serde(default)]
    pub(super) upstreams: Named<Upstream>,
    /// What the gateway serves, by name.
    #[schemars(extend("minProperties" = 1))]
    pub(super) apis: Named<Api>,
    /// Custom domains, by host: `api.example.com`, or `*.example.com` for every host with one label
    /// more.
    #[serde(default)]
    pub(super) domains: Named<Domain>,
    /// Logs and metrics.
    #[serde(default)]
    pub(super) telemetry: Telemetry,
    /// The admin socket.
    #[serde(default)]
    pub(super) admin: Admin,
}
