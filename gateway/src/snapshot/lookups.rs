//! The lookups of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use super::CompileError;
use super::aws::Services;
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
    (clients, services): (&[Arc<Client>], Services<'_>),
    decisions: &Arc<Decisions>,
) -> Result<HashMap<LookupName, Arc<LookupPlan>>, CompileError> {
    let plans = model.lookups.iter().map(|lookup| {
        let name = Arc::from(&lookup.name);
        let plan = match &lookup.source {
            LookupSource::File(records) => LookupPlan::file(name, records),
            LookupSource::Http(http) => {
                let authorization = http.authorization.as_ref();
                let authorization =
                    authorization.map(|it| shown(it, clients, lookup.name.as_str()));
                let authorization = authorization.transpose()?;
                let plan = backends.find(Place::Origin(&http.origin), None);
                let plan = plan.ok_or_else(|| CompileError::Dangling {
                    route: lookup.name.to_string(),
                    missing: http.origin.host.clone(),
                })?;
                LookupPlan::http(name, http, Arc::clone(plan), authorization, decisions)
            }
            LookupSource::Table(table) => {
                let client = services.client(lookup.name.as_str(), &table.target)?;
                LookupPlan::table(name, table, client, decisions)
            }
        };
        Ok((lookup.name.clone(), Arc::new(plan)))
    });
    plans.collect()
}
