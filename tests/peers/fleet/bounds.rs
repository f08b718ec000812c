//! What several gateways admit together.

use std::time::Duration;

use gateway::clock;
use gateway::model::{self, Period, RedisLayout};
use gateway::store::fleet::{Terms, Verdict};
use gateway::store::usage::QuotaTerms;
use gateway_tests::redis::Redis;
use gateway_tests::wait::until_now;

use super::{beyond, bucket, fleet_of, hammer, nodes, quota, shared, some};
use crate::program;

/// The most by which a window had more than its bucket gives in that time.
fn excess(admitted: &[u64], rate: u64, burst: u64) -> i64 {
    // From every beginning the worst end: a sum that starts anew where it cannot have been more.
    let unit_ns = 1_000_000_000 / rate;
    let (mut worst, mut start_ns, mut taken) = (i64::MIN, 0_u64, 0_i64);
    for &at in admitted {
        // What the window that began at `start_ns` has refilled by now.
        let refilled = i64::try_from(at.saturating_sub(start_ns) / unit_ns).unwrap();
        if taken <= refilled {
            (start_ns, taken) = (at, 1);
        } else {
            taken += 1;
        }
        let refilled = i64::try_from((at - start_ns) / unit_ns).unwrap();
        worst = worst.max(taken - refilled - i64::try_from(burst).unwrap());
    }
    worst
}

#[test]
fn gateways_that_ask_all_the_time_admit_what_one_bucket_does_and_a_lease_and_a_credit_each() {
    const GATEWAYS: u32 = 3;
    let Some(program) = program("redis-server") else {
        return;
    };
    let redis = Redis::start(&program, &[]);
    let model = fleet_of(GATEWAYS, RedisLayout::Standalone, &[redis.port()]);
    let nodes = nodes(&model);
    let (rate, burst) = (200, 100);
    let terms = bucket(rate, burst);
    let limits = shared(&nodes, "pets", terms);
    let time = Duration::from_secs(4);
    let admitted = hammer(&limits, time);
    let lease = terms.lease(model.lease);
    assert_eq!(lease, 20);
    let bound = i64::try_from(beyond(&model, &terms)).unwrap();
    let excess = excess(&admitted, rate, burst);
    assert!(
        excess <= bound,
        "{excess} more than the bucket in some window, and not {bound}"
    );
    let due = burst + rate * time.as_secs();
    let count = u64::try_from(admitted.len()).unwrap();
    println!(
        "{count} admitted of {due}, at most {excess} beyond the bucket in a window; bound {bound}"
    );
    assert!(
        count + u64::from(GATEWAYS) * lease >= due,
        "{count} of {due} were admitted"
    );
}

#[test]
fn a_quota_is_what_all_gateways_admit_together_and_a_credit_each() {
    const GATEWAYS: u32 = 3;
    let Some(program) = program("redis-server") else {
        return;
    };
    let redis = Redis::start(&program, &[]);
    let model = fleet_of(GATEWAYS, RedisLayout::Standalone, &[redis.port()]);
    let nodes = nodes(&model);
    for (number, period) in [Period::Day, Period::Week, Period::Month]
        .into_iter()
        .enumerate()
    {
        let terms = Terms::Quota(QuotaTerms {
            limit: 500,
            offset: 0,
            period,
            since: 0,
        });
        let limits: Vec<_> = nodes
            .iter()
            .map(|node| {
                let tag = u64::try_from(number).unwrap() + 100;
                node.fleet.named(tag, || format!("quota {number}"), terms)
            })
            .collect();
        let admitted = hammer(&limits, Duration::from_secs(2));
        let count = admitted.len();
        println!("{count} of 500 in a {period:?}");
        assert!((500..=503).contains(&count), "{count} admitted of 500");
        let span = period.span(clock::unix_seconds());
        let left = span.end - clock::unix_seconds();
        for limit in limits {
            assert_eq!(limit.left(), 0);
            let Verdict::Refused { wait_ns } = limit.verdict(clock::monotonic_ns()) else {
                panic!("nothing is left");
            };
            let seconds = wait_ns.div_ceil(1_000_000_000);
            assert!(
                seconds.abs_diff(left) <= 2,
                "{seconds} s, and the {period:?} has {left}"
            );
        }
    }
}

#[test]
fn a_bucket_that_gets_a_higher_rate_is_not_shut_by_what_was_owed_at_the_lower_one() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let redis = Redis::start(&program, &[]);
    let model = fleet_of(2, RedisLayout::Standalone, &[redis.port()]);
    let nodes = nodes(&model);
    // It is full again in half an hour, and then in less than a second.
    let (slow, quick) = (bucket(1, 1_800), bucket(3_600, 1_800));
    let limits = shared(&nodes, "pets", slow);
    let admitted = some(&limits, 900);
    assert_eq!(admitted, 1_800);
    for limit in &limits {
        limit.set_terms(quick);
    }
    let admitted = some(&limits, 300);
    assert_eq!(admitted, 600);
}

#[test]
fn what_nobody_uses_is_given_back_in_time_and_when_a_gateway_stops() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let redis = Redis::start(&program, &[]);
    let model = model::Fleet {
        idle: Duration::from_secs(1),
        ..fleet_of(2, RedisLayout::Standalone, &[redis.port()])
    };
    let mut nodes = nodes(&model);
    let terms = quota(50_000);
    let taken = || redis.ask(&["hget", "test:{quota}", "taken"]);
    let limits = shared(&nodes, "quota", terms);
    let used = some(&limits, 3);
    // Each has taken fifty at once, a thousandth.
    until_now("leases that are idle to be given back", || {
        taken() == used.to_string()
    });
    let used = used + some(&limits[..1], 3);
    drop(nodes.remove(0));
    assert_eq!(taken(), used.to_string());
    // Without a fleet there is nobody who answers.
    let fleet = &nodes[0].fleet;
    let is_reached = || fleet.counters().figures().is_reached;
    assert!(is_reached());
    fleet.put_in_force(None);
    until_now("nobody to be asked", || !is_reached());
}
