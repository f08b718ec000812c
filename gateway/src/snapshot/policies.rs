//! The policy sets of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use super::CompileError;
use crate::model::{Gateway, PolicyEngine, PolicySetName, PolicySource, PolicyStoreName};
use crate::step::decide::{DecidePlan, Engine};

/// Every policy set, by name.
pub(super) fn policies(
    model: &Gateway,
) -> Result<HashMap<PolicySetName, Arc<DecidePlan>>, CompileError> {
    let plans = model.policies.iter().map(|set| {
        let engine = match &set.engine {
            PolicyEngine::Cedar { store, question } => Engine::Cedar {
                store: match source(model, &set.name, store)? {
                    PolicySource::Files(store) => Arc::clone(store),
                },
                question: question.clone(),
            },
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
