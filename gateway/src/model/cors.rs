//! What pages of other origins may do.
//!
//! Source: Amazon API Gateway Developer Guide, "Configure CORS for HTTP APIs in API Gateway".

use std::time::Duration;

/// What an HTTP API tells browsers, instead of its backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages. Never empty.
    pub origins: Vec<AllowedOrigin>,
    /// Methods, or `*`.
    pub methods: Vec<String>,
    /// Headers of requests, or `*`.
    pub headers: Vec<String>,
    /// Headers of answers that pages may read, or `*`.
    pub exposed: Vec<String>,
    /// Whether requests may carry cookies and the like; never with a wildcard among the origins.
    pub credentials: bool,
    /// How long a preflight is remembered, up to a day; `None` leaves it to the browser.
    pub max_age: Option<Duration>,
}

/// Whose pages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// `*`: all.
    Any,
    /// `https://*` or `http://*`: all whose origin begins so.
    Scheme(&'static str),
    /// One.
    Exact(String),
}
