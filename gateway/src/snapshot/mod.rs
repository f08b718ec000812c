//! What runs: compiled once per load, pinned by every request.

mod compile;

pub use compile::{CompileError, Compiler, slot_names, slot_tags};

use std::collections::HashMap;
use std::sync::Arc;

use crate::integration::ForwardPlan;
use crate::model::BodyMode;
use crate::router::Router;
use crate::step::admit::AdmitPlan;
use crate::step::authorize::{AuthorizePlan, JwtAuthorizer};
use crate::upstream::UpstreamPlan;

/// Everything a request may need, as of one load of the configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the loads of this process, from 1.
    pub generation: u64,
    /// By listener.
    hosts: HashMap<Arc<str>, Hosts>,
    /// Every upstream.
    pub upstreams: Vec<Arc<UpstreamPlan>>,
    /// Every authorizer.
    pub authorizers: Vec<Arc<JwtAuthorizer>>,
}

/// Which API answers which host, on one listener.
#[derive(Debug, Default)]
struct Hosts {
    named: HashMap<String, Arc<ApiPlan>>,
    other: Option<Arc<ApiPlan>>,
}

/// One API.
#[derive(Debug)]
pub struct ApiPlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its routes.
    pub router: Router<RoutePlan>,
}

/// One route: the plan of every step it needs, and of no other.
#[derive(Debug)]
pub struct RoutePlan {
    /// As written.
    pub key: Arc<str>,
    /// Who may call it; `None` leaves it public.
    pub authorize: Option<AuthorizePlan>,
    /// How often.
    pub admit: AdmitPlan,
    /// How the request body travels.
    pub body: BodyMode,
    /// Largest request body.
    pub body_bytes_max: u64,
    /// Where requests go.
    pub forward: ForwardPlan,
}

impl Snapshot {
    /// The API that answers `host` on `listener`.
    #[must_use]
    pub fn api(&self, listener: &str, host: &str) -> Option<&ApiPlan> {
        let hosts = self.hosts.get(listener)?;
        hosts
            .named
            .get(host)
            .or(hosts.other.as_ref())
            .map(AsRef::as_ref)
    }

    /// Puts the limits of every route in force.
    pub fn put_limits_in_force(&self, now_ns: u64) {
        for hosts in self.hosts.values() {
            for api in hosts.named.values().chain(&hosts.other) {
                for route in api.router.values() {
                    route.admit.put_in_force(now_ns);
                }
            }
        }
    }
}
