//! What the rules that were asked so far have come to.
//!
//! A rule that refuses ends the judgement, unless it is only monitored: then the first such reason
//! is noted, and the packet is judged and charged by the enforced rules alone. Once a reason is
//! noted, monitored rules are not asked any more: under enforcement they would not have been. So
//! with everything monitored every word ends up as it would have under enforcement, and a
//! monitored rule never weakens an enforced one.

use gateway_common::reason::{Reason, Verdict};
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
pub struct Outcome(pub usize);

const REASON_BITS: u32 = 8;

impl Outcome {
    /// That of no rule: a packet that is not IP passes, which nothing is ever noted for.
    const NONE: Self = Self::new(Verdict::Pass, Reason::NotIp);

    /// From a verdict and its reason.
    #[inline(always)]
    #[must_use]
    pub const fn new(verdict: Verdict, reason: Reason) -> Self {
        Self((verdict as usize) << REASON_BITS | reason as usize)
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
        Verdict::from_number(self.0 >> REASON_BITS)
    }

    /// The reason.
    #[inline(always)]
    #[must_use]
    pub const fn reason(self) -> Reason {
        Reason::from_number(self.0 & ((1 << REASON_BITS) - 1))
    }
}

/// The rules' answers about one packet.
#[derive(Clone, Copy, Debug)]
pub struct Ruling {
    /// Reasons that are only monitored, see [`gateway_common::settings::Rules::monitor`].
    monitored: u64,
    noted: Outcome,
}

impl Ruling {
    /// Before any rule is asked.
    #[inline(always)]
    #[must_use]
    pub const fn new(monitored: u64) -> Self {
        Self {
            monitored,
            noted: Outcome::NONE,
        }
    }

    /// Whether `reason` is only monitored.
    #[inline(always)]
    #[must_use]
    pub const fn monitors(&self, reason: Reason) -> bool {
        self.monitored & reason.bit() != 0
    }

    /// Whether a reason has been noted.
    #[inline(always)]
    #[must_use]
    pub fn has_noted(&self) -> bool {
        self.noted != Outcome::NONE
    }

    /// Whether the rule of `reason` is asked.
    #[inline(always)]
    #[must_use]
    pub fn asks(&self, reason: Reason) -> bool {
        !(self.has_noted() && self.monitors(reason))
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
        if !self.has_noted() {
            let Outcome(number) = Outcome::new(Verdict::WouldDrop, reason);
            self.noted = Outcome(frame.forget(number));
        }
    }

    /// No enforced rule refuses: the packet passes for `reason`, or as one that monitored rules
    /// would have dropped.
    #[inline(always)]
    #[must_use]
    pub fn pass(&self, reason: Reason) -> Outcome {
        if self.has_noted() {
            self.noted
        } else {
            Outcome::pass(reason)
        }
    }
}
