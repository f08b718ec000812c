//! An HTTP API and its routes.

use std::time::Duration;

use super::{
    ApiName, AuthorizerName, CallerThrottle, ListenerName, RouteKey, Throttle, UpstreamName,
};

/// One API.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Its name.
    pub name: ApiName,
    /// Listeners it answers on; all by default. Never empty.
    pub listeners: Vec<ListenerName>,
    /// Host names it answers for, lower-cased; empty means any host no other API claims.
    pub hosts: Vec<String>,
    /// Its routes in the order of the file. Route keys are unique within the API.
    pub routes: Vec<Route>,
}

/// One route.
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
    /// The bucket of all callers together.
    pub throttle: Option<Throttle>,
    /// The bucket of each caller.
    pub caller_throttle: Option<CallerThrottle>,
    /// How the request body travels.
    pub body: BodyMode,
    /// Largest request body; default 10 MiB. Beyond it 413.
    pub body_bytes_max: u64,
    /// Where the request goes.
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

/// Where a request goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Integration {
    /// The upstream.
    pub upstream: UpstreamName,
    /// Path sent to the upstream, with `{name}` of the route's parameters; `None` sends the
    /// request's own path.
    pub path: Option<String>,
    /// From the first byte sent to the response's head; 50 ms to 30 s, default 30 s. Beyond it 504.
    pub timeout: Duration,
}
