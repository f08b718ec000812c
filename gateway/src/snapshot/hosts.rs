//! Which hosts lead where, from the model.

use std::collections::HashMap;
use std::sync::Arc;

use super::domain::{DomainPlan, MappingPlan, RulePlan, TargetPlan};
use super::door::{Door, Room};
use super::site::Hosts;
use super::{ApiPlan, CompileError};
use crate::model::{ApiName, Domain, EndpointTls, Gateway, Listener, StageName};

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
            let plan = domain_plan(domain, model, apis)?;
            let door = Door::new(&domain.tls, domain.private.as_ref(), listener);
            hosts.add_domain(&domain.name, door, plan);
        }
    }
    Ok(hosts)
}

fn domain_plan(
    domain: &Domain,
    model: &Gateway,
    apis: &HashMap<ApiName, Arc<ApiPlan>>,
) -> Result<DomainPlan, CompileError> {
    let private = |name: &ApiName| {
        let mut all = model.apis.iter();
        all.find(|api| api.name == *name)?.private.as_ref()
    };
    let target = |api: &ApiName, stage: &StageName, from: String| {
        let plan = apis.get(api).ok_or_else(|| CompileError::Dangling {
            route: from,
            missing: api.to_string(),
        })?;
        Ok::<_, CompileError>(TargetPlan {
            api: Arc::clone(plan),
            stage: Arc::from(stage.as_str()),
            room: private(api).map(Room::new),
        })
    };
    let mut rules = Vec::new();
    for rule in &domain.rules {
        let target = target(&rule.api, &rule.stage, rule.id.to_string())?;
        rules.push((rule.priority, RulePlan::new(rule, target)));
    }
    let mut mappings = Vec::new();
    for mapping in &domain.mappings {
        mappings.push(MappingPlan {
            segments: mapping.segments.clone(),
            target: target(&mapping.api, &mapping.stage, mapping.segments.join("/"))?,
        });
    }
    Ok(DomainPlan::new(rules, mappings))
}
