//! What a charge costs the daemon, and a scrape of the table of sources, on memory that the kernel
//! shares with it.

use std::hint::black_box;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{anyhow, bail};
use aya::maps::Map;
use gateway::clock::monotonic_ns;
use gateway::model::BucketTables;
use gateway::store::bucket::{BucketMaps, Buckets, LineReader};
use gateway_common::bucket::{PlainLine, Way};
use gateway_common::limit::{Limit, Rate};
use gateway_common::name;
use gateway_tests::object::Object;

use crate::outcome::{Budget, Case, Outcome};

/// Lines of a scrape as a power of two: four buckets each, 65,536 together.
const SCRAPE_LINE_BITS: u32 = 14;
/// Scrapes in a window.
const SCRAPES: u32 = 50;
/// Charges in a window.
const CHARGES: u32 = 4_000_000;

/// Measures a charge alone, given the time, and with a reading of the clock for each.
pub(crate) fn measure(windows: u16, outcome: &mut Outcome) -> anyhow::Result<()> {
    let mut object = Object::load()?;
    let sources = descriptor(&mut object, name::MAP_SOURCES)?;
    let aggregates = descriptor(&mut object, name::MAP_AGGREGATES)?;
    let slots = descriptor(&mut object, name::MAP_SLOTS)?;
    let callers = descriptor(&mut object, name::MAP_CALLERS)?;
    let maps = BucketMaps {
        sources: sources.as_fd(),
        aggregates: aggregates.as_fd(),
        slots: slots.as_fd(),
        callers: callers.as_fd(),
        sizes: BucketTables::default(),
    };
    let buckets = Buckets::from_maps(maps, 1)?;
    let slot = buckets.claim_slot(Buckets::slot_tag(&["measure"]))?;
    // One unit per nanosecond, which no loop reaches: every charge writes.
    let limit = Limit::new(Rate::per_second(1_000_000_000), 1 << 20, 1)
        .map_err(|error| anyhow!("{error:?}"))?;
    let charge = |now_ns| {
        black_box(limit.charge(&black_box(buckets.slot(slot)).tat, now_ns, 1));
    };
    let (mut given, mut clocked) = (Vec::new(), Vec::new());
    for _ in 0..windows {
        let mut now_ns = monotonic_ns();
        given.push(mean(CHARGES, || {
            now_ns += 8;
            charge(now_ns);
        })?);
        clocked.push(mean(CHARGES, || charge(monotonic_ns()))?);
    }
    let case = |name: &str, windows, budget| Case {
        name: name.to_owned(),
        unit: "ns",
        windows,
        baseline: Vec::new(),
        budget,
    };
    let budget = Some(Budget::AtMost(15.0));
    outcome.cases.push(case("daemon_charge_ns", given, budget));
    outcome
        .cases
        .push(case("daemon_charge_with_clock_ns", clocked, None));
    Ok(())
}

/// Measures a scrape of 65,536 buckets all of which owe something, which is the longest there is.
pub(crate) fn scrape(windows: u16, outcome: &mut Outcome) -> anyhow::Result<()> {
    let mut object = Object::load()?;
    let way = |tag| Way { tag, tat: u64::MAX };
    let line = PlainLine {
        ways: [1, 2, 3, 4].map(way),
    };
    for index in 0..1 << SCRAPE_LINE_BITS {
        object.sources()?.set(index, line, 0)?;
    }
    let sources = descriptor(&mut object, name::MAP_SOURCES)?;
    let reader = LineReader::map(sources.as_fd(), SCRAPE_LINE_BITS)?;
    let mut owing = Vec::new();
    let mut values = Vec::new();
    for _ in 0..windows {
        let spent_ns = mean(SCRAPES, || {
            owing.clear();
            reader.owing(black_box(1), &mut owing);
        })?;
        anyhow::ensure!(
            owing.len() == 4 << SCRAPE_LINE_BITS,
            "a scrape found {} buckets",
            owing.len()
        );
        values.push(spent_ns / 1e3);
    }
    outcome.cases.push(Case {
        name: "scrape_64k_us".to_owned(),
        unit: "us",
        windows: values,
        baseline: Vec::new(),
        budget: Some(Budget::AtMost(1_000.0)),
    });
    Ok(())
}

/// Nanoseconds of one call.
fn mean(calls: u32, mut call: impl FnMut()) -> anyhow::Result<f64> {
    let start = monotonic_ns();
    for _ in 0..calls {
        call();
    }
    let spent = u32::try_from(monotonic_ns() - start)?;
    Ok(f64::from(spent) / f64::from(calls))
}

fn descriptor(object: &mut Object, name: &str) -> anyhow::Result<OwnedFd> {
    let Map::Array(map) = object.map(name)? else {
        bail!("`{name}` is no array");
    };
    Ok(map.fd().as_fd().try_clone_to_owned()?)
}
