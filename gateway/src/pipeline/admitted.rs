//! How often a request may come: what is charged before anybody is asked who sends it, and behind that.

use http::request::Parts;

use crate::clock;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::pipeline::Worker;
use crate::snapshot::RoutePlan;
use crate::step::admit::admit;
use crate::step::attempt::{Asking, Purpose};
use crate::step::bucket::Sender;
use crate::step::proof::Permit;
use crate::step::source_limit::limit_source;

/// Charges the source of a request, or only looks where somebody wants to know what would become of it.
///
/// # Errors
/// 429 where it has had its own.
pub(super) fn ask_source(
    route: &RoutePlan,
    head: &Parts,
    exchange: &mut Exchange,
    asking: Asking<'_>,
) -> Result<(), Rejection> {
    if route.sources.0.is_empty() {
        return Ok(());
    }
    let sender = sender(exchange, head);
    let now_ns = clock::monotonic_ns();
    let noted = match asking.purpose {
        Purpose::Serve => limit_source(&route.sources, asking.buckets, &sender, now_ns)?,
        Purpose::Explain { .. } => {
            let buckets = route.sources.0.iter();
            let mut standings =
                buckets.map(|bucket| bucket.standing(asking.buckets, &sender, now_ns));
            if standings.any(|it| it.wait_ns > 0 && !it.is_monitored) {
                return Err(Reason::SourceThrottled.into());
            }
            None
        }
    };
    note(exchange, noted);
    Ok(())
}

/// Admits a request whose sender may call: charges what it is charged to, and vouches for its source.
///
/// # Errors
/// 429 where one of its buckets is empty.
pub(super) fn admitted(
    route: &RoutePlan,
    head: &Parts,
    exchange: &mut Exchange,
    worker: &Worker,
) -> Result<Permit, Rejection> {
    // The authorizer may have waited for keys: the clock is read behind it.
    let now_ns = clock::monotonic_ns();
    let sender = sender(exchange, head);
    let (permit, noted) = admit(&route.admit, &worker.buckets, &sender, now_ns)?;
    note(exchange, noted);
    worker.vouch(exchange, now_ns);
    Ok(permit)
}

/// Who sends a request.
pub(crate) fn sender<'r>(exchange: &'r Exchange, head: &'r Parts) -> Sender<'r> {
    Sender {
        client: exchange.client.0,
        headers: &head.headers,
        caller: exchange.caller.as_ref(),
    }
}

/// Notes what would have refused a request if it were not only monitored.
fn note(exchange: &mut Exchange, noted: Option<Reason>) {
    if let Some(reason) = noted {
        exchange.record.record.monitor(Some((reason.name(), None)));
    }
}
