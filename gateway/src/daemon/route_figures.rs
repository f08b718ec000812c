//! What single routes count, where their stages ask for that, for the metrics page.
//!
//! Their labels come from the configuration alone: there are as many as it has routes and stages.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::stage_figures::track_name;
use crate::snapshot::{RoutePlan, Snapshot};
use crate::telemetry::metrics::{Figure, Sample, Value};
use crate::telemetry::stage_counts::StageTotals;

/// What a route without a path, `$default`, has for a method.
const ANY_METHOD: &str = "ANY";

/// The figures of the metrics page.
pub(super) fn route_figures(snapshot: &Arc<ArcSwap<Snapshot>>) -> [Figure; 4] {
    let figure = |name, help, value: fn(&StageTotals) -> Value| {
        let snapshot = Arc::clone(snapshot);
        Figure {
            name,
            help,
            counter: true,
            read: Box::new(move || samples(&snapshot.load(), value)),
        }
    };
    [
        figure(
            "gateway_route_requests",
            "Requests that a route answered, of stages with detailed metrics",
            |totals| totals.requests.into(),
        ),
        figure(
            "gateway_route_client_errors",
            "Requests of such a route that ended with a status of 400 to 499",
            |totals| totals.client_errors.into(),
        ),
        figure(
            "gateway_route_server_errors",
            "Requests of such a route that ended with a status of 500 to 599",
            |totals| totals.server_errors.into(),
        ),
        figure(
            "gateway_route_duration_seconds",
            "Time that the requests of such a route took together, from head to last byte",
            |totals| Value::Time(Duration::from_nanos(totals.latency.sum_ns)),
        ),
    ]
}

fn samples(snapshot: &Snapshot, value: fn(&StageTotals) -> Value) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (api, stage) in snapshot.stages() {
        let sample = |route: &RoutePlan| {
            let totals = route.observed.counts.as_ref()?.totals();
            let (method, resource) = route
                .key
                .split_once(' ')
                .unwrap_or((ANY_METHOD, &route.key));
            Some(Sample {
                labels: vec![
                    ("api", api.name.to_string()),
                    ("stage", stage.deployed.stage.to_string()),
                    ("track", track_name(stage.deployed.track).to_owned()),
                    ("method", method.to_owned()),
                    ("resource", resource.to_owned()),
                ],
                value: value(&totals),
            })
        };
        samples.extend(stage.router.values().filter_map(sample));
    }
    samples.sort_by(|one, other| one.labels.cmp(&other.labels));
    samples
}
