//! The written form of what is known of an API: version 1, JSON.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::model::{ApiKind, ApiName, DeploymentNumber, StageName};

use super::state::{ApiState, CanaryState, Digest, Frozen, StageState};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    name: String,
    kind: Kind,
    seen: String,
    last: u32,
    deployments: BTreeMap<u32, FrozenRecord>,
    stages: BTreeMap<String, StageRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone_unix_seconds: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Rest,
    Http,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrozenRecord {
    created_unix_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    digest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageRecord {
    deployment: u32,
    before: Vec<u32>,
    variables: BTreeMap<String, String>,
    promoted: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CanaryRecord {
    deployment: u32,
    percent: String,
    overrides: BTreeMap<String, String>,
}

/// Writes what is known of an API.
///
/// # Errors
/// Never in practice: it holds texts and numbers.
pub(super) fn write(api: &ApiState) -> Result<Vec<u8>, serde_json::Error> {
    let frozen = |(number, frozen): (&DeploymentNumber, &Frozen)| {
        let record = FrozenRecord {
            created_unix_seconds: frozen.created_unix_seconds,
            description: frozen.description.clone(),
            digest: frozen.digest.to_string(),
        };
        (number.0, record)
    };
    let stage = |(name, stage): (&StageName, &StageState)| {
        let canary = stage.canary.as_ref().map(|canary| CanaryRecord {
            deployment: canary.deployment.0,
            percent: canary.share.to_string(),
            overrides: canary.overrides.clone(),
        });
        let record = StageRecord {
            deployment: stage.deployment.0,
            before: stage.before.iter().map(|number| number.0).collect(),
            variables: stage.variables.clone(),
            promoted: stage.promoted.clone(),
            canary,
        };
        (name.to_string(), record)
    };
    serde_json::to_vec(&Record {
        name: api.name.to_string(),
        kind: match api.kind {
            ApiKind::Rest => Kind::Rest,
            ApiKind::Http => Kind::Http,
        },
        seen: api.seen.to_string(),
        last: api.last.0,
        deployments: api.deployments.iter().map(frozen).collect(),
        stages: api.stages.iter().map(stage).collect(),
        gone_unix_seconds: api.gone_unix_seconds,
    })
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// It is something else, or a stage serves what is not there.
pub(super) fn read(bytes: &[u8]) -> Result<ApiState, serde_json::Error> {
    let record: Record = serde_json::from_slice(bytes)?;
    let frozen = |(number, frozen): (u32, FrozenRecord)| {
        let frozen = Frozen {
            created_unix_seconds: frozen.created_unix_seconds,
            description: frozen.description,
            digest: Digest::written(frozen.digest),
        };
        (DeploymentNumber(number), frozen)
    };
    let deployments: BTreeMap<_, _> = record.deployments.into_iter().map(frozen).collect();
    let kept = |number: u32| {
        let number = DeploymentNumber(number);
        let is_kept = deployments.contains_key(&number);
        let missing = || serde_json::Error::custom(format!("deployment {number} is missing"));
        is_kept.then_some(number).ok_or_else(missing)
    };
    let stage = |(name, stage): (String, StageRecord)| -> Result<_, serde_json::Error> {
        let canary = stage.canary.map(|canary| {
            let share = canary.percent.parse();
            Ok::<_, serde_json::Error>(CanaryState {
                deployment: kept(canary.deployment)?,
                share: share.map_err(serde_json::Error::custom)?,
                overrides: canary.overrides,
            })
        });
        let state = StageState {
            deployment: kept(stage.deployment)?,
            before: stage
                .before
                .into_iter()
                .map(kept)
                .collect::<Result<_, _>>()?,
            variables: stage.variables,
            promoted: stage.promoted,
            canary: canary.transpose()?,
        };
        Ok((StageName::new(&name), state))
    };
    let stages = record.stages.into_iter().map(stage);
    let stages = stages.collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(ApiState {
        name: ApiName::new(&record.name),
        kind: match record.kind {
            Kind::Rest => ApiKind::Rest,
            Kind::Http => ApiKind::Http,
        },
        seen: Digest::written(record.seen),
        last: DeploymentNumber(record.last),
        stages,
        deployments,
        gone_unix_seconds: record.gone_unix_seconds,
    })
}
