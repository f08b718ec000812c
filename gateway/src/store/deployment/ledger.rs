//! Everything that is known of deployments, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    ApiId, ApiName, CanaryPlacement, DeploymentNumber, Described, Placement, Placements, Serving,
    StageName,
};

use super::state::{ApiState, Digest};
use super::{DEPLOYMENTS_MAX, Order, Refusal};

/// Every API, and the texts of deployments that are not written yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub(super) apis: BTreeMap<ApiId, ApiState>,
    pub(super) texts: BTreeMap<(ApiId, DeploymentNumber), Arc<str>>,
    pub(super) notes: Vec<String>,
}

impl Ledger {
    /// Every API by its id, those that no file names any more included.
    #[must_use]
    pub const fn apis(&self) -> &BTreeMap<ApiId, ApiState> {
        &self.apis
    }

    /// What has changed since the ledger was read, a sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Follows what the files say: a definition that has changed becomes a deployment, which the
    /// stages serve that deploy by themselves. What has not changed moves no stage.
    ///
    /// # Errors
    /// [`Refusal::NumbersUsedUp`].
    pub fn follow(
        &mut self,
        described: &[Described],
        now_unix_seconds: u64,
    ) -> Result<(), Refusal> {
        self.forget(described, now_unix_seconds);
        for api in described {
            self.follow_one(api, now_unix_seconds, None, None)?;
        }
        self.prune();
        Ok(())
    }

    /// Follows an order about the API of this name or id, behind the files if it is about them.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn order(
        &mut self,
        described: &[Described],
        api: &str,
        order: &Order,
        now_unix_seconds: u64,
    ) -> Result<(), Refusal> {
        match order {
            Order::Deploy {
                stage,
                description,
                canary,
            } => {
                let found = described.iter();
                let found = found
                    .clone()
                    .find(|found| found.name.as_str() == api)
                    .or_else(|| found.clone().find(|found| found.id.as_str() == api));
                let found = found.ok_or_else(|| Refusal::NoApi {
                    asked: api.to_owned(),
                    names: described.iter().map(|api| api.name.to_string()).collect(),
                })?;
                self.forget(described, now_unix_seconds);
                for other in described.iter().filter(|other| other.id != found.id) {
                    self.follow_one(other, now_unix_seconds, None, None)?;
                }
                let description = description.as_deref();
                match (stage, canary) {
                    (None, Some(_)) => return Err(Refusal::CanaryWithoutStage),
                    (None, None) => {
                        self.freeze(found, description, None, now_unix_seconds)?;
                    }
                    (Some(stage), None) => {
                        self.deploy(found, stage, description, now_unix_seconds)?;
                    }
                    (Some(stage), Some(canary)) => {
                        self.deploy_canary(found, stage, description, canary, now_unix_seconds)?;
                    }
                }
            }
            Order::Rollback { stage, to } => self.rollback(api, stage.as_deref(), *to)?,
            Order::SetCanary {
                stage,
                percent,
                to,
                variables,
                unset,
            } => {
                let (stage, percent) = (stage.as_deref(), percent.as_deref());
                self.set_canary(api, stage, percent, *to, variables, unset)?;
            }
            Order::PromoteCanary { stage } => self.promote_canary(api, stage.as_deref())?,
            Order::StopCanary { stage } => self.stop_canary(api, stage.as_deref())?,
        }
        self.prune();
        Ok(())
    }

    /// What the stages of `described` serve. `text` reads the text of a deployment that was written.
    ///
    /// # Errors
    /// That of `text`.
    pub fn placements<E>(
        &self,
        described: &[Described],
        mut text: impl FnMut(&ApiId, DeploymentNumber) -> Result<Arc<str>, E>,
    ) -> Result<Placements, E> {
        let mut placements = Placements::new();
        for api in described {
            let Some(state) = self.apis.get(&api.id) else {
                continue;
            };
            let own = Digest::of(&api.meaning);
            let mut serving = |number: DeploymentNumber| -> Result<Serving, E> {
                let frozen = state.deployments.get(&number);
                let text = match frozen {
                    Some(frozen) if frozen.digest == own => None,
                    Some(_) | None => match self.texts.get(&(api.id.clone(), number)) {
                        Some(unwritten) => Some(Arc::clone(unwritten)),
                        None => Some(text(&api.id, number)?),
                    },
                };
                Ok(Serving { number, text })
            };
            for stage in &api.stages {
                let Some(known) = state.stages.get(&stage.name) else {
                    continue;
                };
                let canary = match &known.canary {
                    None => None,
                    Some(canary) => Some(CanaryPlacement {
                        serving: serving(canary.deployment)?,
                        share: canary.share,
                        overrides: canary.overrides.clone(),
                    }),
                };
                let placement = Placement {
                    base: serving(known.deployment)?,
                    promoted: known.promoted.clone(),
                    canary,
                };
                placements.insert((api.name.clone(), stage.name.clone()), placement);
            }
        }
        Ok(placements)
    }

    /// The API of this name or, where none has it, of this id.
    ///
    /// # Errors
    /// [`Refusal::NoApi`].
    pub fn find(&self, asked: &str) -> Result<(&ApiId, &ApiState), Refusal> {
        let present = || {
            self.apis
                .iter()
                .filter(|(_, api)| api.gone_unix_seconds.is_none())
        };
        present()
            .find(|(_, api)| api.name.as_str() == asked)
            .or_else(|| self.apis.iter().find(|(id, _)| id.as_str() == asked))
            .ok_or_else(|| Refusal::NoApi {
                asked: asked.to_owned(),
                names: present().map(|(_, api)| api.name.to_string()).collect(),
            })
    }

    fn rollback(&mut self, api: &str, stage: Option<&str>, to: Option<u32>) -> Result<(), Refusal> {
        let (name, state, stage_name) = self.stage(api, stage)?;
        let missing = |number| Refusal::NoDeployment {
            api: name.clone(),
            number,
        };
        let kept = |number: &DeploymentNumber| state.deployments.contains_key(number);
        let to = to.map(DeploymentNumber);
        if let Some(number) = to.filter(|number| !kept(number)) {
            return Err(missing(number));
        }
        // Whoever asks for a stage gets one that is there.
        let Some(stage) = state.stages.get_mut(&stage_name) else {
            return Err(missing(state.last));
        };
        let now = stage.deployment;
        let nothing_before = || Refusal::NothingBefore {
            stage: stage_name.clone(),
            number: now,
        };
        let last = stage.before.last().copied();
        let to = to.or(last).ok_or_else(nothing_before)?;
        if to == now {
            return Err(Refusal::ServedAlready {
                stage: stage_name,
                number: now,
            });
        }
        stage.go_back(to);
        self.notes.push(format!(
            "the stage `{stage_name}` of `{name}` serves deployment {to} instead of {now}"
        ));
        Ok(())
    }

    /// A stage of an API that is known; without a name the only one.
    pub(super) fn stage(
        &mut self,
        api: &str,
        stage: Option<&str>,
    ) -> Result<(ApiName, &mut ApiState, StageName), Refusal> {
        let (id, found) = self.find(api)?;
        let (id, name) = (id.clone(), found.name.clone());
        let names = || found.stages.keys().map(ToString::to_string).collect();
        let mut all = found.stages.keys();
        let stage = match (stage, all.next(), all.next()) {
            (Some(stage), ..) => StageName::new(stage),
            (None, Some(only), None) => only.clone(),
            (None, ..) => {
                return Err(Refusal::WhichStage {
                    api: name,
                    names: names(),
                });
            }
        };
        if !found.stages.contains_key(&stage) {
            return Err(Refusal::NoStage {
                api: name,
                asked: stage.to_string(),
                names: names(),
            });
        }
        let missing = || Refusal::NoApi {
            asked: api.to_owned(),
            names: Vec::new(),
        };
        let state = self.apis.get_mut(&id).ok_or_else(missing)?;
        Ok((name, state, stage))
    }

    /// Drops the oldest deployments that nobody serves where there are too many.
    fn prune(&mut self) {
        for (id, api) in &mut self.apis {
            let numbers: Vec<DeploymentNumber> = api.deployments.keys().copied().collect();
            let newest = numbers.last().copied();
            for number in numbers {
                if api.deployments.len() <= DEPLOYMENTS_MAX {
                    break;
                }
                if Some(number) != newest && api.users(number).next().is_none() {
                    api.deployments.remove(&number);
                    self.texts.remove(&(id.clone(), number));
                    for stage in api.stages.values_mut() {
                        stage.before.retain(|known| *known != number);
                    }
                }
            }
        }
    }
}
