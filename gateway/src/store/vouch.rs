//! Sources that have proven themselves, for the kernel edge under attack.
//!
//! A source is vouched for after a request of it that an authorizer let pass. The program reads
//! these lines only while the gateway is under attack; then sources found here keep their own
//! limits and all others share a budget.
//!
//! The words of these lines are ends (ns of `CLOCK_MONOTONIC`), so that whoever is no longer
//! vouched for owes nothing and can be replaced. A line whose four sources are all vouched for
//! takes no other; that is counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_common::address::{Class, KIND_VOUCHED};

use super::bucket::{SharedLines, source};

/// How much of the time has to have passed before a source's end is moved again, so that a busy
/// source costs one read per request.
const REFRESH: Duration = Duration::from_secs(10);

/// The sources vouched for. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Vouched(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: SharedLines,
    class: Class,
    vouch_for_ns: AtomicU64,
    refused: AtomicU64,
}

impl Vouched {
    /// On the mapped lines of [`gateway_common::name::MAP_VOUCHED`].
    #[must_use]
    pub fn new(lines: SharedLines, vouch_for: Duration) -> Self {
        let inner = Inner {
            class: Class::new(KIND_VOUCHED, 0, lines.seed()),
            lines,
            vouch_for_ns: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        let vouched = Self(Arc::new(inner));
        vouched.follow(vouch_for);
        vouched
    }

    /// Vouches for so long from now on. Who is vouched for longer already stays so.
    pub fn follow(&self, vouch_for: Duration) {
        let ns = u64::try_from(vouch_for.as_nanos()).unwrap_or(u64::MAX >> 1);
        self.0.vouch_for_ns.store(ns, Ordering::Relaxed);
    }

    /// Vouches for a source, at most once in ten seconds. Takes no lock and makes no system call.
    #[inline]
    pub fn vouch(&self, peer: IpAddr, now_ns: u64) {
        let inner = &*self.0;
        let tag = source(peer).tag(&inner.class);
        let line = inner.lines.of(tag);
        let until = now_ns.saturating_add(inner.vouch_for_ns.load(Ordering::Relaxed));
        if let Some(way) = line.find(tag)
            && way.tat.load(Ordering::Relaxed).saturating_add(REFRESH_NS) > until
        {
            return;
        }
        // Only ends that are past give way.
        match line.find_or_claim(tag, now_ns, 0) {
            // Should another source take this way at this moment, it keeps the longer end of the
            // two; both have just proven themselves.
            Some(end) => {
                end.fetch_max(until, Ordering::AcqRel);
            }
            None => {
                inner.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether a source is vouched for, as the program sees it.
    #[must_use]
    pub fn is_vouched(&self, peer: IpAddr, now_ns: u64) -> bool {
        let tag = source(peer).tag(&self.0.class);
        let found = self.0.lines.of(tag).find(tag);
        found.is_some_and(|way| way.tat.load(Ordering::Acquire) > now_ns)
    }

    /// How often a source was not vouched for because its line was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "ten seconds")]
const REFRESH_NS: u64 = REFRESH.as_nanos() as u64;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::fd::AsFd as _;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 1_000 * SECOND;

    /// Lines of this size in a file that is mapped as the array would be.
    fn vouched(bits: u32) -> Vouched {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << bits).unwrap();
        let lines = SharedLines::map(file.as_fd(), bits, 7).unwrap();
        Vouched::new(lines, Duration::from_secs(60))
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
    }

    #[test]
    fn a_source_is_vouched_for_until_its_time_is_over() {
        let vouched = vouched(4);
        assert!(!vouched.is_vouched(address(1), NOW));
        vouched.vouch(address(1), NOW);
        assert!(vouched.is_vouched(address(1), NOW + 60 * SECOND - 1));
        assert!(!vouched.is_vouched(address(1), NOW + 60 * SECOND));
        assert!(!vouched.is_vouched(address(2), NOW));
        // The addresses of one IPv6 /64 are one source.
        vouched.vouch("2001:db8::1".parse().unwrap(), NOW);
        assert!(vouched.is_vouched("2001:db8::2".parse().unwrap(), NOW));
        assert!(!vouched.is_vouched("2001:db8:0:1::1".parse().unwrap(), NOW));
    }

    #[test]
    fn its_end_moves_at_most_once_in_ten_seconds() {
        let vouched = vouched(4);
        vouched.vouch(address(1), NOW);
        vouched.vouch(address(1), NOW + 10 * SECOND - 1);
        assert!(!vouched.is_vouched(address(1), NOW + 60 * SECOND));
        vouched.vouch(address(1), NOW + 10 * SECOND);
        assert!(vouched.is_vouched(address(1), NOW + 70 * SECOND - 1));
        // A shorter time does not shorten what was promised.
        vouched.follow(Duration::from_secs(1));
        vouched.vouch(address(1), NOW + 30 * SECOND);
        assert!(vouched.is_vouched(address(1), NOW + 70 * SECOND - 1));
    }

    #[test]
    fn a_full_line_takes_nobody_until_somebody_is_no_longer_vouched_for() {
        let vouched = vouched(4);
        let line = |address: IpAddr| {
            let tag = source(address).tag(&vouched.0.class);
            vouched.0.lines.index(tag)
        };
        let of_one_line: Vec<IpAddr> = (0..)
            .map(address)
            .filter(|&other| line(other) == 0)
            .take(5)
            .collect();
        let (last, first) = of_one_line.split_last().unwrap();
        for (second, &source) in (0..).zip(first) {
            vouched.vouch(source, NOW + second * SECOND);
        }
        let full = NOW + 4 * SECOND;
        vouched.vouch(*last, full);
        assert!(!vouched.is_vouched(*last, full));
        assert_eq!(vouched.refused(), 1);
        let room = NOW + 60 * SECOND;
        vouched.vouch(*last, room);
        assert!(vouched.is_vouched(*last, room));
        assert!(vouched.is_vouched(of_one_line[1], room));
        assert_eq!(vouched.refused(), 1);
    }
}
