//! When a TLS handshake begins: at once, unless its source is penalised.

use super::ListenerPlan;
use super::connection::{Surroundings, note, record};
use super::ends::Ends;
use crate::clock;
use crate::model::PenaltyMode;
use crate::store::offence::{Handshake, Measure};
use crate::telemetry::metrics::ConnectionEvent;

/// The handshake does not begin: its source has begun too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capped;

/// Waits for the turn of a handshake, and says what it was charged, in nanoseconds; `None` where its source
/// is not penalised, or others stand behind it.
///
/// # Errors
/// [`Capped`]; that is counted, and logged now and then.
///
/// # Cancel safety
/// What was charged stays charged.
pub(super) async fn turn<H>(
    ends: &Ends,
    plan: &ListenerPlan,
    around: &Surroundings<H>,
) -> Result<Option<u64>, Capped> {
    if !ends.is_a_client(plan) {
        return Ok(None);
    }
    let (rules, now_ns) = (&plan.penalties, clock::monotonic_ns());
    let is_enforced = rules.mode == PenaltyMode::Enforce;
    let offences = around.doorkeeper.offences();
    let handshake = around.doorkeeper.handshake(ends.source.ip(), rules, now_ns);
    match handshake {
        Handshake::Free => Ok(None),
        Handshake::Charged { charge_ns, wait } => {
            if !wait.is_zero() {
                offences.count(Measure::HandshakeDelayed, is_enforced);
                if is_enforced {
                    tokio::time::sleep(wait).await;
                }
            }
            Ok(Some(charge_ns))
        }
        Handshake::Refused { is_news } => {
            offences.count(Measure::HandshakeCapped, is_enforced);
            refuse(ends, plan, around, (is_enforced, is_news))
        }
    }
}

/// Counts and tells that a handshake was refused, or would have been.
fn refuse<H>(
    ends: &Ends,
    plan: &ListenerPlan,
    around: &Surroundings<H>,
    (is_enforced, is_news): (bool, bool),
) -> Result<Option<u64>, Capped> {
    let event = ConnectionEvent::HandshakeCapped;
    match (is_enforced, is_news) {
        (true, true) => note(around, plan, ends, event, None),
        (true, false) => around.metrics.connection(event),
        (false, true) => {
            let mut record = record(plan, ends);
            record.monitor(Some((event.name(), None)));
            around.sink.connection(&record);
        }
        (false, false) => {}
    }
    if is_enforced { Err(Capped) } else { Ok(None) }
}
