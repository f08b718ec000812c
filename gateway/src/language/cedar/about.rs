//! Which policies can apply to an action.
//!
//! Cedar evaluates every policy of a set for each question, a microsecond for each. A policy whose scope names
//! actions never applies to another one, and never fails on it either, because its scope is judged first: so
//! it can be left out, and no answer changes.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{ActionConstraint, Entities, EntityUid, Policy, PolicySet};

/// As many actions may policies name, for each policy there is. A store whose policies name more asks all of
/// them about everything.
const NAMES_PER_POLICY_MAX: usize = 8;

/// The policies of a store by the actions that they can apply to.
#[derive(Debug, Default)]
pub(super) struct About {
    /// Those about every action.
    every: PolicySet,
    /// Those about an action, or about the actions of a group.
    named: HashMap<EntityUid, PolicySet>,
}

impl About {
    /// Sorts the policies of a store.
    pub(super) fn sort(set: &PolicySet) -> Self {
        let names: usize = set.policies().map(|policy| scope(policy).len()).sum();
        let is_bounded = names <= NAMES_PER_POLICY_MAX * set.num_of_policies();
        let sorted = is_bounded.then(|| Self::by_scope(set)).flatten();
        sorted.unwrap_or_else(|| Self::of_every(set.clone()))
    }

    /// Policies that are asked about every action.
    pub(super) fn of_every(every: PolicySet) -> Self {
        Self {
            every,
            named: HashMap::new(),
        }
    }

    /// `None` where a set does not take a policy, which the whole has taken.
    fn by_scope(set: &PolicySet) -> Option<Self> {
        let mut about = Self::default();
        for policy in set.policies() {
            let scope = scope(policy);
            if scope.is_empty() {
                about.every.add(policy.clone()).ok()?;
            }
            for action in scope {
                about
                    .named
                    .entry(action)
                    .or_default()
                    .add(policy.clone())
                    .ok()?;
            }
        }
        Some(about)
    }

    /// The policies that can apply to `action`, whose groups `entities` know. One may stand in several sets.
    pub(super) fn sets<'s>(
        &'s self,
        action: &'s EntityUid,
        entities: &'s Entities,
    ) -> impl Iterator<Item = &'s PolicySet> {
        let groups = entities.ancestors(action).into_iter().flatten();
        let names = std::iter::once(action).chain(groups);
        std::iter::once(&self.every).chain(names.filter_map(|name| self.named.get(name)))
    }
}

#[cfg(test)]
impl About {
    /// Every policy, once.
    pub(super) fn all(&self) -> Vec<Policy> {
        let sets = std::iter::once(&self.every).chain(self.named.values());
        let policies = sets.flat_map(PolicySet::policies);
        let by_id: HashMap<_, _> = policies.map(|it| (it.id().clone(), it.clone())).collect();
        by_id.into_values().collect()
    }
}

/// The actions and groups of actions that a policy names; empty where it does not say which.
fn scope(policy: &Policy) -> BTreeSet<EntityUid> {
    match policy.action_constraint() {
        ActionConstraint::Any => BTreeSet::new(),
        ActionConstraint::Eq(action) => BTreeSet::from([action]),
        ActionConstraint::In(actions) => actions.into_iter().collect(),
    }
}
