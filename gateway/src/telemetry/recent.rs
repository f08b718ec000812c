//! What became of the last requests, each found by its name.
//!
//! A fixed number of places that are filled in turn, so that memory is bounded and the latest requests
//! are always there. Texts that the client chose are cut to [`TEXT_BYTES_MAX`]; queries, headers and
//! bodies are not kept. Nobody waits for another: a place is locked for the time of one assignment.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::access_log::{Record, ShortText};
use super::decider::Decider;

/// Longest text that is kept of what a client or its issuer chose.
const TEXT_BYTES_MAX: usize = 128;

/// The last requests of all workers.
#[derive(Debug)]
pub struct Recent {
    places: Box<[Mutex<Option<Box<Entry>>>]>,
    /// Requests so far: the next one's place, modulo their number.
    next: AtomicU64,
}

/// What is kept of one request.
#[derive(Debug)]
struct Entry {
    time: SystemTime,
    id: Option<ShortText<16>>,
    amzn_id: Option<Box<str>>,
    listener: Arc<str>,
    client: Option<Arc<str>>,
    method: Option<Cow<'static, str>>,
    host: Box<str>,
    path: Box<str>,
    api: Option<Arc<str>>,
    stage: Option<Arc<str>>,
    deployment: Option<u32>,
    canary: bool,
    route: Option<Arc<str>>,
    authorizer: Option<Arc<str>>,
    subject: Option<Box<str>>,
    decided_by: Option<Decider>,
    policies: Vec<Arc<str>>,
    monitored: Option<&'static str>,
    status: Option<u16>,
    reason: Option<&'static str>,
    detail: Option<Box<str>>,
    upstream_status: Option<u16>,
    duration_us: u64,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When it arrived, in milliseconds since 1970.
    pub time_unix_ms: u64,
    /// The listener it came by.
    pub listener: String,
    /// Who sent it.
    pub client: Option<String>,
    /// Its method.
    pub method: Option<String>,
    /// The host it was sent to.
    pub host: String,
    /// Its path, without query.
    pub path: String,
    /// The API that answered.
    pub api: Option<String>,
    /// Its stage.
    pub stage: Option<String>,
    /// The deployment that it was served from.
    pub deployment: Option<u32>,
    /// Whether that was the stage's canary.
    pub canary: bool,
    /// The route that answered.
    pub route: Option<String>,
    /// The authorizer that was asked.
    pub authorizer: Option<String>,
    /// Whom that knows.
    pub subject: Option<String>,
    /// The statement that decided.
    pub decided_by: Option<String>,
    /// The policies that decided, of the route's policy set.
    pub policies: Vec<String>,
    /// Why it would have been refused if what only monitors were enforced.
    pub monitored: Option<String>,
    /// The status sent; `None` where the client had left.
    pub status: Option<u16>,
    /// Why it was refused or cut short.
    pub reason: Option<String>,
    /// More about that.
    pub detail: Option<String>,
    /// What its backend answered.
    pub upstream_status: Option<u16>,
    /// From its head to the last byte of the answer.
    pub duration_us: u64,
}

impl Recent {
    /// Room for the last `requests`; zero keeps none.
    #[must_use]
    pub fn new(requests: usize) -> Arc<Self> {
        let places = std::iter::repeat_with(|| Mutex::new(None)).take(requests);
        Arc::new(Self {
            places: places.collect(),
            next: AtomicU64::new(0),
        })
    }

    /// Keeps what became of a request, instead of the oldest one's.
    pub(super) fn keep(&self, record: &Record) {
        let Ok(length) = u64::try_from(self.places.len()) else {
            return;
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let place = number.checked_rem(length).map(usize::try_from);
        let place = place.and_then(|index| self.places.get(index.ok()?));
        if let Some(place) = place {
            let entry = Box::new(Entry::of(record));
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        }
    }

    /// The requests of this name, in the form of either type of API, the latest first. Clients of REST
    /// APIs choose names, so there may be several.
    #[must_use]
    pub fn find(&self, id: &str) -> Vec<Kept> {
        let mut found: Vec<Kept> = Vec::new();
        for place in &self.places {
            let entry = place.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(
                entry
                    .as_ref()
                    .filter(|it| it.is_named(id))
                    .map(|it| it.told()),
            );
        }
        found.sort_by_key(|kept| std::cmp::Reverse(kept.time_unix_ms));
        found
    }
}

impl Entry {
    fn of(record: &Record) -> Self {
        Self {
            time: record.time,
            id: record.request_id,
            amzn_id: record.amzn_request_id.clone(),
            listener: Arc::clone(&record.listener),
            client: record.client.clone(),
            method: record.method.clone(),
            host: cut(&record.host),
            path: cut(&record.path),
            api: record.api.clone(),
            stage: record.stage.clone(),
            deployment: record.deployment,
            canary: record.canary,
            route: record.route.clone(),
            authorizer: record.authorizer.clone(),
            subject: record.subject.as_deref().map(cut),
            decided_by: record.decided_by.clone(),
            policies: record.policies.clone(),
            monitored: record.monitored,
            status: record.status,
            reason: record.reason,
            detail: record.detail.as_deref().map(cut),
            upstream_status: record.upstream_status,
            duration_us: record.duration_us,
        }
    }

    fn is_named(&self, id: &str) -> bool {
        let short = self.id.as_ref().map(|id| id.0.as_slice());
        short == Some(id.as_bytes()) || self.amzn_id.as_deref() == Some(id)
    }

    fn told(&self) -> Kept {
        let since = self.time.duration_since(UNIX_EPOCH);
        let milliseconds = since.unwrap_or(Duration::ZERO).as_millis();
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        let boxed = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Kept {
            time_unix_ms: u64::try_from(milliseconds).unwrap_or(u64::MAX),
            listener: self.listener.to_string(),
            client: text(&self.client),
            method: self.method.as_deref().map(str::to_owned),
            host: self.host.to_string(),
            path: self.path.to_string(),
            api: text(&self.api),
            stage: text(&self.stage),
            deployment: self.deployment,
            canary: self.canary,
            route: text(&self.route),
            authorizer: text(&self.authorizer),
            subject: boxed(&self.subject),
            decided_by: self.decided_by.as_ref().map(ToString::to_string),
            policies: self.policies.iter().map(ToString::to_string).collect(),
            monitored: self.monitored.map(str::to_owned),
            status: self.status,
            reason: self.reason.map(str::to_owned),
            detail: boxed(&self.detail),
            upstream_status: self.upstream_status,
            duration_us: self.duration_us,
        }
    }
}

fn cut(text: &str) -> Box<str> {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    text.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::super::access_log::Kind;
    use super::*;

    fn record(number: u8) -> Record {
        let listener = Arc::from("main");
        let mut record = Record::new(Kind::Request, UNIX_EPOCH, listener, "peer".into());
        record.request_id = Some(ShortText([number; 16]));
        record.path = "/".repeat(1_000);
        record
    }

    fn name(number: u8) -> String {
        char::from(number).to_string().repeat(16)
    }

    #[test]
    fn the_latest_stay_and_their_texts_are_bounded() {
        let recent = Recent::new(3);
        for number in b'a'..=b'e' {
            recent.keep(&record(number));
        }
        let kept = |number| recent.find(&name(number)).len();
        assert_eq!([b'a', b'b', b'c', b'd', b'e'].map(kept), [0, 0, 1, 1, 1]);
        let found = recent.find(&name(b'e'));
        assert_eq!(found.first().unwrap().path.len(), TEXT_BYTES_MAX);
        assert!(recent.find("").is_empty());
    }

    #[test]
    fn of_several_with_a_name_that_clients_chose_the_latest_is_first() {
        let recent = Recent::new(8);
        for second in [3, 9, 5] {
            let mut record = record(b'a');
            record.time = UNIX_EPOCH + Duration::from_secs(second);
            record.amzn_request_id = Some("chosen".into());
            recent.keep(&record);
        }
        let times: Vec<_> = recent
            .find("chosen")
            .iter()
            .map(|it| it.time_unix_ms)
            .collect();
        assert_eq!(times, [9_000, 5_000, 3_000]);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let recent = Recent::new(0);
        recent.keep(&record(b'a'));
        assert!(recent.find(&name(b'a')).is_empty());
    }
}
