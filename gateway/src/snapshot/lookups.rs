//! The lookups of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use super::CompileError;
use super::backends::{Backends, Place};
use super::oauth::shown;
use crate::model::{Gateway, LookupName, LookupSource};
use crate::oauth::Client;
use crate::step::decide::lookup::LookupPlan;
use crate::store::decision::Decisions;

/// Every lookup, by name. Each is its own with every load: what an older one remembers is out of reach.
pub(super) fn lookups(
    model: &Gateway,
    backends: &Backends<'_>,
    clients: &[Arc<Client>],
    decisions: &Arc<Decisions>,
) -> Result<HashMap<LookupName, Arc<LookupPlan>>, CompileError> {
    let plans = model.lookups.iter().map(|lookup| {
        let name = Arc::from(&lookup.name);
        let plan = match &lookup.source {
            LookupSource::File(records) => LookupPlan::file(name, records),
            LookupSource::Http(http) => {
                let plan = backends.find(Place::Origin(&http.origin), None);
                let plan = plan.ok_or_else(|| CompileError::Dangling {
                    route: lookup.name.to_string(),
                    missing: http.origin.host.clone(),
                })?;
                let authorization = http.authorization.as_ref();
                let authorization =
                    authorization.map(|it| shown(it, clients, lookup.name.as_str()));
                let authorization = authorization.transpose()?;
                LookupPlan::http(name, http, Arc::clone(plan), authorization, decisions)
            }
        };
        Ok((lookup.name.clone(), Arc::new(plan)))
    });
    plans.collect()
}
