//! The policy sets of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use super::CompileError;
use super::aws::Services;
use super::backends::{Backends, Place};
use super::lookups::lookups;
use super::oauth::shown;
use crate::model::{
    Gateway, LookupName, PolicyEngine, PolicySet, PolicySetName, PolicySource, StoreChoice,
};
use crate::oauth::Client;
use crate::step::decide::lookup::LookupPlan;
use crate::step::decide::{
    DecidePlan, Engine, EnrichPlan, FoundPlan, FoundStores, RemoteEngine, StorePlan,
};
use crate::store::decision::Decisions;

/// Every policy set, by name.
pub(super) fn policies(
    model: &Gateway,
    backends: &Backends<'_>,
    (clients, services): (&[Arc<Client>], Services<'_>),
    decisions: &Arc<Decisions>,
) -> Result<HashMap<PolicySetName, Arc<DecidePlan>>, CompileError> {
    let lookups = lookups(model, backends, (clients, services), decisions)?;
    let plans = model.policies.iter().map(|set| {
        let enrich = enrich(set, &lookups)?;
        let engine = match &set.engine {
            PolicyEngine::Cedar { store, question } => Engine::Cedar {
                store: store_plan(model, set, store, &lookups, decisions)?,
                question: question.clone(),
            },
            PolicyEngine::Http(engine) => {
                let place = Place::Origin(&engine.remote.origin);
                let dangling = || CompileError::Dangling {
                    route: set.name.to_string(),
                    missing: engine.remote.origin.host.clone(),
                };
                let plan = backends.find(place, None).ok_or_else(dangling)?;
                let remembered = decisions.cache(&owner(&set.name));
                let authorization = engine.authorization.as_ref();
                let authorization = authorization.map(|it| shown(it, clients, set.name.as_str()));
                let authorization = authorization.transpose()?;
                let plan = Arc::clone(plan);
                let engine = RemoteEngine::new(engine, plan, authorization, remembered);
                Engine::Remote(engine.map_err(|_error| dangling())?)
            }
        };
        let name = Arc::from(set.name.as_str());
        let plan = DecidePlan::new(name, set.is_monitor, enrich, engine);
        Ok((set.name.clone(), Arc::new(plan)))
    });
    plans.collect()
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
            let plan = FoundPlan {
                lookup: lookup(lookups, &set.name, &found.lookup)?,
                key: found.key.clone(),
                at: found.at.clone(),
            };
            let named = stores.map(|(name, store)| (name.as_str().into(), Arc::clone(store)));
            let read = decisions.cache(&owner(&set.name));
            let stores = FoundStores::new(plan, named.collect(), Arc::clone(frame), read);
            StorePlan::Found(Box::new(stores))
        }
    })
}
