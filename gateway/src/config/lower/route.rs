//! Routes.

use std::collections::{BTreeMap, HashMap};

use super::authorizer::NONE;
use super::quantity::{MIB, TIB, ms, s};
use super::route_key::{self, ParsedKey, Shape};
use super::stage::Environment;
use super::{Lowering, endpoint, mock, parameters, validation};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written::{self, IntegrationType};
use crate::language::template::TEMPLATE_BYTES_MAX;
use crate::model::{
    ApiKind, AuthorizerName, BodyMode, CallerKey, CallerThrottle, HttpProxy, Integration, Route,
    RouteKey, RouteMethod, Target, Throttle, UpstreamName,
};

/// What the routes of one API have around them.
pub(super) struct Around<'a> {
    /// The API.
    pub(super) at: &'a Cursor<'a>,
    pub(super) kind: ApiKind,
    /// Where the API is deployed as it is described here.
    pub(super) environments: &'a [Environment],
    /// Bounds what a route may buffer.
    pub(super) body_memory_max: u64,
}

/// Lowers the routes of one API.
pub(super) fn lower(
    written: &written::Named<written::Route>,
    section: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<Route> {
    let mut seen: HashMap<(RouteMethod, Vec<Shape>), &str> = HashMap::new();
    let mut routes = Vec::new();
    for (key, route) in &written.0 {
        let at = section.key(key);
        let parsed = match route_key::parse(key) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                cx.error_at_key(&at, error.to_string());
                None
            }
        };
        if let Some(parsed) = &parsed {
            let claim = (
                parsed.method.clone(),
                route_key::shape(parsed.path.as_deref()),
            );
            if let Some(other) = seen.insert(claim, key) {
                let shown = shortened(other);
                cx.error_at_key(
                    &at,
                    format!("matches the same requests as `{shown}`: keep one"),
                );
            }
        }
        if around.kind == ApiKind::Rest && parsed.as_ref().is_some_and(|key| key.path.is_none()) {
            let message = "only HTTP APIs have a route `$default`: write `ANY /{proxy+}`, and \
                           `ANY /` for the root";
            cx.error_at_key(&at, message);
        }
        routes.extend(lower_one(key, parsed, route, &at, around, cx));
    }
    routes
}

fn lower_one(
    key: &str,
    parsed: Option<ParsedKey>,
    written: &written::Route,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Route> {
    let authorizer = lower_authorizer(written, at, cx);
    let throttle = written.throttle.as_ref().and_then(|throttle| {
        let limit = cx.limit(throttle.rate.0, throttle.burst, &at.key("throttle"));
        limit.map(|(_, limit)| Throttle { limit })
    });
    let caller_throttle = written.caller_throttle.as_ref().and_then(|throttle| {
        lower_caller_throttle(throttle, written, &at.key("caller_throttle"), cx)
    });
    let validation = validation::lower(written, parsed.as_ref(), at, around, cx);
    let integration =
        lower_integration(written, parsed.as_ref(), &at.key("integration"), around, cx);
    let is_mapped = match &integration {
        Some(Integration::HttpProxy(proxy)) => proxy.mappings.read_body(),
        None | Some(Integration::Mock(_) | Integration::Refused) => false,
    };
    let is_read = validation.body.is_some() || is_mapped;
    let (body, body_bytes_max) = lower_body(written, is_read, at, around.body_memory_max, cx);
    // What a mock is not told by a template, it reads in the body.
    let (body, body_bytes_max) = match &integration {
        Some(Integration::Mock(_)) => (BodyMode::Buffer, TEMPLATE_BYTES_MAX as u64),
        _ => (body, body_bytes_max),
    };
    if matches!(integration, Some(Integration::Mock(_))) {
        for (key, is_written) in [
            ("body", written.body.is_some()),
            ("body_max", written.body_max.is_some()),
        ] {
            if is_written {
                let message = "a mock reads no body but a small document: take this out";
                cx.error_at_key(&at.key(key), message);
            }
        }
    }
    let ParsedKey { method, path } = parsed?;
    Some(Route {
        key: RouteKey::new(key),
        method,
        path,
        authorizer,
        scopes: written.scopes.clone(),
        throttle,
        caller_throttle,
        validation,
        body,
        body_bytes_max,
        integration: integration?,
    })
}

fn lower_authorizer(
    written: &written::Route,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<AuthorizerName> {
    let scopes = at.key("scopes");
    for (index, scope) in written.scopes.iter().enumerate() {
        // RFC 6749, section 3.3: visible ASCII without quote and backslash.
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        if scope.is_empty() || !scope.chars().all(allowed) {
            let shown = shortened(scope);
            cx.error(
                &scopes.item(index),
                format!("`{shown}` is not a scope of RFC 6749"),
            );
        }
    }
    if written.authorizer == NONE {
        if !written.scopes.is_empty() {
            let message = "a public route has no token that could carry scopes: name an \
                           authorizer or take the scopes out";
            cx.error_at_key(&scopes, message);
        }
        return None;
    }
    let named = &written.authorizer;
    cx.reference(
        "authorizers",
        "authorizer",
        Some(NONE),
        named,
        &at.key("authorizer"),
    );
    Some(AuthorizerName::new(&written.authorizer))
}

fn lower_caller_throttle(
    written: &written::CallerThrottle,
    route: &written::Route,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<CallerThrottle> {
    let key = lower_caller_key(&written.key, route, &at.key("key"), cx);
    let limit = cx
        .limit(written.rate.0, written.burst, at)
        .map(|(_, limit)| limit);
    let overflow = match &written.overflow {
        None => limit,
        Some(overflow) => cx
            .limit(overflow.rate.0, overflow.burst, &at.key("overflow"))
            .map(|(_, limit)| limit),
    };
    Some(CallerThrottle {
        key: key?,
        limit: limit?,
        overflow: overflow?,
    })
}

fn lower_caller_key(
    written: &str,
    route: &written::Route,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<CallerKey> {
    if let Some(name) = written.strip_prefix("$request.header.") {
        return cx.header_name(name, at).map(CallerKey::Header);
    }
    match written.strip_prefix("$context.authorizer.claims.") {
        Some(claim) if !claim.is_empty() => {
            if route.authorizer == NONE {
                let message = "a public route has no token that could carry claims: name an \
                               authorizer or tell callers apart by a header";
                cx.error(at, message);
            }
            Some(CallerKey::Claim(claim.to_owned()))
        }
        Some(_) | None => {
            let shown = shortened(written);
            let form = "`$context.authorizer.claims.<claim>` or `$request.header.<name>`";
            cx.error(
                at,
                format!("`{shown}` does not tell callers apart: write {form}"),
            );
            None
        }
    }
}

/// `is_read` says that the gateway itself reads the body, which it does whole.
fn lower_body(
    written: &written::Route,
    is_read: bool,
    at: &Cursor<'_>,
    body_memory_max: u64,
    cx: &mut Lowering<'_>,
) -> (BodyMode, u64) {
    let mode = match written.body {
        Some(written::Body::Buffer) => BodyMode::Buffer,
        None | Some(written::Body::Stream) if is_read => BodyMode::Buffer,
        None | Some(written::Body::Stream) => BodyMode::Stream,
    };
    let size_at = at.key("body_max");
    let max = cx.size(written.body_max.as_ref(), &size_at, 0..=TIB, 10 * MIB);
    if mode == BodyMode::Buffer && max > body_memory_max {
        let message =
            "one such body would not fit into `body_memory_max`: lower this or raise that";
        cx.error(&size_at, message);
    }
    (mode, max)
}

fn lower_integration(
    route: &written::Route,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Integration> {
    let written = &route.integration;
    match written.kind {
        Some(IntegrationType::Mock) => return lower_mock(written, at, around, cx),
        Some(IntegrationType::Refused) => return Some(lower_refused(at, cx)),
        Some(IntegrationType::HttpProxy) | None => {}
    }
    for (key, is_written) in [
        ("request_templates", !written.request_templates.0.is_empty()),
        ("passthrough", written.passthrough.is_some()),
        ("responses", !written.responses.0.is_empty()),
    ] {
        if is_written {
            let message = "only a mock has this: write `type: mock` or take it out";
            cx.error_at_key(&at.key(key), message);
        }
    }
    let longest = match around.kind {
        ApiKind::Http => s(30),
        ApiKind::Rest => s(29),
    };
    let timeout = written.timeout.as_ref();
    let timeout = cx.duration(timeout, &at.key("timeout"), ms(50)..=longest, longest);
    let method = written.method.as_deref().and_then(|method| {
        let method = lower_method(method, &at.key("method"), cx)?;
        match method {
            RouteMethod::Any => None,
            RouteMethod::Only(method) => Some(method),
        }
    });
    let mappings = parameters::lower(route, key, at, around, cx);
    Some(Integration::HttpProxy(HttpProxy {
        mappings,
        response_mappings: parameters::lower_responses(written, at, around, cx),
        target: lower_target(written, key, at, around, cx)?,
        method,
        timeout,
    }))
}

fn lower_mock(
    written: &written::Integration,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Integration> {
    if around.kind == ApiKind::Http {
        cx.error_at_key(&at.key("type"), "only REST APIs have mocks");
    }
    for (key, is_written) in [
        ("upstream", written.upstream.is_some()),
        ("path", written.path.is_some()),
        ("uri", written.uri.is_some()),
        ("method", written.method.is_some()),
        ("timeout", written.timeout.is_some()),
        (
            "request_parameters",
            !written.request_parameters.0.is_empty(),
        ),
        (
            "response_parameters",
            !written.response_parameters.0.is_empty(),
        ),
    ] {
        if is_written {
            cx.error_at_key(&at.key(key), "a mock has no backend: take this out");
        }
    }
    Some(Integration::Mock(mock::lower(written, at, cx)))
}

fn lower_refused(at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Integration {
    for key in at.names().filter(|key| *key != "type") {
        let message = "what is refused has no settings: take this out";
        cx.error_at_key(&at.key(key), message);
    }
    Integration::Refused
}

fn lower_method(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<RouteMethod> {
    let known = route_key::METHODS.iter().find(|(name, _)| *name == written);
    if known.is_none() {
        let names = route_key::METHODS.iter().map(|(name, _)| *name);
        let fix = suggestion(written, names);
        cx.error(at, format!("`{}` is not a method{fix}", shortened(written)));
    }
    known.map(|(_, method)| method.clone())
}

fn lower_target(
    written: &written::Integration,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Target> {
    match (&written.upstream, &written.uri) {
        (Some(upstream), None) => {
            cx.reference("upstreams", "upstream", None, upstream, &at.key("upstream"));
            // The parameters of a key that was refused are not known.
            if let (Some(path), Some(key)) = (&written.path, key)
                && let names = parameters::placeholders(written, key)
                && let Err(error) = super::path_template::check(path, names.into_iter())
            {
                cx.error(&at.key("path"), error.to_string());
            }
            Some(Target::Upstream {
                name: UpstreamName::new(upstream),
                path: written.path.clone(),
            })
        }
        (None, Some(uri)) => {
            if written.path.is_some() {
                cx.error_at_key(
                    &at.key("path"),
                    "`uri` has a path of its own: take this out",
                );
            }
            let names = parameters::placeholders(written, key?);
            lower_uri(uri, &names, &at.key("uri"), around, cx)
        }
        (Some(_), Some(_)) => {
            let message = "`upstream` and `uri` both say where to: keep one";
            cx.error_at_key(&at.key("uri"), message);
            None
        }
        (None, None) => {
            let message = "nothing says where to: write `upstream: <name>` or `uri: <URL>`";
            cx.error_at_key(at, message);
            None
        }
    }
}

fn lower_uri(
    uri: &str,
    names: &[&str],
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Target> {
    let mut endpoints = BTreeMap::new();
    for environment in around.environments {
        let stage = &environment.variant.stage;
        for name in endpoint::variables(uri) {
            if !environment.variables.contains_key(name) {
                let name = shortened(name);
                let message =
                    format!("the stage `{stage}` has no variable `{name}`: it stands for nothing");
                cx.warning(at, message);
            }
        }
        let parsed = endpoint::substituted(uri, environment)
            .and_then(|uri| endpoint::parse(&uri, names.iter().copied()));
        match parsed {
            Ok(endpoint) => {
                endpoints.insert(environment.variant.clone(), endpoint);
            }
            Err(error) if uri.contains("${") => {
                cx.error(at, format!("in the stage `{stage}`: {error}"));
                return None;
            }
            Err(error) => {
                cx.error(at, error.to_string());
                return None;
            }
        }
    }
    Some(Target::Uri(endpoints))
}
