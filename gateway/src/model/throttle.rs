//! Limits on requests.

use std::fmt;

use gateway_common::limit::{Limit, Rate};

/// A bucket that requests share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Rate and burst in requests.
    pub limit: Limit,
    /// What this gateway has of it on its own, where all gateways of a fleet share it; `None` where each has
    /// all of it.
    pub share: Option<Limit>,
    /// Whether it is only noted what it would refuse; default false.
    pub is_monitored: bool,
}

impl Throttle {
    /// What the service lets an account do in most regions: 10,000 requests per second, and 5,000 at once
    /// (11 of docs/semantics.md).
    #[must_use]
    pub fn of_account() -> Option<Self> {
        let limit = Limit::new(Rate::per_second(10_000), 5_000, 1).ok()?;
        Some(Self {
            limit,
            share: None,
            is_monitored: false,
        })
    }

    /// What this gateway keeps by itself.
    #[must_use]
    pub fn here(&self) -> &Limit {
        self.share.as_ref().unwrap_or(&self.limit)
    }
}

/// A bucket for every caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerThrottle {
    /// What tells callers apart. A request without it shares the bucket of all such requests.
    pub key: CallerKey,
    /// Rate and burst in requests, per caller.
    pub limit: Limit,
    /// As [`Throttle::share`].
    pub share: Option<Limit>,
    /// Charged instead when the table has no room for the caller; default the same as `limit`.
    pub overflow: Limit,
    /// Whether it is only noted what it would refuse; default false.
    pub is_monitored: bool,
}

impl CallerThrottle {
    /// As [`Throttle::here`].
    #[must_use]
    pub fn here(&self) -> &Limit {
        self.share.as_ref().unwrap_or(&self.limit)
    }
}

/// How many requests may be under way at once, from admission to the last byte of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// 1 to [`crate::concurrency::CONCURRENCY_MAX`].
    pub max: u32,
    /// Whether it is only noted what it would refuse; default false.
    pub is_monitored: bool,
}

/// The same for every caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerConcurrency {
    /// What tells callers apart. Requests without it are those of one caller.
    pub key: CallerKey,
    /// Of each caller.
    pub limit: Concurrency,
}

/// What tells callers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerKey {
    /// The address of the client, IPv6 by /64. What it is told by is known before anybody is
    /// authorized, so that is when it is charged, and never given back.
    Source,
    /// The id of the API key that the request is counted for, at routes that ask for one.
    ApiKey,
    /// The value of a request header.
    Header(http::HeaderName),
    /// A string or number claim of the verified token.
    Claim(String),
}

/// Most throttles of callers in one place: of a route, a stage or an API.
pub const CALLER_THROTTLES_MAX: usize = 4;
/// Most limits on what each caller of a route has under way.
pub const CALLER_CONCURRENCY_MAX: usize = 4;

/// What an API or a stage limits, beside what its routes do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedThrottles {
    /// All its requests together.
    pub all: Option<Throttle>,
    /// Each of its callers, each by another key.
    pub callers: Vec<CallerThrottle>,
}

/// What answers say of limits on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleHeaders {
    /// Whether a refusal says after how many seconds the same request is admitted (`Retry-After`, RFC 9110,
    /// 10.2.3); default true.
    pub retry_after: bool,
    /// Whether answers say what is left to the caller (`RateLimit-Policy` and `RateLimit`,
    /// draft-ietf-httpapi-ratelimit-headers-10); default false.
    pub rate_limit: bool,
}

impl Default for ThrottleHeaders {
    fn default() -> Self {
        Self {
            retry_after: true,
            rate_limit: false,
        }
    }
}

impl CallerKey {
    /// What sources are written as.
    pub const SOURCE: &str = "$context.identity.sourceIp";
    /// What API keys are written as.
    pub const API_KEY: &str = "$context.identity.apiKeyId";
    /// What stands before the name of a claim.
    pub const CLAIM: &str = "$context.authorizer.claims.";
    /// What stands before the name of a header.
    pub const HEADER: &str = "$request.header.";
}

impl fmt::Display for CallerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str(Self::SOURCE),
            Self::ApiKey => f.write_str(Self::API_KEY),
            Self::Claim(name) => write!(f, "{}{name}", Self::CLAIM),
            Self::Header(name) => write!(f, "{}{name}", Self::HEADER),
        }
    }
}
