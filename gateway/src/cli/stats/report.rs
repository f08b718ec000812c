//! What `gateway stats` says, as data: this is the shape of `--json`.

use std::collections::BTreeMap;

use gateway_common::counter::Counter;
use serde::Serialize;

use crate::cli::source::{CarryingInterface, Counted, Origin};
use crate::daemon::names::Names;
use crate::model::{BucketTables, InstanceName};
use crate::xdp::stats::Snapshot;

/// Everything counted up to one moment.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `CLOCK_MONOTONIC` (ns) of the reading; rates refer to it.
    #[serde(skip)]
    pub(super) at_ns: u64,
    pub(super) instance: String,
    #[serde(serialize_with = "origin")]
    pub(super) source: Origin,
    pub(super) attachments: Vec<CarryingInterface>,
    /// `null` where no kernel judges.
    pub(super) under_attack: Option<bool>,
    /// Flows that are penalised; `null` where no kernel judges.
    pub(super) flow_rows: Option<u64>,
    pub(super) verdicts: Vec<Row<VerdictLabels>>,
    pub(super) listeners: Vec<Row<ListenerLabels>>,
    pub(super) lists: Vec<Row<ListLabels>>,
    pub(super) incidents: BTreeMap<&'static str, u64>,
    pub(super) slots: Slots,
    pub(super) callers: Callers,
    /// Every throttle that has a name, those that refused most first.
    pub(super) throttles: Vec<Throttle>,
}

/// What one throttle counted, exactly.
#[derive(Debug, Serialize, PartialEq, Eq, Clone)]
pub(super) struct Throttle {
    /// Such as `pets prod GET /pets` or `key k81h2j3m4n gold`.
    pub(super) throttle: String,
    pub(super) admitted: u64,
    pub(super) rejected: u64,
    pub(super) shed: u64,
}

/// Packets and bytes of one kind.
#[derive(Debug, Serialize, PartialEq, Eq, Clone)]
pub(super) struct Row<L> {
    #[serde(flatten)]
    pub(super) labels: L,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Absent in the first reading.
    #[serde(flatten)]
    pub(super) rates: Option<Rates>,
}

/// Since the reading before.
#[derive(Debug, Serialize, PartialEq, Eq, Clone, Copy)]
pub(super) struct Rates {
    pub(super) packets_per_second: u64,
    pub(super) bytes_per_second: u64,
}

#[derive(Debug, Serialize, PartialEq, Eq, Clone)]
pub(super) struct VerdictLabels {
    pub(super) verdict: &'static str,
    pub(super) reason: &'static str,
    pub(super) family: &'static str,
}

#[derive(Debug, Serialize, PartialEq, Eq, Clone)]
pub(super) struct ListenerLabels {
    /// Its name; `#7` where the name is not known.
    pub(super) listener: String,
    pub(super) verdict: &'static str,
}

#[derive(Debug, Serialize, PartialEq, Eq, Clone)]
pub(super) struct ListLabels {
    /// Its name; `#7` where the name is not known.
    pub(super) list: String,
}

/// Callers with buckets of their own.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub(super) struct Callers {
    /// How many owe something.
    pub(super) owing: usize,
    /// How many there is room for.
    pub(super) of: Option<u32>,
}

/// The slots in use, and what they counted together.
#[derive(Debug, Default, Serialize)]
pub(super) struct Slots {
    pub(super) used: usize,
    /// How many there are.
    pub(super) of: Option<u32>,
    pub(super) admitted: u64,
    pub(super) rejected: u64,
    pub(super) shed: u64,
}

fn origin<S: serde::Serializer>(origin: &Origin, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(origin.name())
}

impl Report {
    /// The figures of `counted`, without rates.
    pub(super) fn new(
        instance: &InstanceName,
        attachments: Vec<CarryingInterface>,
        (counted, callers_owing): (&Counted, usize),
        names: &Names,
    ) -> Self {
        let Counted { origin, snapshot } = counted;
        let verdicts = snapshot.verdicts.iter().map(|count| {
            let labels = VerdictLabels {
                verdict: count.verdict.name(),
                reason: count.reason.name(),
                family: count.family.name(),
            };
            row(labels, count.counter)
        });
        let listeners = snapshot.listeners.iter().map(|count| {
            let labels = ListenerLabels {
                listener: names.listener(count.listener).into_owned(),
                verdict: count.verdict.name(),
            };
            row(labels, count.counter)
        });
        let lists = snapshot.lists.iter().map(|count| {
            let labels = ListLabels {
                list: names.list(count.list).into_owned(),
            };
            row(labels, count.counter)
        });
        let incidents = snapshot.incidents.iter();
        Self {
            at_ns: 0,
            instance: instance.to_string(),
            source: *origin,
            attachments,
            under_attack: snapshot.posture.map(|posture| posture.is_under_attack),
            flow_rows: snapshot.posture.map(|posture| posture.flow_rows),
            verdicts: verdicts.collect(),
            listeners: listeners.collect(),
            lists: lists.collect(),
            incidents: incidents
                .map(|(incident, count)| (incident.name(), *count))
                .collect(),
            slots: slots(snapshot),
            callers: Callers {
                owing: callers_owing,
                of: snapshot.sizes.map(BucketTables::callers),
            },
            throttles: throttles(snapshot, names),
        }
    }

    /// Adds the rates since `before`. What had not been counted then counts from zero.
    pub(super) fn add_rates(&mut self, before: &Self) {
        let elapsed_ns = self.at_ns.saturating_sub(before.at_ns).max(1);
        add_rates(&mut self.verdicts, &before.verdicts, elapsed_ns);
        add_rates(&mut self.listeners, &before.listeners, elapsed_ns);
        add_rates(&mut self.lists, &before.lists, elapsed_ns);
    }
}

fn row<L>(labels: L, counter: Counter) -> Row<L> {
    Row {
        labels,
        packets: counter.packets,
        bytes: counter.bytes,
        rates: None,
    }
}

fn add_rates<L: PartialEq>(rows: &mut [Row<L>], before: &[Row<L>], elapsed_ns: u64) {
    for row in rows {
        let old = before.iter().find(|old| old.labels == row.labels);
        let (packets, bytes) = old.map_or((0, 0), |old| (old.packets, old.bytes));
        row.rates = Some(Rates {
            packets_per_second: per_second(row.packets, packets, elapsed_ns),
            bytes_per_second: per_second(row.bytes, bytes, elapsed_ns),
        });
    }
}

/// The rate of a counter that went from `before` to `now`; zero for one that started anew.
fn per_second(now: u64, before: u64, elapsed_ns: u64) -> u64 {
    let gained = u128::from(now.saturating_sub(before)) * 1_000_000_000;
    u64::try_from(gained / u128::from(elapsed_ns)).unwrap_or(u64::MAX)
}

fn slots(snapshot: &Snapshot) -> Slots {
    let mut slots = Slots {
        of: snapshot.sizes.map(BucketTables::throttles),
        ..Slots::default()
    };
    for slot in &snapshot.slots {
        slots.used += 1;
        slots.admitted = slots.admitted.wrapping_add(slot.admitted);
        slots.rejected = slots.rejected.wrapping_add(slot.rejected);
        slots.shed = slots.shed.wrapping_add(slot.shed);
    }
    slots
}

fn throttles(snapshot: &Snapshot, names: &Names) -> Vec<Throttle> {
    let named = snapshot.slots.iter().filter_map(|slot| {
        Some(Throttle {
            throttle: names.slot(slot.tag)?.to_owned(),
            admitted: slot.admitted,
            rejected: slot.rejected,
            shed: slot.shed,
        })
    });
    let mut throttles: Vec<Throttle> = named.collect();
    throttles.sort_by(|one, other| {
        let order = other.rejected.cmp(&one.rejected);
        order.then_with(|| one.throttle.cmp(&other.throttle))
    });
    throttles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_whatever_time_has_passed() {
        let report = |at_ns, packets| {
            let labels = ListLabels {
                list: "operator".to_owned(),
            };
            let counter = Counter {
                packets,
                bytes: packets * 60,
            };
            Report {
                at_ns,
                lists: vec![row(labels, counter)],
                ..empty()
            }
        };
        let before = report(1_000_000_000, 100);
        let mut after = report(3_000_000_000, 150);
        after.add_rates(&before);
        let rates = after.lists[0].rates.unwrap();
        assert_eq!(
            (rates.packets_per_second, rates.bytes_per_second),
            (25, 1500)
        );
        let mut reset = report(4_000_000_000, 10);
        reset.add_rates(&after);
        assert_eq!(reset.lists[0].rates.unwrap().packets_per_second, 0);
    }

    #[test]
    fn the_json_shape_has_rates_only_where_there_are_some() {
        let mut report = Report {
            listeners: vec![row(
                ListenerLabels {
                    listener: "public".to_owned(),
                    verdict: "pass",
                },
                Counter {
                    packets: 2,
                    bytes: 120,
                },
            )],
            ..empty()
        };
        let value = serde_json::to_value(&report).unwrap();
        assert_eq!(
            value["listeners"],
            serde_json::json!([{"listener": "public", "verdict": "pass", "packets": 2, "bytes": 120}])
        );
        assert_eq!(value["source"], "kernel");
        assert_eq!(value["under_attack"], serde_json::Value::Null);
        let before = empty();
        report.at_ns = 1_000_000_000;
        report.add_rates(&before);
        let value = serde_json::to_value(&report).unwrap();
        assert_eq!(value["listeners"][0]["packets_per_second"], 2);
        assert_eq!(value["listeners"][0]["bytes_per_second"], 120);
    }

    fn empty() -> Report {
        let counted = Counted {
            origin: Origin::Kernel,
            snapshot: Snapshot::default(),
        };
        Report::new(
            &InstanceName::new("blue"),
            Vec::new(),
            (&counted, 0),
            &Names::default(),
        )
    }
}
