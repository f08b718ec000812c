//! Routes.

use std::collections::HashMap;

use super::Lowering;
use super::authorizer::NONE;
use super::quantity::{MIB, TIB, ms, s};
use super::route_key::{self, ParsedKey, Shape};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{
    AuthorizerName, BodyMode, CallerKey, CallerThrottle, Integration, Route, RouteKey, RouteMethod,
    Throttle, UpstreamName,
};

/// Lowers the routes of one API.
pub(super) fn lower(
    written: &written::Named<written::Route>,
    section: &Cursor<'_>,
    body_memory_max: u64,
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
        routes.extend(lower_one(key, parsed, route, &at, body_memory_max, cx));
    }
    routes
}

fn lower_one(
    key: &str,
    parsed: Option<ParsedKey>,
    written: &written::Route,
    at: &Cursor<'_>,
    body_memory_max: u64,
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
    let (body, body_bytes_max) = lower_body(written, at, body_memory_max, cx);
    let integration = lower_integration(
        &written.integration,
        parsed.as_ref(),
        &at.key("integration"),
        cx,
    );
    let ParsedKey { method, path } = parsed?;
    Some(Route {
        key: RouteKey::new(key),
        method,
        path,
        authorizer,
        scopes: written.scopes.clone(),
        throttle,
        caller_throttle,
        body,
        body_bytes_max,
        integration,
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

fn lower_body(
    written: &written::Route,
    at: &Cursor<'_>,
    body_memory_max: u64,
    cx: &mut Lowering<'_>,
) -> (BodyMode, u64) {
    let mode = match written.body {
        None | Some(written::Body::Stream) => BodyMode::Stream,
        Some(written::Body::Buffer) => BodyMode::Buffer,
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
    written: &written::Integration,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Integration {
    cx.reference(
        "upstreams",
        "upstream",
        None,
        &written.upstream,
        &at.key("upstream"),
    );
    // The parameters of a key that was refused are not known.
    if let (Some(path), Some(key)) = (&written.path, key) {
        let segments = key.path.as_deref().unwrap_or_default();
        let parameters = route_key::parameters(segments);
        if let Err(error) = super::path_template::check(path, parameters) {
            cx.error(&at.key("path"), error.to_string());
        }
    }
    let timeout = written.timeout.as_ref();
    Integration {
        upstream: UpstreamName::new(&written.upstream),
        path: written.path.clone(),
        timeout: cx.duration(timeout, &at.key("timeout"), ms(50)..=s(30), s(30)),
    }
}
