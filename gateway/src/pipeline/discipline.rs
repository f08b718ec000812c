//! What becomes of callers who go on although they were told to wait, or show credentials that are none.
//!
//! This is asked behind the pipelines, when it is known what a request comes to. It never changes an
//! answer: it notes what has happened, and holds the connection back on which it came.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use crate::clock;
use crate::exchange::{Caller, Carried, Connection, Exchange, Reason, Rejection};
use crate::model::{PenaltyMode, PenaltyRules};
use crate::store::bucket::{Buckets, ns, source_value};
use crate::store::offence::{Culprit, OffenceKind, Step};
use crate::store::penalty::{HeldFlow, Offender};
use crate::telemetry::caller_name::caller_name;
use crate::telemetry::operator_log::explain;

/// What the two kinds of keys are told apart by.
const API_KEY: u64 = 1;
const SUBJECT: u64 = 2;

impl Worker {
    /// Notes what a request has come to. `refused` is what it was refused for, if it was.
    pub(crate) fn discipline(
        &self,
        rules: &PenaltyRules,
        exchange: &mut Exchange,
        refused: Option<&Rejection>,
    ) {
        let restraint = &exchange.connection.restraint;
        if rules.mode == PenaltyMode::Off || restraint.is_exempt() || !is_direct(exchange) {
            return;
        }
        // What was admitted was noted then.
        let Some(rejection) = refused else {
            return;
        };
        let key = key_of(exchange, &self.buckets);
        if let Some(key) = key {
            restraint.carries(key);
        }
        let mut culprit = Culprit {
            source: source_value(exchange.client.0),
            key,
        };
        let now_ns = clock::monotonic_ns();
        let (kind, step) = if let Some(kind) = forgery(rejection.reason) {
            let step = self.offences.failed(culprit.source, kind, now_ns, rules);
            (kind, step)
        } else if let Some(wait) = told_to_wait(exchange, rejection) {
            let (arrived_ns, moment) = (exchange.record.started_ns(), (now_ns, wait));
            let has_waited = restraint.is_told(arrived_ns, now_ns.saturating_add(ns(wait)));
            match blamed(key, rejection.reason, restraint.carried(), has_waited) {
                Some(key) => culprit.key = key,
                None => return,
            }
            let name = || name_of(exchange);
            let step = self.offences.told(culprit, name, arrived_ns, moment, rules);
            (OffenceKind::Overage, step)
        } else {
            return;
        };
        if step != Step::Tell && rules.mode == PenaltyMode::Enforce {
            restraint.charge(kind.weight());
        }
        // Others on the connection have done nothing. It ends where none of them has behaved for a while, and
        // nobody waits for an answer who has.
        let befalls = match (restraint.carried(), step) {
            (Carried::Several, Step::Cut(_)) => !restraint.serves_another(key),
            (Carried::Several, _) => false,
            (Carried::Nobody | Carried::One(_), _) => true,
        };
        if befalls {
            self.take(step, rules, culprit, exchange);
        }
    }

    /// Notes that a request is admitted, and under way from now on: its key behaves, however long the answer
    /// may take.
    pub(super) fn note_admitted(&self, exchange: &mut Exchange, now_ns: u64) {
        let restraint = &exchange.connection.restraint;
        if restraint.is_exempt() || !is_direct(exchange) {
            return;
        }
        let Some(key) = key_of(exchange, &self.buckets) else {
            return;
        };
        if restraint.tells(key, Instant::now()) {
            let culprit = Culprit {
                source: source_value(exchange.client.0),
                key: Some(key),
            };
            self.offences.behaves(culprit, now_ns);
        }
        exchange.under_way = Some(restraint.begins(key));
    }

    fn take(&self, step: Step, rules: &PenaltyRules, culprit: Culprit, exchange: &mut Exchange) {
        let Some(measure) = step.measure() else {
            return;
        };
        let is_enforced = rules.mode == PenaltyMode::Enforce;
        self.offences.count(measure, is_enforced);
        let record = &mut exchange.record.record;
        if !is_enforced {
            record.monitor(Some((measure.name(), None)));
            return;
        }
        record.penalty = Some(measure.name());
        let connection = &exchange.connection;
        let (restraint, now) = (&connection.restraint, Instant::now());
        match step {
            Step::Tell => {}
            Step::Slow(length) => restraint.slow(now, length),
            Step::Cut(length) => restraint.cut(length),
            Step::Hold(length) => match self.held(connection, culprit, (rules, length)) {
                Some(held) if !restraint.is_held() => restraint.hold(now, length, Box::new(held)),
                Some(_) | None => restraint.slow(now, length),
            },
        }
    }

    /// Has the kernel drop what comes on a connection for so long; `None` where it cannot.
    fn held(
        &self,
        connection: &Connection,
        culprit: Culprit,
        (rules, length): (&PenaltyRules, Duration),
    ) -> Option<HeldFlow> {
        let penalties = self.penalties.as_ref()?;
        // Whom a balancer announces the kernel does not see.
        let is_seen = connection.peer.0 == connection.source.0;
        let offender = Offender::new(
            connection.peer.0,
            connection.trusted_proxies.iter().copied(),
        );
        let offender = offender.filter(|_| is_seen)?;
        let (offences, now_ns) = (&rules.offences, clock::monotonic_ns());
        let offence = penalties.offence(culprit.key.unwrap_or_default(), offender);
        let debt = Duration::from_nanos(offences.tolerance_ns) + length;
        penalties.offend(offence, offences, debt, length, now_ns)?;
        match penalties.hold(offender, connection.local, offence, offences) {
            Ok(held) => Some(held),
            Err(error) => {
                tracing::debug!(error = explain(&error), "a connection is held here alone");
                None
            }
        }
    }
}

/// Notes whose request a connection carries as soon as that is known: what becomes of others on it must not
/// befall a request that is under way.
pub(super) fn note_sender(exchange: &Exchange, buckets: &Buckets) {
    let restraint = &exchange.connection.restraint;
    if restraint.is_exempt() {
        return;
    }
    if let Some(key) = key_of(exchange, buckets) {
        restraint.carries(key);
    }
}

/// Whether the client has the connection to itself: behind a proxy that names its clients in headers, many
/// share one.
fn is_direct(exchange: &Exchange) -> bool {
    exchange.client.0 == exchange.connection.source.ip()
}

/// What stands for the key that a request came with: its API key, else its caller.
fn key_of(exchange: &Exchange, buckets: &Buckets) -> Option<u64> {
    if let Some(key) = &exchange.api_key {
        return Some(buckets.caller_tag(API_KEY, key.id.as_str().as_bytes()));
    }
    let subject = exchange.caller.as_ref().and_then(Caller::subject)?;
    Some(buckets.caller_tag(SUBJECT, subject.as_bytes()))
}

/// What an authentication that failed is, where that is an offence: by a signature that is wrong for what was
/// sent, a key that nobody knows, or a token that its issuer has not signed, which it has not either where it
/// has no such key. Credentials that are missing, of somebody else or merely too old never are, nor is what
/// could not be judged: of a key that the issuer could not be asked for nobody knows who has it, and of an
/// algorithm that is not accepted the issuer may well have signed.
const fn forgery(reason: Reason) -> Option<OffenceKind> {
    match reason {
        Reason::SignatureMismatch | Reason::PayloadMismatch => Some(OffenceKind::BadSignature),
        Reason::SignatureUnknownKey | Reason::ApiKeyUnknown => Some(OffenceKind::UnknownKey),
        Reason::TokenSignature | Reason::TokenUnknownKey => Some(OffenceKind::ForgedToken),
        _ => None,
    }
}

/// What operators call the key of a request. It is kept as long as its penalty is remembered.
fn name_of(exchange: &Exchange) -> Arc<str> {
    let subject = exchange.caller.as_ref().and_then(Caller::subject);
    match (&exchange.api_key, subject) {
        (Some(key), _) => format!("API key {}", caller_name(key.id.as_str())).into(),
        (None, Some(subject)) => format!("caller {}", caller_name(subject)).into(),
        // One that was refused before it had shown it, on a connection that is known by others.
        (None, None) => "the key of its connection".into(),
    }
}

/// Whose it is that a request came although its sender was told to wait, where it is anybody's: that of its key,
/// and where a limit has refused it before that was known, of the one whose requests its connection carries. Else it
/// is that of all at the address who have shown none, but not where this connection has waited as it was told
/// to, nor of those who are refused because others have authorizers do too much.
fn blamed(
    key: Option<u64>,
    reason: Reason,
    carried: Carried,
    has_waited: bool,
) -> Option<Option<u64>> {
    match (key, carried) {
        (Some(key), _) | (None, Carried::One(key)) => Some(Some(key)),
        (None, Carried::Nobody | Carried::Several) => {
            let is_nobodys = has_waited || matches!(reason, Reason::AuthorizerThrottled);
            (!is_nobodys).then_some(None)
        }
    }
}

/// How long the client is told to wait for its next token, where it is. When a seat becomes free nobody
/// knows: who has many requests under way offends nobody by trying.
fn told_to_wait(exchange: &Exchange, rejection: &Rejection) -> Option<Duration> {
    use Reason::{CallerConcurrency, ClientFull, RouteConcurrency};
    if matches!(
        rejection.reason,
        CallerConcurrency | ClientFull | RouteConcurrency
    ) {
        return None;
    }
    let deployed = exchange.deployed.as_ref()?;
    let seconds = rejection.retry_after_seconds?;
    let is_told = rejection.status().as_u16() == 429 && deployed.throttle_headers.retry_after;
    is_told.then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_shows_no_key_yet_is_that_of_its_connection() {
        use Carried::{Nobody, One, Several};
        let source = Reason::SourceThrottled;
        for (key, reason, carried, has_waited, expected) in [
            (Some(7), source, Nobody, true, Some(Some(7))),
            (Some(7), source, Several, false, Some(Some(7))),
            (None, source, One(8), true, Some(Some(8))),
            (
                None,
                Reason::AuthorizerThrottled,
                One(8),
                false,
                Some(Some(8)),
            ),
            (None, source, Nobody, false, Some(None)),
            (None, source, Nobody, true, None),
            (None, source, Several, false, Some(None)),
            (None, source, Several, true, None),
            (None, Reason::AuthorizerThrottled, Nobody, false, None),
        ] {
            assert_eq!(blamed(key, reason, carried, has_waited), expected);
        }
    }

    #[test]
    fn what_cannot_be_judged_or_is_merely_too_old_is_no_offence() {
        for (reason, expected) in [
            (Reason::SignatureMismatch, Some(OffenceKind::BadSignature)),
            (Reason::PayloadMismatch, Some(OffenceKind::BadSignature)),
            (Reason::SignatureUnknownKey, Some(OffenceKind::UnknownKey)),
            (Reason::ApiKeyUnknown, Some(OffenceKind::UnknownKey)),
            (Reason::TokenSignature, Some(OffenceKind::ForgedToken)),
            (Reason::TokenUnknownKey, Some(OffenceKind::ForgedToken)),
            (Reason::TokenAlgorithm, None),
            (Reason::TokenKeyUnavailable, None),
            (Reason::KeysUnavailable, None),
            (Reason::KeysBusy, None),
            (Reason::TokenMalformed, None),
            (Reason::TokenMissing, None),
            (Reason::TokenExpired, None),
            (Reason::SignatureTime, None),
            (Reason::SessionExpired, None),
            (Reason::RouteNotFound, None),
        ] {
            assert_eq!(forgery(reason), expected, "{reason:?}");
        }
    }
}
