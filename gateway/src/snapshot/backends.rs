//! Plans of backends: one for each, and one for each certificate that stages show it.
//!
//! A stage finds a plan by the backend and by the certificate that it shows, and by nothing less; so
//! none gets connections on which another one is known.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{CompileError, Snapshot};
use crate::model::{
    Api, AuthorizerName, Certificate, Gateway, Remote, Stage, Target, Upstream, UpstreamName,
    UpstreamTarget,
};
use crate::upstream::{ClientIdentity, UpstreamPlan};

/// What names a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place<'m> {
    /// An upstream's name.
    Upstream(&'m UpstreamName),
    /// Where a URL leads to.
    Origin(&'m UpstreamTarget),
}

/// Every backend of a configuration.
#[derive(Debug)]
pub(super) struct Backends<'m>(HashMap<Place<'m>, Backend<'m>>);

/// One backend, by the certificate that it is shown.
#[derive(Debug)]
struct Backend<'m> {
    settings: Upstream,
    plans: HashMap<Option<&'m Certificate>, Arc<UpstreamPlan>>,
}

impl<'m> Backend<'m> {
    fn new(settings: Upstream) -> Self {
        Self {
            settings,
            plans: HashMap::new(),
        }
    }

    /// What it sees of a certificate: without TLS nothing.
    fn seen<'c>(&self, certificate: Option<&'c Certificate>) -> Option<&'c Certificate> {
        certificate.filter(|_| self.settings.target.tls.is_some())
    }
}

impl<'m> Backends<'m> {
    /// The plans of all backends of `model`. `plan` makes those that `previous` does not have.
    pub(super) fn compile(
        model: &'m Gateway,
        previous: Option<&Snapshot>,
        plan: impl Fn(&Upstream, Option<&ClientIdentity>) -> Result<UpstreamPlan, CompileError>,
    ) -> Result<Self, CompileError> {
        let mut identities: HashMap<&Certificate, ClientIdentity> = HashMap::new();
        let mut backends = Self(HashMap::new());
        let upstreams = model.upstreams.iter();
        let mut uses: BTreeSet<_> = upstreams
            .map(|upstream| (Place::Upstream(&upstream.name), None))
            .collect();
        let origins = model.origins();
        uses.extend(origins.map(|origin| (Place::Origin(origin), None)));
        for (api, stage) in stages(model) {
            let shown = stage.client_certificate.as_ref();
            if let Some(certificate) = shown
                && !identities.contains_key(certificate)
            {
                identities.insert(certificate, identity(api, stage, certificate)?);
            }
            uses.extend(called(stage).map(|place| (place, shown)));
        }
        let named: HashMap<_, _> = model.upstreams.iter().map(|it| (&it.name, it)).collect();
        for (place, shown) in uses {
            let settings = match place {
                Place::Upstream(name) => named.get(name).map(|upstream| (*upstream).clone()),
                Place::Origin(origin) => Some(Upstream::of_origin(origin)),
            };
            // A name that nothing has is found out where a route is compiled.
            let Some(settings) = settings else { continue };
            let backend = backends.0.entry(place);
            let backend = backend.or_insert_with(|| Backend::new(settings));
            let seen = backend.seen(shown);
            if backend.plans.contains_key(&seen) {
                continue;
            }
            let settings = &backend.settings;
            let identity = seen.and_then(|certificate| identities.get(certificate));
            let mut running = previous.into_iter().flat_map(|it| &it.upstreams);
            let plan = match running.find(|plan| plan.is_of(settings, identity)) {
                Some(unchanged) => Arc::clone(unchanged),
                None => Arc::new(plan(settings, identity)?),
            };
            backend.plans.insert(seen, plan);
        }
        Ok(backends)
    }

    /// The plan by which `place` is spoken to from a stage that shows `certificate`.
    pub(super) fn find<'s>(
        &'s self,
        place: Place<'s>,
        certificate: Option<&'s Certificate>,
    ) -> Option<&'s Arc<UpstreamPlan>> {
        let backend = self.0.get(&place)?;
        backend.plans.get(&backend.seen(certificate))
    }

    /// The plan by which the authorizer `name` asks `remote`.
    ///
    /// # Errors
    /// It is none of the model's.
    pub(super) fn remote<'s>(
        &'s self,
        name: &AuthorizerName,
        remote: &'s Remote,
    ) -> Result<&'s Arc<UpstreamPlan>, CompileError> {
        let found = self.find(Place::Origin(&remote.origin), None);
        found.ok_or_else(|| CompileError::Dangling {
            route: name.to_string(),
            missing: remote.origin.host.clone(),
        })
    }

    /// Every plan.
    pub(super) fn plans(&self) -> impl Iterator<Item = &Arc<UpstreamPlan>> {
        self.0.values().flat_map(|backend| backend.plans.values())
    }
}

fn stages(model: &Gateway) -> impl Iterator<Item = (&Api, &Stage)> {
    let apis = model.apis.iter();
    apis.flat_map(|api| api.stages.iter().map(move |stage| (api, stage)))
}

/// The backends that the routes of a stage call, those of its canary too.
fn called(stage: &Stage) -> impl Iterator<Item = Place<'_>> {
    let backends = stage.routes();
    let backends = backends.filter_map(|route| route.integration.backend());
    backends.flat_map(|backend| {
        let (upstream, endpoints) = match &backend.target {
            Target::Upstream { name, .. } => (Some(Place::Upstream(name)), None),
            Target::Uri(endpoints) => (None, Some(endpoints)),
        };
        let own = endpoints.into_iter().flatten();
        let own = own.filter(|(variant, _)| variant.stage == stage.name);
        let origins = own.map(|(_, endpoint)| Place::Origin(&endpoint.origin));
        upstream.into_iter().chain(origins)
    })
}

fn identity(
    api: &Api,
    stage: &Stage,
    certificate: &Certificate,
) -> Result<ClientIdentity, CompileError> {
    let certified = certificate.opened();
    let certified = certified.map_err(|source| CompileError::ClientCertificate {
        api: api.name.clone(),
        stage: stage.name.clone(),
        source,
    })?;
    Ok(ClientIdentity::new(Arc::clone(certified)))
}
