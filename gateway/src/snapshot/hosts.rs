//! Which hosts lead where, from the model.

use std::collections::HashMap;
use std::sync::Arc;

use super::door::{Door, Room};
use super::site::Hosts;
use super::{ApiPlan, CompileError, MappingPlan};
use crate::model::{ApiName, Domain, EndpointTls, Gateway, Listener, Mapping};

/// What answers which host on one listener.
pub(super) fn hosts(
    listener: &Listener,
    model: &Gateway,
    apis: &HashMap<ApiName, Arc<ApiPlan>>,
) -> Result<Hosts, CompileError> {
    let none = EndpointTls::default();
    let mut hosts = Hosts::behind(Door::new(&none, None, listener));
    for api in &model.apis {
        let plan = apis.get(&api.name);
        let Some(plan) = plan.filter(|_| api.listeners.contains(&listener.name)) else {
            continue;
        };
        if api.other_hosts {
            let door = Door::new(&none, api.private.as_ref(), listener);
            hosts.answer_others(door, plan);
        }
        for host in &api.hosts {
            let door = Door::new(&api.tls, api.private.as_ref(), listener);
            hosts.add_api(host.clone(), door, plan);
        }
        if let Some(host) = &api.closed_host {
            hosts.close(host.clone(), api.kind);
        }
    }
    for domain in &model.domains {
        if domain.listeners.contains(&listener.name) {
            let mappings = mapping_plans(domain, model, apis)?;
            let door = Door::new(&domain.tls, domain.private.as_ref(), listener);
            hosts.add_domain(&domain.name, door, &mappings);
        }
    }
    Ok(hosts)
}

fn mapping_plans(
    domain: &Domain,
    model: &Gateway,
    apis: &HashMap<ApiName, Arc<ApiPlan>>,
) -> Result<Arc<[MappingPlan]>, CompileError> {
    let private = |name: &ApiName| {
        let mut all = model.apis.iter();
        all.find(|api| api.name == *name)?.private.as_ref()
    };
    let plan = |mapping: &Mapping| {
        let api = apis.get(&mapping.api);
        let api = api.ok_or_else(|| CompileError::Dangling {
            route: mapping.segments.join("/"),
            missing: mapping.api.to_string(),
        })?;
        Ok(MappingPlan {
            segments: mapping.segments.clone(),
            api: Arc::clone(api),
            stage: Arc::from(mapping.stage.as_str()),
            room: private(&mapping.api).map(Room::new),
        })
    };
    domain.mappings.iter().map(plan).collect()
}
