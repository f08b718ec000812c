//! From the model to what runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::OnceLock;

use super::aws::Services;
use super::backends::Backends;
use super::hosts::hosts;
use super::integration;
use super::observed::{Observed, Observing};
use super::policies::{Ways, policies};
use super::seated::seated;
use super::throttled::{Limited, strays, throttled};
use super::validation::Schemas;
use super::{ApiPlan, CompileError, RoutePlan, Snapshot, StagePlan, Tracks};
use crate::clock;
use crate::concurrency::Concurrency;
use crate::exchange::Deployed;
use crate::model::{
    Api, ApiName, AuthorizerName, Certificate, Definition, DeploymentNumber, Gateway, Identity,
    IdentitySource, LogOutput, PolicySetName, Route, Stage, StageThrottles, Throttle, Track,
    Upstream, Variant,
};
use crate::router::Router;
use crate::step::authorize::{AuthorizePlan, Authorizer};
use crate::step::compress::CompressPlan;
use crate::step::cors::CorsPlan;
use crate::step::decide::DecidePlan;
use crate::store::bucket::Buckets;
use crate::store::decision::Decisions;
use crate::store::lease::SlotRegistry;
use crate::telemetry::stage_counts::StageCounts;
use crate::upstream::tls::{Clients, RootsError, system_roots};
use crate::upstream::{ClientIdentity, UpstreamPlan};

/// Compiles snapshots, carrying over what outlives them.
#[derive(Debug)]
pub struct Compiler {
    slots: Arc<SlotRegistry>,
    decisions: Arc<Decisions>,
    concurrency: Concurrency,
    clients: OnceLock<Clients>,
}

impl Compiler {
    /// A compiler over these stores.
    #[must_use]
    pub fn new(slots: Arc<SlotRegistry>, decisions: Arc<Decisions>) -> Self {
        Self {
            slots,
            decisions,
            concurrency: Concurrency::default(),
            clients: OnceLock::new(),
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
        let backends = Backends::compile(model, previous, |upstream, identity| {
            self.upstream(upstream, identity)
        })?;
        let upstreams = backends.plans().cloned().collect();
        let credentials = self.credentials(model, previous)?;
        let services = Services::new(&backends, credentials.as_ref());
        let authorizers = self.authorizers(model, previous, &backends, services)?;
        let oauth_clients = self.oauth_clients(model, previous)?;
        let ways = Ways {
            backends: &backends,
            services,
            clients: &oauth_clients,
        };
        let policies = policies(model, ways, self.decisions())?;
        let parts = Parts {
            previous,
            identity: &model.identity,
            account: Arc::from(model.identity.account.as_str()),
            throttle: model.throttle.as_ref(),
            execution_log: &model.telemetry.execution_log,
            backends,
            policies,
            authorizers: authorizers
                .iter()
                .map(|a| (a.model.name.clone(), a))
                .collect(),
        };
        let mut apis = HashMap::new();
        for api in &model.apis {
            apis.insert(api.name.clone(), Arc::new(self.api(api, &parts)?));
        }
        let hosts = model.listeners.iter().map(|listener| {
            let hosts = hosts(listener, model, &apis)?;
            Ok::<_, CompileError>((Arc::from(listener.name.as_str()), hosts))
        });
        let hosts = hosts.collect::<Result<_, _>>()?;
        let generation = previous.map_or(1, |previous| previous.generation + 1);
        Ok(Snapshot {
            generation,
            hosts,
            apis: apis.into_values().collect(),
            listeners: model.listeners.clone(),
            upstreams,
            authorizers,
            credentials,
            oauth_clients,
            penalties: model.edge.penalties,
        })
    }

    pub(super) fn clients(&self) -> Result<&Clients, RootsError> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let clients = Clients::new(system_roots()?);
        Ok(self.clients.get_or_init(|| clients))
    }

    pub(super) fn upstream(
        &self,
        upstream: &Upstream,
        identity: Option<&ClientIdentity>,
    ) -> Result<UpstreamPlan, CompileError> {
        let tls = match &upstream.target.tls {
            Some(asked) => Some(self.clients()?.backend(asked, identity)),
            None => None,
        };
        let hall = upstream.requests_max.map(|_| {
            let tag = Buckets::slot_tag(&["@upstream", upstream.name.as_str()]);
            self.concurrency.halls.of(tag)
        });
        Ok(UpstreamPlan::compile(upstream, tls, hall)?)
    }

    fn api(&self, api: &Api, parts: &Parts<'_>) -> Result<ApiPlan, CompileError> {
        let mut plan = ApiPlan {
            name: Arc::from(api.name.as_str()),
            id: api.id.clone(),
            kind: api.kind,
            sizes: api.sizes,
            named: HashMap::new(),
            default: None,
        };
        for stage in &api.stages {
            let compiled = self.tracks(api, stage, parts)?;
            if stage.name.is_default() {
                plan.default = Some(compiled);
            } else {
                plan.named.insert(stage.name.to_string(), compiled);
            }
        }
        Ok(plan)
    }

    fn tracks(&self, api: &Api, stage: &Stage, parts: &Parts<'_>) -> Result<Tracks, CompileError> {
        let variant = |track| Variant {
            stage: stage.name.clone(),
            track,
        };
        let client_certificate = stage.client_certificate.as_ref();
        let [counts, canary_counts] = parts.counts(api, stage);
        let base = Served {
            variant: variant(Track::Base),
            client_certificate,
            definition: &stage.definition,
            variables: &stage.variables,
            deployment: stage.deployment,
            throttles: &stage.throttles,
            counts,
        };
        let canary = match &stage.canary {
            None => None,
            Some(canary) => {
                let served = Served {
                    variant: variant(Track::Canary),
                    client_certificate,
                    definition: &canary.definition,
                    variables: &canary.variables,
                    deployment: Some(canary.deployment),
                    throttles: &stage.throttles,
                    counts: canary_counts,
                };
                Some((canary.share, self.stage(api, stage, &served, parts)?))
            }
        };
        Ok(Tracks {
            differs_from_file: api.differs_from_file(stage),
            base: self.stage(api, stage, &base, parts)?,
            canary,
        })
    }

    fn stage(
        &self,
        api: &Api,
        stage: &Stage,
        served: &Served<'_>,
        parts: &Parts<'_>,
    ) -> Result<StagePlan, CompileError> {
        let definition = served.definition;
        let schemas = Schemas::compile(&api.name, definition)?;
        let previous = parts.previous_stage(api, &served.variant);
        let observing = Observing::new(
            served,
            previous,
            parts.identity_sources(),
            parts.execution_log,
        );
        let mut router = Router::default();
        for route in &definition.routes {
            let route = &*stage.throttles.applied(route);
            let plan = RoutePlan {
                observed: observing.of(route, stage.settings.of(&route.key)),
                ..self.route(api, served, route, &schemas, parts)?
            };
            router.insert(&route.method, route.path.as_deref(), plan);
        }
        Ok(StagePlan {
            deployed: Arc::new(Deployed {
                account: Arc::clone(&parts.account),
                id: api.id.clone(),
                is_private: api.private.is_some(),
                arn: parts.identity.stage_arn(&api.id, &stage.name).into(),
                stage: Arc::from(stage.name.as_str()),
                track: served.variant.track,
                counts: Arc::clone(&served.counts),
                deployment: served.deployment,
                variables: served.variables.clone(),
                responses: Arc::new(definition.gateway_responses.clone()),
                throttle_headers: api.throttle_headers,
                log_format: stage.log_format.clone(),
            }),
            cors: cors_plan(&api.name, definition)?,
            compress: definition
                .compression_bytes_min
                .map(|bytes_min| CompressPlan { bytes_min }),
            policy: definition.policy.clone(),
            router,
            strays: strays(&self.slots, limited(api, served, parts))?,
        })
    }

    fn route(
        &self,
        api: &Api,
        served: &Served<'_>,
        route: &Route,
        schemas: &Schemas<'_>,
        parts: &Parts<'_>,
    ) -> Result<RoutePlan, CompileError> {
        let authorize = match &route.authorizer {
            None => None,
            Some(name) => Some(AuthorizePlan {
                authorizer: parts
                    .authorizers
                    .get(name)
                    .map(|found| Arc::clone(found))
                    .ok_or_else(|| dangling(route, name.as_str()))?,
                scopes: route.scopes.clone(),
            }),
        };
        let decide = match &route.policies {
            None => None,
            Some(name) => {
                let plan = parts.policies.get(name);
                Some(Arc::clone(
                    plan.ok_or_else(|| dangling(route, name.as_str()))?,
                ))
            }
        };
        let limited = limited(api, served, parts);
        let (sources, admit) = throttled(&self.slots, limited, route)?;
        Ok(RoutePlan {
            key: Arc::from(route.key.as_str()),
            authorize,
            decide,
            api_key: route
                .api_key_required
                .then_some(served.definition.key_source),
            sources,
            admit,
            concurrency: seated(&self.concurrency, api, &served.variant.stage, route),
            validate: schemas.plan(&route.validation)?,
            conform: schemas.conform(route)?,
            observed: Observed::default(),
            body: route.body,
            body_bytes_max: route.body_bytes_max,
            integration: integration::plan(api, served, route, parts)?,
        })
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

/// What one track of a stage serves.
pub(super) struct Served<'a> {
    pub(super) variant: Variant,
    pub(super) definition: &'a Definition,
    /// What its backends are shown.
    pub(super) client_certificate: Option<&'a Certificate>,
    variables: &'a BTreeMap<String, String>,
    deployment: Option<DeploymentNumber>,
    throttles: &'a StageThrottles,
    counts: Arc<StageCounts>,
}

/// What routes refer to.
pub(super) struct Parts<'a> {
    identity: &'a Identity,
    account: Arc<str>,
    /// Of all APIs together.
    throttle: Option<&'a Throttle>,
    execution_log: &'a LogOutput,
    pub(super) backends: Backends<'a>,
    authorizers: HashMap<AuthorizerName, &'a Arc<Authorizer>>,
    policies: HashMap<PolicySetName, Arc<DecidePlan>>,
    previous: Option<&'a Snapshot>,
}

impl Parts<'_> {
    /// A track of a stage as it runs: what its routes count is counted on.
    fn previous_stage(&self, api: &Api, variant: &Variant) -> Option<&StagePlan> {
        let tracks = self.previous?.tracks(api, &variant.stage)?;
        match variant.track {
            Track::Base => Some(&tracks.base),
            Track::Canary => tracks.canary.as_ref().map(|(_, canary)| canary),
        }
    }

    /// Where the authorizers of the gateway read tokens from.
    fn identity_sources(&self) -> Vec<&IdentitySource> {
        let authorizers = self.authorizers.values();
        let sources = authorizers.flat_map(|authorizer| authorizer.model.identity_sources());
        sources.collect()
    }

    /// What the tracks of a stage count with, of the base and of its canary: as before, while both
    /// serve what they did.
    fn counts(&self, api: &Api, stage: &Stage) -> [Arc<StageCounts>; 2] {
        let known = self.previous.and_then(|it| it.tracks(api, &stage.name));
        let goes_on = known.is_some_and(|known| known.serve(stage));
        let since = clock::unix_seconds();
        let counts = |track: Option<&StagePlan>| match track.map(|it| &it.deployed.counts) {
            Some(counts) if goes_on => Arc::clone(counts),
            Some(counts) => Arc::new(counts.next(since)),
            None => Arc::new(StageCounts::begin(since)),
        };
        let canary = known.and_then(|known| known.canary.as_ref());
        [
            counts(known.map(|known| &known.base)),
            counts(canary.map(|(_, canary)| canary)),
        ]
    }
}

impl Tracks {
    /// Whether base and canary serve what they are to serve of `stage`. That is more than their
    /// deployments: variables lead to backends.
    fn serve(&self, stage: &Stage) -> bool {
        let serves = |plan: &StagePlan, deployment, variables: &BTreeMap<String, String>| {
            plan.deployed.deployment == deployment && plan.deployed.variables == *variables
        };
        let canary = match (&self.canary, &stage.canary) {
            (None, None) => true,
            (Some((_, plan)), Some(canary)) => {
                serves(plan, Some(canary.deployment), &canary.variables)
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        canary && serves(&self.base, stage.deployment, &stage.variables)
    }
}

pub(super) fn dangling(route: &Route, missing: &str) -> CompileError {
    CompileError::Dangling {
        route: route.key.to_string(),
        missing: missing.to_owned(),
    }
}

/// What limits requests to a stage beside their routes.
fn limited<'m>(api: &'m Api, served: &'m Served<'m>, parts: &Parts<'m>) -> Limited<'m> {
    Limited {
        api,
        stage: &served.variant.stage,
        throttles: served.throttles,
        account: parts.throttle,
    }
}

fn cors_plan(api: &ApiName, definition: &Definition) -> Result<Option<CorsPlan>, CompileError> {
    let plan = definition.cors.as_ref().map(CorsPlan::compile);
    plan.transpose().map_err(|source| CompileError::Cors {
        api: api.clone(),
        source,
    })
}
