//! What answers the requests of a route.

use std::collections::BTreeMap;

use super::quantity::{ms, s};
use super::route::Around;
use super::route_key::{self, ParsedKey};
use super::{Lowering, backend_tls, endpoint, non_proxy, parameters};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written::{self, IntegrationType};
use crate::model::{
    ApiKind, Backend, Http, HttpProxy, Integration, MethodResponses, RouteMethod, Target,
    UpstreamName,
};

/// Lowers the integration of a route. `declared` is what its method declares of its responses.
pub(super) fn lower(
    route: &written::Route,
    key: Option<&ParsedKey>,
    declared: Option<&MethodResponses>,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Integration> {
    let written = &route.integration;
    match written.kind {
        Some(IntegrationType::Mock) => {
            check_mock(written, at, around, cx);
            let mapped = non_proxy::lower(written, declared, at, cx);
            Some(Integration::Mock(mapped))
        }
        Some(IntegrationType::Refused) => Some(lower_refused(at, cx)),
        Some(IntegrationType::Http) => {
            if around.kind == ApiKind::Http {
                let message = "only REST APIs have this: write `http_proxy`";
                cx.error(&at.key("type"), message);
                return None;
            }
            if !written.response_parameters.0.is_empty() {
                let message = "this is of HTTP APIs: write `parameters` of `responses`";
                cx.error_at_key(&at.key("response_parameters"), message);
            }
            let mapped = non_proxy::lower(written, declared, at, cx);
            let backend = lower_backend(route, key, at, around, cx)?;
            Some(Integration::Http(Http { backend, mapped }))
        }
        Some(IntegrationType::HttpProxy) | None => {
            check_proxy(written, at, cx);
            Some(Integration::HttpProxy(HttpProxy {
                response_mappings: parameters::lower_responses(written, at, around, cx),
                backend: lower_backend(route, key, at, around, cx)?,
            }))
        }
    }
}

fn check_proxy(written: &written::Integration, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    for (key, is_written) in [
        ("request_templates", !written.request_templates.0.is_empty()),
        (
            "passthrough_behavior",
            written.passthrough_behavior.is_some(),
        ),
        ("content_handling", written.content_handling.is_some()),
        ("responses", !written.responses.0.is_empty()),
    ] {
        if is_written {
            let message = "a proxy passes on what comes: write `type: http` or `type: mock`, or \
                           take this out";
            cx.error_at_key(&at.key(key), message);
        }
    }
}

fn lower_backend(
    route: &written::Route,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Backend> {
    let written = &route.integration;
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
    Some(Backend {
        mappings,
        target: lower_target(written, key, at, around, cx)?,
        method,
        timeout,
    })
}

fn check_mock(
    written: &written::Integration,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) {
    if around.kind == ApiKind::Http {
        cx.error_at_key(
            &at.key("type"),
            "only REST APIs have mocks: write `http_proxy`, or make this API `type: rest`",
        );
    }
    for (key, is_written) in [
        ("upstream", written.upstream.is_some()),
        ("path", written.path.is_some()),
        ("uri", written.uri.is_some()),
        ("tls", written.tls.is_some()),
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
        let fix = suggestion(written, names, "write `GET`");
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
            if written.tls.is_some() {
                let message = "an upstream has its own: write it there";
                cx.error_at_key(&at.key("tls"), message);
            }
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
            lower_uri(uri, &names, written, at, around, cx)
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
    written: &written::Integration,
    integration: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Target> {
    let (at, tls_at) = (&integration.key("uri"), &integration.key("tls"));
    if let Some(tls) = &written.tls {
        backend_tls::check_kind(tls, around.kind, tls_at, cx);
    }
    let tls = backend_tls::lower(written.tls.as_ref(), tls_at, cx);
    parameters::warn_of_own_query(uri, written, around.kind, integration, cx);
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
            Ok(mut endpoint) => {
                backend_tls::apply(&tls, &mut endpoint.origin, tls_at, cx)?;
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
