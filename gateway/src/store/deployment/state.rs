//! What is known of an API's deployments and stages.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;

use crate::model::{ApiKind, ApiName, DeploymentNumber, Share, StageName};

/// SHA-256 of a definition's text; its `Display` is hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest(String);

impl Digest {
    /// Of this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest = digest(&SHA256, text.as_bytes());
        Self(HEXLOWER.encode(digest.as_ref()))
    }

    /// As it was written.
    pub(super) const fn written(hexadecimal: String) -> Self {
        Self(hexadecimal)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiState {
    /// Its name when it was last seen.
    pub name: ApiName,
    /// What kind it was then.
    pub kind: ApiKind,
    /// What its file said then.
    pub seen: Digest,
    /// The highest number that a deployment ever had.
    pub last: DeploymentNumber,
    /// Those that are kept. Never empty.
    pub deployments: BTreeMap<DeploymentNumber, Frozen>,
    /// Its stages. What they serve is among the deployments.
    pub stages: BTreeMap<StageName, StageState>,
    /// Since when no file names it, in seconds since 1970.
    pub gone_unix_seconds: Option<u64>,
}

/// One deployment, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// When it was made, in seconds since 1970.
    pub created_unix_seconds: u64,
    /// What whoever made it said of it.
    pub description: Option<String>,
    /// Of its text.
    pub digest: Digest,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageState {
    /// What it serves.
    pub deployment: DeploymentNumber,
    /// What it served before, the latest last, each once: where a rollback leads, step by step. Only
    /// what is kept.
    pub before: Vec<DeploymentNumber>,
    /// Its variables in the file when that was last seen.
    pub variables: BTreeMap<String, String>,
    /// Variables that a promoted canary brought along. They win until the file's change.
    pub promoted: BTreeMap<String, String>,
    /// What it tries on a share of its requests.
    pub canary: Option<CanaryState>,
}

/// The canary of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryState {
    /// What it serves.
    pub deployment: DeploymentNumber,
    /// How many requests get it.
    pub share: Share,
    /// Variables that win over those of the stage.
    pub overrides: BTreeMap<String, String>,
}

impl ApiState {
    /// The newest deployment that is kept.
    #[must_use]
    pub fn newest(&self) -> Option<(DeploymentNumber, &Frozen)> {
        let newest = self.deployments.last_key_value();
        newest.map(|(number, frozen)| (*number, frozen))
    }

    /// The stages that serve a deployment, also as their canary.
    pub fn users(&self, number: DeploymentNumber) -> impl Iterator<Item = &StageName> {
        let serves = move |stage: &StageState| {
            let canary = stage.canary.as_ref();
            stage.deployment == number || canary.is_some_and(|canary| canary.deployment == number)
        };
        let stages = self.stages.iter();
        stages.filter_map(move |(name, stage)| serves(stage).then_some(name))
    }
}

impl StageState {
    /// Serves a deployment from now on; what it served until now is what a rollback leads to.
    pub(super) fn serve(&mut self, number: DeploymentNumber) {
        if number != self.deployment {
            let until_now = self.deployment;
            self.before
                .retain(|known| ![until_now, number].contains(known));
            self.before.push(until_now);
            self.deployment = number;
        }
    }

    /// Goes back to a deployment: what was served since is forgotten, unless this one was not served
    /// before at all.
    pub(super) fn go_back(&mut self, number: DeploymentNumber) {
        match self.before.iter().position(|known| *known == number) {
            Some(place) => {
                self.before.truncate(place);
                self.deployment = number;
            }
            None => self.serve(number),
        }
    }

    /// Its variables, and those of its canary where it has one.
    #[must_use]
    pub fn all_variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.variables.clone();
        variables.extend(self.promoted.clone());
        if let Some(canary) = &self.canary {
            variables.extend(canary.overrides.clone());
        }
        variables
    }
}
