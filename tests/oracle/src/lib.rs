//! A second opinion on every frame.
//!
//! Etherparse reads a frame, [`reading`]; from what it read follows what has to become of the frame
//! at a [`site`], [`expectation`]; and the judgement that we ship must come to exactly that. The
//! fuzzer, the replay of its corpus and the random mutations of the kernel suite all ask an
//! [`Oracle`], so that there is one notion of agreement.
//!
//! Small on purpose: it is compiled with the fuzzer's instrumentation, and needs nothing that
//! neither parses nor judges.

pub mod corpus;
pub mod site;
mod reading;
mod expectation;

use std::fmt;

use gateway_common::endpoint::EndpointLine;
use gateway_common::reason::{Reason, Verdict};
use gateway_ebpf::frame::Slice;
use gateway_ebpf::judge::{Judgement, judge};

use crate::expectation::{Expectation, Outcome};
use crate::reading::Reading;
use crate::site::{Host, Site};

/// Two readers that do not agree.
#[derive(Clone, Debug)]
pub struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Disagreement {}

/// Judges a frame on the host, at one site, and compares with what etherparse reads.
#[derive(Debug)]
pub struct Oracle {
    site: Site,
    endpoints: Vec<(u32, EndpointLine)>,
}

impl Oracle {
    /// An oracle for a site.
    #[must_use]
    pub fn new(site: Site) -> Self {
        Self {
            site,
            endpoints: site.endpoints(),
        }
    }

    /// One for each site there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Site::ALL.map(Self::new).into()
    }

    /// The site.
    #[must_use]
    pub const fn site(&self) -> Site {
        self.site
    }

    /// What becomes of a frame.
    ///
    /// # Errors
    /// What was judged and what was expected, with the frame in hexadecimal.
    pub fn compare(&self, frame: &[u8]) -> Result<Judgement, Disagreement> {
        let host = Host::new(self.site, &self.endpoints);
        let judgement = judge(&Slice::new(frame), &host);
        let reading = Reading::of(frame);
        let expectation = Expectation::of(&reading, self.site);
        let differs = |what: &str| {
            Disagreement(format!(
                "{what}, at {:?}: judged {judgement:?}, read {reading:?}, expected \
                 {expectation:?}: {frame:02x?}",
                self.site
            ))
        };
        if outcome(&judgement) != expectation.outcome {
            return Err(differs("the outcome"));
        }
        if judgement.family != expectation.family {
            return Err(differs("the family"));
        }
        if judgement.bytes != frame.len() as u64 {
            return Err(differs("the length"));
        }
        if sorted(host.charged()) != sorted(expectation.charged.map_or([0; 4], site::tags)) {
            return Err(differs("who pays"));
        }
        if !host.is_sound() {
            return Err(differs("an incident"));
        }
        if let Some(split) = self.split(frame, &reading, &judgement) {
            return Err(differs(&split));
        }
        Ok(judgement)
    }

    /// A frame of which only a part is linear comes to the same, or to what is out of reach; never
    /// to something better. Says what it came to if not.
    fn split(&self, frame: &[u8], reading: &Reading, whole: &Judgement) -> Option<String> {
        let last = frame.last().copied().unwrap_or(0);
        let linear = frame.len() * (usize::from(last) + 1) / 256;
        if linear < reading.addressed_until() {
            // The addresses are not readable, and nobody can say whom the frame is for.
            return None;
        }
        let host = Host::new(self.site, &self.endpoints);
        let part = judge(&Slice::split(frame, linear), &host);
        let same = outcome(&part) == outcome(whole) || self.is_out_of_reach(outcome(&part));
        (!same).then(|| format!("with {linear} linear bytes it is {part:?}"))
    }

    /// Whether a packet whose headers cannot be read has come to this.
    fn is_out_of_reach(&self, outcome: Outcome) -> bool {
        let held_back = (Verdict::Drop, Reason::OtherTraffic);
        outcome == (Verdict::Drop, Reason::UnparsedToUs)
            || self.site.0.is_some() && outcome == held_back
    }
}

fn sorted(mut tags: [u64; 4]) -> [u64; 4] {
    tags.sort_unstable();
    tags
}

fn outcome(judgement: &Judgement) -> Outcome {
    (judgement.verdict, judgement.reason)
}

#[cfg(test)]
mod tests;
