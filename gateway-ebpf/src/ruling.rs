//! What the rules that were asked so far have come to.
//!
//! A rule that refuses ends the judgement, unless it is only monitored: then the first such reason
//! is noted, and the packet is judged and charged by the enforced rules alone. Once a reason is
//! noted, monitored rules are not asked any more: under enforcement they would not have been. So
//! with everything monitored every word ends up as it would have under enforcement, and a
//! monitored rule never weakens an enforced one.

use gateway_common::reason::{REASON_CAPACITY, Reason, Verdict};
use gateway_common::trace::{Step, Topic};

use crate::frame::Frame;
use crate::tables::{Fault, Tables};

/// Why no further rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The packet has its verdict.
    Ruled(Outcome),
    /// A table did not answer.
    Fault,
}

impl From<Fault> for End {
    #[inline(always)]
    fn from(_: Fault) -> Self {
        Self::Fault
    }
}

/// Verdict and reason in one number, so that they can be handed on without a branch per kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(pub u64);

/// Reasons of one verdict, as the counters have them.
const ROW: u64 = REASON_CAPACITY as u64;

impl Outcome {
    /// That of no rule: a packet that is not IP passes, which nothing is ever noted for.
    const NONE: Self = Self::new(Verdict::Pass, Reason::NotIp);

    /// From a verdict and its reason.
    #[inline(always)]
    #[must_use]
    pub const fn new(verdict: Verdict, reason: Reason) -> Self {
        Self(verdict as u64 * ROW + reason as u64)
    }

    /// The packet passes.
    #[inline(always)]
    #[must_use]
    pub const fn pass(reason: Reason) -> Self {
        Self::new(Verdict::Pass, reason)
    }

    /// The verdict.
    #[inline(always)]
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        Verdict::from_number(self.0 / ROW)
    }

    /// The reason.
    #[inline(always)]
    #[must_use]
    pub const fn reason(self) -> Reason {
        Reason::from_number(self.0 % ROW)
    }

    /// Number of the verdict.
    #[inline(always)]
    #[must_use]
    pub const fn verdict_number(self) -> u64 {
        self.0 / ROW
    }

    /// Whether this is the verdict.
    #[inline(always)]
    #[must_use]
    pub const fn is(self, verdict: Verdict) -> bool {
        self.0 / ROW == verdict as u64
    }
}

/// The rules' answers about one packet.
#[derive(Clone, Copy, Debug)]
pub struct Ruling {
    /// Reasons that are only monitored, see [`gateway_common::settings::Rules::monitor`].
    monitored: u64,
    /// Reasons whose rules are not asked any more: those monitored, once one of them is noted.
    settled: u64,
    /// [`Outcome`] of the first monitored rule that refused, or of the rule that answers.
    noted: u64,
}

impl Ruling {
    /// Before any rule is asked.
    #[inline(always)]
    #[must_use]
    pub fn new<F: Frame>(frame: &F, monitored: u64) -> Self {
        // Forgotten from the start: the verifier would walk the rules once for packets with a
        // reason noted and once for those without.
        let [settled, noted] = frame.forget_all([0, Outcome::NONE.0]);
        Self {
            monitored,
            settled,
            noted,
        }
    }

    /// Whether `reason` is only monitored.
    #[inline(always)]
    #[must_use]
    pub const fn monitors(&self, reason: Reason) -> bool {
        self.monitored & reason.bit() != 0
    }

    /// Whether the rule of `reason` is asked.
    #[inline(always)]
    #[must_use]
    pub const fn asks(&self, reason: Reason) -> bool {
        self.settled & reason.bit() == 0
    }

    /// A rule refuses.
    ///
    /// # Errors
    /// [`End::Ruled`] where the rule is enforced.
    #[inline(always)]
    pub fn refuse<F: Frame, T: Tables>(
        &mut self,
        frame: &F,
        tables: &T,
        reason: Reason,
    ) -> Result<(), End> {
        if !self.monitors(reason) {
            return Err(End::Ruled(Outcome::new(Verdict::Drop, reason)));
        }
        self.note(frame, tables, reason);
        Ok(())
    }

    /// A rule that is only monitored refuses.
    #[inline(always)]
    pub fn note<F: Frame, T: Tables>(&mut self, frame: &F, tables: &T, reason: Reason) {
        tables.note(|| Step {
            topic: Topic::Monitored as u32,
            first: reason as u64,
            ..Step::default()
        });
        if self.noted == Outcome::NONE.0 {
            let Outcome(number) = Outcome::new(Verdict::WouldDrop, reason);
            [self.settled, self.noted] = frame.forget_all([self.monitored, number]);
        }
    }

    /// A rule has the packet answered, unless a later one refuses it. Enforced, so what monitored
    /// rules have noted before does not count.
    #[inline(always)]
    pub fn answer<F: Frame>(&mut self, frame: &F, reason: Reason) {
        let Outcome(number) = Outcome::new(Verdict::Transmit, reason);
        [self.noted] = frame.forget_all([number]);
    }

    /// No enforced rule refuses: the packet is answered where one said so, passes for `reason`, or
    /// passes as one that monitored rules would have dropped.
    #[inline(always)]
    #[must_use]
    pub fn pass(&self, reason: Reason) -> Outcome {
        if self.noted == Outcome::NONE.0 {
            Outcome::pass(reason)
        } else {
            Outcome(self.noted)
        }
    }
}

#[cfg(test)]
#[path = "ruling_tests.rs"]
mod tests;
