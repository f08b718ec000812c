//! What the slots of keys are called, for people and for the store.

use crate::model::{ApiKeyId, PlanStage, RouteKey, UsagePlan};
use crate::store::api_key::{ApiKey, KeySet};
use crate::store::bucket::Buckets;

/// Where a bucket of a key is.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyPlace<'m> {
    /// Wherever it is used.
    Own,
    /// Under a plan.
    Plan(&'m UsagePlan),
    /// Of the quota of a plan.
    Quota(&'m UsagePlan),
    /// Of a route of a stage of a plan.
    Route(&'m UsagePlan, &'m PlanStage, &'m RouteKey),
}

impl KeyPlace<'_> {
    /// The tag of the slot of a key. No name of an API has an `@`, so no other slot has it.
    pub(super) fn tag(self, key: &ApiKeyId) -> u64 {
        let key = key.as_str();
        match self {
            Self::Own => Buckets::slot_tag(&["@key", key]),
            Self::Plan(plan) => Buckets::slot_tag(&["@plan", plan.name.as_str(), key]),
            Self::Quota(plan) => Buckets::slot_tag(&["@quota", plan.name.as_str(), key]),
            Self::Route(plan, stage, route) => Buckets::slot_tag(&[
                "@plan",
                plan.name.as_str(),
                key,
                stage.api.as_str(),
                stage.stage.as_str(),
                route.as_str(),
            ]),
        }
    }

    pub(super) fn name(self, key: &ApiKeyId) -> String {
        match self {
            Self::Own => format!("key {key}"),
            Self::Plan(plan) => format!("key {key} {}", plan.name),
            Self::Quota(plan) => format!("key {key} quota {}", plan.name),
            Self::Route(plan, stage, route) => format!(
                "key {key} {} {} {} {route}",
                plan.name, stage.api, stage.stage
            ),
        }
    }
}

/// What every slot of these keys under these plans is called, with its tag: `key` and its id, the plan
/// unless it is the key's own, behind `quota` where it is of that, and API, stage and route where it is of one.
pub(super) fn slot_names<'k>(
    keys: impl Iterator<Item = &'k ApiKey>,
    plans: impl Iterator<Item = &'k UsagePlan> + Clone,
) -> Vec<(u64, String)> {
    let places = places(keys, plans);
    let named = places.map(|(key, place)| (place.tag(&key.id), place.name(&key.id)));
    named.collect()
}

/// The tags of every slot of these keys under these plans, so that others can be freed before a ring is made.
pub fn slot_tags<'k>(keys: &'k KeySet, plans: &'k [UsagePlan]) -> impl Iterator<Item = u64> + 'k {
    let keys = keys.keys().iter().map(|key| &**key);
    places(keys, plans.iter()).map(|(key, place)| place.tag(&key.id))
}

/// Every bucket of these keys.
fn places<'k>(
    keys: impl Iterator<Item = &'k ApiKey>,
    plans: impl Iterator<Item = &'k UsagePlan> + Clone,
) -> impl Iterator<Item = (&'k ApiKey, KeyPlace<'k>)> {
    keys.flat_map(move |key| {
        let own = key.throttle.map(|_| KeyPlace::Own);
        let joined = plans.clone().filter(|plan| key.belongs_to(&plan.name));
        let of_plans = joined.flat_map(|plan| {
            let all = plan.throttle.map(|_| KeyPlace::Plan(plan));
            let quota = plan.quota.map(|_| KeyPlace::Quota(plan));
            let stages = plan.stages.iter();
            let routes = stages.flat_map(move |stage| {
                let routes = stage.routes.keys();
                routes.map(move |route| KeyPlace::Route(plan, stage, route))
            });
            all.into_iter().chain(quota).chain(routes)
        });
        own.into_iter()
            .chain(of_plans)
            .map(move |place| (key, place))
    })
}
