//! Routes.

use std::collections::{BTreeMap, HashMap};

use super::authorizer::NONE;
use super::quantity::{MIB, TIB};
use super::route_key::{self, ParsedKey, Shape};
use super::stage::Environment;
use super::throttle::Callers;
use super::{
    AUTHORIZERS, Lowering, concurrency, integration, method_response, policies, throttle,
    validation,
};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{
    ApiKind, AuthorizerName, BodyMode, Integration, PolicySetName, Route, RouteKey, RouteMethod,
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
    /// What its routes may name; `None` for the authorizers of the configuration.
    pub(super) authorizers: Option<&'a Thawed>,
}

/// Authorizers that a deployment has frozen, by their names there.
pub(super) type Thawed = BTreeMap<String, AuthorizerName>;

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
    let authorizer = lower_authorizer(written, at, around, cx);
    if written.api_key_required && around.kind == ApiKind::Http {
        let message = "only REST APIs ask for API keys: take this out, or write `false`";
        cx.error_at_key(&at.key("api_key_required"), message);
    }
    let callers = Callers::OfRoute(around.kind, written);
    let throttle = throttle::lower(written.throttle.as_ref(), &at.key("throttle"), cx);
    let caller_throttles = throttle::lower_callers(
        &written.caller_throttles,
        callers,
        &at.key("caller_throttles"),
        cx,
    );
    let caller_concurrency = concurrency::lower_callers(
        &written.caller_concurrency,
        callers,
        &at.key("caller_concurrency"),
        cx,
    );
    let validation = validation::lower(written, parsed.as_ref(), at, around, cx);
    let method_responses = method_response::lower(
        written.method_responses.as_ref(),
        &at.key("method_responses"),
        around,
        cx,
    );
    let integration = integration::lower(
        written,
        parsed.as_ref(),
        method_responses.as_ref(),
        &at.key("integration"),
        around,
        cx,
    );
    let (body, body_bytes_max) = match &integration {
        Some(Integration::Mock(_)) => lower_body_of_mock(written, at, around.body_memory_max, cx),
        Some(Integration::Http(_)) => lower_body(written, true, at, around.body_memory_max, cx),
        Some(Integration::HttpProxy(proxy)) => {
            let is_read = validation.body.is_some() || proxy.backend.mappings.read_body();
            lower_body(written, is_read, at, around.body_memory_max, cx)
        }
        Some(Integration::Refused) | None => {
            let is_read = validation.body.is_some();
            lower_body(written, is_read, at, around.body_memory_max, cx)
        }
    };
    let ParsedKey { method, path } = parsed?;
    Some(Route {
        key: RouteKey::new(key),
        method,
        path,
        authorizer,
        scopes: written.scopes.clone(),
        policies: lower_policies(written, at, around, cx),
        api_key_required: written.api_key_required,
        throttle,
        caller_throttles,
        concurrency: concurrency::lower(written.concurrency.as_ref()),
        caller_concurrency,
        validation,
        method_responses,
        body,
        body_bytes_max,
        integration: integration?,
    })
}

/// The policy set of a route, or of its API, where that was looked at already.
fn lower_policies(
    written: &written::Route,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<PolicySetName> {
    if let Some(name) = &written.policies {
        return policies::lower_name(name, &at.key("policies"), cx);
    }
    let of_api = around.at.key("policies");
    let name = of_api.scalar().filter(|name| *name != NONE)?;
    Some(PolicySetName::new(name))
}

fn lower_authorizer(
    written: &written::Route,
    at: &Cursor<'_>,
    around: &Around<'_>,
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
                format!("`{shown}` is not a scope of RFC 6749: write visible ASCII characters other than `\"` and `\\`"),
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
    let (named, at) = (&written.authorizer, at.key("authorizer"));
    let Some(thawed) = around.authorizers else {
        cx.reference(AUTHORIZERS, "authorizer", Some(NONE), named, &at);
        let kind = cx.root.key(AUTHORIZERS).key(named).key("type");
        if around.kind == ApiKind::Http && kind.scalar() == Some("cognito") {
            let message = "an HTTP API takes the tokens of a user pool by an authorizer of type \
                           `jwt`: name one whose `issuer` is the pool's and whose `audiences` are \
                           its app clients";
            cx.error(&at, message);
        }
        return Some(AuthorizerName::new(named));
    };
    if !thawed.contains_key(named) {
        let shown = shortened(named);
        let message = format!(
            "the authorizer `{shown}` was not kept with this deployment, which nothing can serve \
             therefore: have what serves it serve another one or, with `gateway deploy`, what the \
             file says"
        );
        cx.error(&at, message);
    }
    thawed.get(named).cloned()
}

/// Bytes that a body may have where nothing else is said: the service's limit for payloads.
const BODY_BYTES_MAX: u64 = 10 * MIB;

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
    let max = cx.size(written.body_max.as_ref(), &size_at, 0..=TIB, BODY_BYTES_MAX);
    if mode == BodyMode::Buffer && max > body_memory_max {
        let message =
            "one such body would not fit into `body_memory_max`: lower this or raise that";
        cx.error(&size_at, message);
    }
    (mode, max)
}

/// What a mock is not told by a template, it reads in the body. Bodies that it does not read may be as
/// large as anywhere.
fn lower_body_of_mock(
    written: &written::Route,
    at: &Cursor<'_>,
    body_memory_max: u64,
    cx: &mut Lowering<'_>,
) -> (BodyMode, u64) {
    for (key, is_written) in [
        ("body", written.body.is_some()),
        ("body_max", written.body_max.is_some()),
    ] {
        if is_written {
            let message = "a mock reads no body but a small document: take this out";
            cx.error_at_key(&at.key(key), message);
        }
    }
    (BodyMode::Buffer, BODY_BYTES_MAX.min(body_memory_max))
}
