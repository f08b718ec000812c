//! Parameter mappings of integrations.

use std::collections::{BTreeMap, BTreeSet};

use super::Lowering;
use super::route::Around;
use super::route_key::{self, ParsedKey};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written::{self, IntegrationType};
use crate::language::mapping::http::{self, Change, RequestTarget, ResponseTarget};
use crate::language::mapping::rest;
use crate::language::message::Place;
use crate::language::variable::StageVariable;
use crate::model::{ApiKind, RequestMappings, ResponseMappings};

/// What begins the target of a mapping that fills a part of the integration's path.
const PATH_TARGET: &str = "integration.request.path.";

/// Headers of one connection, which nobody but the gateway may set.
const OF_CONNECTIONS: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Lowers the mappings of a route's requests. `at` is the integration.
pub(super) fn lower(
    route: &written::Route,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> RequestMappings {
    let section = at.key("request_parameters");
    let written = route.integration.request_parameters.0.iter();
    match around.kind {
        ApiKind::Rest => {
            let lower = |(target, source): &(String, String)| {
                let at = section.key(target);
                let mapping = lower_rest(target, source, route, key, &at, cx)?;
                warn_of_missing(mapping.stage_variable(), &at, around, cx);
                Some(mapping)
            };
            RequestMappings::Rest(written.filter_map(lower).collect())
        }
        ApiKind::Http => {
            let lower = |(target, source): &(String, String)| {
                let at = section.key(target);
                let mapping = lower_http(target, source, &at, cx)?;
                warn_of_missing(mapping.stage_variables(), &at, around, cx);
                Some(mapping)
            };
            RequestMappings::Http(written.filter_map(lower).collect())
        }
    }
}

/// Lowers the mappings of a route's answers. `at` is the integration.
pub(super) fn lower_responses(
    written: &written::Integration,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> ResponseMappings {
    let section = at.key("response_parameters");
    let mut mappings = BTreeMap::new();
    if around.kind == ApiKind::Rest && !written.response_parameters.0.is_empty() {
        let message = "only HTTP APIs change the answers of a backend: take this out";
        cx.error_at_key(&section, message);
    }
    for (status, entries) in &written.response_parameters.0 {
        let at = section.key(status);
        let lowered = entries
            .0
            .iter()
            .filter_map(|(target, source)| lower_response(target, source, &at.key(target), cx));
        let lowered: Vec<http::ResponseMapping> = lowered.collect();
        match http::status(status) {
            Ok(status) => {
                mappings.insert(status, lowered);
            }
            Err(error) => cx.error_at_key(&at, error.to_string()),
        }
    }
    ResponseMappings(mappings)
}

fn lower_http(
    target: &str,
    source: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<http::RequestMapping> {
    let mapping = match http::RequestMapping::parse(target, source) {
        Ok(mapping) => mapping,
        Err(error) => {
            cx.error(at, error.to_string());
            return None;
        }
    };
    if let RequestTarget::Header(change, name) = &mapping.target {
        check_is_not_own(name, at, cx);
        if name.eq_ignore_ascii_case("host") && *change != Change::Overwrite {
            let message = "a request has one `Host`: write `overwrite:header.Host`";
            cx.error_at_key(at, message);
        }
    }
    if let RequestTarget::Header(Change::Append, _) | RequestTarget::Querystring(Change::Append, _) =
        &mapping.target
        && mapping.reads_variables()
    {
        let fix = shortened(target.trim_start_matches("append:"));
        let message = format!(
            "what a client sends itself stays in front, and a backend may believe it: write \
             `overwrite:{fix}`"
        );
        cx.warning(at, message);
    }
    Some(mapping)
}

/// Warns of stage variables that a mapping reads and a stage does not have.
fn warn_of_missing<'v>(
    variables: impl IntoIterator<Item = &'v StageVariable>,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) {
    let variables: BTreeSet<&str> = variables.into_iter().map(StageVariable::name).collect();
    let mut missing = BTreeSet::new();
    for environment in around.environments {
        let unknown = variables
            .iter()
            .filter(|name| !environment.variables.contains_key(**name));
        missing.extend(unknown.map(|name| (&environment.variant.stage, *name)));
    }
    for (stage, name) in missing {
        let message = format!(
            "the stage `{stage}` has no variable `{name}`: the mapping has no value there, write one under `variables` of the stage"
        );
        cx.warning(at, message);
    }
}

fn lower_response(
    target: &str,
    source: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<http::ResponseMapping> {
    match http::ResponseMapping::parse(target, source) {
        Ok(mapping) => {
            if let ResponseTarget::Header(_, name) = &mapping.target {
                check_is_not_own(name, at, cx);
            }
            Some(mapping)
        }
        Err(error) => {
            cx.error(at, error.to_string());
            None
        }
    }
}

/// Refuses a header that the language of mappings lets through and no gateway should.
fn check_is_not_own(name: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    if is_of_connections(name) {
        let message = format!("`{}` is the gateway's own: take it out", shortened(name));
        cx.error_at_key(at, message);
    }
}

/// What may stand in braces in the integration's path.
pub(super) fn placeholders<'w>(
    written: &'w written::Integration,
    key: &'w ParsedKey,
) -> Vec<&'w str> {
    let mapped = written.request_parameters.0.iter();
    let mapped = mapped.filter_map(|(target, _)| target.strip_prefix(PATH_TARGET));
    let own = route_key::parameters(key.path.as_deref().unwrap_or_default());
    let mut names: Vec<&str> = own.chain(mapped).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn lower_rest(
    target: &str,
    source: &str,
    route: &written::Route,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<rest::RequestMapping> {
    let mapping = match rest::RequestMapping::parse(target, source) {
        Ok(mapping) => mapping,
        Err(error) => {
            cx.error(at, error.to_string());
            return None;
        }
    };
    let name = mapping.name.text();
    match mapping.place {
        Place::Header if rest::is_illegal_header(name) => {
            cx.error_at_key(at, format!("`{name}` is the gateway's own: take it out"));
        }
        Place::Header => check_is_not_own(name, at, cx),
        Place::Path => check_is_used(name, &route.integration, at, cx),
        Place::Querystring if is_fixed(&mapping) && is_proxy(&route.integration) => {
            let message = "what a client sends itself stays in front, and a backend may believe it: \
                           write a stage variable, which takes its place";
            cx.warning(at, message);
        }
        Place::Querystring => {}
    }
    if let Some((place, name)) = mapping.declared() {
        check_declared(place, name.text(), route, key, at, cx);
    }
    Some(mapping)
}

/// Whether the mapping sets fixed text.
const fn is_fixed(mapping: &rest::RequestMapping) -> bool {
    mapping.is_ours() && !mapping.reads_variables()
}

/// Whether the client's query reaches the backend.
const fn is_proxy(integration: &written::Integration) -> bool {
    matches!(integration.kind, None | Some(IntegrationType::HttpProxy))
}

/// Warns of parameters in the query of an integration's `uri` that the client may send too, but for
/// those that a mapping replaces. `at` is the integration.
pub(super) fn warn_of_own_query(
    uri: &str,
    written: &written::Integration,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let Some((_, query)) = uri.split_once('?').filter(|_| is_proxy(written)) else {
        return;
    };
    let replaced: Vec<String> = match kind {
        ApiKind::Rest => replaced_in_rest(written).collect(),
        ApiKind::Http => replaced_in_http(written).collect(),
    };
    let mut names: Vec<String> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, _)| name.into_owned())
        .filter(|name| !name.is_empty() && !replaced.contains(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    for whole in names {
        let name = shortened(&whole);
        let target = match kind {
            ApiKind::Rest => format!("integration.request.querystring.{name}"),
            ApiKind::Http => format!("overwrite:querystring.{name}"),
        };
        let fix = match kind {
            // A mapping of this name would be refused, or be one of another name.
            _ if name != whole || !is_target(&target, kind) => "take it out of `uri`".to_owned(),
            ApiKind::Rest => format!("write `{target}` with a stage variable"),
            ApiKind::Http => format!("write `{target}`"),
        };
        let message = format!(
            "the `{name}` that a client sends itself stands behind this, and a backend may believe \
             it: {fix}"
        );
        cx.warning(&at.key("uri"), message);
    }
}

/// Whether `request_parameters` may set this.
fn is_target(target: &str, kind: ApiKind) -> bool {
    let source = "context.stage";
    match kind {
        ApiKind::Rest => rest::RequestMapping::parse(target, source).is_ok(),
        ApiKind::Http => http::RequestMapping::parse(target, source).is_ok(),
    }
}

/// The query parameters that mappings of a REST API replace, whatever the client sent.
fn replaced_in_rest(written: &written::Integration) -> impl Iterator<Item = String> {
    let mappings = written.request_parameters.0.iter();
    let mappings = mappings.filter_map(|(key, value)| rest::RequestMapping::parse(key, value).ok());
    let replacing =
        mappings.filter(|mapping| mapping.place == Place::Querystring && mapping.reads_variables());
    replacing.map(|mapping| mapping.name.text().to_owned())
}

/// Those that mappings of an HTTP API replace or take away.
fn replaced_in_http(written: &written::Integration) -> impl Iterator<Item = String> {
    let mappings = written.request_parameters.0.iter();
    let mappings = mappings.filter_map(|(key, value)| http::RequestMapping::parse(key, value).ok());
    mappings.filter_map(|mapping| match mapping.target {
        RequestTarget::Querystring(Change::Overwrite | Change::Remove, name) => {
            Some(name.to_string())
        }
        RequestTarget::Querystring(Change::Append, _)
        | RequestTarget::Header(..)
        | RequestTarget::Path => None,
    })
}

/// Refuses a source that the method does not declare: more often it is misspelled than meant.
fn check_declared(
    place: Place,
    name: &str,
    route: &written::Route,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let (known, lacks): (Vec<&str>, &str) = match (place, key) {
        // The parameters of a key that was refused are not known.
        (Place::Path, None) => return,
        (Place::Path, Some(key)) => {
            let own = route_key::parameters(key.path.as_deref().unwrap_or_default());
            (own.collect(), "the route has no parameter")
        }
        (Place::Header | Place::Querystring, _) => {
            let declared = route.parameters.0.iter();
            let declared = declared.filter_map(|(parameter, _)| Place::split(parameter));
            let own = declared.filter(|(known, _)| *known == place);
            let lacks = "`parameters` of the route do not declare";
            (own.map(|(_, name)| name).collect(), lacks)
        }
    };
    let is_same = |known: &&str| match place {
        Place::Header => known.eq_ignore_ascii_case(name),
        Place::Path | Place::Querystring => *known == name,
    };
    if known.iter().any(is_same) {
        return;
    }
    let otherwise = match place {
        Place::Path => "write one of its key, or add it there",
        Place::Header | Place::Querystring => "add it there",
    };
    let meant = suggestion(name, known.into_iter(), otherwise);
    let (place, name) = (place.name(), shortened(name));
    cx.error(at, format!("{lacks} `{place}.{name}`{meant}"));
}

fn check_is_used(
    name: &str,
    integration: &written::Integration,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let braces = format!("{{{name}}}");
    let mut targets = integration.path.iter().chain(&integration.uri);
    if !targets.any(|target| target.contains(&braces)) {
        let message =
            format!("nothing in the integration's path is `{braces}`: this is for nothing");
        cx.warning(at, message);
    }
}

fn is_of_connections(name: &str) -> bool {
    let mut all = OF_CONNECTIONS.iter();
    all.any(|known| known.eq_ignore_ascii_case(name))
}
