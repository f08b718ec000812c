//! What orders make of canaries.
//!
//! Source: Amazon API Gateway Developer Guide, "Set up an API Gateway canary release deployment",
//! and 14.3 of docs/semantics.md.

use std::collections::BTreeMap;

use crate::model::{ApiKind, ApiName, DeploymentNumber, Described, Share, StageName};

use super::follow::described_stage;
use super::ledger::Ledger;
use super::state::{CanaryState, StageState};
use super::{NewCanary, Refusal};

impl Ledger {
    /// Freezes what the file says now and has the canary of a stage serve it.
    pub(super) fn deploy_canary(
        &mut self,
        described: &Described,
        stage: &str,
        description: Option<&str>,
        canary: &NewCanary,
        now_unix_seconds: u64,
    ) -> Result<(), Refusal> {
        if described.kind == ApiKind::Http {
            let api = described.name.clone();
            return Err(Refusal::NoCanaries { api });
        }
        described_stage(described, stage)?;
        let share: Share = canary.percent.parse()?;
        let stage = StageName::new(stage);
        let api = self.apis.get(&described.id);
        if api.is_none_or(|api| !api.stages.contains_key(&stage)) {
            // What a stage serves that is only now there is no canary: it has no base yet.
            return Err(Refusal::NoStage {
                api: described.name.clone(),
                asked: stage.to_string(),
                names: api.map_or_else(Vec::new, |api| {
                    api.stages.keys().map(ToString::to_string).collect()
                }),
            });
        }
        let number = self.freeze(described, description, Some(&stage), now_unix_seconds)?;
        let api = self.apis.get_mut(&described.id);
        if let Some(known) = api.and_then(|api| api.stages.get_mut(&stage)) {
            known.canary = Some(CanaryState {
                deployment: number,
                share,
                overrides: canary.variables.clone(),
            });
            self.notes.push(serves(&described.name, &stage, known));
        }
        Ok(())
    }

    pub(super) fn set_canary(
        &mut self,
        api: &str,
        stage: Option<&str>,
        percent: Option<&str>,
        to: Option<u32>,
        variables: &BTreeMap<String, String>,
        unset: &[String],
    ) -> Result<(), Refusal> {
        let share: Option<Share> = percent.map(str::parse).transpose()?;
        let (name, state, stage) = self.stage(api, stage)?;
        let to = to.map(DeploymentNumber);
        if let Some(number) = to.filter(|number| !state.deployments.contains_key(number)) {
            return Err(Refusal::NoDeployment { api: name, number });
        }
        let (known, mut canary) = canary_of(&name, state.stages.get_mut(&stage), &stage)?;
        canary.share = share.unwrap_or(canary.share);
        canary.deployment = to.unwrap_or(canary.deployment);
        canary.overrides.extend(variables.clone());
        for name in unset {
            canary.overrides.remove(name);
        }
        known.canary = Some(canary);
        let note = serves(&name, &stage, known);
        self.notes.push(note);
        Ok(())
    }

    /// The canary stays, with no share, until it is stopped.
    pub(super) fn promote_canary(&mut self, api: &str, stage: Option<&str>) -> Result<(), Refusal> {
        let (name, state, stage) = self.stage(api, stage)?;
        let (known, canary) = canary_of(&name, state.stages.get_mut(&stage), &stage)?;
        let number = canary.deployment;
        known.serve(number);
        known.promoted.extend(canary.overrides.clone());
        known.canary = Some(CanaryState {
            share: Share::default(),
            ..canary
        });
        self.notes.push(format!(
            "the stage `{stage}` of `{name}` serves deployment {number} to everybody; its canary \
             stays with 0 % of requests, and takes what the file says next, until `gateway canary \
             stop {name} --stage {stage}`"
        ));
        Ok(())
    }

    pub(super) fn stop_canary(&mut self, api: &str, stage: Option<&str>) -> Result<(), Refusal> {
        let (name, state, stage) = self.stage(api, stage)?;
        let (known, _gone) = canary_of(&name, state.stages.get_mut(&stage), &stage)?;
        known.canary = None;
        let number = known.deployment;
        self.notes.push(format!(
            "the stage `{stage}` of `{name}` serves deployment {number} alone"
        ));
        Ok(())
    }
}

/// A stage with its canary, which is put back by whoever changes it.
fn canary_of<'a>(
    api: &ApiName,
    known: Option<&'a mut StageState>,
    stage: &StageName,
) -> Result<(&'a mut StageState, CanaryState), Refusal> {
    let none = || Refusal::NoCanary {
        api: api.clone(),
        stage: stage.clone(),
    };
    let known = known.ok_or_else(none)?;
    let canary = known.canary.clone().ok_or_else(none)?;
    Ok((known, canary))
}

fn serves(api: &ApiName, stage: &StageName, known: &StageState) -> String {
    let base = known.deployment;
    match &known.canary {
        None => format!("the stage `{stage}` of `{api}` serves deployment {base} alone"),
        Some(CanaryState {
            deployment, share, ..
        }) => format!(
            "the canary of the stage `{stage}` of `{api}` serves deployment {deployment} to \
             {share} % of requests, the others get deployment {base}"
        ),
    }
}
