//! What the slots of a model's buckets are called, for people and for the store, and what stands for its
//! other limits of callers where refusals are counted.

use std::collections::HashSet;

use crate::model::{
    Api, AuthorizerName, CallerKey, Gateway, Route, SharedThrottles, StageName, StageThrottles,
};
use crate::store::bucket::Buckets;

/// Whose buckets they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'m> {
    /// All APIs.
    Account,
    /// All stages of an API.
    Api(&'m Api),
    /// All routes of a stage, by either track.
    Stage(&'m Api, &'m StageName),
    /// A route in a stage, by either track: both share the buckets of routes that they have in common.
    Route(&'m Api, &'m StageName, &'m Route),
    /// An authorizer's guard.
    Guard(&'m AuthorizerName),
}

/// Whom one of them limits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whom<'m> {
    /// All together.
    All,
    /// Each caller. Those share the slot who have no bucket of their own.
    Each(&'m CallerKey),
    /// Each caller, as far as its requests under way go. There is no slot of them.
    Seated(&'m CallerKey),
}

/// The tags of every slot that `model` names, so that others can be freed before it is compiled.
#[must_use]
pub fn slot_tags(model: &Gateway) -> HashSet<u64> {
    let slots = slots(model);
    slots.map(|(place, whom)| place.tag(whom)).collect()
}

/// What every slot of `model` is called, with its tag: API, stage unless it is `$default`, and
/// route, such as `pets prod GET /pets`; `authorizer` and its name; or `account`. Where each caller has a
/// bucket, what tells them apart follows, such as `per $request.header.x-client-id`, behind `under way` where
/// it is their requests under way that are limited.
#[must_use]
pub fn slot_names(model: &Gateway) -> Vec<(u64, String)> {
    let slots = slots(model);
    let named = slots.map(|(place, whom)| {
        let name = match whom {
            Whom::All => place.name(),
            Whom::Each(key) => format!("{} per {key}", place.name()),
            Whom::Seated(key) => format!("{} under way per {key}", place.name()),
        };
        (place.tag(whom), name)
    });
    named.collect()
}

/// Every slot that a model may need, and every limit on requests of callers under way.
fn slots(model: &Gateway) -> impl Iterator<Item = (Place<'_>, Whom<'_>)> {
    let guards = model.authorizers.iter().flat_map(|authorizer| {
        let place = Place::Guard(&authorizer.name);
        [(place, Whom::All), (place, Whom::Each(&CallerKey::Source))]
    });
    let apis = model.apis.iter().flat_map(|api| {
        let stages = api.stages.iter().flat_map(move |stage| {
            let StageThrottles { shared, .. } = &stage.throttles;
            let routes = stage.routes().flat_map(move |route| {
                let place = Place::Route(api, &stage.name, route);
                let seated = route.caller_concurrency.iter();
                let seated = seated.map(move |each| (place, Whom::Seated(&each.key)));
                of(place, &route.caller_throttles).chain(seated)
            });
            shared_in(Place::Stage(api, &stage.name), shared).chain(routes)
        });
        shared_in(Place::Api(api), &api.throttles).chain(stages)
    });
    [(Place::Account, Whom::All)]
        .into_iter()
        .chain(apis)
        .chain(guards)
}

fn shared_in<'m>(
    place: Place<'m>,
    throttles: &'m SharedThrottles,
) -> impl Iterator<Item = (Place<'m>, Whom<'m>)> {
    of(place, &throttles.callers)
}

fn of<'m>(
    place: Place<'m>,
    callers: &'m [crate::model::CallerThrottle],
) -> impl Iterator<Item = (Place<'m>, Whom<'m>)> {
    let each = callers.iter().map(|throttle| Whom::Each(&throttle.key));
    let whom = [Whom::All].into_iter().chain(each);
    whom.map(move |whom| (place, whom))
}

impl Place<'_> {
    /// The tag of one of its slots. Another API under the same name, which its `id` tells, owes nothing
    /// of what that one did. No id has an `@`, and no stage.
    pub(super) fn tag(self, whom: Whom<'_>) -> u64 {
        let key;
        let whom = match whom {
            Whom::All => "all",
            Whom::Each(caller) => {
                key = caller.to_string();
                &key
            }
            Whom::Seated(caller) => {
                key = format!("under way {caller}");
                &key
            }
        };
        match self {
            Self::Account => Buckets::slot_tag(&["@account", whom]),
            Self::Guard(name) => Buckets::slot_tag(&["@authorizer", name.as_str(), whom]),
            Self::Api(api) => Buckets::slot_tag(&[api.id.as_str(), "@api", whom]),
            Self::Stage(api, stage) => {
                Buckets::slot_tag(&[api.id.as_str(), stage.as_str(), "@stage", whom])
            }
            Self::Route(api, stage, route) => {
                let (api, route) = (api.id.as_str(), route.key.as_str());
                Buckets::slot_tag(&[api, stage.as_str(), route, whom])
            }
        }
    }

    /// What gateways of a fleet know it by: as the tag is, no other place's, whatever APIs and stages are called.
    pub(super) fn fleet_name(self) -> String {
        match self {
            Self::Account => "account".to_owned(),
            Self::Guard(name) => format!("authorizer {name}"),
            Self::Api(api) => format!("api {}", api.name),
            Self::Stage(api, stage) => format!("stage {} {stage}", api.name),
            Self::Route(api, stage, route) => format!("route {} {stage} {}", api.name, route.key),
        }
    }

    /// What people call it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Account => "account".to_owned(),
            Self::Guard(name) => format!("authorizer {name}"),
            Self::Api(api) => api.name.to_string(),
            Self::Stage(api, stage) => format!("{} {stage}", api.name),
            Self::Route(api, stage, route) if stage.is_default() => {
                format!("{} {}", api.name, route.key)
            }
            Self::Route(api, stage, route) => format!("{} {stage} {}", api.name, route.key),
        }
    }
}
