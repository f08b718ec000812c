//! Integrations, compiled.

use std::sync::Arc;

use super::CompileError;
use super::backends::Place;
use super::compile::{Parts, Served, dangling};
use crate::integration::{
    BackendPlan, ForwardPlan, HttpPlan, IntegrationPlan, NonProxyPlan, PathTemplate, RestHeaders,
};
use crate::language::selection::Selection;
use crate::model::{
    Api, ApiKind, Backend, Definition, Integration, NonProxy, Route, Segment, Target,
};

/// Compiles the integration of a route.
pub(super) fn plan(
    api: &Api,
    served: &Served<'_>,
    route: &Route,
    parts: &Parts<'_>,
) -> Result<IntegrationPlan, CompileError> {
    let definition = served.definition;
    Ok(match &route.integration {
        Integration::HttpProxy(proxy) => IntegrationPlan::HttpProxy(ForwardPlan {
            backend: backend_plan(route, served, &proxy.backend, parts)?,
            response_mappings: proxy.response_mappings.clone(),
            rest: match api.kind {
                ApiKind::Rest => Some(rest_headers(api, route)?),
                ApiKind::Http => None,
            },
        }),
        Integration::Http(http) => IntegrationPlan::Http(HttpPlan {
            backend: backend_plan(route, served, &http.backend, parts)?,
            mapped: non_proxy_plan(definition, route, &http.mapped)?,
            rest: rest_headers(api, route)?,
        }),
        Integration::Mock(mapped) => {
            IntegrationPlan::Mock(non_proxy_plan(definition, route, mapped)?)
        }
        Integration::Refused => IntegrationPlan::Refused,
    })
}

fn rest_headers(api: &Api, route: &Route) -> Result<RestHeaders, CompileError> {
    RestHeaders::new(&api.id).ok_or_else(|| dangling(route, api.id.as_str()))
}

fn backend_plan(
    route: &Route,
    served: &Served<'_>,
    backend: &Backend,
    parts: &Parts<'_>,
) -> Result<BackendPlan, CompileError> {
    let greedy = route
        .path
        .as_deref()
        .unwrap_or_default()
        .iter()
        .find_map(|part| match part {
            Segment::Greedy(name) => Some(name.clone()),
            Segment::Static(_) | Segment::Parameter(_) => None,
        });
    let find = |place| parts.backends.find(place, served.client_certificate);
    let (upstream, path, query) = match &backend.target {
        Target::Upstream { name, path } => {
            let upstream = find(Place::Upstream(name));
            let upstream = upstream.ok_or_else(|| dangling(route, name.as_str()))?;
            (upstream, path.as_deref(), None)
        }
        Target::Uri(endpoints) => {
            let variant = &served.variant;
            let endpoint = endpoints.get(variant);
            let endpoint = endpoint.ok_or_else(|| dangling(route, variant.stage.as_str()))?;
            let upstream = find(Place::Origin(&endpoint.origin));
            let upstream = upstream.ok_or_else(|| dangling(route, &endpoint.origin.host))?;
            (
                upstream,
                Some(endpoint.path.as_str()),
                endpoint.query.clone(),
            )
        }
    };
    Ok(BackendPlan {
        upstream: Arc::clone(upstream),
        method: backend.method.map(http::Method::from),
        path: path.map(PathTemplate::parse),
        query,
        greedy,
        mappings: backend.mappings.clone(),
        timeout: backend.timeout,
    })
}

fn non_proxy_plan(
    definition: &Definition,
    route: &Route,
    mapped: &NonProxy,
) -> Result<NonProxyPlan, CompileError> {
    let patterns = mapped.responses.iter().map(|rule| rule.pattern.as_deref());
    let declared = route.method_responses.as_ref();
    Ok(NonProxyPlan {
        selection: Selection::new(patterns).map_err(|source| CompileError::Selection {
            route: route.key.clone(),
            source,
        })?,
        mapped: mapped.clone(),
        declared: declared.map(|responses| responses.keys().copied().collect()),
        binary: definition.binary_media_types.clone(),
    })
}
