//! Functions that prove a caller's identity.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DurationText, Guard};

/// What an authorizer asks of a function.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FunctionAuthorizer {
    /// The function that is asked.
    pub(crate) function: Function,
    /// What it is told of: of the value of one header (`token`), which REST APIs do, or of the whole
    /// request but for its body (`request`). Default `request`.
    #[serde(default)]
    pub(crate) event: FunctionEvent,
    /// In which form HTTP APIs tell it of a request. REST APIs have one form and take no authorizer that
    /// names another. Default `2.0`.
    pub(crate) payload_format: Option<PayloadFormat>,
    /// Whether the function answers `{"isAuthorized": true}` or `false` instead of with a policy; HTTP
    /// APIs with payload format 2.0 only. Default false.
    #[serde(default)]
    pub(crate) simple_responses: bool,
    /// What has to be there for the function to be asked, and tells callers apart:
    /// `$request.header.<name>`, `$request.querystring.<name>`, `$context.<name>` or
    /// `$stageVariables.<name>`. Of `event: token` one header, by default
    /// `$request.header.Authorization`; of `event: request` at most 10, by default none.
    #[schemars(length(min = 1, max = 10))]
    pub(crate) identity_sources: Option<Vec<String>>,
    /// Regular expression in Java's syntax that the header has to match, whole; `event: token` only.
    /// Default: none.
    pub(crate) identity_validation_expression: Option<String>,
    /// Longest time that what the function returned is remembered: 0s to 1h; 0s asks it for every
    /// request. Default 5m, and 0s without identity sources.
    pub(crate) result_ttl: Option<DurationText>,
    /// How long the function may take: 50ms to 29s, for HTTP APIs at most 10s, which are the defaults too.
    pub(crate) timeout: Option<DurationText>,
    /// How often it decides what it does not remember; beyond it a request gets 429. Default: as often
    /// as it is asked.
    pub(crate) guard: Option<Guard>,
    /// Whether it is only watched: it decides, the log says what it would have done, and requests go on
    /// as if there were none. Default `false`.
    #[serde(default)]
    pub(crate) monitor: bool,
}

/// Where a function is: one of both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Function {
    /// URL that gets the event by POST and answers, with status 200, with what a function returns.
    pub(crate) url: Option<String>,
    /// Name or ARN of a function of AWS Lambda, with a version or an alias behind it where it is not to be
    /// `$LATEST`. It is asked in the region of its ARN, else in that of `aws`.
    pub(crate) lambda: Option<String>,
}

/// What a function is told of.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FunctionEvent {
    /// The value of one header.
    Token,
    /// A request.
    #[default]
    Request,
}

/// Forms in which HTTP APIs tell of requests.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) enum PayloadFormat {
    /// As REST APIs do.
    #[serde(rename = "1.0")]
    V1,
    /// The shorter one.
    #[serde(rename = "2.0")]
    V2,
}
