//! A second opinion on every frame.
//!
//! Etherparse reads a frame, [`reading`]; from what it read follows what has to become of the frame
//! at a fixed [`site`], [`expectation`]; and the judgement that we ship must come to exactly that.
//! The fuzzer, the replay of its corpus and the random mutations of the kernel suite all ask
//! [`compare`], so that there is one notion of agreement.
//!
//! Small on purpose: it is compiled with the fuzzer's instrumentation, and needs nothing that
//! neither parses nor judges.

pub mod corpus;
pub mod site;
mod reading;
mod expectation;

use std::fmt;

use gateway_common::reason::{Reason, Verdict};
use gateway_ebpf::frame::Slice;
use gateway_ebpf::judge::{Judgement, judge};

use crate::expectation::{Expectation, Outcome};
use crate::reading::Reading;
use crate::site::Host;

/// Two readers that agree.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    /// What becomes of the frame.
    pub judgement: Judgement,
    /// Whether etherparse read it down to the ports of a listener.
    pub read_to_a_listener: bool,
}

/// Two readers that do not agree.
#[derive(Clone, Debug)]
pub struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Disagreement {}

/// Judges a frame on the host and compares with what etherparse reads.
///
/// # Errors
/// What was judged and what was expected, with the frame in hexadecimal.
pub fn compare(frame: &[u8]) -> Result<Agreement, Disagreement> {
    let host = Host::new();
    let judgement = judge(&Slice::new(frame), &host);
    let reading = Reading::of(frame);
    let expectation = Expectation::of(&reading);
    let differs = |what: &str| {
        Disagreement(format!(
            "{what}: judged {judgement:?}, read {reading:?}, expected {expectation:?}: \
             {frame:02x?}"
        ))
    };
    if outcome(&judgement) != expectation.outcome {
        return Err(differs("the outcome"));
    }
    if judgement.family != expectation.family {
        return Err(differs("the family"));
    }
    if judgement.bytes != frame.len() {
        return Err(differs("the length"));
    }
    if host.charged() != expectation.charged.map(site::tag) {
        return Err(differs("who pays"));
    }
    if !host.is_sound() {
        return Err(differs("what was written"));
    }
    if let Some(split) = split(frame, &reading, &judgement) {
        return Err(differs(&split));
    }
    Ok(Agreement {
        judgement,
        read_to_a_listener: expectation.read_to_a_listener,
    })
}

/// A frame of which only a part is linear comes to the same, or to what is out of reach; never to
/// something better. Says what it came to if not.
fn split(frame: &[u8], reading: &Reading, whole: &Judgement) -> Option<String> {
    let last = frame.last().copied().unwrap_or(0);
    let linear = frame.len() * (usize::from(last) + 1) / 256;
    if linear < reading.addressed_until() {
        // The addresses are not readable, and nobody can say whom the frame is for.
        return None;
    }
    let part = judge(&Slice::split(frame, linear), &Host::new());
    let out_of_reach = (Verdict::Drop, Reason::UnparsedToUs);
    let same = outcome(&part) == outcome(whole) || outcome(&part) == out_of_reach;
    (!same).then(|| format!("with {linear} linear bytes it is {part:?}"))
}

fn outcome(judgement: &Judgement) -> Outcome {
    (judgement.verdict, judgement.reason)
}

#[cfg(test)]
mod tests;
