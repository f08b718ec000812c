//! An API: where it answers, the stages that serve it, and its routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ApiId, ApiName, AuthorizerName, CallerConcurrency, CallerThrottle, Concurrency, Definition,
    EndpointTls, ListenerName, MethodResponses, NonProxy, PolicySetName, Private, RequestMappings,
    RequestSizes, ResponseMappings, RouteKey, SharedThrottles, Stage, Throttle, ThrottleHeaders,
    UpstreamName, UpstreamTarget, Validation, Variant,
};

/// One API.
#[derive(Clone, Debug)]
pub struct Api {
    /// Its name.
    pub name: ApiName,
    /// What ARNs and its own host call it.
    pub id: ApiId,
    /// What kind it is.
    pub kind: ApiKind,
    /// Listeners it answers on; all by default. Never empty.
    pub listeners: Vec<ListenerName>,
    /// Host names it answers for, lower-cased, its own endpoint's among them.
    pub hosts: Vec<String>,
    /// The host of its own endpoint where that is switched off: nobody answers there.
    pub closed_host: Option<String>,
    /// Whether it also answers for every host that no other API claims.
    pub other_hosts: bool,
    /// What TLS is like for the clients of its hosts.
    pub tls: EndpointTls,
    /// How large the head of a request may be.
    pub sizes: RequestSizes,
    /// How often it may be called, over all its stages.
    pub throttles: SharedThrottles,
    /// What its answers say of limits on requests.
    pub throttle_headers: ThrottleHeaders,
    /// Who may come in, whatever host leads to it; `None` for everybody.
    pub private: Option<Private>,
    /// What its file says it does.
    pub definition: Arc<Definition>,
    /// Where it is deployed. Never empty.
    pub stages: Vec<Stage>,
}

impl Api {
    /// Whether `stage`, its canary apart, serves something else than what the file says. Where it
    /// serves that, it has the very definition of the API.
    #[must_use]
    pub fn differs_from_file(&self, stage: &Stage) -> bool {
        !Arc::ptr_eq(&stage.definition, &self.definition)
    }
}

/// Kinds of APIs, which differ as those of Amazon API Gateway do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKind {
    /// A REST API (v1).
    Rest,
    /// An HTTP API (v2).
    Http,
}

/// One route of an HTTP API, or one method of a REST API.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// As written, such as `GET /pets/{id}`.
    pub key: RouteKey,
    /// Its method.
    pub method: RouteMethod,
    /// Its path; `None` for `$default`, the route of everything that no other one matches.
    pub path: Option<Vec<Segment>>,
    /// Who must have authorized the caller; `None` leaves the route public, which the
    /// configuration has to say in so many words.
    pub authorizer: Option<AuthorizerName>,
    /// Scopes of which the token must carry at least one; empty asks for none.
    pub scopes: Vec<String>,
    /// Policy set that is asked what the caller may do; `None` asks none.
    pub policies: Option<PolicySetName>,
    /// Whether callers need an API key; REST APIs only.
    pub api_key_required: bool,
    /// The bucket of all callers together, for each stage.
    pub throttle: Option<Throttle>,
    /// The buckets of each caller, for each stage, each by another key.
    pub caller_throttles: Vec<CallerThrottle>,
    /// How many requests of all callers may be under way at once, for each stage.
    pub concurrency: Option<Concurrency>,
    /// How many of each caller, for each stage, each by another key.
    pub caller_concurrency: Vec<CallerConcurrency>,
    /// What is checked before the integration gets the request; REST APIs only.
    pub validation: Validation,
    /// What it declares of its responses; `None` declares nothing, and then any may be sent. REST
    /// APIs only.
    pub method_responses: Option<MethodResponses>,
    /// How the request body travels.
    pub body: BodyMode,
    /// Largest request body; default 10 MiB. Beyond it 413.
    pub body_bytes_max: u64,
    /// What answers the request.
    pub integration: Integration,
}

/// A method named by a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteMethod {
    /// Every method that no other route names on the same path.
    Any,
    /// One method.
    Only(Method),
}

/// The methods a route can name: those of Amazon API Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of RFC 9110 and RFC 5789")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
            Method::Head => Self::HEAD,
            Method::Options => Self::OPTIONS,
        }
    }
}

/// One segment of a route's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Literal text, percent-decoded.
    Static(String),
    /// `{name}`: one segment.
    Parameter(String),
    /// `{name+}`: the rest of the path, last segment only.
    Greedy(String),
}

/// How a request body travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyMode {
    /// Piece by piece, as it arrives.
    Stream,
    /// Read whole before the upstream is contacted.
    Buffer,
}

/// What answers a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Integration {
    /// An HTTP backend, whose answer is passed on: `HTTP_PROXY`.
    HttpProxy(HttpProxy),
    /// An HTTP backend that gets and gives what is mapped: `HTTP`, of REST APIs.
    Http(Http),
    /// The gateway itself: `MOCK`, of REST APIs.
    Mock(NonProxy),
    /// Nothing: the route stands for what an imported definition says and the gateway cannot do, and
    /// answers 500.
    Refused,
}

impl Integration {
    /// The backend that it has.
    #[must_use]
    pub const fn backend(&self) -> Option<&Backend> {
        match self {
            Self::HttpProxy(HttpProxy { backend, .. }) | Self::Http(Http { backend, .. }) => {
                Some(backend)
            }
            Self::Mock(_) | Self::Refused => None,
        }
    }
}

/// A request that is forwarded.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpProxy {
    /// Where to.
    pub backend: Backend,
    /// What is changed of the answer.
    pub response_mappings: ResponseMappings,
}

/// A request that is made anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Where to, and what it gets of the client's parameters.
    pub backend: Backend,
    /// What it gets for a body, and what its answer becomes.
    pub mapped: NonProxy,
}

/// Where a request goes, and what it takes along.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Where to.
    pub target: Target,
    /// Method sent; `None` sends the request's own.
    pub method: Option<Method>,
    /// What is changed of the request.
    pub mappings: RequestMappings,
    /// From the first byte sent to the response's head, in `HTTP` integrations to the answer's end;
    /// 50 ms to 30 s (REST: 29 s), which are the defaults too. Beyond it 504, in HTTP APIs 503.
    pub timeout: Duration,
}

/// Where a request is forwarded to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A configured upstream.
    Upstream {
        /// Its name.
        name: UpstreamName,
        /// Path sent to it, with `{name}` of the route's parameters; `None` sends the request's
        /// own path.
        path: Option<String>,
    },
    /// A URL, as the variables of each stage make it: one for every variant that serves it.
    Uri(BTreeMap<Variant, Endpoint>),
}

/// A URL to forward to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host and port.
    pub origin: UpstreamTarget,
    /// Path with `{name}` of the route's parameters.
    pub path: String,
    /// Query that every request gets before its own.
    pub query: Option<String>,
    /// Whether the path comes from variables of the stage, whole or in part: they may be secrets there,
    /// and no log tells them. Queries are never told, hosts always.
    pub path_of_variables: bool,
}
