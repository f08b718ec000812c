//! How often the routes of a stage may be called, as the stage says it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Route, RouteKey, SharedThrottles, Throttle};

/// Limits of a stage, which are no part of what it serves. Beside the shared ones each route has a bucket of
/// its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageThrottles {
    /// Of each route that has no other.
    pub each_route: Option<Throttle>,
    /// Of single routes.
    pub routes: BTreeMap<RouteKey, Throttle>,
    /// Of all its routes together.
    pub shared: SharedThrottles,
}

impl StageThrottles {
    /// What limits `route` in this stage: what the stage says of this route, else what the route
    /// says, else what the stage says of each route.
    #[must_use]
    pub fn of(&self, route: &Route) -> Option<Throttle> {
        let own = self.routes.get(&route.key).copied();
        own.or(route.throttle).or(self.each_route)
    }

    /// `route` as this stage limits it.
    #[must_use]
    pub fn applied<'r>(&self, route: &'r Route) -> Cow<'r, Route> {
        let throttle = self.of(route);
        if throttle == route.throttle {
            return Cow::Borrowed(route);
        }
        Cow::Owned(Route {
            throttle,
            ..route.clone()
        })
    }
}
