//! How many requests are under way by each limit, for the metrics page.
//!
//! Its labels come from the configuration alone: no caller has one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::snapshot::{RoutePlan, Snapshot};
use crate::telemetry::metrics::{Figure, Sample};

/// The figures of the metrics page.
pub(super) fn concurrency_figures(snapshot: &Arc<ArcSwap<Snapshot>>) -> [Figure; 2] {
    let (routes, callers) = (Arc::clone(snapshot), Arc::clone(snapshot));
    [
        Figure {
            name: "gateway_concurrency_requests",
            help: "Requests under way, by the limit on them",
            counter: false,
            read: Box::new(move || samples(&routes.load())),
        },
        Figure::single(
            "gateway_concurrency_wordless",
            "Requests of callers that shared a limit because the table of callers had no room",
            true,
            move || wordless(&callers.load()),
        ),
    ]
}

fn routes(snapshot: &Snapshot) -> impl Iterator<Item = &RoutePlan> {
    snapshot
        .stages()
        .flat_map(|(_, stage)| stage.router.values())
}

fn samples(snapshot: &Snapshot) -> Vec<Sample> {
    let shared = routes(snapshot).filter_map(|route| route.concurrency.shared.as_ref());
    let shared = shared.map(|seats| (seats.name.clone(), seats.hall.inside()));
    let upstreams = snapshot.upstreams.iter().filter_map(|plan| {
        let (hall, _) = plan.limit()?;
        Some((format!("upstream {}", plan.name), hall.inside()))
    });
    // Both tracks of a stage share a limit, and so do all plans of an upstream.
    let inside: BTreeMap<String, u32> = shared.chain(upstreams).collect();
    let sample = |(limit, inside): (String, u32)| Sample {
        labels: vec![("limit", limit)],
        value: u64::from(inside).into(),
    };
    inside.into_iter().map(sample).collect()
}

/// All limits share one table.
fn wordless(snapshot: &Snapshot) -> u64 {
    let mut limits = routes(snapshot).flat_map(|route| &route.concurrency.callers);
    limits.next().map_or(0, |seats| seats.callers.wordless())
}
