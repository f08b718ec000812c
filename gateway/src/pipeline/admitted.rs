//! How often a request may come: what is charged before anybody is asked who sends it, and behind that.

use http::request::Parts;

use super::discipline::note_sender;
use crate::clock;
use crate::exchange::{Exchange, Reason, Rejection, UsedKey};
use crate::model::KeySource;
use crate::pipeline::Worker;
use crate::snapshot::RoutePlan;
use crate::step::admit::{AdmitPlan, Keyed, admit};
use crate::step::allowance::rate_limit;
use crate::step::api_key::{HEADER, key_of};
use crate::step::attempt::{Asking, Purpose};
use crate::step::bucket::Sender;
use crate::step::concurrency::take_seats;
use crate::step::proof::Permit;
use crate::step::source_limit::{SourcePlan, limit_source};
use crate::store::api_key::ApiKeys;
use crate::store::key_ring::KeyRing;

/// Charges the source of a request, or only looks where somebody wants to know what would become of it.
///
/// # Errors
/// 429 where it has had its own.
pub(super) fn ask_source(
    sources: &SourcePlan,
    head: &Parts,
    exchange: &mut Exchange,
    asking: Asking<'_>,
) -> Result<(), Rejection> {
    if sources.0.is_empty() {
        return Ok(());
    }
    let sender = sender(exchange, head);
    let now_ns = clock::monotonic_ns();
    let noted = match asking.purpose {
        Purpose::Serve => {
            let limited = limit_source(sources, asking.buckets, &sender, now_ns);
            if limited.is_err() && says_what_is_left(exchange) {
                let plans = (sources, &AdmitPlan::default());
                let left = rate_limit(plans, asking.buckets, &sender, None, now_ns);
                exchange.rate_limit = left.map(Box::new);
            }
            limited?
        }
        Purpose::Explain { .. } => {
            let buckets = sources.0.iter();
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

/// Admits a request whose sender may call: takes its seats, charges what it is charged to, and vouches for
/// its source.
///
/// # Errors
/// 429 where too many are under way, or one of its buckets is empty.
pub(super) fn admitted(
    route: &RoutePlan,
    head: &Parts,
    exchange: &mut Exchange,
    worker: &Worker,
) -> Result<Permit, Rejection> {
    // The authorizer may have waited for keys: the clock is read behind it.
    let now_ns = clock::monotonic_ns();
    // Where no key is asked for, nobody looks at keys or at the time of day.
    let asked = route.api_key.map(|source| (source, worker.rings.current()));
    let keyed = asked.as_ref().map(|(source, ring)| {
        let keys = (&***ring, worker.rings.keys());
        keyed((route, *source), head, exchange, keys)
    });
    let keyed = keyed.transpose()?;
    // Also of a request that one of its buckets refuses.
    let key = keyed.as_ref().map(|keyed| used(route, keyed, head));
    exchange.record.record.api_key = key.as_ref().map(|key| (&key.id).into());
    exchange.api_key = key;
    if exchange.api_key.is_some() {
        note_sender(exchange, &worker.buckets);
    }
    let sender = sender(exchange, head);
    let (seats, full) = take_seats(&route.concurrency, &worker.buckets, &sender)?;
    let keyed = keyed.as_ref();
    let admitted = admit(&route.admit, &worker.buckets, &sender, keyed, now_ns);
    if says_what_is_left(exchange) {
        let plans = (&route.sources, &route.admit);
        let left = rate_limit(plans, &worker.buckets, &sender, keyed, now_ns);
        exchange.rate_limit = left.map(Box::new);
    }
    let (permit, noted) = admitted?;
    exchange.seats = seats;
    note(exchange, full.or(noted));
    worker.vouch(exchange, now_ns);
    worker.note_admitted(exchange, now_ns);
    Ok(permit)
}

fn says_what_is_left(exchange: &Exchange) -> bool {
    let deployed = exchange.deployed.as_ref();
    deployed.is_some_and(|deployed| deployed.throttle_headers.rate_limit)
}

/// The API key of a request to a route that asks for one.
///
/// # Errors
/// 403 where there is none, or one that opens nothing here.
pub(crate) fn keyed<'r>(
    (route, source): (&'r RoutePlan, KeySource),
    head: &Parts,
    exchange: &Exchange,
    (ring, keys): (&'r KeyRing, &ApiKeys),
) -> Result<Keyed<'r>, Rejection> {
    let api = exchange.record.record.api.as_deref().unwrap_or_default();
    let deployed = exchange.deployed.as_ref();
    let stage = deployed.map_or("", |deployed| &deployed.stage);
    let key = key_of(source, &sender(exchange, head), (ring, keys), (api, stage))?;
    Ok(Keyed {
        key,
        route: &route.key,
        unix_seconds: clock::unix_seconds(),
    })
}

/// The API key that a request came with, for whoever is behind admission.
pub(crate) fn used(route: &RoutePlan, keyed: &Keyed<'_>, head: &Parts) -> UsedKey {
    let is_in_header = route.api_key == Some(KeySource::Header);
    let header = is_in_header.then(|| head.headers.get(HEADER)).flatten();
    UsedKey::new(keyed.key.held.key().id.clone(), header)
}

/// Who sends a request, as far as that is known.
pub(crate) fn sender<'r>(exchange: &'r Exchange, head: &'r Parts) -> Sender<'r> {
    Sender {
        client: exchange.client.0,
        headers: &head.headers,
        caller: exchange.caller.as_ref(),
        api_key: exchange.api_key.as_ref().map(|key| &key.id),
    }
}

/// Notes what would have refused a request if it were not only monitored.
fn note(exchange: &mut Exchange, noted: Option<Reason>) {
    if let Some(reason) = noted {
        exchange.record.record.monitor(Some((reason.name(), None)));
    }
}
