//! The quotas of the service, which hold with `limits: aws` alone.
//!
//! Whoever wants a configuration to fit into Amazon API Gateway as well writes that, and is told
//! where it would not. Source: "Quotas for configuring and running a REST API", and the same of HTTP
//! APIs, in the developer guide of API Gateway; 18 of docs/semantics.md.

use std::collections::HashSet;

use super::Lowering;
use super::quantity::MIB;
use super::usage_plan::PLANS;
use crate::config::cursor::Cursor;
use crate::config::tree::{Value, shortened};
use crate::language::policy::{ApiScope, expand};
use crate::model::{Api, ApiKind, Authorizer, Domain, RequestSizes, Route, Segment};

const REST_RESOURCES_MAX: usize = 300;
const HTTP_ROUTES_MAX: usize = 300;
const STAGES_MAX: usize = 10;
const AUTHORIZERS_MAX: usize = 10;
const AUDIENCES_MAX: usize = 50;
const SCOPES_MAX: usize = 10;
const DOMAINS_MAX: usize = 120;
const ROUTING_RULES_MAX: usize = 50;
const LONG_MAPPINGS_MAX: usize = 200;
const PAYLOAD_BYTES_MAX: u64 = 10 * MIB;
const KEY_SET_BYTES_MAX: usize = 150_000;
const DEFINITION_BYTES_MAX: u64 = 6 * MIB;
const RESOURCE_CHARACTERS_MAX: usize = 512;
const USAGE_PLANS_MAX: usize = 300;
const PLAN_ROUTES_MAX: usize = 20;

/// Whether the configuration with this root has to fit into the service.
pub(in crate::config) fn hold(root: &Cursor<'_>) -> bool {
    root.key("limits").scalar() == Some("aws")
}

/// What is wrong with a definition whose files have so many bytes together.
pub(in crate::config) fn definition_refusal(bytes: u64) -> Option<String> {
    (bytes > DEFINITION_BYTES_MAX).then(|| {
        format!(
            "{bytes} bytes are too many with `limits: aws`, by which a definition has at most \
             {DEFINITION_BYTES_MAX}: make two APIs of it, or take `limits: aws` out"
        )
    })
}

/// What is wrong with the resources of the statements of `policy`, each with its place.
pub(super) fn resource_refusals<'a>(
    policy: &Cursor<'a>,
    scope: &ApiScope,
) -> Vec<(Cursor<'a>, String)> {
    let mut refusals = Vec::new();
    for statement in one_or_all(&policy.key("Statement")) {
        for key in ["Resource", "NotResource"] {
            for at in one_or_all(&statement.key(key)) {
                let written = at.scalar().unwrap_or_default();
                let found = expand(written, scope).chars().count();
                if found > RESOURCE_CHARACTERS_MAX {
                    let message = format!(
                        "an ARN of {found} characters is too long with `limits: aws`, by which \
                         one has at most {RESOURCE_CHARACTERS_MAX}: shorten it with `*`, or take \
                         `limits: aws` out"
                    );
                    refusals.push((at, message));
                }
            }
        }
    }
    refusals
}

/// The items of a list, or what stands there without one.
fn one_or_all<'a>(at: &Cursor<'a>) -> Vec<Cursor<'a>> {
    match at.node.map(|node| &node.value) {
        Some(Value::Sequence(_)) => at.items().collect(),
        Some(_) => vec![at.clone()],
        None => Vec::new(),
    }
}

/// Refuses what the service would not take.
pub(super) fn check(
    apis: &[Api],
    authorizers: &[Authorizer],
    domains: &[Domain],
    cx: &mut Lowering<'_>,
) {
    let root = cx.root;
    for api in apis {
        check_api(api, &root.key("apis").key(api.name.as_str()), cx);
    }
    for authorizer in authorizers {
        let at = root.key("authorizers").key(authorizer.name.as_str());
        let Some(settings) = authorizer.jwt() else {
            continue;
        };
        let of_all = settings.issuers.iter().map(|issuer| issuer.audiences.len());
        let found = of_all.sum();
        let what = "audiences of an authorizer";
        check_count(found, AUDIENCES_MAX, what, &at.key("audiences"), cx);
        for (index, issuer) in settings.issuers.iter().enumerate() {
            let listed = at.key("issuers");
            let at = if listed.is_written() {
                listed.item(index)
            } else {
                at.clone()
            };
            let at = at.key("jwks").key("bytes_max");
            let bytes = issuer.jwks.bytes_max;
            check_size(bytes as u64, KEY_SET_BYTES_MAX as u64, &at, cx);
        }
    }
    check_plans(&root.key(PLANS), cx);
    let (found, at) = (domains.len(), root.key("domains"));
    check_count(found, DOMAINS_MAX, "custom domains", &at, cx);
    for (_, domain) in at.entries() {
        let at = domain.key("routing_rules");
        let found = at.names().count();
        let what = "routing rules of a custom domain";
        check_count(found, ROUTING_RULES_MAX, what, &at, cx);
        let at = domain.key("mappings");
        let several = |path: &&str| path.trim_matches('/').contains('/');
        let found = at.names().filter(several).count();
        let what = "mappings of several segments of a custom domain";
        check_count(found, LONG_MAPPINGS_MAX, what, &at, cx);
    }
}

fn check_plans(plans: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let found = plans.names().count();
    check_count(found, USAGE_PLANS_MAX, "usage plans", plans, cx);
    for (_, plan) in plans.entries() {
        for stage in plan.key("stages").items() {
            let at = stage.key("routes");
            let found = at.names().count();
            let what = "routes of a stage with throttles in a usage plan";
            check_count(found, PLAN_ROUTES_MAX, what, &at, cx);
        }
    }
}

fn check_api(api: &Api, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let routes = &api.definition.routes;
    let routes_at = at.key("routes");
    match api.kind {
        ApiKind::Http => {
            let what = "routes of an HTTP API";
            check_count(routes.len(), HTTP_ROUTES_MAX, what, &routes_at, cx);
        }
        ApiKind::Rest => {
            let what = "resources of a REST API, which are the segments of its paths and the root";
            check_count(resources(routes), REST_RESOURCES_MAX, what, &routes_at, cx);
        }
    }
    let (found, stages_at) = (api.stages.len(), at.key("stages"));
    check_count(found, STAGES_MAX, "stages of an API", &stages_at, cx);
    let authorizers: HashSet<_> = routes
        .iter()
        .filter_map(|route| route.authorizer.as_ref())
        .collect();
    let what = "authorizers of an API";
    check_count(authorizers.len(), AUTHORIZERS_MAX, what, &routes_at, cx);
    for route in routes {
        let at = routes_at.key(route.key.as_str());
        let (found, scopes_at) = (route.scopes.len(), at.key("scopes"));
        check_count(found, SCOPES_MAX, "scopes of a route", &scopes_at, cx);
        check_size(
            route.body_bytes_max,
            PAYLOAD_BYTES_MAX,
            &at.key("body_max"),
            cx,
        );
    }
    let (sizes, at) = (api.sizes, at.key("limits"));
    let service = RequestSizes::SERVICE;
    let (url, headers) = (service.url_bytes_max, service.header_bytes_max);
    check_size(
        sizes.url_bytes_max.into(),
        url.into(),
        &at.key("url_bytes_max"),
        cx,
    );
    check_size(
        sizes.header_bytes_max.into(),
        headers.into(),
        &at.key("header_bytes_max"),
        cx,
    );
}

/// The resources that these routes need: the root, and one for each beginning of a path.
fn resources(routes: &[Route]) -> usize {
    let mut found: HashSet<&[Segment]> = HashSet::from([[].as_slice()]);
    for path in routes.iter().filter_map(|route| route.path.as_deref()) {
        found.extend((1..=path.len()).filter_map(|length| path.get(..length)));
    }
    found.len()
}

fn check_count(found: usize, max: usize, what: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    if found > max {
        let message = format!(
            "{found} are too many with `limits: aws`, by which there are at most {max} {what}: \
             take some out, or `limits: aws`"
        );
        cx.error_at_key(at, message);
    }
}

fn check_size(found: u64, max: u64, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    if found > max {
        let shown = at.scalar().map_or_else(|| found.to_string(), shortened);
        let message = format!(
            "`{shown}` is more than `limits: aws` permits: write at most {max}, or take \
             `limits: aws` out"
        );
        cx.error(at, message);
    }
}
