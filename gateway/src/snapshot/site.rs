//! What answers which host.

use std::collections::HashMap;
use std::sync::Arc;

use super::domain::{Asked, DomainPlan, Lead};
use super::door::{Arrival, Door};
use super::{ApiPlan, StagePlan};
use crate::exchange::Rejection;
use crate::model::{ApiKind, DomainName, TlsTerms};
use crate::router::{PathError, RequestPath, Slashes};

/// What answers which host, on one listener.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    named: HashMap<String, Place>,
    /// By what follows the first label.
    wildcards: HashMap<String, Place>,
    /// What answers every other host.
    other: Option<(Arc<ApiPlan>, Door)>,
    /// Of hosts at which nothing answers.
    door: Door,
}

/// A host: who may come in, and to what.
#[derive(Clone, Debug)]
struct Place {
    door: Door,
    site: Site,
}

/// What answers one host.
#[derive(Clone, Debug)]
enum Site {
    /// An API, whose stages stand in the path.
    Api(Arc<ApiPlan>),
    /// A custom domain.
    Domain(Arc<DomainPlan>),
    /// The endpoint of an API that does not answer there.
    Closed(ApiKind),
}

/// Where a request is to be answered: an API and, behind a custom domain, what led to it.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'s> {
    /// The API.
    pub api: &'s ApiPlan,
    /// Whether the client has presented a certificate, because the host asks for one.
    pub client_is_certified: bool,
    lead: Option<Lead<'s>>,
}

/// A request that leads nowhere.
#[derive(Clone, Debug)]
pub struct Missed {
    /// Why.
    pub why: NoDestination,
    /// Whether its host asks clients for a certificate.
    pub asks_for_certificate: bool,
}

/// Why a request has no destination.
#[derive(Clone, Debug)]
pub enum NoDestination {
    /// It may not come in this way.
    Barred(Box<Rejection>),
    /// Nothing answers this host.
    Host,
    /// It is the endpoint of an API of this type that does not answer there.
    Closed(ApiKind),
    /// Neither a rule nor a mapping of the domain is for it.
    Mapping,
    /// The path cannot be read.
    Path(PathError),
}

impl Hosts {
    /// Nothing answers yet; `door` is that of hosts at which nothing will.
    pub(super) fn behind(door: Door) -> Self {
        Self {
            door,
            ..Self::default()
        }
    }

    pub(super) fn add_api(&mut self, host: String, door: Door, api: &Arc<ApiPlan>) {
        let site = Site::Api(Arc::clone(api));
        self.named.insert(host, Place { door, site });
    }

    pub(super) fn add_domain(&mut self, name: &DomainName, door: Door, plan: DomainPlan) {
        let site = Site::Domain(Arc::new(plan));
        let place = Place { door, site };
        match name {
            DomainName::Host(host) => self.named.insert(host.clone(), place),
            DomainName::Wildcard(parent) => self.wildcards.insert(parent.clone(), place),
        };
    }

    pub(super) fn close(&mut self, host: String, kind: ApiKind) {
        let door = self.door.clone();
        let site = Site::Closed(kind);
        self.named.insert(host, Place { door, site });
    }

    pub(super) fn answer_others(&mut self, door: Door, api: &Arc<ApiPlan>) {
        self.other = Some((Arc::clone(api), door));
    }

    fn place(&self, host: &str) -> Option<&Place> {
        self.named.get(host).or_else(|| {
            let (_, parent) = host.split_once('.')?;
            self.wildcards.get(parent)
        })
    }

    fn door<'s>(&'s self, place: Option<&'s Place>) -> &'s Door {
        match (place, &self.other) {
            (Some(place), _) => &place.door,
            (None, Some((_, door))) => door,
            (None, None) => &self.door,
        }
    }

    /// What a host asks of handshakes.
    pub(super) fn terms(&self, host: &str) -> TlsTerms {
        self.door(self.place(host)).terms()
    }

    pub(super) fn find(
        &self,
        arrival: &Arrival<'_>,
        asked: &Asked<'_>,
    ) -> Result<Destination<'_>, Missed> {
        let host = asked.host;
        let place = self.place(host);
        let other = self.other.as_ref();
        let door = self.door(place);
        let asks_for_certificate = door.asks_for_certificate();
        let missed = |why| Missed {
            why,
            asks_for_certificate,
        };
        let barred = |rejection| missed(NoDestination::Barred(Box::new(rejection)));
        door.admit(arrival, host).map_err(barred)?;
        let domain = match place.map(|place| &place.site) {
            Some(Site::Api(api)) => return Ok(Destination::of(api)),
            Some(Site::Domain(domain)) => domain,
            Some(Site::Closed(kind)) => return Err(missed(NoDestination::Closed(*kind))),
            None => {
                let found = other.map(|(api, _)| Destination::of(api));
                return found.ok_or(missed(NoDestination::Host));
            }
        };
        // Which API it is decides what empty segments mean; those at the ends are no mapping's.
        let path = RequestPath::parse(asked.path, Slashes::Collapsed);
        let path = path.map_err(|error| missed(NoDestination::Path(error)))?;
        let lead = domain.lead(asked, &path);
        let lead = lead.ok_or(missed(NoDestination::Mapping))?;
        let target = lead.target();
        if let Some(room) = &target.room {
            room.admit(arrival).map_err(barred)?;
        }
        Ok(Destination {
            api: &target.api,
            client_is_certified: asks_for_certificate,
            lead: Some(lead),
        })
    }
}

impl<'s> Destination<'s> {
    const fn of(api: &'s ApiPlan) -> Self {
        Self {
            api,
            client_is_certified: false,
            lead: None,
        }
    }

    /// What serves `path` of a request with this draw, and what it sees of it. The draw is uniform
    /// over all values, and decides about canaries alone.
    #[must_use]
    pub fn stage<'p>(
        &self,
        path: RequestPath<'p>,
        draw: u64,
    ) -> Option<(&'s StagePlan, RequestPath<'p>)> {
        let Some(lead) = self.lead else {
            let (stage, path) = self.api.stage(path)?;
            return Some((stage.draw(draw), path));
        };
        let stage = self.api.stage_named(&lead.target().stage)?;
        let mut path = path;
        for _ in 0..lead.stripped() {
            (_, path) = path.split_first(self.api.slashes())?;
        }
        Some((stage.draw(draw), path))
    }

    /// The path of the mapping that led here, without slashes at its ends; `None` without a custom
    /// domain, and where a routing rule led here.
    #[must_use]
    pub fn base_path(&self) -> Option<String> {
        self.lead?.mapping()
    }

    /// The id of the routing rule that led here, if one did.
    #[must_use]
    pub fn routing_rule(&self) -> Option<&'s Arc<str>> {
        self.lead?.rule()
    }
}
