//! What stages count, base and canary side by side: for the metrics page and `gateway stats`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::model::Track;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::{Figure, Sample};

/// What one track of a stage has counted since the gateway started, or since it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCount {
    /// The API.
    pub api: String,
    /// The stage.
    pub stage: String,
    /// `base` or `canary`.
    pub track: String,
    /// Requests that ended.
    pub requests: u64,
    /// Of those, answered with a status of 400 to 499.
    pub client_errors: u64,
    /// Of those, answered with a status of 500 to 599.
    pub server_errors: u64,
    /// Microseconds that they took together.
    pub duration_us: u64,
}

/// Every stage by API and name, its canary behind it.
pub(super) fn counts(snapshot: &Snapshot) -> Vec<StageCount> {
    let stages = snapshot.stages().map(|(api, stage)| {
        let totals = stage.deployed.counts.totals();
        let track = match stage.deployed.track {
            Track::Base => "base",
            Track::Canary => "canary",
        };
        StageCount {
            api: api.name.to_string(),
            stage: stage.deployed.stage.to_string(),
            track: track.to_owned(),
            requests: totals.requests,
            client_errors: totals.client_errors,
            server_errors: totals.server_errors,
            duration_us: totals.duration_us,
        }
    });
    let mut counts: Vec<StageCount> = stages.collect();
    let key = |count: &StageCount| {
        let StageCount {
            api, stage, track, ..
        } = count;
        (api.clone(), stage.clone(), track.clone())
    };
    counts.sort_by_key(key);
    counts
}

/// The figures of the metrics page.
pub(super) fn stage_figures(snapshot: &Arc<ArcSwap<Snapshot>>) -> [Figure; 4] {
    let figure = |name, help, value: fn(&StageCount) -> u64| {
        let snapshot = Arc::clone(snapshot);
        let sample = move |count: StageCount| Sample {
            value: value(&count),
            labels: vec![
                ("api", count.api),
                ("stage", count.stage),
                ("track", count.track),
            ],
        };
        Figure {
            name,
            help,
            counter: true,
            read: Box::new(move || counts(&snapshot.load()).into_iter().map(sample).collect()),
        }
    };
    [
        figure(
            "gateway_stage_requests",
            "Requests that a stage answered, by what served them: its base or its canary",
            |count| count.requests,
        ),
        figure(
            "gateway_stage_client_errors",
            "Requests of a stage that ended with a status of 400 to 499",
            |count| count.client_errors,
        ),
        figure(
            "gateway_stage_server_errors",
            "Requests of a stage that ended with a status of 500 to 599",
            |count| count.server_errors,
        ),
        figure(
            "gateway_stage_duration_microseconds",
            "Time that the requests of a stage took together, from head to last byte",
            |count| count.duration_us,
        ),
    ]
}
