//! The written form of an API key: what its row is known by, what its value is recognized by, and
//! JSON; version 1.

use gateway_common::limit::Rate;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use super::key::{ApiKey, KeyThrottle, Membership, ValueMac};
use super::vault::Vault;
use crate::model::{ApiKeyId, UsagePlanName};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Box<str>>,
    enabled: bool,
    created_unix_seconds: u64,
    updated_unix_seconds: u64,
    plans: Vec<MembershipRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    throttle: Option<ThrottleRecord>,
    readable: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembershipRecord {
    plan: String,
    added_unix_seconds: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThrottleRecord {
    rate_micro_per_second: u64,
    burst: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    monitor: bool,
}

/// Writes a key.
///
/// # Errors
/// Never in practice: it holds texts and numbers.
pub(super) fn write(vault: &Vault, key: &ApiKey) -> Result<Vec<u8>, serde_json::Error> {
    let plan = |membership: &Membership| MembershipRecord {
        plan: membership.plan.to_string(),
        added_unix_seconds: membership.added_unix_seconds,
    };
    let throttle = |throttle: KeyThrottle| ThrottleRecord {
        rate_micro_per_second: throttle.rate().micro_per_second,
        burst: throttle.burst(),
        monitor: throttle.is_monitored(),
    };
    let record = serde_json::to_vec(&Record {
        name: key.name.clone(),
        customer: key.customer.clone(),
        description: key.description.clone(),
        enabled: key.is_enabled,
        created_unix_seconds: key.created_unix_seconds,
        updated_unix_seconds: key.updated_unix_seconds,
        plans: key.plans.iter().map(plan).collect(),
        throttle: key.throttle.map(throttle),
        readable: key.is_readable,
    })?;
    let row = [key.mac.0.as_slice(), &record].concat();
    Ok([vault.stamp(&key.id, &row).as_slice(), &row].concat())
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// It is something else.
pub(super) fn read(
    vault: &Vault,
    id: &ApiKeyId,
    written: &[u8],
) -> Result<ApiKey, serde_json::Error> {
    let damaged = || serde_json::Error::custom("the row is not as it was written");
    let (stamp, row) = written.split_first_chunk::<32>().ok_or_else(damaged)?;
    if !vault.is_stamped(id, row, stamp) {
        return Err(damaged());
    }
    let (mac, record) = row.split_first_chunk::<32>().ok_or_else(damaged)?;
    let record: Record = serde_json::from_slice(record)?;
    let plan = |membership: MembershipRecord| {
        Ok(Membership {
            plan: UsagePlanName::parse(&membership.plan).map_err(serde_json::Error::custom)?,
            added_unix_seconds: membership.added_unix_seconds,
        })
    };
    let plans: Result<_, serde_json::Error> = record.plans.into_iter().map(plan).collect();
    let throttle = |throttle: ThrottleRecord| {
        let micro_per_second = throttle.rate_micro_per_second;
        let rate = Rate { micro_per_second };
        let throttle = KeyThrottle::new(rate, throttle.burst, throttle.monitor);
        throttle.map_err(|error| serde_json::Error::custom(format!("{error:?}")))
    };
    Ok(ApiKey {
        id: id.clone(),
        mac: ValueMac(*mac),
        name: record.name,
        customer: record.customer,
        description: record.description,
        is_enabled: record.enabled,
        created_unix_seconds: record.created_unix_seconds,
        updated_unix_seconds: record.updated_unix_seconds,
        plans: plans?,
        throttle: record.throttle.map(throttle).transpose()?,
        is_readable: record.readable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_that_refuses_is_written_as_it_was_before_any_was_only_monitored() {
        let before = r#"{"rate_micro_per_second":500000,"burst":3}"#;
        let read: ThrottleRecord = serde_json::from_str(before).unwrap();
        assert!(!read.monitor);
        assert_eq!(serde_json::to_string(&read).unwrap(), before);
    }
}
