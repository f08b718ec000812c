//! What a charge costs the daemon, and a scrape of the table of sources, on memory that the kernel
//! shares with it.

use std::hint::black_box;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Barrier;

use anyhow::{Context as _, anyhow, bail};
use aya::maps::Map;
use gateway::clock::monotonic_ns;
use gateway::model::BucketTables;
use gateway::store::bucket::{BucketMaps, Buckets, LineReader};
use gateway_common::bucket::{PlainLine, Way};
use gateway_common::limit::{Limit, Rate};
use gateway_common::name;
use gateway_tests::object::Object;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::outcome::{Budget, Case, Outcome};

/// Lines of a scrape as a power of two: four buckets each, 65,536 together.
const SCRAPE_LINE_BITS: u32 = 14;
/// Scrapes in a window.
const SCRAPES: u32 = 50;
/// Where two threads charge one bucket.
const PROCESSORS: [usize; 2] = [0, 1];
/// Charges in a window.
const CHARGES: u32 = 4_000_000;

/// Measures a charge alone, given the time, and with a reading of the clock for each.
pub(crate) fn measure(windows: u16, outcome: &mut Outcome) -> anyhow::Result<()> {
    let Charges { given, clocked, .. } = charges(windows)?;
    outcome.cases.push(Case {
        budget: Some(CHARGE),
        ..case("daemon_charge_ns", given)
    });
    outcome
        .cases
        .push(case("daemon_charge_with_clock_ns", clocked));
    Ok(())
}

/// Measures the same, and a charge while another processor charges the same bucket.
pub(crate) fn measure_charges(windows: u16, outcome: &mut Outcome) -> anyhow::Result<()> {
    let Charges {
        given,
        clocked,
        contended,
    } = charges(windows)?;
    outcome.cases.push(Case {
        budget: Some(CHARGE),
        ..case("charge_ns", given)
    });
    outcome.cases.push(case("charge_with_clock_ns", clocked));
    outcome.cases.push(case("charge_two_cores_ns", contended));
    Ok(())
}

/// What a charge may take that is given the time.
const CHARGE: Budget = Budget::AtMost(15.0);

/// Nanoseconds of a charge, for each window.
struct Charges {
    given: Vec<f64>,
    clocked: Vec<f64>,
    contended: Vec<f64>,
}

fn case(name: &str, windows: Vec<f64>) -> Case {
    Case {
        name: name.to_owned(),
        unit: "ns",
        windows,
        baseline: Vec::new(),
        budget: None,
    }
}

fn charges(windows: u16) -> anyhow::Result<Charges> {
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
    let stepping = || {
        let mut now_ns = monotonic_ns();
        mean(CHARGES, || {
            now_ns += 8;
            charge(now_ns);
        })
    };
    let (mut given, mut clocked, mut contended) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..windows {
        given.push(stepping()?);
        clocked.push(mean(CHARGES, || charge(monotonic_ns()))?);
        contended.push(on_two_processors(&stepping)?);
    }
    Ok(Charges {
        given,
        clocked,
        contended,
    })
}

/// The mean of what two threads measure, each on a processor of its own, at once.
fn on_two_processors(measured: &(impl Fn() -> anyhow::Result<f64> + Sync)) -> anyhow::Result<f64> {
    let barrier = Barrier::new(PROCESSORS.len());
    let values: Vec<anyhow::Result<f64>> = std::thread::scope(|scope| {
        let threads = PROCESSORS.map(|cpu| {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu);
                let pinned = sched_setaffinity(None, &only).context("sched_setaffinity");
                barrier.wait();
                pinned.and_then(|()| measured())
            })
        });
        let joined = threads.map(|thread| thread.join());
        let joined = joined.into_iter();
        joined
            .map(|value| value.unwrap_or_else(|_panic| bail!("a thread ended")))
            .collect()
    });
    let mut sum = 0.0;
    for value in values {
        sum += value?;
    }
    Ok(sum / f64::from(u8::try_from(PROCESSORS.len())?))
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
