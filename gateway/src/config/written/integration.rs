//! What answers a request.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{BackendTls, DurationText, Named};

/// What answers a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Integration {
    /// What kind it is. Default `http_proxy`.
    #[serde(rename = "type")]
    pub(crate) kind: Option<IntegrationType>,
    /// Name of the upstream to forward to.
    pub(crate) upstream: Option<String>,
    /// Path sent to the upstream, with `{name}` of the route's parameters. Default: the request's
    /// own path, without its stage.
    pub(crate) path: Option<String>,
    /// URL to forward to, instead of upstream and path, with `{name}` of the route's parameters
    /// and `${stageVariables.name}`.
    pub(crate) uri: Option<String>,
    /// What is asked of the certificate behind `uri`; one of an `upstream` has its own. In REST APIs
    /// `insecure_skip_verification`, in HTTP APIs `server_name`.
    pub(crate) tls: Option<BackendTls>,
    /// Method sent, such as `POST`. Default, and what `ANY` says: the request's own.
    pub(crate) method: Option<String>,
    /// What the backend gets of the request besides, and all that one of type `http` gets of its
    /// parameters. In REST APIs such as
    /// `integration.request.header.X-Pet: method.request.path.id`, in HTTP APIs such as
    /// `append:header.X-Pet: $request.path.id`.
    #[serde(default)]
    pub(crate) request_parameters: Named<String>,
    /// What the client of an HTTP API gets of the answer, by its status, such as
    /// `overwrite:statuscode: '404'` under `403`.
    #[serde(default)]
    pub(crate) response_parameters: Named<Named<String>>,
    /// From the first byte sent to the response's head, of type `http` to its end: 50ms to 30s
    /// (REST: 29s). Default the most.
    pub(crate) timeout: Option<DurationText>,
    /// Of types `http` and `mock`: what the backend gets for a body, or what says the mock's status,
    /// by media type of the request: fixed text, without `$` and `#`, such as
    /// `application/json: '{"statusCode": 200}'`. `$default` stands for every other media type.
    #[serde(default)]
    pub(crate) request_templates: Named<String>,
    /// Of types `http` and `mock`: what a request gets for whose media type there is no template.
    /// Default `when_no_match`.
    pub(crate) passthrough_behavior: Option<Passthrough>,
    /// Of types `http` and `mock`: what a body without template is converted to. Default: what its
    /// media type says.
    pub(crate) content_handling: Option<ContentHandling>,
    /// Of types `http` and `mock`: what the client gets, by a regular expression for the status, or
    /// `default`.
    #[serde(default)]
    pub(crate) responses: Named<ResponseRule>,
}

/// Kinds of integrations.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntegrationType {
    /// An HTTP backend, whose answer is passed on.
    HttpProxy,
    /// An HTTP backend that gets and gives what is mapped; REST APIs only.
    Http,
    /// The gateway itself answers; REST APIs only.
    Mock,
    /// Every request is answered with 500: stands for what an imported definition says and this
    /// gateway cannot do.
    Refused,
}

/// What a request gets for whose media type there is no template.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Passthrough {
    /// Its own body is passed on.
    WhenNoMatch,
    /// The same if there is no template at all, else 415.
    WhenNoTemplates,
    /// 415.
    Never,
}

/// What bodies are converted to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContentHandling {
    /// Binary ones become base64.
    ConvertToText,
    /// Text is base64, which is decoded.
    ConvertToBinary,
}

/// What a client gets for what an integration answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResponseRule {
    /// Status sent to the client.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: u16,
    /// Headers, such as `method.response.header.Access-Control-Allow-Origin: "'*'"` or
    /// `method.response.header.X-Total: integration.response.header.X-Count`.
    #[serde(default)]
    pub(crate) parameters: Named<String>,
    /// Bodies by media type: fixed text, without `$` and `#`. Default: what the integration
    /// answered.
    #[serde(default)]
    pub(crate) templates: Named<String>,
    /// What the integration's body is converted to. Default: what media types say.
    pub(crate) content_handling: Option<ContentHandling>,
}
