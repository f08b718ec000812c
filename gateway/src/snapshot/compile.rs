//! From the model to what runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::OnceLock;

use super::{ApiPlan, Hosts, RoutePlan, Snapshot};
use crate::integration::{ForwardPlan, PathTemplate};
use crate::model::{
    Api, Authorizer, AuthorizerName, CallerThrottle, Gateway, Route, Segment, Throttle, Upstream,
    UpstreamName,
};
use crate::router::Router;
use crate::step::admit::{AdmitPlan, CallerBucket, RouteBucket};
use crate::step::authorize::{AuthorizePlan, Decisions, JwtAuthorizer, KeySetError};
use crate::store::bucket::{Buckets, SlotsFull};
use crate::store::lease::{SlotLease, SlotRegistry};
use crate::upstream::tls::{RootsError, client_config, system_roots};
use crate::upstream::{UpstreamError, UpstreamPlan};

/// Why a configuration that means something cannot run here and now.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// An authorizer's keys.
    #[error("authorizer `{name}`")]
    Authorizer {
        /// Its name.
        name: AuthorizerName,
        /// What is wrong.
        source: KeySetError,
    },
    /// An upstream's address.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The system's root certificates, needed for HTTPS upstreams and key sets.
    #[error("root certificates")]
    Roots(#[from] RootsError),
    /// More buckets than there are slots.
    #[error("{0}")]
    Slots(SlotsFull),
    /// The model names something it does not hold; the configuration should have refused it.
    #[error("`{route}` names `{missing}`, which is not configured")]
    Dangling {
        /// The route.
        route: String,
        /// What it names.
        missing: String,
    },
}

/// Compiles snapshots, carrying over what outlives them.
#[derive(Debug)]
pub struct Compiler {
    slots: Arc<SlotRegistry>,
    decisions: Arc<Decisions>,
    client_tls: OnceLock<Arc<rustls::ClientConfig>>,
}

impl Compiler {
    /// A compiler over these stores.
    #[must_use]
    pub fn new(slots: Arc<SlotRegistry>, decisions: Arc<Decisions>) -> Self {
        Self {
            slots,
            decisions,
            client_tls: OnceLock::new(),
        }
    }

    /// Compiles `model`. What `previous` has and did not change is carried over: pooled
    /// connections, fetched keys, decisions.
    ///
    /// # Errors
    /// See [`CompileError`]; `previous` runs on untouched.
    pub fn compile(
        &self,
        model: &Gateway,
        previous: Option<&Snapshot>,
    ) -> Result<Snapshot, CompileError> {
        let upstreams = model
            .upstreams
            .iter()
            .map(|upstream| self.upstream(upstream, previous))
            .collect::<Result<Vec<_>, _>>()?;
        let authorizers = model
            .authorizers
            .iter()
            .map(|authorizer| self.authorizer(authorizer, previous))
            .collect::<Result<Vec<_>, _>>()?;
        let parts = Parts {
            upstreams: upstreams
                .iter()
                .map(|plan| (plan.name.clone(), plan))
                .collect(),
            authorizers: authorizers
                .iter()
                .map(|a| (a.model().name.clone(), a))
                .collect(),
        };
        let mut hosts: HashMap<Arc<str>, Hosts> = HashMap::new();
        for api in &model.apis {
            let plan = Arc::new(self.api(api, &parts)?);
            for listener in &api.listeners {
                let hosts = hosts.entry(Arc::from(listener.as_str())).or_default();
                if api.hosts.is_empty() {
                    hosts.other = Some(Arc::clone(&plan));
                }
                hosts.named.extend(
                    api.hosts
                        .iter()
                        .map(|host| (host.clone(), Arc::clone(&plan))),
                );
            }
        }
        let generation = previous.map_or(1, |previous| previous.generation + 1);
        Ok(Snapshot {
            generation,
            hosts,
            upstreams,
            authorizers,
        })
    }

    fn client_tls(&self) -> Result<Arc<rustls::ClientConfig>, RootsError> {
        if let Some(config) = self.client_tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = client_config(system_roots()?);
        Ok(Arc::clone(self.client_tls.get_or_init(|| config)))
    }

    fn upstream(
        &self,
        upstream: &Upstream,
        previous: Option<&Snapshot>,
    ) -> Result<Arc<UpstreamPlan>, CompileError> {
        let running =
            previous.and_then(|p| p.upstreams.iter().find(|plan| plan.settings == *upstream));
        if let Some(unchanged) = running {
            return Ok(Arc::clone(unchanged));
        }
        let tls = if upstream.target.tls {
            Some(self.client_tls()?)
        } else {
            None
        };
        Ok(Arc::new(UpstreamPlan::compile(upstream, tls)?))
    }

    fn authorizer(
        &self,
        authorizer: &Authorizer,
        previous: Option<&Snapshot>,
    ) -> Result<Arc<JwtAuthorizer>, CompileError> {
        let running = previous.and_then(|p| {
            p.authorizers
                .iter()
                .find(|running| running.model().name == authorizer.name)
        });
        JwtAuthorizer::build(authorizer, &self.decisions, &self.client_tls()?, running).map_err(
            |source| CompileError::Authorizer {
                name: authorizer.name.clone(),
                source,
            },
        )
    }

    fn api(&self, api: &Api, parts: &Parts<'_>) -> Result<ApiPlan, CompileError> {
        let mut router = Router::default();
        for route in &api.routes {
            let plan = self.route(api, route, parts)?;
            router.insert(&route.method, route.path.as_deref(), plan);
        }
        Ok(ApiPlan {
            name: Arc::from(api.name.as_str()),
            router,
        })
    }

    fn route(
        &self,
        api: &Api,
        route: &Route,
        parts: &Parts<'_>,
    ) -> Result<RoutePlan, CompileError> {
        let dangling = |missing: &str| CompileError::Dangling {
            route: route.key.to_string(),
            missing: missing.to_owned(),
        };
        let authorize = match &route.authorizer {
            None => None,
            Some(name) => Some(AuthorizePlan {
                authorizer: parts
                    .authorizers
                    .get(name)
                    .map(|found| Arc::clone(found))
                    .ok_or_else(|| dangling(name.as_str()))?,
                scopes: route.scopes.clone(),
            }),
        };
        let upstream = &route.integration.upstream;
        let greedy = route
            .path
            .as_deref()
            .unwrap_or_default()
            .iter()
            .find_map(|part| match part {
                Segment::Greedy(name) => Some(name.clone()),
                Segment::Static(_) | Segment::Parameter(_) => None,
            });
        let lease = |what| self.lease(api, route, what);
        Ok(RoutePlan {
            key: Arc::from(route.key.as_str()),
            authorize,
            admit: AdmitPlan {
                route: route
                    .throttle
                    .map(|throttle| route_bucket(throttle, lease(ROUTE)))
                    .transpose()?,
                caller: route
                    .caller_throttle
                    .as_ref()
                    .map(|throttle| caller_bucket(throttle, lease(CALLER)))
                    .transpose()?,
            },
            body: route.body,
            body_bytes_max: route.body_bytes_max,
            forward: ForwardPlan {
                upstream: parts
                    .upstreams
                    .get(upstream)
                    .map(|found| Arc::clone(found))
                    .ok_or_else(|| dangling(upstream.as_str()))?,
                path: route.integration.path.as_deref().map(PathTemplate::parse),
                greedy,
                timeout: route.integration.timeout,
            },
        })
    }

    /// The slot of a route's bucket. Its identity is what it throttles, not how fast, so that a
    /// changed rate keeps the bucket.
    fn lease(&self, api: &Api, route: &Route, what: &str) -> Result<SlotLease, CompileError> {
        self.slots
            .lease(slot_tag(api, route, what))
            .map_err(CompileError::Slots)
    }

    /// Every slot in use.
    #[must_use]
    pub const fn slots(&self) -> &Arc<SlotRegistry> {
        &self.slots
    }

    /// The decisions of all authorizers.
    #[must_use]
    pub const fn decisions(&self) -> &Arc<Decisions> {
        &self.decisions
    }
}

/// The tags of every slot that `model` names, so that others can be freed before it is compiled.
#[must_use]
pub fn slot_tags(model: &Gateway) -> HashSet<u64> {
    named_slots(model)
        .map(|(api, route, what)| slot_tag(api, route, what))
        .collect()
}

/// What every slot of `model` is called, with its tag: API and route, such as `pets GET /pets`,
/// followed by `per caller` where that throttle is meant.
#[must_use]
pub fn slot_names(model: &Gateway) -> Vec<(u64, String)> {
    named_slots(model)
        .map(|(api, route, what)| {
            let suffix = if what == CALLER { " per caller" } else { "" };
            let name = format!("{} {}{suffix}", api.name, route.key);
            (slot_tag(api, route, what), name)
        })
        .collect()
}

/// Every slot that a route may have.
fn named_slots(model: &Gateway) -> impl Iterator<Item = (&Api, &Route, &'static str)> {
    let routes = model
        .apis
        .iter()
        .flat_map(|api| api.routes.iter().map(move |route| (api, route)));
    routes.flat_map(|(api, route)| [ROUTE, CALLER].map(|what| (api, route, what)))
}

/// What the slots of a route are told apart by.
const ROUTE: &str = "route";
const CALLER: &str = "caller";

fn slot_tag(api: &Api, route: &Route, what: &str) -> u64 {
    Buckets::slot_tag(&[api.name.as_str(), route.key.as_str(), what])
}

struct Parts<'a> {
    upstreams: HashMap<UpstreamName, &'a Arc<UpstreamPlan>>,
    authorizers: HashMap<AuthorizerName, &'a Arc<JwtAuthorizer>>,
}

fn route_bucket(
    throttle: Throttle,
    lease: Result<SlotLease, CompileError>,
) -> Result<RouteBucket, CompileError> {
    Ok(RouteBucket {
        lease: lease?,
        limit: throttle.limit,
    })
}

fn caller_bucket(
    throttle: &CallerThrottle,
    parent: Result<SlotLease, CompileError>,
) -> Result<CallerBucket, CompileError> {
    Ok(CallerBucket {
        key: throttle.key.clone(),
        limit: throttle.limit,
        parent: parent?,
        overflow: throttle.overflow,
    })
}
