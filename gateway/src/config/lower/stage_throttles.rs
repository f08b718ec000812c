//! What stages say of how often their routes may be called.

use std::collections::BTreeMap;

use super::{Lowering, throttle};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{ApiKind, Route, RouteKey, StageName, StageThrottles};

/// Lowers the throttles of the stages at `section`, of an API of this kind with these routes.
pub(super) fn lower(
    kind: ApiKind,
    written: Option<&written::Named<written::Stage>>,
    routes: &[Route],
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> BTreeMap<StageName, StageThrottles> {
    let mut stages = BTreeMap::new();
    for (name, stage) in written.iter().flat_map(|stages| &stages.0) {
        let at = section.key(name);
        let each_route = throttle::lower(stage.throttle.as_ref(), &at.key("throttle"), cx);
        let mut own = BTreeMap::new();
        for (key, settings) in &stage.routes.0 {
            let at = at.key("routes").key(key);
            if !routes.iter().any(|route| route.key.as_str() == key) {
                let known = routes.iter().map(|route| route.key.as_str());
                let shown = shortened(key);
                let fix = suggestion(key, known, "write the key of one, or take it out");
                cx.error_at_key(&at, format!("the API has no route `{shown}`{fix}"));
            }
            let limit = throttle::lower(settings.throttle.as_ref(), &at.key("throttle"), cx);
            own.extend(limit.map(|limit| (RouteKey::new(key), limit)));
        }
        let throttles = StageThrottles {
            each_route,
            routes: own,
            shared: throttle::lower_shared(
                kind,
                (stage.shared_throttle.as_ref(), &stage.caller_throttles),
                &at,
                cx,
            ),
        };
        stages.insert(StageName::new(name), throttles);
    }
    stages
}
