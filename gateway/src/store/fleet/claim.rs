//! One request of a limit that gateways share.

use std::sync::Arc;

use super::allowance::Allowance;

/// A request that was admitted, and may be given back.
#[must_use = "a request that is refused later is given back"]
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    allowance: &'a Arc<Allowance>,
    taken_ns: u64,
    is_alone: bool,
}

impl<'a> Claim<'a> {
    /// That was taken of what this gateway has in hand.
    pub const fn taken(allowance: &'a Arc<Allowance>, taken_ns: u64) -> Self {
        Self {
            allowance,
            taken_ns,
            is_alone: false,
        }
    }

    /// That this gateway's share has admitted while Redis does not answer, which is told when it does.
    pub fn alone(allowance: &'a Arc<Allowance>, now_ns: u64) -> Self {
        allowance.admitted_alone(now_ns);
        Self {
            allowance,
            taken_ns: now_ns,
            is_alone: true,
        }
    }

    /// What it was taken of.
    #[must_use]
    pub const fn allowance(&self) -> &'a Arc<Allowance> {
        self.allowance
    }

    /// Gives it back.
    pub fn give_back(self) {
        if self.is_alone {
            self.allowance.give_back_alone();
        } else {
            self.allowance.give_back(self.taken_ns);
        }
    }
}
