//! Which buckets the requests to a route are charged to.

use std::sync::Arc;

use super::CompileError;
use super::slot::{Place, Whom};
use crate::exchange::Reason;
use crate::model::{Api, CallerKey, CallerThrottle, Route, StageName, StageThrottles, Throttle};
use crate::step::admit::AdmitPlan;
use crate::step::bucket::{CallerBucket, CallersAcross, SharedBucket};
use crate::step::source_limit::SourcePlan;
use crate::store::lease::SlotRegistry;

/// What limits the requests to a route beside what it says itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limited<'m> {
    pub(super) api: &'m Api,
    pub(super) stage: &'m StageName,
    pub(super) throttles: &'m StageThrottles,
    pub(super) account: Option<&'m Throttle>,
}

/// The buckets of `route`: those of each source, which are charged before anybody is authorized, and those
/// that follow. `route` is as its stage limits it.
pub(super) fn throttled(
    slots: &Arc<SlotRegistry>,
    limited: Limited<'_>,
    route: &Route,
) -> Result<(SourcePlan, AdmitPlan), CompileError> {
    let Limited {
        api,
        stage,
        throttles,
        account,
    } = limited;
    let places = [
        (Place::Route(api, stage, route), &route.caller_throttles),
        (Place::Stage(api, stage), &throttles.shared.callers),
        (Place::Api(api), &api.throttles.callers),
    ];
    let (mut sources, mut callers) = (Vec::new(), Vec::new());
    for (place, throttles) in places {
        for throttle in throttles {
            let bucket = of_callers(slots, place, throttle)?;
            if is_of_sources(throttle) {
                sources.push(bucket);
            } else {
                callers.push(bucket);
            }
        }
    }
    let shared = [
        (places[0].0, route.throttle.as_ref(), Reason::RouteThrottled),
        (
            places[1].0,
            throttles.shared.all.as_ref(),
            Reason::StageThrottled,
        ),
        (
            places[2].0,
            api.throttles.all.as_ref(),
            Reason::ApiThrottled,
        ),
        (Place::Account, account, Reason::AccountThrottled),
    ];
    let shared = shared.into_iter().filter_map(|(place, throttle, reason)| {
        let throttle = *throttle?;
        let lease = slots.lease_for(place.tag(Whom::All), &throttle, || place.fleet_name());
        let lease = lease.map_err(CompileError::Slots);
        Some(lease.map(|lease| SharedBucket {
            lease,
            throttle,
            reason,
        }))
    });
    let admit = AdmitPlan {
        callers: callers.into(),
        shared: shared.collect::<Result<_, _>>()?,
    };
    Ok((SourcePlan(sources.into()), admit))
}

/// The buckets of each source for requests to the stage that no route answers.
pub(super) fn strays(
    slots: &Arc<SlotRegistry>,
    limited: Limited<'_>,
) -> Result<SourcePlan, CompileError> {
    let Limited { api, stage, .. } = limited;
    let places = [
        (Place::Stage(api, stage), &limited.throttles.shared.callers),
        (Place::Api(api), &api.throttles.callers),
    ];
    let buckets = places.into_iter().flat_map(|(place, throttles)| {
        let of_sources = throttles.iter().filter(|throttle| is_of_sources(throttle));
        of_sources.map(move |throttle| of_callers(slots, place, throttle))
    });
    Ok(SourcePlan(buckets.collect::<Result<_, _>>()?))
}

const fn is_of_sources(throttle: &CallerThrottle) -> bool {
    match throttle.key {
        CallerKey::Source => true,
        CallerKey::ApiKey | CallerKey::Header(_) | CallerKey::Claim(_) => false,
    }
}

/// The buckets of those whom `throttle` tells apart.
fn of_callers(
    slots: &Arc<SlotRegistry>,
    place: Place<'_>,
    throttle: &CallerThrottle,
) -> Result<CallerBucket, CompileError> {
    let parent = slots.lease(place.tag(Whom::Each(&throttle.key)));
    Ok(CallerBucket {
        throttle: throttle.clone(),
        parent: parent.map_err(CompileError::Slots)?,
        across: throttle.share.map(|_| CallersAcross {
            fleet: slots.fleet().clone(),
            name: format!("{} per {}", place.fleet_name(), throttle.key).into(),
        }),
    })
}
