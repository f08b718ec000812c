//! What runs: compiled once per load, pinned by every request.

mod authorizers;
mod aws;
mod backends;
mod compile;
mod error;
mod slot;
mod throttled;
mod seated;
mod door;
mod domain;
mod hosts;
mod integration;
mod lookups;
mod oauth;
mod observed;
mod policies;
mod site;
mod validation;

pub use compile::Compiler;
pub use domain::Asked;
pub use door::{Arrival, Room};
pub use error::CompileError;
pub use observed::Observed;
pub use site::{Destination, Missed, NoDestination};
pub use slot::{slot_names, slot_tags};

use std::collections::HashMap;
use std::sync::Arc;

use crate::aws::credentials::Provider;
use crate::exchange::Deployed;
use crate::integration::IntegrationPlan;
use crate::language::policy::Policy;
use crate::model::{
    Api, ApiId, ApiKind, BodyMode, KeySource, Listener, PenaltyRules, RequestSizes, Share,
    StageName, TlsTerms,
};
use crate::oauth::Client;
use crate::router::{RequestPath, Router, Slashes};
use crate::step::admit::AdmitPlan;
use crate::step::authorize::{AuthorizePlan, Authorizer};
use crate::step::bucket::CallerBucket;
use crate::step::compress::CompressPlan;
use crate::step::concurrency::ConcurrencyPlan;
use crate::step::conform::ConformPlan;
use crate::step::cors::CorsPlan;
use crate::step::decide::DecidePlan;
use crate::step::source_limit::SourcePlan;
use crate::step::validate::ValidatePlan;
use crate::store::bucket::Buckets;
use crate::upstream::UpstreamPlan;
use site::Hosts;

/// Everything a request may need, as of one load of the configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the loads of this process, from 1.
    pub generation: u64,
    /// By listener.
    hosts: HashMap<Arc<str>, Hosts>,
    /// Every API.
    apis: Vec<Arc<ApiPlan>>,
    /// Every listener, in the order of the file.
    pub listeners: Vec<Listener>,
    /// Every upstream.
    pub upstreams: Vec<Arc<UpstreamPlan>>,
    /// Every authorizer.
    pub authorizers: Vec<Arc<Authorizer>>,
    /// What calls of AWS are signed with; `None` where there are none.
    pub credentials: Option<Arc<Provider>>,
    /// What has tokens for servers that are asked.
    pub oauth_clients: Vec<Arc<Client>>,
    /// When callers are penalised.
    pub penalties: PenaltyRules,
}

/// One API through its stages.
#[derive(Debug)]
pub struct ApiPlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its id: another one of its name with another id is another API.
    id: ApiId,
    /// What kind it is.
    pub kind: ApiKind,
    /// How large the head of a request may be.
    pub sizes: RequestSizes,
    /// By the first segment of a path.
    named: HashMap<String, Tracks>,
    /// What serves every other path.
    default: Option<Tracks>,
}

/// One stage of an API: what it serves, and what it tries on a share of its requests.
#[derive(Debug)]
struct Tracks {
    /// Whether `base` is something else than what the file says.
    differs_from_file: bool,
    base: StagePlan,
    canary: Option<(Share, StagePlan)>,
}

impl Tracks {
    /// What serves a request with this draw, which is uniform over all values.
    fn draw(&self, draw: u64) -> &StagePlan {
        match &self.canary {
            Some((share, canary)) if share.includes(draw) => canary,
            Some(_) | None => &self.base,
        }
    }

    /// The base last: where both have a limit in one place, its own counts.
    fn all(&self) -> impl Iterator<Item = &StagePlan> {
        let canary = self.canary.iter().map(|(_, canary)| canary);
        canary.chain([&self.base])
    }
}

/// What one stage of an API serves.
#[derive(Debug)]
pub struct StagePlan {
    /// What requests have to know of it.
    pub deployed: Arc<Deployed>,
    /// What it tells pages of other origins; `None` leaves that to backends.
    pub cors: Option<CorsPlan>,
    /// Which answers it compresses; `None` for none.
    pub compress: Option<CompressPlan>,
    /// Who may call it from where.
    pub policy: Option<Arc<Policy>>,
    /// Its routes.
    pub router: Router<RoutePlan>,
    /// What each source is charged for requests that none of them answers.
    pub strays: SourcePlan,
}

impl ApiPlan {
    /// What empty segments of a path mean to this API.
    #[must_use]
    pub const fn slashes(&self) -> Slashes {
        match self.kind {
            ApiKind::Rest => Slashes::Collapsed,
            ApiKind::Http => Slashes::Exact,
        }
    }

    /// What pages of other origins may do with answers to paths that cannot be read: they are the
    /// default stage's, as every path is that names no other.
    #[must_use]
    pub fn cors_without_stage(&self) -> Option<&CorsPlan> {
        self.default.as_ref()?.base.cors.as_ref()
    }

    /// The stage that serves `path`, and what it sees of it.
    fn stage<'p>(&self, path: RequestPath<'p>) -> Option<(&Tracks, RequestPath<'p>)> {
        if let Some((first, rest)) = path.split_first(self.slashes())
            && let Some(stage) = self.named.get(first)
        {
            return Some((stage, rest));
        }
        Some((self.default.as_ref()?, path))
    }

    fn stage_named(&self, name: &str) -> Option<&Tracks> {
        if name == StageName::DEFAULT {
            return self.default.as_ref();
        }
        self.named.get(name)
    }

    fn stages(&self) -> impl Iterator<Item = &StagePlan> {
        let stages = self.named.values().chain(&self.default);
        stages.flat_map(Tracks::all)
    }
}

/// One route: the plan of every step it needs, and of no other.
#[derive(Debug)]
pub struct RoutePlan {
    /// As written.
    pub key: Arc<str>,
    /// Who may call it; `None` leaves it public, and so does an authorizer in monitor mode.
    pub authorize: Option<AuthorizePlan>,
    /// Who is asked what the caller may do; `None` asks nobody.
    pub decide: Option<Arc<DecidePlan>>,
    /// Where the API key that it asks for is read from; `None` where it asks for none.
    pub api_key: Option<KeySource>,
    /// How often each source may ask, before it is known who that is.
    pub sources: SourcePlan,
    /// How many at once.
    pub concurrency: ConcurrencyPlan,
    /// How often.
    pub admit: AdmitPlan,
    /// What of a request is checked; `None` for nothing.
    pub validate: Option<ValidatePlan>,
    /// What answers have to be; `None` lets every one pass.
    pub conform: Option<ConformPlan>,
    /// What is told and counted of its requests.
    pub observed: Observed,
    /// How the request body travels.
    pub body: BodyMode,
    /// Largest request body.
    pub body_bytes_max: u64,
    /// What answers.
    pub integration: IntegrationPlan,
}

impl RoutePlan {
    /// Who may call it, unless that is only watched.
    #[must_use]
    pub fn enforced(&self) -> Option<&AuthorizePlan> {
        let plan = self.authorize.as_ref();
        plan.filter(|plan| !plan.authorizer.model.monitor)
    }

    /// Whose decisions about its requests are only watched.
    #[must_use]
    pub fn watched(&self) -> Option<&AuthorizePlan> {
        let plan = self.authorize.as_ref();
        plan.filter(|plan| plan.authorizer.model.monitor)
    }
}

impl Snapshot {
    /// What `host` on a listener asks of handshakes.
    #[must_use]
    pub fn terms(&self, listener: &str, host: &str) -> TlsTerms {
        let hosts = self.hosts.get(listener);
        hosts.map_or_else(TlsTerms::default, |hosts| hosts.terms(host))
    }

    /// What answers a request that came in by `arrival`.
    ///
    /// # Errors
    /// See [`Missed`].
    pub fn find(
        &self,
        arrival: &Arrival<'_>,
        asked: &Asked<'_>,
    ) -> Result<Destination<'_>, Missed> {
        let hosts = self.hosts.get(arrival.listener);
        let hosts = hosts.ok_or(Missed {
            why: NoDestination::Host,
            asks_for_certificate: false,
        })?;
        hosts.find(arrival, asked)
    }

    /// Every track of every stage, with its API.
    pub fn stages(&self) -> impl Iterator<Item = (&ApiPlan, &StagePlan)> {
        let apis = self.apis.iter();
        apis.flat_map(|api| api.stages().map(move |stage| (&**api, stage)))
    }

    /// Every stage by the names of its API and its own, and whether what it serves, its canary apart,
    /// is something else than what the file says.
    pub fn differing(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.apis.iter().flat_map(|api| {
            let stages = api.named.values().chain(&api.default);
            stages.map(|it| (&*api.name, &*it.base.deployed.stage, it.differs_from_file))
        })
    }

    /// What a stage of the API of this name and id serves.
    fn tracks(&self, api: &Api, stage: &StageName) -> Option<&Tracks> {
        let is_same = |plan: &&Arc<ApiPlan>| plan.id == api.id && *plan.name == *api.name.as_str();
        let api = self.apis.iter().find(is_same);
        api?.stage_named(stage.as_str())
    }

    /// Puts the limits of every route in force.
    pub fn put_limits_in_force(&self, buckets: &Buckets, now_ns: u64) {
        for stage in self.apis.iter().flat_map(|api| api.stages()) {
            stage.strays.put_in_force(now_ns);
            for route in stage.router.values() {
                route.sources.put_in_force(now_ns);
                route.admit.put_in_force(now_ns);
            }
        }
        for authorizer in &self.authorizers {
            authorizer.guard.put_in_force(now_ns);
        }
        buckets.set_caller_yields(self.caller_yields().min());
    }

    /// What a caller may owe by each limit of callers to give way to another, in nanoseconds.
    fn caller_yields(&self) -> impl Iterator<Item = u64> {
        let stages = self.apis.iter().flat_map(|api| api.stages());
        let buckets = stages.flat_map(|stage| {
            let routes = stage.router.values();
            let of_routes =
                routes.flat_map(|route| route.sources.0.iter().chain(&route.admit.callers));
            stage.strays.0.iter().chain(of_routes)
        });
        let guards = self.authorizers.iter();
        let guards = guards.filter_map(|authorizer| authorizer.guard.yields_ns());
        buckets.map(CallerBucket::yields_ns).chain(guards)
    }
}
