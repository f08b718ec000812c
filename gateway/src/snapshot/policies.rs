//! The policy sets of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use super::CompileError;
use super::aws::Services;
use super::backends::{Backends, Place};
use super::lookups::lookups;
use super::oauth::shown;
use crate::model::{
    Found, Gateway, HttpEngine, LookupName, PolicyEngine, PolicySet, PolicySetName, PolicySource,
    StoreChoice, VerifiedStore, VerifiedStoreId,
};
use crate::oauth::Client;
use crate::step::decide::lookup::LookupPlan;
use crate::step::decide::{
    DecidePlan, Engine, EnrichPlan, FoundPlan, FoundStores, HttpDecider, RemoteEngine, StorePlan,
    VerifiedDecider, VerifiedStorePlan,
};
use crate::store::decision::Decisions;

/// By what policy sets ask others.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    pub(super) backends: &'a Backends<'a>,
    pub(super) services: Services<'a>,
    pub(super) clients: &'a [Arc<Client>],
}

/// Every policy set, by name.
pub(super) fn policies(
    model: &Gateway,
    ways: Ways<'_>,
    decisions: &Arc<Decisions>,
) -> Result<HashMap<PolicySetName, Arc<DecidePlan>>, CompileError> {
    let asked = (ways.clients, ways.services);
    let lookups = lookups(model, ways.backends, asked, decisions)?;
    let plans = model.policies.iter().map(|set| {
        let enrich = enrich(set, &lookups)?;
        let remembered = || decisions.cache(&owner(&set.name));
        let engine = match &set.engine {
            PolicyEngine::Cedar { store, question } => Engine::Cedar {
                store: store_plan(model, set, store, &lookups, decisions)?,
                question: question.clone(),
            },
            PolicyEngine::Http(engine) => {
                let decider = http(set, engine, ways)?;
                Engine::Http(RemoteEngine::new(
                    decider,
                    engine.decision_ttl,
                    remembered(),
                ))
            }
            PolicyEngine::VerifiedPermissions(store) => {
                let decider = verified_permissions(set, store, &lookups, ways)?;
                let engine = RemoteEngine::new(decider, store.decision_ttl, remembered());
                Engine::VerifiedPermissions(engine)
            }
        };
        let name = Arc::from(set.name.as_str());
        let plan = DecidePlan::new(name, set.is_monitor, enrich, engine);
        Ok((set.name.clone(), Arc::new(plan)))
    });
    plans.collect()
}

fn http(set: &PolicySet, engine: &HttpEngine, ways: Ways<'_>) -> Result<HttpDecider, CompileError> {
    let dangling = || CompileError::Dangling {
        route: set.name.to_string(),
        missing: engine.remote.origin.host.clone(),
    };
    let plan = ways
        .backends
        .find(Place::Origin(&engine.remote.origin), None);
    let plan = plan.ok_or_else(dangling)?;
    let authorization = engine.authorization.as_ref();
    let authorization = authorization.map(|it| shown(it, ways.clients, set.name.as_str()));
    let decider = HttpDecider::new(engine, Arc::clone(plan), authorization.transpose()?);
    decider.map_err(|_error| dangling())
}

fn verified_permissions(
    set: &PolicySet,
    store: &VerifiedStore,
    lookups: &HashMap<LookupName, Arc<LookupPlan>>,
    ways: Ways<'_>,
) -> Result<VerifiedDecider, CompileError> {
    let client = ways.services.client(set.name.as_str(), &store.target)?;
    let policy_store = match &store.policy_store {
        VerifiedStoreId::Fixed(id) => VerifiedStorePlan::Fixed(id.clone()),
        VerifiedStoreId::Found(found) => VerifiedStorePlan::Found(found_plan(set, found, lookups)?),
    };
    Ok(VerifiedDecider::new(store, client, policy_store))
}

fn found_plan(
    set: &PolicySet,
    found: &Found,
    lookups: &HashMap<LookupName, Arc<LookupPlan>>,
) -> Result<FoundPlan, CompileError> {
    Ok(FoundPlan {
        lookup: lookup(lookups, &set.name, &found.lookup)?,
        key: found.key.clone(),
        at: found.at.clone(),
    })
}

fn enrich(
    set: &PolicySet,
    lookups: &HashMap<LookupName, Arc<LookupPlan>>,
) -> Result<Vec<EnrichPlan>, CompileError> {
    let plans = set.lookups.iter().map(|enrichment| {
        Ok(EnrichPlan {
            name: enrichment.name.clone(),
            lookup: lookup(lookups, &set.name, &enrichment.lookup)?,
            key: enrichment.key.clone(),
        })
    });
    plans.collect()
}

fn lookup(
    lookups: &HashMap<LookupName, Arc<LookupPlan>>,
    set: &PolicySetName,
    name: &LookupName,
) -> Result<Arc<LookupPlan>, CompileError> {
    let found = lookups.get(name).map(Arc::clone);
    found.ok_or_else(|| CompileError::Dangling {
        route: set.to_string(),
        missing: name.to_string(),
    })
}

/// What a policy set is called where decisions are counted and forgotten. What it remembers is its own
/// with every load: what an older one remembers is out of reach.
fn owner(set: &PolicySetName) -> String {
    format!("policies/{set}")
}

fn store_plan(
    model: &Gateway,
    set: &PolicySet,
    choice: &StoreChoice,
    lookups: &HashMap<LookupName, Arc<LookupPlan>>,
    decisions: &Arc<Decisions>,
) -> Result<StorePlan, CompileError> {
    let mut stores = model.policy_stores.iter().map(|store| match &store.source {
        PolicySource::Files(read) => (&store.name, read),
    });
    Ok(match choice {
        StoreChoice::Fixed(name) => {
            let found = stores.find(|(known, _)| *known == name);
            let (_, store) = found.ok_or_else(|| CompileError::Dangling {
                route: set.name.to_string(),
                missing: name.to_string(),
            })?;
            StorePlan::Fixed(Arc::clone(store))
        }
        StoreChoice::Found { found, frame } => {
            let plan = found_plan(set, found, lookups)?;
            let named = stores.map(|(name, store)| (name.as_str().into(), Arc::clone(store)));
            let read = decisions.cache(&owner(&set.name));
            let stores = FoundStores::new(plan, named.collect(), Arc::clone(frame), read);
            StorePlan::Found(Box::new(stores))
        }
    })
}
