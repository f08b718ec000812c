use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::address::{Address, Class, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::limit::Rate;
use gateway_common::reason::{Family, Reason};

use super::*;
use crate::cli::source::Origin;
use crate::cli::stats::penalties::Penalties;
use crate::store::bucket::OwingBucket;
use crate::xdp::stats::{ClassLimit, Debts, ListCount, ListenerCount, Snapshot, VerdictCount};

const SECOND: u64 = 1_000_000_000;

/// A sample in which nothing was counted.
pub(in crate::cli::top) fn sample(at_ns: u64) -> Sample {
    Sample {
        at_ns,
        instance: "blue".to_owned(),
        origin: Origin::Kernel,
        attachments: Vec::new(),
        counted: Snapshot::default(),
        debts: Debts::default(),
        names: Names::default(),
        ipv6: HashMap::new(),
        penalties: Penalties::default(),
    }
}

/// A cell of the statistics.
pub(in crate::cli::top) fn verdict(
    verdict: Verdict,
    reason: Reason,
    family: Family,
    packets: u64,
) -> VerdictCount {
    VerdictCount {
        verdict,
        reason,
        family,
        counter: counter(packets),
    }
}

fn counter(packets: u64) -> Counter {
    Counter {
        packets,
        bytes: packets * 100,
    }
}

#[test]
fn rates_are_per_second_and_families_are_added_up() {
    let mut before = sample(10 * SECOND);
    let mut now = sample(12 * SECOND);
    let drop = |family, packets| verdict(Verdict::Drop, Reason::Denied, family, packets);
    before.counted.verdicts = vec![drop(Family::Ipv4, 100)];
    now.counted.verdicts = vec![
        verdict(Verdict::Pass, Reason::Admitted, Family::Ipv4, 8),
        drop(Family::Ipv4, 140),
        drop(Family::Ipv6, 20),
    ];
    let listener = |listener, packets| ListenerCount {
        listener,
        verdict: Verdict::Drop,
        counter: counter(packets),
    };
    before.counted.listeners = vec![listener(1, 5), listener(2, 900)];
    now.counted.listeners = vec![listener(1, 7), listener(2, 9)];
    now.counted.lists = vec![ListCount {
        list: 2,
        counter: counter(6),
    }];
    let rows = Rows::between(&before, &now);
    let brief = |rows: &[TrafficRow]| {
        let rows = rows.iter();
        rows.map(|row| (row.name.clone(), row.total.packets, row.packets_per_second))
            .collect::<Vec<_>>()
    };
    let named = |name: &str, total, rate| (name.to_owned(), total, rate);
    assert_eq!(
        brief(&rows.reasons),
        [named("admitted", 8, 4), named("denied", 160, 30)]
    );
    assert_eq!(
        brief(&rows.verdicts),
        [named("pass", 8, 4), named("drop", 160, 30)]
    );
    assert_eq!(rows.reasons[1].bytes_per_second, 3_000);
    // The second listener's counters were reset in between.
    assert_eq!(
        brief(&rows.listeners),
        [named("#1", 7, 1), named("#2", 9, 0)]
    );
    assert_eq!(brief(&rows.lists), [named("management", 6, 3)]);
}

#[test]
fn sources_are_named_by_what_is_known_of_them() {
    let seed = 77;
    let shared = Class::new(KIND_CONNECTIONS, 0, seed);
    let own = Class::new(KIND_PACKETS, 3, seed);
    let limit = Limit::new(Rate::per_second(100), 1_000, 1).unwrap();
    let network = "2001:db8:1:2::".parse().unwrap();
    let known = Address::v6("2001:db8:1:2::9".parse::<Ipv6Addr>().unwrap().octets()).tag(&own);
    let unknown = Address::v6("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()).tag(&own);
    let tags = [
        Address::v4(0x0a00_0001).tag(&shared),
        Address::v4(0x0a00_0001).tag(&own),
        // Under a limit that is not configured any more.
        Address::v4(0x0a00_0001).tag(&Class::marked(KIND_CONNECTIONS, 0, 1, seed)),
        known,
        unknown,
    ];
    let mut now = sample(11 * SECOND);
    now.debts = Debts {
        sources: tags
            .iter()
            .map(|&tag| OwingBucket {
                tag,
                tat: 16 * SECOND,
            })
            .collect(),
        callers: Vec::new(),
        limits: [shared, own]
            .map(|class| ClassLimit { class, limit })
            .into(),
    };
    now.ipv6 = HashMap::from([(known, (network, own.number))]);
    let rows = Rows::between(&sample(10 * SECOND), &now).sources;
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let class = class_name(row.class, &now.names);
            (row.source.to_string(), class, row.debt.fill)
        })
        .collect();
    let tag = format!("ipv6 #{:012x}", unknown & 0xffff_ffff_ffff);
    let expected = [
        // Five seconds of debt in a bucket of ten.
        ("10.0.0.1", "connections", Some(50)),
        ("10.0.0.1", "packets #3", Some(50)),
        ("2001:db8:1:2::/64", "packets #3", Some(50)),
        (tag.as_str(), "?", None),
    ];
    let expected =
        expected.map(|(source, class, fill)| (source.to_owned(), class.to_owned(), fill));
    assert_eq!(found, expected);
    assert_eq!(rows[3].charged, None, "no limit is known");
}

/// Charges a bucket by the product's own arithmetic and compares what is shown with the truth.
#[test]
fn charges_are_exact_while_a_bucket_owes_and_bounded_where_it_may_have_been_idle() {
    for (rate, burst, quantum) in [(100, 1_000, 1), (3, 9, 1), (1_250_000_000, 5 << 30, 1_500)] {
        let limit = Limit::new(Rate::per_second(rate), burst, quantum).unwrap();
        let at = 100 * SECOND;
        // Half full: it owes for longer than the second that passes.
        let debt = limit.tolerance_ns / 2;
        assert!(debt > SECOND, "{rate}/s");
        let word = AtomicU64::new(at + debt);
        let charges = rate / u64::from(quantum) / 3;
        for _ in 0..charges {
            limit.charge(&word, at, u64::from(quantum));
        }
        let now = word.load(Ordering::Relaxed);
        let shown = charged(at + debt, now, at, Elapsed(SECOND), &limit);
        let truth = charges * u64::from(quantum);
        assert!(!shown.at_most, "{rate}/s");
        assert!(
            shown.per_second.abs_diff(truth) <= truth / 1_000,
            "{rate}/s: {shown:?}, charged {truth}"
        );
    }
    // One charge at the end of an idle second looks like as many as the second had room for.
    let limit = Limit::new(Rate::per_second(100), 1_000, 1).unwrap();
    let now = 101 * SECOND + limit.increment(1);
    let shown = charged(0, now, 100 * SECOND, Elapsed(SECOND), &limit);
    assert_eq!(
        shown,
        Charged {
            per_second: 101,
            at_most: true
        }
    );
}

#[test]
fn throttles_have_names_rates_and_fill_and_callers_only_debts() {
    let limit = Limit::new(Rate::per_second(10), 20, 1).unwrap();
    let slot = |admitted, rejected| PlainSlot {
        tag: 7,
        tat: 12 * SECOND,
        multiplier: limit.multiplier,
        tolerance_ns: limit.tolerance_ns,
        shift: u64::from(limit.shift),
        admitted,
        rejected,
        shed: 0,
    };
    let mut before = sample(10 * SECOND);
    before.counted.slots = vec![slot(100, 5)];
    let mut now = sample(11 * SECOND);
    now.counted.slots = vec![slot(110, 25)];
    now.debts.callers = vec![OwingBucket {
        tag: 0xabc,
        tat: 11 * SECOND + 5,
    }];
    let rows = Rows::between(&before, &now).keys;
    assert_eq!(
        rows,
        [
            KeyRow {
                name: "slot #0000000000000007".to_owned(),
                debt: Debt {
                    owed_ns: SECOND,
                    fill: Some(50)
                },
                requests: Some(Requests {
                    admitted: 10,
                    rejected: 20,
                    shed: 0
                }),
            },
            KeyRow {
                name: "caller #0000000000000abc".to_owned(),
                debt: Debt {
                    owed_ns: 5,
                    fill: None
                },
                requests: None,
            },
        ]
    );
}
