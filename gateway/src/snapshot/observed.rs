//! What is told and counted of the requests to a route, compiled.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use super::StagePlan;
use crate::language::message::Place;
use crate::model::{IdentitySource, Logging, MethodSettings, RequestMappings, Route, RouteKey};
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
}

impl<'a> Observing<'a> {
    /// `previous` is the same track as it runs.
    pub(super) fn new(previous: Option<&'a StagePlan>, sources: Vec<&'a IdentitySource>) -> Self {
        let routes = previous.into_iter().flat_map(|stage| stage.router.values());
        let counted = routes.filter_map(|route| {
            let counts = route.observed.counts.as_ref()?;
            Some((&*route.key, counts))
        });
        Self {
            counted: counted.collect(),
            sources,
        }
    }

    /// What is observed of `route`.
    pub(super) fn of(&self, route: &Route, settings: MethodSettings) -> Observed {
        let detail = match settings.logging {
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
        let backend = route.integration.backend();
        let Some(RequestMappings::Rest(mappings)) = backend.map(|backend| &backend.mappings) else {
            return masks;
        };
        for mapping in mappings {
            let is_secret = mapping.may_carry_secret(|place, name| match place {
                Place::Header => masks.hides_header(name),
                Place::Querystring => masks.hides_query(name),
                Place::Path => false,
            });
            match mapping.place {
                _ if !is_secret => {}
                Place::Header => {
                    let name = HeaderName::try_from(mapping.name.text());
                    masks.endpoint_headers.extend(name);
                }
                Place::Path => masks.endpoint_path = true,
                // Queries to backends are never told.
                Place::Querystring => {}
            }
        }
        masks
    }
}
