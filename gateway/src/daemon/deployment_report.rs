//! Deployments and stages as they are told to people and programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{ApiId, ApiKind};
use crate::store::deployment::{ApiState, Digest, Ledger, StageState};

/// One API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiReport {
    /// Its name.
    pub api: String,
    /// Its id.
    pub id: String,
    /// `rest` or `http`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Since when no file names it, in seconds since 1970; `None` where one does.
    pub gone_unix_seconds: Option<u64>,
    /// Digest of what its file said when that was last read.
    pub file_digest: String,
    /// Its deployments, the oldest first.
    pub deployments: Vec<DeploymentReport>,
    /// Its stages by name.
    pub stages: Vec<StageReport>,
}

/// One deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentReport {
    /// Its number.
    pub number: u32,
    /// When it was made, in seconds since 1970.
    pub created_unix_seconds: u64,
    /// What whoever made it said of it.
    pub description: Option<String>,
    /// Digest of what it froze.
    pub digest: String,
    /// The stages that serve it, also as their canary.
    pub stages: Vec<String>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// Its name.
    pub stage: String,
    /// Number of the deployment that it serves.
    pub deployment: u32,
    /// Numbers of those that it served before, the latest last: a rollback leads there.
    pub before: Vec<u32>,
    /// Whether what it serves is something else than what the file said when it was last read.
    pub differs_from_file: bool,
    /// Variables that a promoted canary brought along.
    pub promoted_variables: BTreeMap<String, String>,
    /// Its canary.
    pub canary: Option<CanaryReport>,
}

/// The canary of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryReport {
    /// Number of the deployment that it serves.
    pub deployment: u32,
    /// Its share of the stage's requests, such as `2.5`.
    pub percent: String,
    /// Variables that win over those of the stage.
    pub variables: BTreeMap<String, String>,
}

/// Every API in the order of their names.
#[must_use]
pub fn reports(ledger: &Ledger) -> Vec<ApiReport> {
    let apis = ledger.apis().iter();
    let mut reports: Vec<ApiReport> = apis.map(|(id, api)| report(id, api)).collect();
    reports.sort_by(|one, other| one.api.cmp(&other.api).then(one.id.cmp(&other.id)));
    reports
}

fn report(id: &ApiId, api: &ApiState) -> ApiReport {
    let deployments = api.deployments.iter().map(|(number, frozen)| {
        let users = api.users(*number);
        DeploymentReport {
            number: number.0,
            created_unix_seconds: frozen.created_unix_seconds,
            description: frozen.description.clone(),
            digest: frozen.digest.to_string(),
            stages: users.map(ToString::to_string).collect(),
        }
    });
    let digest = |stage: &StageState| -> Option<&Digest> {
        let frozen = api.deployments.get(&stage.deployment);
        frozen.map(|frozen| &frozen.digest)
    };
    let stages = api.stages.iter().map(|(name, stage)| StageReport {
        stage: name.to_string(),
        deployment: stage.deployment.0,
        before: stage.before.iter().map(|number| number.0).collect(),
        differs_from_file: digest(stage) != Some(&api.seen),
        promoted_variables: stage.promoted.clone(),
        canary: stage.canary.as_ref().map(|canary| CanaryReport {
            deployment: canary.deployment.0,
            percent: canary.share.to_string(),
            variables: canary.overrides.clone(),
        }),
    });
    ApiReport {
        api: api.name.to_string(),
        id: id.to_string(),
        kind: match api.kind {
            ApiKind::Rest => "rest".to_owned(),
            ApiKind::Http => "http".to_owned(),
        },
        gone_unix_seconds: api.gone_unix_seconds,
        file_digest: api.seen.to_string(),
        deployments: deployments.collect(),
        stages: stages.collect(),
    }
}
