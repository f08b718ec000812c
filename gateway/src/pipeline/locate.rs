//! The stage that a request is for.

use std::sync::Arc;

use crate::exchange::{Exchange, Reason, Rejection};
use crate::model::Track;
use crate::router::RequestPath;
use crate::snapshot::{Destination, StagePlan};

/// Finds the stage that serves the path `raw`, and what it sees of it.
///
/// # Errors
/// A path that cannot be read, or that no stage serves.
pub(super) fn locate<'d, 'p>(
    destination: Destination<'d>,
    exchange: &mut Exchange,
    raw: &'p str,
) -> Result<(&'d StagePlan, RequestPath<'p>), Rejection> {
    let path = RequestPath::parse(raw, destination.api.slashes())
        .map_err(|error| Rejection::detailed(Reason::BadPath, error.to_string()))?;
    let (stage, path) = destination
        .stage(path, exchange.id.draw())
        .ok_or(Reason::StageNotFound)?;
    exchange.record.record.stage = Some(Arc::clone(&stage.deployed.stage));
    exchange.record.record.deployment = stage.deployed.deployment.map(|number| number.0);
    exchange.record.record.canary = stage.deployed.track == Track::Canary;
    exchange.record.stage = Some(Arc::clone(&stage.deployed.counts));
    exchange.deployed = Some(Arc::clone(&stage.deployed));
    Ok((stage, path))
}
