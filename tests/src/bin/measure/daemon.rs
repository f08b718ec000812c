//! What a charge costs the daemon, on words that the kernel shares with it.

use std::hint::black_box;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{anyhow, bail};
use aya::maps::Map;
use gateway::clock::monotonic_ns;
use gateway::store::bucket::{BucketMaps, Buckets};
use gateway_common::limit::{Limit, Rate};
use gateway_common::name;
use gateway_tests::object::Object;

use crate::outcome::{Budget, Case, Outcome};

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
        given.push(mean(|| {
            now_ns += 8;
            charge(now_ns);
        })?);
        clocked.push(mean(|| charge(monotonic_ns()))?);
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

/// Nanoseconds of one call.
fn mean(mut call: impl FnMut()) -> anyhow::Result<f64> {
    let start = monotonic_ns();
    for _ in 0..CHARGES {
        call();
    }
    let spent = u32::try_from(monotonic_ns() - start)?;
    Ok(f64::from(spent) / f64::from(CHARGES))
}

fn descriptor(object: &mut Object, name: &str) -> anyhow::Result<OwnedFd> {
    let Map::Array(map) = object.map(name)? else {
        bail!("`{name}` is no array");
    };
    Ok(map.fd().as_fd().try_clone_to_owned()?)
}
