//! What is left to a caller?
//!
//! Answers may say so, in the fields `RateLimit-Policy` and `RateLimit` of
//! draft-ietf-httpapi-ratelimit-headers-10. They tell of the limits that are the caller's own: those of its
//! API key, and those that tell callers apart. What it shares with others is not told, because others
//! change it. Of a bucket the quota is its burst, and the window the time in which it fills; of a
//! quota they are the quota and the length of its period.

use http::HeaderValue;

use super::admit::{AdmitPlan, Keyed};
use super::bucket::Sender;
use super::source_limit::SourcePlan;
use crate::exchange::{RateLimit, Reason};
use crate::store::bucket::Buckets;
use crate::store::charge::{Account, Level};

/// Largest integer of structured fields (RFC 9651, 3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;
const SECOND_NS: u64 = 1_000_000_000;

/// The fields as they grow.
#[derive(Debug, Default)]
struct Fields {
    policies: String,
    limits: String,
}

/// What is left behind a request of `sender`; `None` where nothing limits it alone.
#[must_use]
pub fn rate_limit(
    (sources, plan): (&SourcePlan, &AdmitPlan),
    buckets: &Buckets,
    sender: &Sender<'_>,
    keyed: Option<&Keyed<'_>>,
    now_ns: u64,
) -> Option<RateLimit> {
    let mut fields = Fields::default();
    if let Some(keyed) = keyed {
        fields.add_quota(keyed);
        for (reason, account) in keyed.accounts() {
            let name = match reason {
                Reason::PlanRouteThrottled => "plan-route",
                Reason::KeyThrottled => "key",
                _ => "plan",
            };
            fields.add_account(name, 1, account, now_ns);
        }
    }
    let told_apart = [("source", &sources.0), ("caller", &plan.callers)];
    for (name, those) in told_apart {
        for (number, bucket) in (1..).zip(those.iter()) {
            let level = bucket.level(buckets, sender, now_ns);
            fields.add_level(name, number, level);
        }
    }
    fields.finish()
}

impl Fields {
    fn add_quota(&mut self, keyed: &Keyed<'_>) {
        let unix_seconds = keyed.unix_seconds;
        let Some((quota, standing)) = keyed.key.standing(unix_seconds) else {
            return;
        };
        if !quota.is_monitored {
            let span = quota.period.span(unix_seconds);
            let window = span.end.saturating_sub(span.begin);
            let reset = standing.end.saturating_sub(unix_seconds);
            self.add(
                ("quota", 1),
                (quota.limit, window),
                (standing.remaining, reset),
            );
        }
    }

    fn add_account(&mut self, name: &str, number: usize, account: Account<'_>, now_ns: u64) {
        if !account.is_monitored() {
            self.add_level(name, number, Some(account.level(now_ns)));
        }
    }

    fn add_level(&mut self, name: &str, number: usize, level: Option<Level>) {
        if let Some(level) = level {
            let policy = (level.burst, level.refill_ns.div_ceil(SECOND_NS));
            let left = (level.left, level.full_in_ns.div_ceil(SECOND_NS));
            self.add((name, number), policy, left);
        }
    }

    /// Of several of one name each but the first has its number.
    fn add(
        &mut self,
        (name, number): (&str, usize),
        (quota, window): (u64, u64),
        (remaining, reset): (u64, u64),
    ) {
        let name = match number {
            1 => name.to_owned(),
            _ => format!("{name}-{number}"),
        };
        let policy = member(&name, ("q", quota), ("w", window));
        let limit = member(&name, ("r", remaining), ("t", reset));
        for (field, member) in [(&mut self.policies, policy), (&mut self.limits, limit)] {
            if !field.is_empty() {
                field.push_str(", ");
            }
            field.push_str(&member);
        }
    }

    fn finish(self) -> Option<RateLimit> {
        if self.policies.is_empty() {
            return None;
        }
        Some(RateLimit {
            policies: HeaderValue::try_from(self.policies).ok()?,
            limits: HeaderValue::try_from(self.limits).ok()?,
        })
    }
}

/// A member of a list (RFC 9651, 3.1) with two parameters.
fn member(name: &str, (first, value): (&str, u64), (second, seconds): (&str, u64)) -> String {
    let (value, seconds) = (value.min(INTEGER_MAX), seconds.min(INTEGER_MAX));
    format!("\"{name}\";{first}={value};{second}={seconds}")
}
