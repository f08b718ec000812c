//! Limits across gateways: the thread that asks for them, and what is told of it.

use std::time::Duration;

use tokio::sync::oneshot;

use super::background::{Background, Ended};
use crate::store::fleet::{Fleet, FleetFigures, Lender};
use crate::telemetry::metrics::Figure;

/// Longest time that a stop waits until what is in hand was given back.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The thread that asks. Requests wait for nobody, so neither workers nor the control thread, which reads
/// large configurations, are to be waited for by it.
#[derive(Debug)]
pub(super) struct FleetThread {
    thread: Background,
    stop: oneshot::Sender<()>,
}

impl FleetThread {
    pub(super) fn start(lender: Lender) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = Background::start("fleet", move || {
            runtime.block_on(lender.run(stopped));
            // A name that is still looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { thread, stop })
    }

    /// Whether the thread ended without being told to.
    pub(super) fn has_died(&self) -> bool {
        self.thread.has_died()
    }

    /// Ends the thread, after it has given back what nobody will use, for which this waits a bounded time.
    pub(super) fn stop(self) {
        // It may have died, which is told below.
        let _told = self.stop.send(());
        match self.thread.wait(STOP_MAX) {
            Ended::InTime => {}
            Ended::NotInTime => {
                tracing::warn!("fleet: not everything was given back within {STOP_MAX:?}");
            }
            Ended::Died => {
                tracing::error!("the thread that asks for limits of the fleet had died");
            }
        }
    }
}

/// The figures of the metrics page.
pub(super) fn fleet_figures(fleet: &Fleet) -> [Figure; 7] {
    let read = |read: fn(FleetFigures) -> u64| {
        let fleet = fleet.clone();
        move || read(fleet.counters().figures())
    };
    [
        Figure::single(
            "gateway_fleet_reached",
            "Whether the store of the fleet answers",
            false,
            read(|figures| figures.is_reached.into()),
        ),
        Figure::single(
            "gateway_fleet_answers",
            "Questions that the store of the fleet answered",
            true,
            read(|figures| figures.answers),
        ),
        Figure::single(
            "gateway_fleet_failures",
            "Questions that the store of the fleet did not answer",
            true,
            read(|figures| figures.failures),
        ),
        Figure::single(
            "gateway_fleet_taken_requests",
            "Requests that were taken of limits across gateways",
            true,
            read(|figures| figures.taken),
        ),
        Figure::single(
            "gateway_fleet_lost_requests",
            "Requests that this gateway had taken of limits across gateways and their store did not know of any more",
            true,
            read(|figures| figures.lost),
        ),
        Figure::single(
            "gateway_fleet_share_requests",
            "Requests that this gateway's share decided, because the store of the fleet did not answer",
            true,
            read(|figures| figures.by_share),
        ),
        Figure::single(
            "gateway_fleet_unlisted_requests",
            "Requests of callers that this gateway's share decided, because there was no room to tell them apart",
            true,
            read(|figures| figures.without_room),
        ),
    ]
}
