//! Limits on requests.

use gateway_common::limit::Limit;

/// A bucket shared by all callers of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Rate and burst in requests.
    pub limit: Limit,
}

/// A bucket for every caller of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerThrottle {
    /// What tells callers apart. A request without it shares the bucket of all such requests.
    pub key: CallerKey,
    /// Rate and burst in requests, per caller.
    pub limit: Limit,
    /// Charged instead when the table has no room for the caller; default the same as `limit`.
    pub overflow: Limit,
}

/// What tells callers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerKey {
    /// The value of a request header.
    Header(http::HeaderName),
    /// A string or number claim of the verified token.
    Claim(String),
}
