//! Who may open another connection: the guard at `accept`.
//!
//! The kernel edge refuses denied and hasty sources before they cost anything. Where it is absent
//! the same rules act here, on the same words; where it is present only what it cannot know is
//! checked: how many connections are open, in total and per source.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use gateway_common::address::KIND_CONNECTIONS;
use gateway_common::limit::Charge;
use gateway_common::list::LIST_MANAGEMENT;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::SourceLimit;

use crate::clock;
use crate::model::{Edge, Listener, ListenerLimits};
use crate::store::bucket::{Buckets, Owner, source_limit};
use crate::store::coverage::Coverage;
use crate::store::list::{Lists, Standing};
use crate::telemetry::metrics::ConnectionEvent;

/// What the kernel edge decides about sources, for when it cannot.
#[derive(Debug)]
pub struct SourceRules {
    /// The lists; asked here too while the kernel judges, because not every path into the host need
    /// have a program.
    pub lists: Lists,
    /// The shared words.
    pub buckets: Buckets,
    /// Where the kernel charges new connections, so that they are not charged twice.
    pub coverage: Coverage,
}

/// What one listener asks of sources, as the kernel edge does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerRules {
    /// New connections per source.
    pub connections: SourceLimit,
    /// Set of the reasons ([`Reason::bit`]) that are only counted as what they would refuse.
    pub monitor: u64,
}

impl ListenerRules {
    /// The rules of the listener of this number, counted from one, as accept enforces them; `seed`
    /// is that of the buckets.
    #[must_use]
    pub fn of(edge: &Edge, number: u32, listener: &Listener, seed: u64) -> Self {
        let (rate, is_own) = listener.edge.connections.resolve(edge.connections);
        let owner = Owner::of(listener, number, is_own);
        let monitor = listener.edge.monitor.as_ref().unwrap_or(&edge.monitor);
        Self {
            connections: source_limit(rate.as_ref(), KIND_CONNECTIONS, owner, seed),
            monitor: monitor.iter().fold(0, |bits, reason| bits | reason.bit()),
        }
    }

    const fn only_counts(&self, reason: Reason) -> bool {
        self.monitor & reason.bit() != 0
    }
}

/// The guard of one listener, shared by its workers.
#[derive(Debug)]
pub struct Doorkeeper {
    rules: Arc<SourceRules>,
    listener: ArcSwap<ListenerRules>,
    open: AtomicU32,
    /// Bounded by the connections that are open.
    by_source: Mutex<HashMap<IpAddr, u32>>,
}

/// One open connection; closing is dropping.
#[derive(Debug)]
pub struct ConnectionPermit {
    doorkeeper: Arc<Doorkeeper>,
    source: IpAddr,
}

impl Doorkeeper {
    /// A guard without connections.
    #[must_use]
    pub fn new(rules: Arc<SourceRules>, listener: ListenerRules) -> Self {
        Self {
            rules,
            listener: ArcSwap::from_pointee(listener),
            open: AtomicU32::new(0),
            by_source: Mutex::default(),
        }
    }

    /// Puts other rules in force, for connections from now on.
    pub fn follow(&self, listener: ListenerRules) {
        self.listener.store(Arc::new(listener));
    }

    /// Lets a connection from `peer` to our address `local` in, or says why not.
    ///
    /// # Errors
    /// The event to count and log.
    pub fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        local: IpAddr,
        limits: &ListenerLimits,
        now_ns: u64,
    ) -> Result<ConnectionPermit, ConnectionEvent> {
        self.rules
            .judge(&self.listener.load(), peer, local, now_ns)?;
        let source = source_of(peer);
        let mut by_source = self
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that two workers cannot both take the last place.
        if self.open.load(Ordering::Relaxed) >= limits.connections_max {
            return Err(ConnectionEvent::ListenerFull);
        }
        let held = by_source.get(&source).copied().unwrap_or(0);
        if held >= limits.connections_per_source_max {
            return Err(ConnectionEvent::SourceFull);
        }
        by_source.insert(source, held + 1);
        self.open.fetch_add(1, Ordering::Relaxed);
        drop(by_source);
        Ok(ConnectionPermit {
            doorkeeper: Arc::clone(self),
            source,
        })
    }

    /// Whether a source that is connected has been denied since. Takes no lock.
    #[must_use]
    pub fn denies(&self, peer: IpAddr) -> bool {
        let lists = &self.rules.lists;
        !lists.is_empty()
            && !self.listener.load().only_counts(Reason::Denied)
            && lists.denies(peer, clock::monotonic_ns())
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut by_source = self
            .doorkeeper
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.doorkeeper.open.fetch_sub(1, Ordering::Relaxed);
        let held = by_source.get(&self.source).copied().unwrap_or(0);
        if held > 1 {
            by_source.insert(self.source, held - 1);
        } else {
            by_source.remove(&self.source);
        }
    }
}

impl SourceRules {
    fn judge(
        &self,
        listener: &ListenerRules,
        peer: IpAddr,
        local: IpAddr,
        now_ns: u64,
    ) -> Result<(), ConnectionEvent> {
        let standing = self.lists.judge(peer, now_ns);
        if let Standing::Denied(list) = standing
            && !listener.only_counts(Reason::Denied)
        {
            self.lists.count(list);
            self.count(Verdict::Drop, Reason::Denied, peer);
            return Err(ConnectionEvent::Denied);
        }
        if self.coverage.covers(local) {
            return Ok(());
        }
        // The first rule that would refuse is the one that is counted, as in the kernel.
        let mut monitored = None;
        match standing {
            Standing::Management => {
                self.lists.count(LIST_MANAGEMENT);
                self.count(Verdict::Pass, Reason::Management, peer);
                return Ok(());
            }
            Standing::Allowed(list) => {
                self.lists.count(list);
                self.count(Verdict::Pass, Reason::Allowed, peer);
                return Ok(());
            }
            Standing::Denied(list) | Standing::Monitored(list) => {
                self.lists.count(list);
                monitored = Some(Reason::Denied);
            }
            Standing::Unlisted => {}
        }
        let limit = &listener.connections;
        if let Charge::Limited { .. } = self.buckets.charge_source(peer, now_ns, limit) {
            if !listener.only_counts(Reason::ConnectionRate) {
                self.count(Verdict::Drop, Reason::ConnectionRate, peer);
                return Err(ConnectionEvent::RateLimited);
            }
            monitored = monitored.or(Some(Reason::ConnectionRate));
        }
        match monitored {
            Some(reason) => self.count(Verdict::WouldDrop, reason, peer),
            None => self.count(Verdict::Pass, Reason::NewConnection, peer),
        }
        Ok(())
    }

    fn count(&self, verdict: Verdict, reason: Reason, peer: IpAddr) {
        let family = if peer.to_canonical().is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        self.buckets.count(verdict, reason, family);
    }
}

/// IPv4 by address, IPv6 by /64: the same source that the buckets mean.
fn source_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_common::limit::{Limit, Rate};

    use super::*;
    use crate::store::bucket::BootId;
    use crate::store::list::{Change, Moment};

    const NOW: u64 = 1_000_000_000_000;
    const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    struct Bench {
        doorkeeper: Arc<Doorkeeper>,
        _directory: tempfile::TempDir,
    }

    fn bench(burst: u64) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("buckets");
        let (buckets, _) = Buckets::open_file(&path, BootId([7; 16])).unwrap();
        let source = Limit::new(Rate::per_second(1), burst, 1).unwrap();
        let limit = SourceLimit {
            source,
            aggregate: source,
            class: gateway_common::address::Class::new(KIND_CONNECTIONS, 0, buckets.seed()),
            precise: 1,
        };
        let rules = SourceRules {
            lists: Lists::open(directory.path(), Moment::now()).unwrap(),
            buckets,
            coverage: Coverage::default(),
        };
        let listener = ListenerRules {
            connections: limit,
            monitor: 0,
        };
        Bench {
            doorkeeper: Arc::new(Doorkeeper::new(Arc::new(rules), listener)),
            _directory: directory,
        }
    }

    fn limits(total: u32, per_source: u32) -> ListenerLimits {
        ListenerLimits {
            connections_max: total,
            connections_per_source_max: per_source,
            header_bytes_max: 0,
            header_count_max: 0,
            http2_streams_max: 0,
            http2_resets_max: 0,
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn caps_hold_in_total_and_per_source_and_closing_makes_room() {
        let bench = bench(1_000);
        let admit = |peer: &str| {
            bench
                .doorkeeper
                .admit(address(peer), OURS, &limits(3, 2), NOW)
        };
        let one = admit("10.0.0.1").unwrap();
        let _two = admit("10.0.0.1").unwrap();
        assert_eq!(admit("10.0.0.1").unwrap_err(), ConnectionEvent::SourceFull);
        let _three = admit("10.0.0.2").unwrap();
        assert_eq!(
            admit("10.0.0.3").unwrap_err(),
            ConnectionEvent::ListenerFull
        );
        drop(one);
        admit("10.0.0.1").unwrap();
    }

    #[test]
    fn the_addresses_of_one_ipv6_subnet_are_one_source() {
        let bench = bench(1_000);
        let admit = |peer: &str| {
            bench
                .doorkeeper
                .admit(address(peer), OURS, &limits(9, 1), NOW)
        };
        let _one = admit("2001:db8::1").unwrap();
        assert_eq!(
            admit("2001:db8::2").unwrap_err(),
            ConnectionEvent::SourceFull
        );
        admit("2001:db8:0:1::1").unwrap();
        let _mapped = admit("::ffff:10.0.0.1").unwrap();
        assert_eq!(admit("10.0.0.1").unwrap_err(), ConnectionEvent::SourceFull);
    }

    #[test]
    fn the_connection_rate_acts_here_unless_the_kernel_charges_it() {
        let bench = bench(2);
        let admit = || {
            bench
                .doorkeeper
                .admit(address("10.0.0.1"), OURS, &limits(99, 99), NOW)
        };
        for _ in 0..2 {
            admit().unwrap();
        }
        assert_eq!(admit().unwrap_err(), ConnectionEvent::RateLimited);
        bench.doorkeeper.rules.coverage.replace([OURS].into());
        for _ in 0..10 {
            admit().unwrap();
        }
    }

    #[test]
    fn the_deny_list_acts_here_whoever_else_judges() {
        let bench = bench(1_000);
        let lists = &bench.doorkeeper.rules.lists;
        let second = Some(Duration::from_secs(1));
        let network = "10.0.0.0/24".parse().unwrap();
        lists
            .add(Change::deny(network), second, Moment::now())
            .unwrap();
        let admit = |peer: &str, now| {
            bench
                .doorkeeper
                .admit(address(peer), OURS, &limits(9, 9), now)
        };
        let now = crate::clock::monotonic_ns();
        assert_eq!(admit("10.0.0.1", now).unwrap_err(), ConnectionEvent::Denied);
        admit("10.0.1.1", now).unwrap();
        admit("10.0.0.1", now + 2_000_000_000).unwrap();
    }

    #[test]
    fn rules_that_are_only_monitored_refuse_nobody() {
        let bench = bench(1);
        let guard = &bench.doorkeeper;
        let denied = Change::deny("10.0.0.9".parse().unwrap());
        let lists = &guard.rules.lists;
        lists.add(denied, None, Moment::now()).unwrap();
        let admit = |peer: &str| guard.admit(address(peer), OURS, &limits(99, 99), NOW);
        let limit = guard.listener.load().connections;
        guard.follow(ListenerRules {
            connections: limit,
            monitor: Reason::ConnectionRate.bit(),
        });
        for _ in 0..3 {
            admit("10.0.0.1").unwrap();
        }
        assert_eq!(admit("10.0.0.9").unwrap_err(), ConnectionEvent::Denied);
        assert!(guard.denies(address("10.0.0.9")));
        guard.follow(ListenerRules {
            connections: limit,
            monitor: Reason::Denied.bit(),
        });
        assert_eq!(admit("10.0.0.1").unwrap_err(), ConnectionEvent::RateLimited);
        // A monitored rule does not weaken an enforced one.
        admit("10.0.0.9").unwrap();
        assert_eq!(admit("10.0.0.9").unwrap_err(), ConnectionEvent::RateLimited);
        assert!(!guard.denies(address("10.0.0.9")));
    }
}
