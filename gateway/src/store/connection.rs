//! Who may open another connection: the guard at `accept`.
//!
//! The kernel edge refuses denied and hasty sources before they cost anything. Where it is absent
//! the same rules act here, on the same words; where it is present only what it cannot know is
//! checked: how many connections are open, in total and per source.
//!
//! Behind a proxy the kernel sees the proxy alone, which it lets in. Whom the proxy names is judged
//! here, as if it had come itself: with the connection where it is announced by the PROXY protocol, with
//! each request where a header tells of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gateway_common::address::{KIND_CONNECTIONS, KIND_TRICKLE};
use gateway_common::limit::Charge;
use gateway_common::list::LIST_MANAGEMENT;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::SourceLimit;

use crate::clock;
use crate::model::{Gateway, Listener, ListenerLimits, PenaltyMode, PenaltyRules};
use crate::store::bucket::{
    Buckets, Debt, LeastSlack, Owner, owe_at_most, source_limit, source_value,
};
use crate::store::coverage::Coverage;
use crate::store::list::{Lists, Standing};
use crate::store::offence::{Handshake, Offences};
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
    /// Who is penalised.
    pub offences: Offences,
}

/// What one listener asks of sources, as the kernel edge does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerRules {
    /// New connections per source.
    pub connections: SourceLimit,
    /// What a source keeps of them that owes more than a full bucket.
    pub trickle: SourceLimit,
    /// Set of the reasons ([`Reason::bit`]) that are only counted as what they would refuse.
    pub monitor: u64,
}

impl ListenerRules {
    /// The rules of the listener of this number, counted from one, as accept enforces them beside
    /// everything else that `gateway` limits; `seed` is that of the buckets.
    #[must_use]
    pub fn of(gateway: &Gateway, number: u32, listener: &Listener, seed: u64) -> Self {
        let (edge, least) = (&gateway.edge, LeastSlack::of(gateway));
        let (rate, is_own) = listener.edge.connections.resolve(edge.connections);
        let owner = Owner::of(listener, number, is_own);
        let monitor = listener.edge.monitor.as_ref().unwrap_or(&edge.monitor);
        Self {
            connections: source_limit(rate.as_ref(), KIND_CONNECTIONS, owner, least, seed),
            trickle: source_limit(Some(&edge.trickle), KIND_TRICKLE, Owner::All, least, seed),
            monitor: monitor.iter().fold(0, |bits, reason| bits | reason.bit()),
        }
    }

    /// Has a source owe so much that it opens no connection for so long, but for the trickle; whether it does,
    /// or why not.
    #[must_use = "a limit that is off refuses nobody"]
    pub fn indebt(
        &self,
        buckets: &Buckets,
        source: IpAddr,
        (now_ns, length): (u64, Duration),
    ) -> Debt {
        let limit = &self.connections;
        let debt = Duration::from_nanos(limit.source.tolerance_ns).saturating_add(length);
        buckets.add_debt(source, now_ns, limit, (debt, length))
    }

    /// Has a source owe nothing.
    pub fn forgive(&self, buckets: &Buckets, source: IpAddr, now_ns: u64) {
        let limit = &self.connections;
        if limit.source.is_off() {
            return;
        }
        if let Some(word) = buckets.source_word(source, now_ns, limit) {
            owe_at_most(word, now_ns);
        }
    }

    /// Whether nothing is refused for `reason`, but only counted as what would be.
    #[must_use]
    pub const fn only_counts(&self, reason: Reason) -> bool {
        self.monitor & reason.bit() != 0
    }
}

/// The guard of one listener, shared by its workers.
#[derive(Debug)]
pub struct Doorkeeper {
    rules: Arc<SourceRules>,
    listener: ArcSwap<ListenerRules>,
    open: AtomicU32,
    /// Bounded by the connections that are open, with the streams that each may have.
    by_source: Mutex<HashMap<IpAddr, u32>>,
}

/// One open connection; closing is dropping.
#[derive(Debug)]
pub struct ConnectionPermit {
    doorkeeper: Arc<Doorkeeper>,
    /// Whose place it takes; nobody's as long as only its proxy is known.
    place: Option<Place>,
}

/// One of the places that a source may take at a time; leaving it is dropping.
#[derive(Debug)]
pub struct Place {
    doorkeeper: Arc<Doorkeeper>,
    source: IpAddr,
}

/// Why a request that a proxy passes on is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Its client is on a deny list.
    Denied,
    /// Its client has taken as many places as there are for one.
    Full,
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
        let is_charged = self.rules.coverage.covers(local) && !self.rules.lists.is_proxy(peer);
        self.rules
            .judge(&self.listener.load(), peer, is_charged, now_ns)?;
        let mut permit = self.admit_proxy(limits)?;
        permit.place = Some(
            self.take_place(peer, limits)
                .ok_or(ConnectionEvent::SourceFull)?,
        );
        Ok(permit)
    }

    /// Lets a connection of a proxy in, or says why not. No list and no limit of sources is for the
    /// proxy itself: they are for those behind it.
    ///
    /// # Errors
    /// The event to count and log.
    pub fn admit_proxy(
        self: &Arc<Self>,
        limits: &ListenerLimits,
    ) -> Result<ConnectionPermit, ConnectionEvent> {
        let more = |open: u32| (open < limits.connections_max).then_some(open + 1);
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_full| ConnectionEvent::ListenerFull)?;
        Ok(ConnectionPermit {
            doorkeeper: Arc::clone(self),
            place: None,
        })
    }

    /// Lets a request in that a proxy passes on for `client`, or says why not. While it is under way it
    /// counts as a connection of its client: how many of those the proxy has is not known.
    ///
    /// # Errors
    /// See [`Bar`].
    pub fn enter(self: &Arc<Self>, client: IpAddr, limits: &ListenerLimits) -> Result<Place, Bar> {
        self.enter_proxy(client)?;
        self.take_place(client, limits).ok_or(Bar::Full)
    }

    /// As [`Self::enter`], where whom the proxy names is a proxy in its turn, which does not say on whose
    /// behalf it asks: it takes no place, because nobody knows how many stand behind it.
    ///
    /// # Errors
    /// [`Bar::Denied`].
    pub fn enter_proxy(&self, client: IpAddr) -> Result<(), Bar> {
        let lists = &self.rules.lists;
        if lists.is_empty() {
            return Ok(());
        }
        match lists.judge(client, clock::monotonic_ns()) {
            Standing::Denied(list) => {
                lists.count(list);
                if self.listener.load().only_counts(Reason::Denied) {
                    Ok(())
                } else {
                    Err(Bar::Denied)
                }
            }
            Standing::Monitored(list) => {
                lists.count(list);
                Ok(())
            }
            Standing::Management | Standing::Allowed(_) | Standing::Unlisted => Ok(()),
        }
    }

    /// Whether a source is never penalised: it is on a list of those who may do everything.
    #[must_use]
    pub fn exempts(&self, source: IpAddr) -> bool {
        let lists = &self.rules.lists;
        let standing = || lists.judge(source, clock::monotonic_ns());
        !lists.is_empty() && matches!(standing(), Standing::Management | Standing::Allowed(_))
    }

    /// Whether a handshake of `source` may begin. Where nobody is penalised that is one look at one word.
    #[must_use]
    pub fn handshake(&self, source: IpAddr, rules: &PenaltyRules, now_ns: u64) -> Handshake {
        let offences = &self.rules.offences;
        let is_asked = rules.mode != PenaltyMode::Off && offences.caps_handshakes(now_ns);
        if !is_asked || self.exempts(source) {
            return Handshake::Free;
        }
        let source = source_value(source.to_canonical());
        offences.handshake(source, &rules.handshakes, now_ns)
    }

    /// Who is penalised.
    #[must_use]
    pub fn offences(&self) -> &Offences {
        &self.rules.offences
    }

    /// Waits until a source that is penalised is pardoned.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn pardoned(&self, source: IpAddr) {
        let source = source_value(source.to_canonical());
        self.rules.offences.pardoned(source).await;
    }

    /// Charges a source for an offence as if it had opened so many connections, as far as one is left to it:
    /// so what it may open next shrinks to what its limit refills, and is never nothing.
    pub fn charge(&self, source: IpAddr, connections: u64, now_ns: u64) {
        let limit = &self.listener.load().connections;
        self.rules
            .buckets
            .tighten(source, now_ns, limit, connections);
    }

    /// Has a source open no connection for so long, but for the trickle that it is left. Nothing more is
    /// needed: it is the debt that it pays off.
    pub fn penalise(&self, source: IpAddr, length: Duration, now_ns: u64) {
        let listener = self.listener.load();
        let moment = (now_ns, length);
        match listener.indebt(&self.rules.buckets, source, moment) {
            Debt::Owed(_) => {}
            Debt::NoRoom => self.rules.offences.count_no_room(),
            Debt::Unlimited => {
                tracing::debug!(%source, "not cut off: its connections have no limit");
            }
        }
    }

    /// Whether a source that is connected has been denied since. Takes no lock.
    #[must_use]
    pub fn denies(&self, source: IpAddr) -> bool {
        let lists = &self.rules.lists;
        !lists.is_empty()
            && !self.listener.load().only_counts(Reason::Denied)
            && lists.denies(source, clock::monotonic_ns())
    }

    fn take_place(self: &Arc<Self>, source: IpAddr, limits: &ListenerLimits) -> Option<Place> {
        let source = source_of(source);
        // Under the lock, so that two workers cannot both take the last place.
        let mut by_source = self.by_source();
        let held = by_source.entry(source).or_insert(0);
        if *held >= limits.connections_per_source_max {
            return None;
        }
        *held += 1;
        drop(by_source);
        Some(Place {
            doorkeeper: Arc::clone(self),
            source,
        })
    }

    fn by_source(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        // Nothing that is done under the lock can panic half-way.
        self.by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }
}

impl ConnectionPermit {
    /// Goes on as a connection of `source`, whom its proxy has announced, or says why it ends. The
    /// kernel has seen the proxy alone, so that everything is asked here.
    ///
    /// # Errors
    /// The event to count and log.
    pub fn announce(
        &mut self,
        source: IpAddr,
        limits: &ListenerLimits,
        now_ns: u64,
    ) -> Result<(), ConnectionEvent> {
        let doorkeeper = &self.doorkeeper;
        let listener = doorkeeper.listener.load();
        doorkeeper.rules.judge(&listener, source, false, now_ns)?;
        let place = doorkeeper.take_place(source, limits);
        self.place = Some(place.ok_or(ConnectionEvent::SourceFull)?);
        Ok(())
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.doorkeeper.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_source = self.doorkeeper.by_source();
        let held = by_source.get(&self.source).copied().unwrap_or(0);
        if held > 1 {
            by_source.insert(self.source, held - 1);
        } else {
            by_source.remove(&self.source);
        }
    }
}

impl SourceRules {
    /// Judges a new connection; `is_charged` where the kernel has judged and charged it already.
    fn judge(
        &self,
        listener: &ListenerRules,
        peer: IpAddr,
        is_charged: bool,
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
        if is_charged {
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
        let lets_in = self.lets_in(listener, peer, now_ns);
        if lets_in.is_none() {
            if !listener.only_counts(Reason::ConnectionRate) {
                self.count(Verdict::Drop, Reason::ConnectionRate, peer);
                return Err(ConnectionEvent::RateLimited);
            }
            monitored = monitored.or(Some(Reason::ConnectionRate));
        }
        match monitored {
            Some(reason) => self.count(Verdict::WouldDrop, reason, peer),
            None => {
                let reason = lets_in.unwrap_or(Reason::NewConnection);
                self.count(Verdict::Pass, reason, peer);
            }
        }
        Ok(())
    }

    /// Why the limits on new connections let this one in: within the limit of its source, or within the
    /// trickle that is left to one who is penalised. `None` where they do not.
    fn lets_in(&self, listener: &ListenerRules, peer: IpAddr, now_ns: u64) -> Option<Reason> {
        let is_within = |limit| {
            let charge = self.buckets.charge_source(peer, now_ns, limit);
            !matches!(charge, Charge::Limited { .. })
        };
        let limit = &listener.connections;
        if is_within(limit) {
            return Some(Reason::NewConnection);
        }
        let trickle = &listener.trickle;
        let is_penalised = self.buckets.is_in_debt(peer, now_ns, limit);
        (is_penalised && !trickle.source.is_off() && is_within(trickle)).then_some(Reason::Trickle)
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
    use crate::model::BucketTables;
    use crate::store::bucket::BootId;
    use crate::store::list::{Change, Moment};

    const NOW: u64 = 1_000_000_000_000;
    const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    struct Bench {
        doorkeeper: Arc<Doorkeeper>,
        _directory: tempfile::TempDir,
    }

    /// One of a kind each second.
    fn each_second(kind: u32, burst: u64, seed: u64) -> SourceLimit {
        let source = Limit::new(Rate::per_second(1), burst, 1).unwrap();
        SourceLimit {
            source,
            aggregate: source,
            class: gateway_common::address::Class::new(kind, 0, seed),
            yields_ns: source.increment(1).min(source.slack_ns(1)),
            precise: 1,
        }
    }

    fn bench(burst: u64) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("buckets");
        let (buckets, _) =
            Buckets::open_file(&path, BootId([7; 16]), BucketTables::default()).unwrap();
        let listener = ListenerRules {
            connections: each_second(KIND_CONNECTIONS, burst, buckets.seed()),
            trickle: each_second(KIND_TRICKLE, 2, buckets.seed()),
            monitor: 0,
        };
        let rules = SourceRules {
            lists: Lists::open(directory.path(), Moment::now()).unwrap(),
            buckets,
            coverage: Coverage::default(),
            offences: Offences::default(),
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

    /// Has refusals for this reason only be counted from now on.
    fn monitor(guard: &Doorkeeper, reason: Reason) {
        guard.follow(ListenerRules {
            monitor: reason.bit(),
            ..**guard.listener.load()
        });
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
    fn a_proxy_takes_no_place_of_its_own_and_whom_it_announces_does() {
        let bench = bench(1_000);
        let guard = &bench.doorkeeper;
        let limits = limits(4, 1);
        let mut permits: Vec<ConnectionPermit> = Vec::new();
        for _ in 0..4 {
            permits.push(guard.admit_proxy(&limits).unwrap());
        }
        // All connections count, whoever opens them.
        let full = guard.admit_proxy(&limits).unwrap_err();
        assert_eq!(full, ConnectionEvent::ListenerFull);
        let [one, two, three, _four] = permits.as_mut_slice() else {
            panic!("four were opened");
        };
        one.announce(address("10.0.0.1"), &limits, NOW).unwrap();
        let refused = two.announce(address("10.0.0.1"), &limits, NOW).unwrap_err();
        assert_eq!(refused, ConnectionEvent::SourceFull);
        three.announce(address("10.0.0.2"), &limits, NOW).unwrap();
        // Requests and connections of a client are counted together.
        assert_eq!(
            guard.enter(address("10.0.0.1"), &limits).unwrap_err(),
            Bar::Full
        );
        let place = guard.enter(address("10.0.0.3"), &limits).unwrap();
        assert_eq!(
            guard.enter(address("10.0.0.3"), &limits).unwrap_err(),
            Bar::Full
        );
        drop(place);
        permits.clear();
        assert_eq!(guard.open(), 0);
        assert!(guard.by_source().is_empty());
        drop(guard.enter(address("10.0.0.3"), &limits).unwrap());
    }

    #[test]
    fn whom_a_proxy_names_is_charged_and_denied_though_the_kernel_judges() {
        let bench = bench(2);
        let guard = &bench.doorkeeper;
        guard.rules.coverage.replace([OURS].into());
        let lists = &guard.rules.lists;
        let denied = Change::deny("10.0.0.9".parse().unwrap());
        lists.add(denied, None, Moment::now()).unwrap();
        let announce = |source: &str| {
            let mut permit = guard.admit_proxy(&limits(99, 99)).unwrap();
            permit.announce(address(source), &limits(99, 99), NOW)
        };
        announce("10.0.0.1").unwrap();
        announce("10.0.0.1").unwrap();
        let limited = announce("10.0.0.1").unwrap_err();
        assert_eq!(limited, ConnectionEvent::RateLimited);
        announce("10.0.0.2").unwrap();
        assert_eq!(announce("10.0.0.9").unwrap_err(), ConnectionEvent::Denied);
        let enter = |client: &str| guard.enter(address(client), &limits(99, 99)).map(drop);
        assert_eq!(enter("10.0.0.9"), Err(Bar::Denied));
        assert_eq!(guard.enter_proxy(address("10.0.0.9")), Err(Bar::Denied));
        assert_eq!(guard.enter_proxy(address("10.0.0.1")), Ok(()));
        assert_eq!(enter("10.0.0.1"), Ok(()));
        monitor(guard, Reason::Denied);
        assert_eq!(enter("10.0.0.9"), Ok(()));
    }

    #[test]
    fn a_proxy_of_another_listener_is_judged_and_charged_as_everybody() {
        let bench = bench(1);
        let guard = &bench.doorkeeper;
        guard.rules.coverage.replace([OURS].into());
        let lists = &guard.rules.lists;
        let model = crate::model::Lists {
            proxies: vec!["10.0.0.0/24".parse().unwrap()],
            ..crate::model::Lists::default()
        };
        lists.install(lists.prepare(&model).unwrap()).unwrap();
        let denied = Change::deny("10.0.0.9".parse().unwrap());
        lists.add(denied, None, Moment::now()).unwrap();
        let admit = |peer: &str| guard.admit(address(peer), OURS, &limits(99, 99), NOW);
        admit("10.0.0.1").unwrap();
        // The kernel has let it in uncharged.
        assert_eq!(admit("10.0.0.1").unwrap_err(), ConnectionEvent::RateLimited);
        assert_eq!(admit("10.0.0.9").unwrap_err(), ConnectionEvent::Denied);
        assert!(guard.denies(address("10.0.0.9")));
        for _ in 0..3 {
            admit("10.0.1.1").unwrap();
        }
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

    /// How many of that many new connections of a source are let in so many milliseconds later.
    fn let_in(guard: &Arc<Doorkeeper>, source: &str, (attempts, ms): (u64, u64)) -> usize {
        let now_ns = NOW + ms * 1_000_000;
        let admit = |_| guard.admit(address(source), OURS, &limits(99, 99), now_ns);
        (0..attempts).filter(|turn| admit(*turn).is_ok()).count()
    }

    #[test]
    fn who_is_penalised_keeps_a_trickle_here_as_in_the_kernel() {
        let bench = bench(3);
        let guard = &bench.doorkeeper;
        let (source, other) = ("10.0.0.1", "10.0.0.2");
        guard.penalise(address(source), Duration::from_secs(60), NOW);
        assert_eq!(let_in(guard, source, (9, 0)), 2);
        assert_eq!(let_in(guard, source, (9, 1_000)), 1);
        assert_eq!(let_in(guard, source, (9, 58_000)), 2);
        // When it is over it may do what it might before; who only uses that up has no trickle.
        assert_eq!(let_in(guard, source, (9, 70_000)), 3);
        assert_eq!(let_in(guard, other, (9, 0)), 3);
        // So it is for one whom a proxy announces, whatever the kernel has asked of the proxy.
        guard.rules.coverage.replace([OURS].into());
        let announced = |source: &str| {
            let mut permit = guard.admit_proxy(&limits(99, 99)).unwrap();
            permit
                .announce(address(source), &limits(99, 99), NOW)
                .is_ok()
        };
        guard.penalise(address("10.0.0.3"), Duration::from_secs(60), NOW);
        assert_eq!(
            [(); 4].map(|()| announced("10.0.0.3")),
            [true, true, false, false]
        );
    }

    #[test]
    fn what_offences_are_charged_leaves_one_connection_and_what_is_refilled() {
        let bench = bench(10);
        let guard = &bench.doorkeeper;
        let source = "10.0.0.1";
        guard.charge(address(source), 4, NOW);
        assert_eq!(let_in(guard, source, (4, 0)), 4);
        // Two are left.
        guard.charge(address(source), 100, NOW);
        assert_eq!(let_in(guard, source, (9, 0)), 1);
        // However many offend, one comes in each second, and with no trickle.
        for second in 1..20 {
            guard.charge(address(source), 100, NOW + second * 1_000_000_000);
            assert_eq!(let_in(guard, source, (9, second * 1_000)), 1, "{second}");
        }
        // A penalty is not shortened by it.
        guard.penalise(address(source), Duration::from_secs(60), NOW);
        guard.charge(address(source), 1, NOW);
        assert_eq!(let_in(guard, source, (9, 59_000)), 2);
        // Nothing comes of it where nothing limits.
        guard.follow(ListenerRules::default());
        guard.charge(address(source), 100, NOW);
        assert_eq!(let_in(guard, source, (50, 0)), 50);
    }

    #[test]
    fn a_source_for_which_there_is_no_room_is_not_cut_off_and_that_is_counted() {
        let bench = bench(1_000);
        let guard = &bench.doorkeeper;
        let length = Duration::from_secs(60);
        let no_room = || guard.rules.offences.no_room();
        let mut sources = (0x0a00_0000_u32..).map(|number| IpAddr::V4(number.into()));
        while no_room() == 0 {
            guard.penalise(sources.next().unwrap(), length, NOW);
        }
        assert_eq!(no_room(), 1);
        guard.penalise(address("10.0.0.0"), length, NOW);
        assert_eq!(no_room(), 1);
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
        monitor(guard, Reason::ConnectionRate);
        for _ in 0..3 {
            admit("10.0.0.1").unwrap();
        }
        assert_eq!(admit("10.0.0.9").unwrap_err(), ConnectionEvent::Denied);
        assert!(guard.denies(address("10.0.0.9")));
        monitor(guard, Reason::Denied);
        assert_eq!(admit("10.0.0.1").unwrap_err(), ConnectionEvent::RateLimited);
        // A monitored rule does not weaken an enforced one.
        admit("10.0.0.9").unwrap();
        assert_eq!(admit("10.0.0.9").unwrap_err(), ConnectionEvent::RateLimited);
        assert!(!guard.denies(address("10.0.0.9")));
    }
}
