//! How many requests to a route may be under way.

use std::sync::Arc;

use super::slot::{Place, Whom};
use crate::concurrency::Concurrency;
use crate::model::{Api, Route, StageName};
use crate::step::concurrency::{CallerSeats, ConcurrencyPlan, SharedSeats};

/// The limits of `route`. What is under way is known as its buckets are, so that a reload finds it again.
pub(super) fn seated(
    concurrency: &Concurrency,
    api: &Api,
    stage: &StageName,
    route: &Route,
) -> ConcurrencyPlan {
    let place = Place::Route(api, stage, route);
    let callers = route.caller_concurrency.iter().map(|each| {
        let tag = place.tag(Whom::Seated(&each.key));
        CallerSeats {
            each: each.clone(),
            tag,
            callers: Arc::clone(concurrency.callers()),
            rest: concurrency.halls.of(tag),
        }
    });
    ConcurrencyPlan {
        callers: callers.collect(),
        shared: route.concurrency.map(|limit| SharedSeats {
            name: place.name(),
            hall: concurrency.halls.of(place.tag(Whom::All)),
            limit,
        }),
    }
}
