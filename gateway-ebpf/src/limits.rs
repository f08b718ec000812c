//! One limit of one source.

use gateway_common::address;
use gateway_common::capacity::{AGGREGATE_BITS, SOURCE_LINE_BITS};
use gateway_common::counter::Incident;
use gateway_common::limit::{Charge, Limit};
use gateway_common::settings::SourceLimit;
use gateway_common::trace::{Step, Topic};
use gateway_common::word::Word;

use crate::frame::Frame;
use crate::reading::Reading;
use crate::tables::{Fault, Tables};

/// What is asked of a limit, by number: the verifier walks an enumeration once per kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act(pub u64);

impl Act {
    /// Charge one unit, unless that is refused.
    pub const CHARGE: Self = Self(0);
    /// Say what a charge of the packet's bytes would come to, and charge nothing.
    pub const LOOK: Self = Self(1);
    /// Charge the packet's bytes whatever the bucket holds: the packet has been admitted after a
    /// look.
    pub const PAY: Self = Self(2);
}

/// What a limit answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Answer {
    /// The packet is within it.
    Within = 0,
    /// The packet is beyond it.
    Beyond = 1,
    /// The packet is beyond it, and the word holds more debt than a full bucket: charges alone
    /// never come to that, penalties do.
    InDebt = 2,
}

/// Asks the bucket of a source, or that of its aggregate where its line is full. A limit that is
/// off must not be asked.
///
/// # Errors
/// [`Fault`] when a map does not answer.
#[inline(always)]
pub fn ask<F: Frame, T: Tables>(
    frame: &F,
    tables: &T,
    limit: &SourceLimit,
    packet: &Reading,
    seed: u64,
    act: Act,
) -> Result<Answer, Fault> {
    let cost = if act == Act::CHARGE { 1 } else { packet.bytes };
    let [cost, number] = frame.forget_all([cost, act.0]);
    let act = Act(number);
    let now = tables.now_for(limit.precise)?;
    let tag = packet.source.tag(&limit.class);
    let line = tables.source_line(address::index(tag, seed, SOURCE_LINE_BITS))?;
    let forget = |index| frame.forget(index);
    match line.position_or_claim(tag, now, limit.yields_ns, forget) {
        Some(index) => {
            let way = line.ways.get(index).ok_or(Fault)?;
            let (word, own) = (&way.tat, &limit.source);
            note(tables, limit, word, now, (own.increment(cost), own, 0));
            Ok(settle(tables, own, word, now, cost, act))
        }
        None => {
            if act != Act::LOOK {
                tables.incident(Incident::LineFull);
            }
            let shared = &limit.aggregate;
            if shared.is_off() {
                return Ok(Answer::Within);
            }
            let tag = packet.source.aggregate_tag(&limit.class);
            let word = tables.aggregate(address::index(tag, seed, AGGREGATE_BITS))?;
            note(
                tables,
                limit,
                word,
                now,
                (shared.increment(cost), shared, 2),
            );
            Ok(settle(tables, shared, word, now, cost, act))
        }
    }
}

#[inline(always)]
fn settle<T: Tables>(
    tables: &T,
    limit: &Limit,
    word: &T::Word,
    now: u64,
    cost: u64,
    act: Act,
) -> Answer {
    let increment = limit.increment(cost);
    if act == Act::LOOK {
        return match limit.decide(word.load(), now, increment) {
            Ok(_) => Answer::Within,
            Err(_) => Answer::Beyond,
        };
    }
    match limit.charge_bounded(word, now, cost) {
        Charge::Admitted { .. } => Answer::Within,
        Charge::AdmittedAfterRaces => {
            tables.incident(Incident::RacesLost);
            Answer::Within
        }
        Charge::Limited { .. } if act == Act::PAY => {
            word.add(increment);
            Answer::Within
        }
        // From a word that holds a full bucket's debt one must wait one increment.
        Charge::Limited { wait_ns } if wait_ns > increment => Answer::InDebt,
        Charge::Limited { .. } => Answer::Beyond,
    }
}

/// Notes what is owed before the charge, and whether the charge will be within.
#[inline(always)]
fn note<T: Tables>(
    tables: &T,
    asked: &SourceLimit,
    word: &T::Word,
    now: u64,
    (increment, limit, level): (u64, &Limit, u32),
) {
    tables.note(|| {
        let tat = word.load();
        let within = limit.decide(tat, now, increment).is_ok();
        Step {
            topic: Topic::Limit as u32,
            outcome: level + u32::from(within != (level == 2)),
            first: u64::from(asked.class.number),
            second: tat.saturating_sub(now),
        }
    });
}
