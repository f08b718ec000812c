//! What the gateway serves.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AccessMode, CallerConcurrency, CallerThrottle, Certificate, Concurrency, Cors, FreeJson,
    Integration, KeySource, MethodResponse, Named, Presence, Private, Size, Throttle,
    ThrottleHeaders, Validate,
};

/// One API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    /// What kind it is. With a `definition` it follows from that by default.
    #[serde(rename = "type")]
    pub(crate) kind: Option<Type>,
    /// OpenAPI 3.0 or Swagger 2.0 file that defines it, instead of `routes` and
    /// `gateway_responses`.
    #[expect(dead_code, reason = "definitions are expanded in the tree")]
    pub(crate) definition: Option<String>,
    /// What stands for `${name}` in the definition.
    #[serde(default)]
    #[expect(dead_code, reason = "definitions are expanded in the tree")]
    pub(crate) variables: Named<String>,
    /// Whether a definition is served of which a part was refused: routes that are affected answer
    /// 500. Default false.
    #[expect(dead_code, reason = "definitions are expanded in the tree")]
    pub(crate) partial: Option<bool>,
    /// What ARNs and its own host call it: 1 to 32 lower-case letters and digits. Default: ten
    /// that follow from its name.
    pub(crate) id: Option<String>,
    /// Names of the listeners it answers on. Default: all.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) listeners: Option<Vec<String>>,
    /// Host names it answers for besides its own; with none, custom domains may lead to it.
    /// Default: every host that no other API claims.
    pub(crate) hosts: Option<Vec<String>>,
    /// Whether it answers on its own host, `{id}.execute-api.{region}.{host_suffix}`. Default true.
    pub(crate) default_endpoint: Option<bool>,
    /// TLS security policy of its hosts, such as `TLS_1_2`. Default: its listeners'.
    pub(crate) security_policy: Option<String>,
    /// Where its clients have to come from; for others it is not there. Default: anywhere.
    pub(crate) private: Option<Private>,
    /// Whether the TLS handshake has to name the same host as the request. Default `basic`, which
    /// has to be written beside a policy that begins with `SecurityPolicy_`.
    pub(crate) endpoint_access_mode: Option<AccessMode>,
    /// Where it is deployed, by name: the first segment of a request's path. An HTTP API may have
    /// a stage `$default`, which serves what names no other one, and has it alone by default. A
    /// REST API has to name its stages.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) stages: Option<Named<Stage>>,
    /// Resource policy of a REST API, in the language of IAM. Default: none, whoever asks.
    pub(crate) policy: Option<FreeJson>,
    /// JSON file with the resource policy, instead of `policy`.
    pub(crate) policy_file: Option<String>,
    /// Policy set that is asked about requests of all routes that name no other, or `none`. Default
    /// `none`.
    pub(crate) policies: Option<String>,
    /// How a REST API words what it refuses, by type of gateway response, such as `UNAUTHORIZED`
    /// or `DEFAULT_4XX`.
    #[serde(default)]
    pub(crate) gateway_responses: Named<GatewayResponse>,
    /// Models of a REST API: what bodies may be, as JSON Schema draft 4, by name. `Empty` and
    /// `Error` are there anyway.
    #[serde(default)]
    pub(crate) models: Named<FreeJson>,
    /// Smallest answer that a REST API compresses for clients that want it: 0 to 10MiB. Default: it
    /// compresses none.
    pub(crate) minimum_compression_size: Option<Size>,
    /// Media types that a REST API takes for binary in integrations of type `http` and `mock`, such as
    /// `image/png`, `image/*` or `*/*`. Default: none, everything is text.
    #[serde(default)]
    pub(crate) binary_media_types: Vec<String>,
    /// Where a REST API reads the API keys of requests from. Default `header`.
    pub(crate) api_key_source: Option<KeySource>,
    /// What pages of other origins may do with an HTTP API. Default: what its backends say.
    pub(crate) cors: Option<Cors>,
    /// How large requests may be.
    #[serde(default)]
    pub(crate) limits: RequestLimits,
    /// Limit of all requests to all its stages together.
    pub(crate) shared_throttle: Option<Throttle>,
    /// Limits of each caller, over all its stages. At most 4, each with another key.
    #[serde(default)]
    pub(crate) caller_throttles: Vec<CallerThrottle>,
    /// What its answers say of limits. Default: `Retry-After` with what they refuse.
    pub(crate) throttle_headers: Option<ThrottleHeaders>,
    /// Its routes by route key: `GET /pets/{id}`, `ANY /files/{path+}` or, for HTTP APIs,
    /// `$default`.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) routes: Option<Named<Route>>,
}

/// Bounds of the head of a request, beside those of the listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestLimits {
    /// Path and query: 1KiB to 63KiB. Default 10KiB. Beyond it 414.
    pub(crate) url_bytes_max: Option<Size>,
    /// Values of all headers in REST APIs, request line and headers in HTTP APIs: 1KiB to 1MiB.
    /// Default 10KiB. Beyond it 431.
    pub(crate) header_bytes_max: Option<Size>,
}

/// Kinds of APIs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ApiType")]
pub(crate) enum Type {
    /// An HTTP API (v2).
    Http,
    /// A REST API (v1).
    Rest,
}

/// One stage.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    /// Whether it serves what the file says as soon as a reload finds that changed. Default true;
    /// with false `gateway deploy` says when.
    pub(crate) auto_deploy: Option<bool>,
    /// Its variables: names of letters, digits and `_`, values of `A-Za-z0-9-._~:/?#&=,`. At most
    /// 100.
    #[serde(default)]
    pub(crate) variables: Named<String>,
    /// What the access log says of its requests. Default: the gateway's own record, as JSON.
    pub(crate) access_log: Option<StageLog>,
    /// What it shows `https` backends that ask who calls; REST APIs only. Default: nothing.
    pub(crate) client_certificate: Option<Certificate>,
    /// What the execution log is told of requests to a REST API: default `off`.
    pub(crate) logging_level: Option<LoggingLevel>,
    /// Whether that log is told headers and the beginnings of bodies too, where the level is `info`.
    /// Default false.
    pub(crate) data_trace: Option<bool>,
    /// Whether each route has metrics of its own. Default false.
    pub(crate) detailed_metrics: Option<bool>,
    /// Limit of all callers of a route together, in requests, for each route that has no other.
    pub(crate) throttle: Option<Throttle>,
    /// Limit of all requests to the stage together.
    pub(crate) shared_throttle: Option<Throttle>,
    /// Limits of each caller of the stage, over all its routes. At most 4, each with another key.
    #[serde(default)]
    pub(crate) caller_throttles: Vec<CallerThrottle>,
    /// What differs for single routes, by their keys.
    #[serde(default)]
    pub(crate) routes: Named<StageRoute>,
}

/// What the access log says of the requests to one stage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StageLog {
    /// The line of a request, with `$context.*` in it: up to 3 KiB. It has to name
    /// `$context.requestId` or `$context.extendedRequestId`.
    pub(crate) format: String,
}

/// What a stage says of one route. What is left out is as the stage says of each route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct StageRoute {
    /// What the execution log is told of its requests, in REST APIs.
    pub(crate) logging_level: Option<LoggingLevel>,
    /// Whether that log is told headers and the beginnings of bodies too, where the level is `info`.
    pub(crate) data_trace: Option<bool>,
    /// Whether it has metrics of its own.
    pub(crate) detailed_metrics: Option<bool>,
    /// Limit of all its callers together, in requests, instead of the route's own and of that of
    /// the stage.
    pub(crate) throttle: Option<Throttle>,
}

/// What the execution log is told of a request.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoggingLevel {
    /// Nothing.
    Off,
    /// Why it failed.
    Error,
    /// Every step.
    Info,
}

/// How one type of gateway response is worded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayResponse {
    /// Its status. Default: the documented one.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: Option<u16>,
    /// Headers, such as `gatewayresponse.header.Access-Control-Allow-Origin: "'*'"`.
    #[serde(default)]
    pub(crate) parameters: Named<String>,
    /// Bodies by media type, with `$context.*`, `$stageVariables.*` and `$method.request.*`.
    #[serde(default)]
    pub(crate) templates: Named<String>,
}

/// One route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Who has to authorize the caller: an authorizer's name, or `none` for a public route.
    #[schemars(extend("x-missing" = "nothing says who may call this route: write \
        `authorizer: <name>`, or `authorizer: none` to leave it public"))]
    pub(crate) authorizer: String,
    /// Scopes of which the token must carry at least one. Default: none asked for.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Policy set that is asked what the caller may do, or `none`. Default: that of the API.
    pub(crate) policies: Option<String>,
    /// Whether callers need an API key that a usage plan of the stage knows; REST APIs only. Default false.
    #[serde(default)]
    pub(crate) api_key_required: bool,
    /// Limit of all callers together, in requests.
    pub(crate) throttle: Option<Throttle>,
    /// Limits of each caller, in requests. At most 4, each with another key.
    #[serde(default)]
    pub(crate) caller_throttles: Vec<CallerThrottle>,
    /// How many requests of all callers together may be under way at once.
    pub(crate) concurrency: Option<Concurrency>,
    /// How many of each caller may be. At most 4, each with another key.
    #[serde(default)]
    pub(crate) caller_concurrency: Vec<CallerConcurrency>,
    /// Parameters of requests to a REST API, such as `header.X-Id: required`,
    /// `querystring.q: optional` or `path.id: required`.
    #[serde(default)]
    pub(crate) parameters: Named<Presence>,
    /// Models of request bodies to a REST API by media type, such as `application/json: Pet`;
    /// `$default` stands for every other media type.
    #[serde(default)]
    pub(crate) models: Named<String>,
    /// What a REST API declares of its responses, by status. What `responses` of the integration say
    /// has to be declared here. Default: nothing is declared, and everything may be sent.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) method_responses: Option<Named<MethodResponse>>,
    /// What of a request to a REST API, and of its answer, is checked. Default: nothing.
    #[serde(default)]
    pub(crate) validate: Validate,
    /// How the request body travels. Default `stream`.
    pub(crate) body: Option<Body>,
    /// Largest request body: up to 1TiB. Default 10MiB.
    pub(crate) body_max: Option<Size>,
    /// What answers the request.
    pub(crate) integration: Integration,
}

/// How a request body travels.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    /// Piece by piece, as it arrives.
    Stream,
    /// Read whole before the upstream is contacted.
    Buffer,
}
