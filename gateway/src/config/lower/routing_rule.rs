//! Routing rules of custom domains, and whether they, mappings or both count.
//!
//! What would never count is refused: rules and mappings that the routing mode leaves out, and
//! conditions that no request meets. Source: API Gateway Developer Guide, "Routing rules to connect API
//! stages to a custom domain name for REST APIs" and "Send traffic to your APIs through your custom
//! domain name in API Gateway", and 1.5 of docs/semantics.md.

use http::header::HOST;

use super::Lowering;
use super::domain::{base_path, check_stage};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::value_glob::ValueGlob;
use crate::model::{
    Api, ApiKind, BasePath, HeaderCondition, Mapping, RoutingRule, RoutingRuleId, StageName,
};

use written::RoutingMode::{ApiMappingOnly, RoutingRuleOnly, RoutingRuleThenApiMapping};

/// Most rules of one domain. Every request is held against all of them that come before its own.
const RULES_MAX: usize = 200;

/// Longest path of a condition, as the service has it.
const PATH_BYTES_MAX: usize = 127;

/// Longest name of a header of a condition, as the service has it.
const HEADER_BYTES_MAX: usize = 39;

/// Headers that the service takes no conditions on. A `*` at the end stands for any text.
const WITHOUT_CONDITIONS: [&str; 24] = [
    "access-control-*",
    "apigw-*",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "x-amz-*",
    "x-amzn-*",
    "x-apigw-api-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-restapi",
    "via",
];

/// Lowers the rules of the domain at `at`, whose mappings are these.
pub(super) fn lower(
    domain: &written::Domain,
    mappings: &[Mapping],
    apis: &[Api],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<RoutingRule> {
    check_mode(domain, mappings, apis, at, cx);
    let section = at.key("routing_rules");
    let found = domain.routing_rules.0.len();
    if found > RULES_MAX {
        let message = format!("{found} rules are too many: at most {RULES_MAX}");
        cx.error_at_key(&section, message);
    }
    let mut rules: Vec<RoutingRule> = Vec::new();
    for (id, rule) in domain.routing_rules.0.iter().take(RULES_MAX) {
        let at = section.key(id);
        cx.name(id, &at);
        let mut earlier = domain.routing_rules.0.iter();
        let earlier = earlier.find(|(_, other)| other.priority == rule.priority);
        if let Some((other, _)) = earlier.filter(|(other, _)| other != id) {
            let other = shortened(other);
            let message = format!("the rule `{other}` has the same priority: choose another one");
            cx.error(&at.key("priority"), message);
        }
        rules.extend(lower_rule(id, rule, apis, &at, cx));
    }
    warn_of_unreachable(&rules, at, cx);
    rules
}

/// Refuses what does not count in the domain's routing mode, and domains that lead nowhere.
fn check_mode(
    domain: &written::Domain,
    mappings: &[Mapping],
    apis: &[Api],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let (rules_at, mappings_at) = (at.key("routing_rules"), at.key("mappings"));
    let (has_rules, has_mappings) = (rules_at.is_written(), mappings_at.is_written());
    // What stands there is no mode, which is refused already.
    if domain.routing_mode.is_none() && at.key("routing_mode").is_written() {
        return;
    }
    let mode = domain.routing_mode.unwrap_or(ApiMappingOnly);
    if mode == ApiMappingOnly && has_rules {
        let message = "rules do not count without `routing_mode: routing_rule_only` or \
                       `routing_rule_then_api_mapping`: write one of them";
        cx.error_at_key(&rules_at, message);
    }
    if mode == RoutingRuleOnly && has_mappings {
        let message = "mappings do not count with `routing_mode: routing_rule_only`: take them out, \
                       or write `routing_rule_then_api_mapping`";
        cx.error_at_key(&mappings_at, message);
    }
    match mode {
        ApiMappingOnly if !has_mappings => cx.error_at_key(at, "`mappings` is missing: add it"),
        RoutingRuleOnly if !has_rules => cx.error_at_key(at, "`routing_rules` is missing: add it"),
        RoutingRuleThenApiMapping if !has_rules && !has_mappings => {
            let message = "this leads nowhere: write `routing_rules`, `mappings` or both";
            cx.error_at_key(at, message);
        }
        ApiMappingOnly | RoutingRuleOnly | RoutingRuleThenApiMapping => {}
    }
    let leads_to = |kind: ApiKind| {
        let of_kind = |mapping: &Mapping| {
            let mut apis = apis.iter();
            apis.any(|api| api.name == mapping.api && api.kind == kind)
        };
        mappings.iter().any(of_kind)
    };
    if mode != ApiMappingOnly && leads_to(ApiKind::Rest) && leads_to(ApiKind::Http) {
        let message = "a domain whose mappings lead to REST and to HTTP APIs has no rules: give one \
                       type a domain of its own, or write `api_mapping_only`";
        cx.error(&at.key("routing_mode"), message);
    }
}

fn lower_rule(
    id: &str,
    rule: &written::RoutingRule,
    apis: &[Api],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<RoutingRule> {
    let section = at.key("match_headers");
    let headers = rule.match_headers.iter().enumerate();
    let headers = headers.filter_map(|(index, written)| header(written, &section.item(index), cx));
    let headers: Vec<HeaderCondition> = headers.collect();
    let path_at = at.key("match_base_path");
    let written = rule.match_base_path.as_deref();
    let segments = written.and_then(|path| lower_path(path, &path_at, cx));
    if rule.strip_base_path && !path_at.is_written() {
        let message = "there is nothing to strip: write `match_base_path`, or take this out";
        cx.error_at_key(&at.key("strip_base_path"), message);
    }
    cx.reference("apis", "API", None, &rule.api, &at.key("api"));
    let api = apis.iter().find(|api| api.name.as_str() == rule.api)?;
    if api.kind == ApiKind::Http {
        let message = format!(
            "`{}` is an HTTP API, and rules lead to REST APIs alone: map a path to it",
            api.name
        );
        cx.error(&at.key("api"), message);
    }
    let stage = rule.stage.as_deref().unwrap_or(StageName::DEFAULT);
    check_stage(api, stage, rule.stage.is_some(), at, cx);
    Some(RoutingRule {
        id: RoutingRuleId::new(id),
        priority: rule.priority,
        headers,
        base_path: segments.map(|segments| BasePath {
            segments,
            is_stripped: rule.strip_base_path,
        }),
        api: api.name.clone(),
        stage: StageName::new(stage),
    })
}

fn header(
    written: &written::MatchHeader,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<HeaderCondition> {
    let (name_at, value_at) = (at.key("header"), at.key("value_glob"));
    let name = written.header.as_str();
    let shown = shortened(name);
    if name.contains('*') {
        cx.error(
            &name_at,
            format!("`{shown}`: names have no wildcard: write one header's"),
        );
        return None;
    }
    if name.len() > HEADER_BYTES_MAX {
        let message =
            format!("`{shown}` is too long for a condition: at most {HEADER_BYTES_MAX} characters");
        cx.error(&name_at, message);
        return None;
    }
    let header = cx.header_name(name, &name_at)?;
    let is_without = |listed: &&str| match listed.strip_suffix('*') {
        Some(beginning) => header.as_str().starts_with(beginning),
        None => header.as_str() == *listed,
    };
    if WITHOUT_CONDITIONS.iter().any(is_without) {
        let message =
            format!("`{shown}` is a header that rules cannot ask for: choose another one");
        cx.error(&name_at, message);
    }
    let value = match ValueGlob::parse(&written.value_glob) {
        Ok(value) => value,
        Err(error) => {
            let shown = shortened(&written.value_glob);
            cx.error(&value_at, format!("`{shown}` is no glob: {error}"));
            return None;
        }
    };
    let foreign = |b: u8| b.is_ascii_uppercase() || b == b':';
    if header == HOST && written.value_glob.bytes().any(foreign) {
        let message = "hosts are compared in lower case and without port: write it so";
        cx.error(&value_at, message);
    }
    Some(HeaderCondition { header, value })
}

/// The segments of a condition's path.
fn lower_path(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Vec<String>> {
    let segments = base_path(written, PATH_BYTES_MAX);
    if segments.is_none() {
        let message = format!(
            "`{}` is no base path: up to {PATH_BYTES_MAX} letters, digits and `$-_.+!*'()`, with `/` \
             between segments and none at the ends; leave it out for every path",
            shortened(written)
        );
        cx.error(at, message);
    }
    segments
}

/// Tells of what stands behind a rule that is for every request. `at` is the domain.
fn warn_of_unreachable(rules: &[RoutingRule], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let section = at.key("routing_rules");
    // A condition that was refused is one all the same.
    let is_for_all = |rule: &&RoutingRule| {
        let at = section.key(rule.id.as_str());
        let mut conditions = ["match_headers", "match_base_path"].into_iter();
        !conditions.any(|key| at.key(key).is_written())
    };
    let all = rules.iter().filter(is_for_all);
    let Some(all) = all.min_by_key(|rule| rule.priority) else {
        return;
    };
    let message = format!(
        "no request gets here: the rule `{}`, with priority {}, is for every one",
        all.id, all.priority
    );
    for rule in rules.iter().filter(|rule| rule.priority > all.priority) {
        cx.warning(&section.key(rule.id.as_str()), message.as_str());
    }
    let mappings = at.key("mappings");
    if mappings.is_written() {
        cx.warning(&mappings, message);
    }
}
