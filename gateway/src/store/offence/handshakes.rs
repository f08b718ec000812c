//! Handshakes of sources that are penalised.
//!
//! A TLS handshake costs a signature. Whoever is cut and comes again, or leaves a connection behind that is
//! held, would so cost more than before. While a source is penalised, and for as long again, each of its
//! handshakes is therefore charged to a bucket of its own, and what it was charged is given back when an
//! authorized request follows: who behaves uses up nothing. Beyond a full bucket a handshake waits for its
//! turn, which comes at the rate of the bucket; one that would wait too long is refused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gateway_common::limit::Limit;

use super::Offences;

/// How long a handshake waits for its turn at most. So of one source no more connections wait than its rate
/// lets begin in this time.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is told that handshakes of one source are refused.
const TOLD_EVERY_NS: u64 = 10_000_000_000;

/// Whether a handshake may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// At once: its source is not penalised.
    Free,
    /// When its turn has come.
    Charged {
        /// What it was charged, in nanoseconds, to be given back.
        charge_ns: u64,
        /// Until its turn.
        wait: Duration,
    },
    /// It may not.
    Refused {
        /// Whether that has not been told of this source for a while.
        is_news: bool,
    },
}

/// What is known of the handshakes of one source.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// Until when they are charged.
    pub(super) capped_until: u64,
    tat: u64,
    /// When it is told again that some were refused.
    told_until: u64,
}

impl Handshakes {
    /// Charges them until then at least.
    pub(super) fn cap(&mut self, until_ns: u64) {
        self.capped_until = self.capped_until.max(until_ns);
    }

    fn begin(&mut self, limit: &Limit, now_ns: u64) -> Handshake {
        if now_ns >= self.capped_until {
            return Handshake::Free;
        }
        let charge_ns = limit.increment(1);
        let ahead = self.tat.saturating_sub(now_ns).saturating_add(charge_ns);
        let wait = Duration::from_nanos(ahead.saturating_sub(limit.tolerance_ns));
        if wait > PATIENCE {
            let is_news = now_ns >= self.told_until;
            if is_news {
                self.told_until = now_ns.saturating_add(TOLD_EVERY_NS);
            }
            return Handshake::Refused { is_news };
        }
        self.tat = now_ns.saturating_add(ahead);
        Handshake::Charged { charge_ns, wait }
    }
}

impl Offences {
    /// Whether handshakes of any source may be charged. One look at one word.
    #[inline]
    #[must_use]
    pub fn caps_handshakes(&self, now_ns: u64) -> bool {
        now_ns < self.0.capped_until.load(Ordering::Relaxed)
    }

    /// Charges a handshake of `source` to `limit` where the source is penalised, and says whether it may begin.
    #[must_use]
    pub fn handshake(&self, source: [u8; 16], limit: &Limit, now_ns: u64) -> Handshake {
        let mut shard = self.shard(source);
        let known = shard.sources.get_mut(&source);
        known.map_or(Handshake::Free, |known| {
            known.handshakes.begin(limit, now_ns)
        })
    }

    /// Gives back what a handshake was charged, because an authorized request has followed it.
    pub fn proven(&self, source: [u8; 16], charge_ns: u64) {
        if let Some(known) = self.shard(source).sources.get_mut(&source) {
            let tat = &mut known.handshakes.tat;
            *tat = tat.saturating_sub(charge_ns);
        }
    }
}
