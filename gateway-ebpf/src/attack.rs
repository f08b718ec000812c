//! Under attack: who has proven itself keeps its own limits, everybody else shares a budget.

use gateway_common::address::{self, Class, KIND_VOUCHED};
use gateway_common::capacity::VOUCHED_LINE_BITS;
use gateway_common::counter::Incident;
use gateway_common::limit::Charge;
use gateway_common::settings::SharedLimit;
use gateway_common::trace::{Step, Topic};
use gateway_common::word::Word;

use crate::reading::Reading;
use crate::tables::{Fault, Tables};

/// Whether a packet may go on to the limits of its source: it is vouched for, or within the budget
/// of newcomers, which it is then charged to: the one numbered `which`, at the rate of `shared`.
///
/// # Errors
/// [`Fault`] when a map or the clock does not answer.
#[inline(always)]
pub fn admits<T: Tables>(
    tables: &T,
    packet: &Reading,
    seed: u64,
    shared: &SharedLimit,
    which: u32,
) -> Result<bool, Fault> {
    Ok(is_vouched(tables, packet, seed)? || is_within_budget(tables, shared, which)?)
}

/// Whether the daemon vouches for a source: the line of its tag under class
/// ([`KIND_VOUCHED`], scope 0) and the seed of the settings holds it, with an end that lies ahead.
#[inline(always)]
fn is_vouched<T: Tables>(tables: &T, packet: &Reading, seed: u64) -> Result<bool, Fault> {
    let class = Class::new(KIND_VOUCHED, 0, seed);
    let tag = packet.source.tag(&class);
    let line = tables.vouched_line(address::index(tag, seed, VOUCHED_LINE_BITS))?;
    let until = line.find(tag).map_or(0, |way| way.tat.load());
    let is_vouched = tables.now()? < until;
    tables.note(|| Step {
        topic: Topic::Vouched as u32,
        outcome: u32::from(is_vouched),
        first: 0,
        second: until,
    });
    Ok(is_vouched)
}

/// Whether a packet of a newcomer is within what newcomers share, which it is charged to.
#[inline(always)]
fn is_within_budget<T: Tables>(
    tables: &T,
    shared: &SharedLimit,
    which: u32,
) -> Result<bool, Fault> {
    if shared.limit.is_off() {
        return Ok(true);
    }
    let now = tables.now_for(shared.precise)?;
    let charge = shared
        .limit
        .charge_bounded(tables.newcomers(which)?, now, 1);
    if charge == Charge::AdmittedAfterRaces {
        tables.incident(Incident::RacesLost);
    }
    let is_within = !matches!(charge, Charge::Limited { .. });
    tables.note(|| Step {
        topic: Topic::Newcomers as u32,
        outcome: u32::from(is_within),
        ..Step::default()
    });
    Ok(is_within)
}
