//! The policy sets of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use super::CompileError;
use super::backends::{Backends, Place};
use super::oauth::shown;
use crate::model::{Gateway, PolicyEngine, PolicySetName, PolicySource, PolicyStoreName};
use crate::oauth::Client;
use crate::step::decide::{DecidePlan, Engine, RemoteEngine};
use crate::store::decision::Decisions;

/// Every policy set, by name.
pub(super) fn policies(
    model: &Gateway,
    backends: &Backends<'_>,
    clients: &[Arc<Client>],
    decisions: &Arc<Decisions>,
) -> Result<HashMap<PolicySetName, Arc<DecidePlan>>, CompileError> {
    let plans = model.policies.iter().map(|set| {
        let engine = match &set.engine {
            PolicyEngine::Cedar { store, question } => Engine::Cedar {
                store: match source(model, &set.name, store)? {
                    PolicySource::Files(store) => Arc::clone(store),
                },
                question: question.clone(),
            },
            PolicyEngine::Http(engine) => {
                let place = Place::Origin(&engine.remote.origin);
                let dangling = || CompileError::Dangling {
                    route: set.name.to_string(),
                    missing: engine.remote.origin.host.clone(),
                };
                let plan = backends.find(place, None).ok_or_else(dangling)?;
                // Of its own with every load: what an older one remembers is out of reach.
                let remembered = decisions.cache(&format!("policies/{}", set.name));
                let authorization = engine.authorization.as_ref();
                let authorization = authorization.map(|it| shown(it, clients, set.name.as_str()));
                let authorization = authorization.transpose()?;
                let plan = Arc::clone(plan);
                let engine = RemoteEngine::new(engine, plan, authorization, remembered);
                Engine::Remote(engine.map_err(|_error| dangling())?)
            }
        };
        let name = Arc::from(set.name.as_str());
        let plan = DecidePlan::new(name, set.is_monitor, engine);
        Ok((set.name.clone(), Arc::new(plan)))
    });
    plans.collect()
}

fn source<'m>(
    model: &'m Gateway,
    set: &PolicySetName,
    store: &PolicyStoreName,
) -> Result<&'m PolicySource, CompileError> {
    let found = model.policy_stores.iter().find(|it| it.name == *store);
    found
        .map(|store| &store.source)
        .ok_or_else(|| CompileError::Dangling {
            route: set.to_string(),
            missing: store.to_string(),
        })
}
