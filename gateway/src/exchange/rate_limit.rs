//! What an answer says is left to its caller.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The fields of draft-ietf-httpapi-ratelimit-headers-10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What the limits are.
    pub policies: HeaderValue,
    /// What is left of them.
    pub limits: HeaderValue,
}

impl RateLimit {
    /// Says so, instead of what a backend says.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(POLICY, self.policies);
        headers.insert(LIMIT, self.limits);
    }
}
