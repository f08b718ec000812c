//! What the slots of a model's buckets are called, for people and for the store.

use std::collections::HashSet;

use crate::model::{Api, AuthorizerName, Gateway, Route, StageName};
use crate::store::bucket::Buckets;

/// The slot of all callers of a route together.
pub(super) const ROUTE: &str = "route";
/// The slot that callers of a route share who have none of their own.
pub(super) const CALLER: &str = "caller";

/// The slot of all decisions of an authorizer together.
pub(super) const TOTAL: &str = "total";
/// The slot that sources share who have none of their own there.
pub(super) const SOURCE: &str = "source";

/// The tags of every slot that `model` names, so that others can be freed before it is compiled.
#[must_use]
pub fn slot_tags(model: &Gateway) -> HashSet<u64> {
    let of_routes = named_slots(model);
    let of_routes = of_routes.map(|(api, stage, route, what)| slot_tag(api, stage, route, what));
    of_routes
        .chain(guards(model).map(|(name, what)| guard_tag(name, what)))
        .collect()
}

/// What every slot of `model` is called, with its tag: API, stage unless it is `$default`, and
/// route, such as `pets prod GET /pets`, followed by `per caller` where that throttle is meant; or
/// `authorizer` and its name, followed by `per source`.
#[must_use]
pub fn slot_names(model: &Gateway) -> Vec<(u64, String)> {
    let of_routes = named_slots(model).map(|(api, stage, route, what)| {
        let suffix = if what == CALLER { " per caller" } else { "" };
        let name = if stage.is_default() {
            format!("{} {}{suffix}", api.name, route.key)
        } else {
            format!("{} {stage} {}{suffix}", api.name, route.key)
        };
        (slot_tag(api, stage, route, what), name)
    });
    let of_guards = guards(model).map(|(name, what)| {
        let suffix = if what == SOURCE { " per source" } else { "" };
        (guard_tag(name, what), format!("authorizer {name}{suffix}"))
    });
    of_routes.chain(of_guards).collect()
}

/// Every slot that a guard may have.
fn guards(model: &Gateway) -> impl Iterator<Item = (&AuthorizerName, &'static str)> {
    let authorizers = model.authorizers.iter();
    authorizers.flat_map(|it| [TOTAL, SOURCE].map(|what| (&it.name, what)))
}

/// The tag of one slot of a guard. No API has such an id.
pub(super) fn guard_tag(name: &AuthorizerName, what: &str) -> u64 {
    Buckets::slot_tag(&["@authorizer", name.as_str(), what])
}

/// Every slot that a route may have in a stage, by either track: both share the buckets of routes
/// that they have in common.
fn named_slots(model: &Gateway) -> impl Iterator<Item = (&Api, &StageName, &Route, &'static str)> {
    model.apis.iter().flat_map(|api| {
        api.stages.iter().flat_map(move |stage| {
            let of_route = move |route| [ROUTE, CALLER].map(|what| (api, &stage.name, route, what));
            stage.routes().flat_map(of_route)
        })
    })
}

/// The tag of one slot. Another API under the same name, which its `id` tells, owes nothing of what
/// that one did.
pub(super) fn slot_tag(api: &Api, stage: &StageName, route: &Route, what: &str) -> u64 {
    let (api, route) = (api.id.as_str(), route.key.as_str());
    if stage.is_default() {
        return Buckets::slot_tag(&[api, route, what]);
    }
    Buckets::slot_tag(&[api, stage.as_str(), route, what])
}
