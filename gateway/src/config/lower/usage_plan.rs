//! What holders of API keys may use.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lowering, fleet, throttle};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written::{self, QuotaPeriod};
use crate::model::{
    Api, ApiKind, ApiName, Period, PlanStage, Quota, RouteKey, StageName, UsagePlan, UsagePlanName,
};

/// Where usage plans stand.
pub(super) const PLANS: &str = "usage_plans";

/// Lowers every usage plan.
pub(super) fn lower(
    written: &written::Named<written::UsagePlan>,
    apis: &[Api],
    cx: &mut Lowering<'_>,
) -> Vec<UsagePlan> {
    let section = cx.root.key(PLANS);
    let mut plans = Vec::new();
    for (name, plan) in &written.0 {
        let at = section.key(name);
        cx.name(name, &at);
        let throttle = throttle::lower(plan.throttle.as_ref(), &at.key("throttle"), cx);
        let quota = plan.quota.as_ref();
        plans.push(UsagePlan {
            name: UsagePlanName::new(name),
            stages: lower_stages(&plan.stages, apis, &at.key("stages"), cx),
            throttle,
            quota: quota.map(|quota| lower_quota(quota, &at.key("quota"), cx)),
        });
    }
    plans
}

fn lower_stages(
    written: &[written::PlanStage],
    apis: &[Api],
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<PlanStage> {
    let mut seen = BTreeSet::new();
    let mut stages = Vec::new();
    for (index, stage) in written.iter().enumerate() {
        let at = section.item(index);
        if !seen.insert((&stage.api, &stage.stage)) {
            let (api, stage) = (shortened(&stage.api), shortened(&stage.stage));
            let message = format!("the stage `{stage}` of API `{api}` stands twice: keep one");
            cx.error(&at.key("stage"), message);
            continue;
        }
        stages.extend(lower_stage(stage, apis, &at, cx));
    }
    stages
}

fn lower_stage(
    written: &written::PlanStage,
    apis: &[Api],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<PlanStage> {
    if !cx.reference("apis", "API", None, &written.api, &at.key("api")) {
        return None;
    }
    // One that could not be lowered was reported.
    let api = apis.iter().find(|api| api.name.as_str() == written.api)?;
    if api.kind == ApiKind::Http {
        let message = "only REST APIs ask for API keys: take this stage out";
        cx.error(&at.key("api"), message);
        return None;
    }
    let stage = api
        .stages
        .iter()
        .find(|stage| stage.name.as_str() == written.stage);
    let Some(stage) = stage else {
        let known = api.stages.iter().map(|stage| stage.name.as_str());
        let fix = suggestion(&written.stage, known, "add it, or write one that there is");
        let shown = shortened(&written.stage);
        let message = format!("the API `{}` has no stage `{shown}`{fix}", api.name);
        cx.error(&at.key("stage"), message);
        return None;
    };
    let mut routes = BTreeMap::new();
    for (key, route) in &written.routes.0 {
        let at = at.key("routes").key(key);
        // What the file says may be served later, and what is served may be frozen.
        let known = api.definition.routes.iter().chain(stage.routes());
        let known: BTreeSet<&str> = known.map(|route| route.key.as_str()).collect();
        if !known.contains(&**key) {
            let shown = shortened(key);
            let otherwise = "write the key of one, or take it out";
            let fix = suggestion(key, known.iter().copied(), otherwise);
            cx.error_at_key(&at, format!("the API has no route `{shown}`{fix}"));
        }
        let throttle = throttle::lower(Some(&route.throttle), &at.key("throttle"), cx);
        routes.extend(throttle.map(|throttle| (RouteKey::new(key), throttle)));
    }
    Some(PlanStage {
        api: ApiName::new(&written.api),
        stage: StageName::new(&written.stage),
        routes,
    })
}

fn lower_quota(written: &written::Quota, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Quota {
    let &written::Quota {
        limit,
        period,
        offset,
        monitor,
        across_fleet,
    } = written;
    if limit > Quota::LIMIT_MAX {
        let max = Quota::LIMIT_MAX;
        let message = format!("{limit} are too many to be counted: write at most {max}");
        cx.error(&at.key("limit"), message);
    }
    if offset > limit {
        let message = format!("{offset} is more than the limit of {limit}: write at most that");
        cx.error(&at.key("offset"), message);
    }
    let across = across_fleet.then(|| fleet::gateways(at, cx)).flatten();
    Quota {
        limit,
        offset,
        period: match period {
            QuotaPeriod::Day => Period::Day,
            QuotaPeriod::Week => Period::Week,
            QuotaPeriod::Month => Period::Month,
        },
        is_monitored: monitor,
        across,
    }
}
