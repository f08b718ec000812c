//! What a file that has changed makes of stages, and how one is deployed by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{ApiId, ApiKind, DeploymentNumber, Described, Share, StageName};

use super::ledger::Ledger;
use super::state::{ApiState, Digest, Frozen, StageState};
use super::{DESCRIPTION_BYTES_MAX, GONE_APIS_MAX, Refusal};

impl Ledger {
    /// Notes which APIs no file names any more, and forgets those that are gone for longest.
    pub(super) fn forget(&mut self, described: &[Described], now_unix_seconds: u64) {
        for (id, api) in &mut self.apis {
            if described.iter().any(|found| found.id == *id) {
                api.gone_unix_seconds = None;
            } else {
                api.gone_unix_seconds.get_or_insert(now_unix_seconds);
            }
        }
        let gone = self.apis.iter();
        let gone = gone.filter_map(|(id, api)| Some((api.gone_unix_seconds?, id.clone())));
        let mut gone: Vec<(u64, ApiId)> = gone.collect();
        gone.sort();
        let surplus = gone.len().saturating_sub(GONE_APIS_MAX);
        for (_, id) in gone.into_iter().take(surplus) {
            self.apis.remove(&id);
        }
    }

    /// Follows what the file says of one API; `held` is the stage that is not moved. Returns
    /// whether that made a deployment.
    pub(super) fn follow_one(
        &mut self,
        described: &Described,
        now_unix_seconds: u64,
        held: Option<&StageName>,
        description: Option<&str>,
    ) -> Result<bool, Refusal> {
        let digest = Digest::of(&described.meaning);
        let api = self.apis.entry(described.id.clone());
        let api = api.or_insert_with(|| ApiState {
            name: described.name.clone(),
            kind: described.kind,
            seen: digest.clone(),
            last: DeploymentNumber(0),
            deployments: BTreeMap::new(),
            stages: BTreeMap::new(),
            gone_unix_seconds: None,
        });
        api.name = described.name.clone();
        api.kind = described.kind;
        let has_changed = api.deployments.is_empty() || api.seen != digest;
        if has_changed {
            self.make(described, description, now_unix_seconds)?;
        }
        self.follow_stages(described, has_changed, held);
        Ok(has_changed)
    }

    /// Makes a deployment of what the file says.
    fn make(
        &mut self,
        described: &Described,
        description: Option<&str>,
        now_unix_seconds: u64,
    ) -> Result<(), Refusal> {
        let is_sound =
            |text: &str| text.len() <= DESCRIPTION_BYTES_MAX && !text.contains(char::is_control);
        if description.is_some_and(|text| !is_sound(text)) {
            return Err(Refusal::Description);
        }
        let Some(api) = self.apis.get_mut(&described.id) else {
            return Ok(());
        };
        let used_up = || Refusal::NumbersUsedUp {
            api: described.name.clone(),
        };
        let number = api.last.0.checked_add(1).ok_or_else(used_up)?;
        let number = DeploymentNumber(number);
        let digest = Digest::of(&described.meaning);
        api.seen = digest.clone();
        api.last = number;
        let frozen = Frozen {
            created_unix_seconds: now_unix_seconds,
            description: description.map(str::to_owned),
            digest,
        };
        api.deployments.insert(number, frozen);
        let text = Arc::clone(&described.text);
        self.texts.insert((described.id.clone(), number), text);
        let name = &described.name;
        self.notes
            .push(format!("deployment {number} of `{name}` was made"));
        Ok(())
    }

    /// Moves the stages that deploy by themselves, and takes over what the file says of each.
    fn follow_stages(&mut self, described: &Described, moves: bool, held: Option<&StageName>) {
        let Some(api) = self.apis.get_mut(&described.id) else {
            return;
        };
        let newest = api.newest().map_or(api.last, |(number, _)| number);
        let named = |stage: &StageName| described.stages.iter().any(|found| found.name == *stage);
        api.stages.retain(|stage, _| named(stage));
        for found in &described.stages {
            let name = &described.name;
            let (stage, is_new) = match api.stages.get_mut(&found.name) {
                Some(stage) => (stage, false),
                None => {
                    let new = StageState {
                        deployment: newest,
                        before: Vec::new(),
                        variables: found.variables.clone(),
                        promoted: BTreeMap::new(),
                        canary: None,
                    };
                    (api.stages.entry(found.name.clone()).or_insert(new), true)
                }
            };
            if stage.variables != found.variables {
                stage.variables = found.variables.clone();
                stage.promoted.clear();
            }
            if described.kind == ApiKind::Http && stage.canary.take().is_some() {
                let stage = &found.name;
                self.notes.push(format!(
                    "the stage `{stage}` of `{name}` has lost its canary: HTTP APIs have none"
                ));
            }
            if is_new {
                self.notes.push(format!(
                    "the stage `{}` of `{name}` serves deployment {newest}",
                    found.name
                ));
            } else if moves && found.auto_deploy && held != Some(&found.name) {
                self.notes
                    .push(moved(described, &found.name, stage, newest));
            }
        }
    }

    /// Freezes what the file says now, and returns the number of that deployment: the newest, where
    /// that is the same and nothing else is to be said of it.
    pub(super) fn freeze(
        &mut self,
        described: &Described,
        description: Option<&str>,
        held: Option<&StageName>,
        now_unix_seconds: u64,
    ) -> Result<DeploymentNumber, Refusal> {
        let is_made = self.follow_one(described, now_unix_seconds, held, description)?;
        let api = self.apis.get(&described.id);
        let newest = api.and_then(ApiState::newest);
        let is_newest =
            newest.is_some_and(|(_, frozen)| frozen.digest == Digest::of(&described.meaning));
        if !is_made && (!is_newest || description.is_some()) {
            self.make(described, description, now_unix_seconds)?;
        } else if !is_made && let Some((number, _)) = newest {
            let name = &described.name;
            self.notes.push(format!(
                "deployment {number} of `{name}` is what the file says"
            ));
        }
        let api = self.apis.get(&described.id).and_then(ApiState::newest);
        Ok(api.map_or(DeploymentNumber(0), |(number, _)| number))
    }

    /// Freezes what the file says now and has a stage serve it.
    pub(super) fn deploy(
        &mut self,
        described: &Described,
        stage: &str,
        description: Option<&str>,
        now_unix_seconds: u64,
    ) -> Result<(), Refusal> {
        let auto_deploys = described_stage(described, stage)?;
        let stage = StageName::new(stage);
        if auto_deploys && described.kind == ApiKind::Http {
            return Err(Refusal::AutoDeploys { stage });
        }
        let known = self.apis.get(&described.id);
        let known = known.and_then(|api| api.stages.get(&stage));
        if known.is_some_and(|known| known.canary.is_some()) {
            return Err(Refusal::HasCanary {
                api: described.name.clone(),
                stage,
            });
        }
        let number = self.freeze(described, description, Some(&stage), now_unix_seconds)?;
        let api = self.apis.get_mut(&described.id);
        if let Some(known) = api.and_then(|api| api.stages.get_mut(&stage)) {
            self.notes.push(moved(described, &stage, known, number));
        }
        Ok(())
    }
}

/// Has a stage serve a deployment or, while it has a canary, its canary; says so.
fn moved(
    described: &Described,
    name: &StageName,
    stage: &mut StageState,
    to: DeploymentNumber,
) -> String {
    let api = &described.name;
    match &mut stage.canary {
        // A stage with a canary takes no other deployment (14.3 of docs/semantics.md).
        Some(canary) => {
            canary.deployment = to;
            let share = canary.share;
            let warning = if share == Share::default() {
                format!(
                    ": warning: nobody gets it before `gateway canary promote {api} --stage {name}` \
                     or, for a stage without canary, `gateway canary stop {api} --stage {name}` and \
                     `gateway deploy {api} --stage {name}`"
                )
            } else {
                String::new()
            };
            format!(
                "the canary of the stage `{name}` of `{api}` serves deployment {to} to {share} % \
                 of requests{warning}"
            )
        }
        None => {
            stage.serve(to);
            format!("the stage `{name}` of `{api}` serves deployment {to}")
        }
    }
}

/// Whether a stage of the file deploys by itself.
pub(super) fn described_stage(described: &Described, stage: &str) -> Result<bool, Refusal> {
    let found = described.stages.iter();
    let found = found.clone().find(|found| found.name.as_str() == stage);
    match found {
        Some(found) => Ok(found.auto_deploy),
        None => Err(Refusal::NoStage {
            api: described.name.clone(),
            asked: stage.to_owned(),
            names: described
                .stages
                .iter()
                .map(|stage| stage.name.to_string())
                .collect(),
        }),
    }
}
