//! What is told and counted of the requests to a route, compiled.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use super::StagePlan;
use super::compile::Served;
use crate::language::message::Place;
use crate::model::{
    GatewayResponses, Http, IdentitySource, Integration, LogOutput, Logging, MethodSettings,
    RequestMappings, ResponseRule, Route, RouteKey, Target, Variant,
};
use crate::telemetry::execution_log::{Detail, ExecutionPlan, Masks};
use crate::telemetry::stage_counts::Counts;

/// What is told and counted of the requests to a route.
#[derive(Debug, Default)]
pub struct Observed {
    /// How they are followed for the execution log; `None` for not at all.
    pub execution: Option<Arc<ExecutionPlan>>,
    /// What the route counts for itself; `None` where only its stage does.
    pub counts: Option<Arc<Counts>>,
}

/// What the routes of one track of a stage have in common.
pub(super) struct Observing<'a> {
    /// What routes of this track have counted before, by their keys.
    counted: HashMap<&'a str, &'a Arc<Counts>>,
    /// Where the authorizers of the gateway read tokens from.
    sources: Vec<&'a IdentitySource>,
    /// What clients get of requests that are refused.
    responses: &'a GatewayResponses,
    /// Which track of which stage it is.
    variant: &'a Variant,
    /// Whether the execution log goes anywhere: for nobody no request is followed, whatever the
    /// stage asks for.
    is_told: bool,
}

impl<'a> Observing<'a> {
    /// `previous` is the same track as it runs.
    pub(super) fn new(
        served: &'a Served<'_>,
        previous: Option<&'a StagePlan>,
        sources: Vec<&'a IdentitySource>,
        execution_log: &LogOutput,
    ) -> Self {
        let routes = previous.into_iter().flat_map(|stage| stage.router.values());
        let counted = routes.filter_map(|route| {
            let counts = route.observed.counts.as_ref()?;
            Some((&*route.key, counts))
        });
        Self {
            counted: counted.collect(),
            sources,
            responses: &served.definition.gateway_responses,
            variant: &served.variant,
            is_told: *execution_log != LogOutput::Off,
        }
    }

    /// What is observed of `route`.
    pub(super) fn of(&self, route: &Route, settings: MethodSettings) -> Observed {
        let detail = match settings.logging {
            _ if !self.is_told => None,
            Logging::Off => None,
            Logging::Errors => Some(Detail::Errors),
            Logging::Steps => Some(Detail::Steps),
            Logging::Data => Some(Detail::Data),
        };
        let execution = detail.map(|detail| {
            let masks = self.masks(route);
            Arc::new(ExecutionPlan { detail, masks })
        });
        let counts = settings.detailed_metrics;
        Observed {
            execution,
            counts: counts.then(|| self.counts(&route.key)),
        }
    }

    fn counts(&self, key: &RouteKey) -> Arc<Counts> {
        let known = self.counted.get(key.as_str());
        known.map_or_else(Arc::default, |counts| Arc::clone(counts))
    }

    /// A token may come to any route, also to one that does not ask for it.
    fn masks(&self, route: &Route) -> Masks {
        let mut masks = Masks::default();
        for source in &self.sources {
            match source {
                IdentitySource::Header(name) => masks.headers.push(name.clone()),
                IdentitySource::Query(name) => masks.queries.push(name.as_str().into()),
            }
        }
        masks.answer_headers = self.answer_headers(route, &masks);
        let Some(backend) = route.integration.backend() else {
            return masks;
        };
        if let Target::Uri(endpoints) = &backend.target
            && let Some(endpoint) = endpoints.get(self.variant)
        {
            masks.endpoint_path = endpoint.path_of_variables;
        }
        let RequestMappings::Rest(mappings) = &backend.mappings else {
            return masks;
        };
        for mapping in mappings {
            let name = mapping.name.text();
            let becomes = (mapping.place == Place::Header).then_some(name);
            match mapping.place {
                _ if !mapping.may_carry_secret(|place, from| masks.hides(place, from, becomes)) => {
                }
                Place::Header => masks.endpoint_headers.extend(HeaderName::try_from(name)),
                Place::Path => masks.endpoint_path = true,
                // Queries to backends are never told.
                Place::Querystring => {}
            }
        }
        masks
    }

    /// Headers that clients get from what is masked elsewhere, whichever answer maps them: one of the
    /// integration's, or one to what is refused.
    fn answer_headers(&self, route: &Route, masks: &Masks) -> Vec<HeaderName> {
        let rules: &[ResponseRule] = match &route.integration {
            Integration::Http(Http { mapped, .. }) | Integration::Mock(mapped) => &mapped.responses,
            // The answers of an HTTP API's backends are mapped too, but those are not followed.
            Integration::HttpProxy(_) | Integration::Refused => &[],
        };
        let answered = rules.iter().flat_map(|rule| &rule.mappings);
        let answered = answered.filter_map(|mapping| {
            let name = mapping.name.text();
            let hides = |from: &str| masks.hides(Place::Header, from, Some(name));
            mapping.may_carry_secret(hides).then_some(name)
        });
        let refused = self.responses.0.values().flat_map(|rule| &rule.mappings);
        let refused = refused.filter(|mapping| mapping.place == Place::Header);
        let refused = refused.filter_map(|mapping| {
            let name = mapping.name.text();
            let hides = |place, from: &str| masks.hides(place, from, Some(name));
            mapping.may_carry_secret(hides).then_some(name)
        });
        let names = answered.chain(refused);
        names
            .filter_map(|name| HeaderName::try_from(name).ok())
            .collect()
    }
}
