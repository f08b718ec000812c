//! What stages count, base and canary side by side: for the metrics page and `gateway stats`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::exchange::Deployed;
use crate::model::Track;
use crate::snapshot::Snapshot;
use crate::telemetry::latency::BOUNDS_US;
use crate::telemetry::metrics::{Distribution, Figure, Labels, Sample};

/// What one track of a stage has counted since the stage serves what it serves now, base and canary
/// alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCount {
    /// The API.
    pub api: String,
    /// The stage.
    pub stage: String,
    /// `base` or `canary`.
    pub track: String,
    /// Number of the deployment that it serves; `None` where nobody keeps deployments.
    pub deployment: Option<u32>,
    /// Since when, in seconds since 1970: what the base or the canary served before is not counted
    /// here.
    pub since_unix_seconds: u64,
    /// Requests that ended.
    pub requests: u64,
    /// Of those, answered with a status of 400 to 499.
    pub client_errors: u64,
    /// Of those, answered with a status of 500 to 599.
    pub server_errors: u64,
    /// Microseconds that they took together.
    pub duration_us: u64,
    /// How many of them took how long, the fastest first.
    pub durations: Vec<DurationBucket>,
}

/// Requests that took longer than what the bucket before holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurationBucket {
    /// Longest time of a request in it, in microseconds; `None` where it has no bound.
    pub at_most_us: Option<u64>,
    /// How many are in it.
    pub requests: u64,
}

impl StageCount {
    /// The bucket of the slowest among the fastest `percent` of requests; `None` where there were
    /// none.
    #[must_use]
    pub fn quantile(&self, percent: u64) -> Option<DurationBucket> {
        let count: u64 = self.durations.iter().map(|bucket| bucket.requests).sum();
        let rank = u128::from(count) * u128::from(percent);
        let mut seen = 0;
        let mut buckets = self.durations.iter();
        let found = buckets.find(|bucket| {
            seen += u128::from(bucket.requests) * 100;
            bucket.requests > 0 && seen >= rank
        });
        found.copied()
    }
}

/// What labels call a track.
pub(super) const fn track_name(track: Track) -> &'static str {
    match track {
        Track::Base => "base",
        Track::Canary => "canary",
    }
}

/// Every stage by API and name, its canary behind it.
pub(super) fn counts(snapshot: &Snapshot) -> Vec<StageCount> {
    let stages = snapshot.stages().map(|(api, stage)| {
        let deployed = &stage.deployed;
        let totals = deployed.counts.window();
        let bounds = BOUNDS_US.into_iter().map(Some).chain([None]);
        let bucket = |(at_most_us, requests)| DurationBucket {
            at_most_us,
            requests,
        };
        StageCount {
            api: api.name.to_string(),
            stage: deployed.stage.to_string(),
            track: track_name(deployed.track).to_owned(),
            deployment: deployed.deployment.map(|number| number.0),
            since_unix_seconds: deployed.counts.since_unix_seconds(),
            requests: totals.requests,
            client_errors: totals.client_errors,
            server_errors: totals.server_errors,
            duration_us: totals.latency.sum_ns / 1_000,
            durations: bounds.zip(totals.latency.buckets).map(bucket).collect(),
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

fn labels(api: &str, stage: &str, track: &str) -> Labels {
    vec![
        ("api", api.to_owned()),
        ("stage", stage.to_owned()),
        ("track", track.to_owned()),
    ]
}

/// The histograms of the metrics page: one for each track of each stage that is configured.
pub(super) fn stage_distribution(snapshot: &Arc<ArcSwap<Snapshot>>) -> Distribution {
    let snapshot = Arc::clone(snapshot);
    Distribution {
        name: "gateway_stage_request_duration_seconds",
        help: "From the head of a stage's request to the last byte of its answer",
        read: Box::new(move || {
            let snapshot = snapshot.load();
            let stages = snapshot.stages().map(|(api, stage)| {
                let deployed = &stage.deployed;
                let track = track_name(deployed.track);
                let labels = labels(&api.name, &deployed.stage, track);
                (labels, deployed.counts.totals().latency)
            });
            stages.collect()
        }),
    }
}

/// Which stages serve something else than the file said when it was last read.
fn differing(snapshot: &Arc<ArcSwap<Snapshot>>) -> Figure {
    let snapshot = Arc::clone(snapshot);
    let read = move || {
        let snapshot = snapshot.load();
        let samples = snapshot.differing().map(|(api, stage, differs)| Sample {
            labels: vec![("api", api.to_owned()), ("stage", stage.to_owned())],
            value: u64::from(differs).into(),
        });
        samples.collect()
    };
    Figure {
        name: "gateway_stage_differs_from_file",
        help: "1 where a stage serves something else than the file says, its canary apart",
        counter: false,
        read: Box::new(read),
    }
}

/// The figures of the metrics page. Counters go on where a stage serves something else.
pub(super) fn stage_figures(snapshot: &Arc<ArcSwap<Snapshot>>) -> [Figure; 5] {
    let figure = |name, help, counter, value: fn(&Deployed) -> Option<u64>| {
        let snapshot = Arc::clone(snapshot);
        let read = move || {
            let snapshot = snapshot.load();
            let samples = snapshot.stages().filter_map(|(api, stage)| {
                let deployed = &stage.deployed;
                let track = track_name(deployed.track);
                Some(Sample {
                    value: value(deployed)?.into(),
                    labels: labels(&api.name, &deployed.stage, track),
                })
            });
            samples.collect()
        };
        Figure {
            name,
            help,
            counter,
            read: Box::new(read),
        }
    };
    [
        differing(snapshot),
        figure(
            "gateway_stage_deployment",
            "Number of the deployment that a stage serves, by its base or its canary",
            false,
            |deployed| Some(u64::from(deployed.deployment?.0)),
        ),
        figure(
            "gateway_stage_requests",
            "Requests that a stage answered, by what served them: its base or its canary",
            true,
            |deployed| Some(deployed.counts.totals().requests),
        ),
        figure(
            "gateway_stage_client_errors",
            "Requests of a stage that ended with a status of 400 to 499",
            true,
            |deployed| Some(deployed.counts.totals().client_errors),
        ),
        figure(
            "gateway_stage_server_errors",
            "Requests of a stage that ended with a status of 500 to 599",
            true,
            |deployed| Some(deployed.counts.totals().server_errors),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(requests: [u64; 3]) -> StageCount {
        let bounds = [Some(250), Some(500), None];
        let buckets = bounds.into_iter().zip(requests);
        StageCount {
            api: "a".to_owned(),
            stage: "s".to_owned(),
            track: "base".to_owned(),
            deployment: None,
            since_unix_seconds: 0,
            requests: requests.iter().sum(),
            client_errors: 0,
            server_errors: 0,
            duration_us: 0,
            durations: buckets
                .map(|(at_most_us, requests)| DurationBucket {
                    at_most_us,
                    requests,
                })
                .collect(),
        }
    }

    #[test]
    fn quantiles_are_the_bucket_that_holds_them() {
        for (requests, percent, expected) in [
            ([0, 0, 0], 50, None),
            ([1, 1, 0], 50, Some(Some(250))),
            ([1, 2, 0], 50, Some(Some(500))),
            ([98, 1, 1], 99, Some(Some(500))),
            ([98, 0, 2], 99, Some(None)),
            ([0, 0, 1], 50, Some(None)),
        ] {
            let found = count(requests).quantile(percent);
            assert_eq!(found.map(|it| it.at_most_us), expected, "{requests:?}");
        }
    }
}
