//! Buckets that requests are charged to, as the plans of steps have them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use gateway_common::word::Word;
use http::HeaderMap;

use crate::exchange::{Caller, Reason, ThrottledCaller};
use crate::model::{ApiKeyId, CallerKey, CallerThrottle, Throttle};
use crate::store::bucket::{Buckets, source_name, source_value, yields_ns};
use crate::store::charge::{Account, CallerLimits, Level, owed_until};
use crate::store::fleet::{Allowance, BucketTerms, Fleet, Terms};
use crate::store::lease::SlotLease;
use crate::telemetry::caller_name::caller_name;
use crate::telemetry::execution_log::Masks;

/// Bytes of a digest that tell callers apart on all gateways.
const CALLER_DIGEST_BYTES: usize = 16;

/// One bucket that all share who come by it.
#[derive(Debug)]
pub struct SharedBucket {
    /// Its slot.
    pub lease: SlotLease,
    /// Its limit.
    pub throttle: Throttle,
    /// What a refusal of it is called.
    pub reason: Reason,
}

/// One bucket for each caller.
#[derive(Debug)]
pub struct CallerBucket {
    /// What tells callers apart, and their limits.
    pub throttle: CallerThrottle,
    /// The slot that callers without room in the table share; its tag keeps callers of different
    /// throttles apart.
    pub parent: SlotLease,
    /// Where all gateways of the fleet share the limit.
    pub across: Option<CallersAcross>,
}

/// Callers of whom all gateways know what they have used.
#[derive(Debug)]
pub struct CallersAcross {
    /// What this gateway has in hand of it.
    pub fleet: Fleet,
    /// What the throttle is called on all gateways.
    pub name: Box<str>,
}

impl CallersAcross {
    /// What stands for a caller there, of one length whatever it has sent. Not a secret: of an address, or of
    /// another value out of few, whoever reads the store finds out which it is.
    fn name_of(&self, value: &[u8]) -> String {
        let digest = digest(&SHA256, value);
        let hex = digest.as_ref().iter().take(CALLER_DIGEST_BYTES);
        hex.fold(format!("{} ", self.name), |mut name, byte| {
            // Writing into a string never fails.
            let _infallible = write!(name, "{byte:02x}");
            name
        })
    }
}

/// Who sends a request, as far as buckets tell apart.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'r> {
    /// The address of the client.
    pub client: IpAddr,
    /// The headers of the request.
    pub headers: &'r HeaderMap,
    /// Whom the authorizer knows.
    pub caller: Option<&'r Caller>,
    /// The API key that the request is counted for, once it is known.
    pub api_key: Option<&'r ApiKeyId>,
}

/// How one bucket of a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What a refusal of it is called.
    pub reason: Reason,
    /// Nanoseconds until it admits the request; zero if it would now.
    pub wait_ns: u64,
    /// Whether it only notes what it would refuse.
    pub is_monitored: bool,
}

impl SharedBucket {
    /// Puts the limit in force, once the snapshot that holds this plan is.
    pub fn put_in_force(&self, now_ns: u64) {
        self.lease.put_throttle_in_force(&self.throttle, now_ns);
    }

    /// What a request is charged to.
    #[must_use]
    pub fn account(&self) -> Account<'_> {
        Account::of_slot(&self.lease, &self.throttle)
    }

    /// How it stands at `now_ns`.
    #[must_use]
    pub fn standing(&self, now_ns: u64) -> Standing {
        Standing::new(self.reason, &self.account(), now_ns)
    }
}

impl Standing {
    /// How an account stands whose refusal is called `reason`.
    #[must_use]
    pub fn new(reason: Reason, account: &Account<'_>, now_ns: u64) -> Self {
        Self {
            reason,
            wait_ns: account.wait(now_ns).unwrap_or(0),
            is_monitored: account.is_monitored(),
        }
    }
}

impl CallerBucket {
    /// As [`SharedBucket::put_in_force`].
    pub fn put_in_force(&self, now_ns: u64) {
        self.parent.put_in_force(&self.throttle.overflow, now_ns);
    }

    /// What a caller may owe by this limit to give way to another: what one request costs, and no more than
    /// whoever is refused owes, in nanoseconds.
    #[must_use]
    pub fn yields_ns(&self) -> u64 {
        yields_ns(self.throttle.here())
    }

    /// What a request of `sender` is charged to.
    #[must_use]
    pub fn account<'a>(
        &'a self,
        buckets: &'a Buckets,
        sender: &Sender<'_>,
        now_ns: u64,
    ) -> Account<'a> {
        let limits = CallerLimits {
            own: self.throttle.here(),
            overflow: &self.throttle.overflow,
            is_monitored: self.throttle.is_monitored,
        };
        let value = sender.value_of(&self.throttle.key);
        let across = self.across.as_ref().and_then(|across| {
            let terms = Terms::Bucket(BucketTerms::new(&self.throttle.limit));
            let tag = buckets.caller_tag(self.parent.tag(), &value);
            across.fleet.caller(tag, || across.name_of(&value), terms)
        });
        Account::of_one(buckets, &self.parent, &value, limits, now_ns).shared(across)
    }

    /// How that of `sender` stands at `now_ns`. Nobody is given a bucket who has none.
    #[must_use]
    pub fn standing(&self, buckets: &Buckets, sender: &Sender<'_>, now_ns: u64) -> Standing {
        let tag = self.tag(buckets, sender);
        let word = buckets.caller_line(tag).find(tag);
        let limit = self.throttle.here();
        let tat = word.map_or(0, |way| owed_until(limit, Word::load(&way.tat), now_ns));
        let across = self.known_across(tag);
        let across = across.and_then(|across| across.wait(now_ns));
        let wait_ns = across.unwrap_or_else(|| {
            let decided = limit.decide(tat, now_ns, limit.increment(1));
            decided.err().unwrap_or(0)
        });
        Standing {
            reason: self.reason(),
            wait_ns,
            is_monitored: self.throttle.is_monitored,
        }
    }

    /// How full that of `sender` is, behind a charge; `None` where it is only watched.
    #[must_use]
    pub fn level(&self, buckets: &Buckets, sender: &Sender<'_>, now_ns: u64) -> Option<Level> {
        if self.throttle.is_monitored {
            return None;
        }
        let tag = self.tag(buckets, sender);
        if let Some(level) = self.known_across(tag).and_then(|across| across.level()) {
            return Some(level);
        }
        // Who was charged and has no word shares the slot.
        Some(match buckets.caller_line(tag).find(tag) {
            Some(way) => Level::new(self.throttle.here(), Word::load(&way.tat), now_ns),
            None => {
                let shared = Word::load(&self.parent.slot().tat);
                Level::new(&self.throttle.overflow, shared, now_ns)
            }
        })
    }

    /// Whom it refuses.
    #[must_use]
    pub fn throttled(&self, buckets: &Buckets, sender: &Sender<'_>) -> ThrottledCaller {
        sender.refused_by(self.parent.tag(), &self.throttle.key, buckets)
    }

    fn known_across(&self, tag: u64) -> Option<Arc<Allowance>> {
        self.across.as_ref()?.fleet.known(tag)
    }

    fn tag(&self, buckets: &Buckets, sender: &Sender<'_>) -> u64 {
        let value = sender.value_of(&self.throttle.key);
        buckets.caller_tag(self.parent.tag(), &value)
    }

    /// What a refusal of it is called.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self.throttle.key {
            CallerKey::Source => Reason::SourceThrottled,
            CallerKey::ApiKey | CallerKey::Header(_) | CallerKey::Claim(_) => {
                Reason::CallerThrottled
            }
        }
    }
}

impl<'r> Sender<'r> {
    /// Whom the limit of this tag refuses, as operators may read it: what stands in headers that carry
    /// credentials is not told, but by what nobody else can make of it.
    pub(super) fn refused_by(
        &self,
        limit: u64,
        key: &CallerKey,
        buckets: &Buckets,
    ) -> ThrottledCaller {
        let value = self.value_of(key);
        let caller = match key {
            CallerKey::Source => source_name(self.client),
            CallerKey::Header(name) if Masks::default().hides_header(name.as_str()) => {
                format!("#{:016x}", buckets.caller_tag(limit, &value))
            }
            CallerKey::ApiKey | CallerKey::Header(_) | CallerKey::Claim(_) => {
                caller_name(&String::from_utf8_lossy(&value))
            }
        };
        ThrottledCaller {
            throttle: limit,
            caller: caller.into(),
        }
    }

    /// What tells this sender apart; all without it are one.
    pub(super) fn value_of(&self, key: &CallerKey) -> Cow<'r, [u8]> {
        match key {
            CallerKey::Source => Cow::Owned(source_value(self.client).to_vec()),
            CallerKey::ApiKey => self.api_key.map_or(Cow::Borrowed(&[]), |id| {
                Cow::Borrowed(id.as_str().as_bytes())
            }),
            CallerKey::Header(name) => self
                .headers
                .get(name)
                .map_or(Cow::Borrowed(&[]), |value| Cow::Borrowed(value.as_bytes())),
            CallerKey::Claim(name) => match self.caller.and_then(|caller| caller.claim(name)) {
                Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
                Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
                None => Cow::Borrowed(&[]),
            },
        }
    }
}
