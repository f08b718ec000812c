//! What one step of authorization made of a request, for `$context`.

use super::Rejection;
use crate::clock;
use crate::model::ApiKind;
use crate::telemetry::decider::Decider;

/// What an authorizer, or a resource policy, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// 200, or the status that the request was refused with.
    pub status: u16,
    /// How long it took.
    pub latency_ms: u64,
    /// What the client may read of a refusal.
    pub error: Option<Box<str>>,
    /// What made it so, where that can be named.
    pub by: Option<Decider>,
}

impl Judged {
    /// Of a step for an API of this kind that began at `started_ns` of the monotonic clock and ends
    /// now.
    #[must_use]
    pub fn of<T>(kind: ApiKind, outcome: &Result<T, Rejection>, started_ns: u64) -> Self {
        let elapsed_ns = clock::monotonic_ns().saturating_sub(started_ns);
        let refused = outcome.as_ref().err();
        Self {
            status: refused.map_or(200, |rejection| rejection.status().as_u16()),
            latency_ms: elapsed_ns / 1_000_000,
            by: None,
            error: refused
                .and_then(|rejection| rejection.message_for(kind))
                .map(Into::into),
        }
    }
}
