//! Statements that a list of denied addresses can stand for.
//!
//! What such a statement denies can be dropped before it is a request. Whoever drops it has to know
//! that a dropped packet gets no 403, and that it may have been for another API at the same address:
//! the statement speaks of its own alone.

use super::action::INVOKE;
use super::arn::Arn;
use super::cidr::Cidr;
use super::condition::{Condition, Test};
use super::document::{Effect, Listed, Policy, Principals, Statement};
use super::key::Key;
use super::operator::{Family, Operator, Quantifier};
use super::principal::Principal;
use super::resource::ApiScope;

/// A statement that denies everything to whole ranges of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offload<'p> {
    /// Its index in the policy.
    pub statement: usize,
    /// Its name.
    pub sid: Option<&'p str>,
    /// Whom it denies.
    pub sources: &'p [Cidr],
}

/// The statements of an API's policy that deny its invocation, all of it and to everybody, on the
/// one condition that `aws:SourceIp` is in a range.
#[must_use]
pub fn offloads<'p>(policy: &'p Policy, scope: &ApiScope) -> Vec<Offload<'p>> {
    let root = scope.root();
    let Ok(root) = Arn::parse(&root) else {
        return Vec::new();
    };
    let statements = policy.statements.iter().enumerate();
    let offload = |(index, statement): (usize, &'p Statement)| {
        Some(Offload {
            statement: index,
            sid: statement.sid.as_deref(),
            sources: statement.denied_sources(root)?,
        })
    };
    statements.filter_map(offload).collect()
}

impl Statement {
    fn denied_sources(&self, root: Arn<'_>) -> Option<&[Cidr]> {
        let everybody = match &self.principals {
            Principals::Only(listed) => listed.contains(&Principal::Everyone),
            Principals::Unstated | Principals::AllBut(_) => false,
        };
        let invocation = match &self.actions {
            Listed::Only(listed) => listed.iter().any(|action| action.matches(INVOKE)),
            Listed::AllBut(_) => false,
        };
        let everything = match &self.resources {
            Listed::Only(listed) => listed.iter().any(|resource| resource.covers(root)),
            Listed::AllBut(_) => false,
        };
        match self.conditions.as_slice() {
            [only] if self.effect == Effect::Deny && everybody && invocation && everything => {
                only.sources()
            }
            _ => None,
        }
    }
}

impl Condition {
    fn sources(&self) -> Option<&[Cidr]> {
        const IP_ADDRESS: Operator = Operator {
            family: Family::IpAddress,
            negated: false,
            if_exists: false,
            quantifier: Quantifier::Only,
        };
        match (&self.key, &self.test) {
            (Key::SourceIp, Test::IpAddress(sources)) if self.operator == IP_ADDRESS => {
                Some(sources)
            }
            _ => None,
        }
    }
}
