//! Policies as their texts say them.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Effect, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint,
    Schema, ValidationMode, Validator,
};
use serde_json::{Value, json};

use super::POLICIES_MAX;
use super::problem::{Problem, Source};

/// The annotation that names a policy.
const ID: &str = "id";

/// Policies of several texts.
#[derive(Debug, Default)]
pub(super) struct Policies {
    pub(super) set: PolicySet,
    /// Where each stands: which text, and the byte there.
    places: HashMap<PolicyId, (Arc<Source>, usize)>,
}

impl Policies {
    /// Adds those of a text.
    pub(super) fn read(&mut self, source: &Arc<Source>, problems: &mut Vec<Problem>) {
        let parsed = match PolicySet::from_str(&source.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                problems.extend(errors.iter().map(|error| source.diagnosed(error, None)));
                return;
            }
        };
        for template in parsed.templates() {
            let offset = template.as_ref().loc().map(|loc| loc.start());
            let message = "this is a template, and nothing here says for whom: write a policy out for \
                           each, or name a group";
            problems.push(source.problem(offset, message));
        }
        let lines = source.lines();
        for policy in parsed.policies() {
            let offset = policy.as_ref().loc().map_or(0, |loc| loc.start());
            self.add(policy, source, (offset, lines.of(offset)), problems);
        }
    }

    fn add(
        &mut self,
        policy: &Policy,
        source: &Arc<Source>,
        (offset, line): (usize, usize),
        problems: &mut Vec<Problem>,
    ) {
        if self.set.num_of_policies() == POLICIES_MAX {
            let message =
                format!("there are more policies than {POLICIES_MAX}: have fewer of them");
            problems.push(source.problem(Some(offset), message));
            return;
        }
        let id = match policy.annotation(ID) {
            Some(id) if !id.is_empty() => id.to_owned(),
            Some(_) | None => {
                let file = source.name.rsplit('/').next().unwrap_or_default();
                format!("{file}:{line}")
            }
        };
        let id = PolicyId::new(id);
        if self.places.contains_key(&id) {
            let message = format!(
                "another policy is called `{id}` too, and logs could not tell them apart: write \
                 `@id(\"..\")` in front of each"
            );
            problems.push(source.problem(Some(offset), message));
            return;
        }
        if let Err(error) = self.set.add(policy.new_id(id.clone())) {
            problems.push(source.diagnosed(&error, Some(offset)));
            return;
        }
        self.places.insert(id, (Arc::clone(source), offset));
    }

    /// Holds them against a schema.
    pub(super) fn check(
        &self,
        schema: &Schema,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<Problem>,
    ) {
        let found = Validator::new(schema.clone()).validate(&self.set, ValidationMode::Strict);
        for error in found.validation_errors() {
            problems.extend(self.told(error.policy_id(), error));
        }
        for warning in found.validation_warnings() {
            warnings.extend(self.told(warning.policy_id(), warning));
        }
    }

    /// Reports what allows everything, and that nothing is allowed at all.
    pub(super) fn review(&self, whole: Option<&Source>, warnings: &mut Vec<Problem>) {
        for policy in self.set.policies() {
            if let Some((source, offset)) = self.places.get(policy.id())
                && is_permit_for_all(policy)
            {
                let message = "this permits everything to everybody: say whom, what or when";
                warnings.push(source.problem(Some(*offset), message));
            }
        }
        let permits = |policy: &Policy| policy.effect() == Effect::Permit;
        if let Some(whole) = whole
            && !self.set.policies().any(permits)
        {
            let message = "no policy permits anything: every request is refused";
            warnings.push(whole.problem(None, message));
        }
    }

    fn told(&self, id: &PolicyId, found: &dyn miette::Diagnostic) -> Option<Problem> {
        let (source, offset) = self.places.get(id)?;
        Some(source.diagnosed(found, Some(*offset)))
    }
}

/// Whether a policy permits whatever is asked.
fn is_permit_for_all(policy: &Policy) -> bool {
    let is_for_all = policy.effect() == Effect::Permit
        && policy.principal_constraint() == PrincipalConstraint::Any
        && policy.action_constraint() == ActionConstraint::Any
        && policy.resource_constraint() == ResourceConstraint::Any;
    is_for_all && (!policy.has_non_scope_constraint() || has_only_true_conditions(policy))
}

fn has_only_true_conditions(policy: &Policy) -> bool {
    let Ok(written) = policy.to_json() else {
        return false;
    };
    let conditions = written.get("conditions").and_then(Value::as_array);
    conditions.is_some_and(|conditions| {
        conditions.iter().all(|condition| {
            let is = |kind: &str, value: bool| {
                *condition == json!({ "kind": kind, "body": { "Value": value } })
            };
            is("when", true) || is("unless", false)
        })
    })
}
