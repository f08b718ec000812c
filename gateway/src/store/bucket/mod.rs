//! The words that every limit is kept in, in memory that outlives the daemon.
//!
//! With the kernel edge they are the values of its BPF arrays, mapped into this process: the XDP
//! program and the workers debit the same words by the same arithmetic and without a system call.
//! Without it they are a file in the runtime directory that is mapped the same way, so that limits
//! mean the same and survive a restart. A file of another boot or layout starts fresh, because
//! `CLOCK_MONOTONIC` starts anew with every boot.
//!
//! There are four tables: lines of *sources*, words of their *aggregates*, *slots* of what the
//! configuration names, and lines of *callers*, told apart by what clients send.

mod memory;
mod slots;
mod slack;
mod file;
mod resize;
mod reading;

use std::collections::HashSet;
use std::hash::Hasher as _;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_common::address::{Address, Class, index};
use gateway_common::bucket::{Line, mix};
use gateway_common::capacity::{AGGREGATE_BITS, SOURCE_LINE_BITS};
use gateway_common::counter::{Incident, counter_index};
use gateway_common::limit::Charge;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::SourceLimit;
use gateway_common::slot::Slot;
use gateway_common::word::Word;

pub(crate) use file::random_seed;
pub use file::{BootId, BucketFileError, FILE_NAME, Opened, Stale};
pub use reading::{
    FileLines, FileReading, LineReader, OwingBucket, read_file, read_file_lines, read_slots,
};
pub use resize::{Outgrown, Resized};
pub use slack::{LeastSlack, yields_ns};
pub use slots::{SlotIndex, SlotsFull};

use crate::model::{BucketTables, Listener, SourceRate};
use memory::Table;
use slots::Owners;

/// Every bucket of this gateway. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Buckets(Arc<Tables>);

#[derive(Debug)]
struct Tables {
    sources: Table<Line<AtomicU64>>,
    aggregates: Table<AtomicU64>,
    slots: Table<Slot<AtomicU64>>,
    callers: Table<Line<AtomicU64>>,
    /// What accept counts where no kernel counts packets.
    tallies: Option<Tallies>,
    /// Only the control thread claims and releases; the lock makes that a rule, not a hope.
    owners: Mutex<Owners>,
    sizes: BucketTables,
    seed: u64,
    /// Requests of callers without a bucket of their own, since the start.
    shed: AtomicU64,
    /// What a caller may owe to give way to another, in nanoseconds.
    caller_yields_ns: AtomicU64,
}

/// Statistics of the mapped file.
#[derive(Debug)]
struct Tallies {
    counters: Table<[AtomicU64; 2]>,
    incidents: Table<AtomicU64>,
}

/// The arrays of the kernel edge that the daemon maps.
#[derive(Clone, Copy, Debug)]
pub struct BucketMaps<'fd> {
    /// [`gateway_common::name::MAP_SOURCES`].
    pub sources: BorrowedFd<'fd>,
    /// [`gateway_common::name::MAP_AGGREGATES`].
    pub aggregates: BorrowedFd<'fd>,
    /// [`gateway_common::name::MAP_SLOTS`].
    pub slots: BorrowedFd<'fd>,
    /// [`gateway_common::name::MAP_CALLERS`].
    pub callers: BorrowedFd<'fd>,
    /// How large the last two are.
    pub sizes: BucketTables,
}

impl Buckets {
    /// Maps the arrays of the kernel edge. `seed` is the one in its settings. The descriptors may
    /// be closed afterwards.
    ///
    /// # Errors
    /// `mmap`'s: an array that is too small, or was created without `BPF_F_MMAPABLE`.
    pub fn from_maps(maps: BucketMaps<'_>, seed: u64) -> io::Result<Self> {
        let sizes = maps.sizes;
        let slots = Table::map(maps.slots, 0, sizes.throttle_bits())?;
        Ok(Self(Arc::new(Tables {
            sources: Table::map(maps.sources, 0, SOURCE_LINE_BITS)?,
            aggregates: Table::map(maps.aggregates, 0, AGGREGATE_BITS)?,
            callers: Table::map(maps.callers, 0, sizes.caller_line_bits())?,
            tallies: None,
            owners: Mutex::new(Owners::read(&slots)),
            slots,
            sizes,
            seed,
            shed: AtomicU64::new(0),
            caller_yields_ns: AtomicU64::new(0),
        })))
    }

    /// How many buckets there are.
    #[must_use]
    pub fn sizes(&self) -> BucketTables {
        self.0.sizes
    }

    /// Key of source tags, table indexes and caller tags.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// The slot of a claim.
    #[inline]
    #[must_use]
    pub fn slot(&self, index: SlotIndex) -> &Slot<AtomicU64> {
        self.0.slots.at(index.0)
    }

    /// The slot of `tag`, with everything it owes and counted where it had one before, else a free
    /// one. A tag of zero is read as one. For the control thread.
    ///
    /// # Errors
    /// [`SlotsFull`].
    pub fn claim_slot(&self, tag: u64) -> Result<SlotIndex, SlotsFull> {
        self.owners().claim(&self.0.slots, tag)
    }

    /// Frees a slot after its last user. For the control thread.
    pub fn release_slot(&self, index: SlotIndex) {
        self.owners().release(&self.0.slots, index);
    }

    /// Frees every slot whose tag is not among `kept`, and returns how many: what a start does
    /// after its claims, because the configuration may have changed while no gateway ran.
    pub fn retain_slots(&self, kept: &HashSet<u64>) -> usize {
        self.owners().retain(&self.0.slots, kept)
    }

    /// Slots claimed.
    #[must_use]
    pub fn slots_claimed(&self) -> usize {
        self.owners().count()
    }

    /// The identity of a slot by the words that name it, such as API, route and purpose: the same
    /// in every run, and different for different words. Never zero.
    #[must_use]
    pub fn slot_tag(words: &[&str]) -> u64 {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for word in words {
            // The length keeps `ab`, `c` from being `a`, `bc`.
            digest.update(&(word.len() as u64).to_be_bytes());
            digest.update(word.as_bytes());
        }
        let digest = digest.finish();
        let first = digest.as_ref().iter().take(size_of::<u64>());
        first
            .fold(0, |tag: u64, &byte| tag << 8 | u64::from(byte))
            .max(1)
    }

    /// The identity of a caller below `parent` (the tag of its throttle's slot), by what it sent.
    /// Keyed, so that a client cannot aim at another one's line. Never zero.
    #[inline]
    #[must_use]
    pub fn caller_tag(&self, parent: u64, value: &[u8]) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write_u64(self.0.seed);
        hasher.write_u64(parent);
        hasher.write(value);
        hasher.finish().max(1)
    }

    /// The line of a caller: see [`Line::charge`].
    #[inline]
    #[must_use]
    pub fn caller_line(&self, tag: u64) -> &Line<AtomicU64> {
        let index = index(tag, self.0.seed, self.0.sizes.caller_line_bits());
        self.0.callers.at(index)
    }

    /// Notes what a caller may owe to give way to another, in nanoseconds: the least that any limit of callers in
    /// force says ([`yields_ns`]); `None` where there is none.
    pub fn set_caller_yields(&self, yields_ns: Option<u64>) {
        self.0
            .caller_yields_ns
            .store(yields_ns.unwrap_or(0), Ordering::Relaxed);
    }

    /// By what the table of callers gives a newcomer the place of another: who owes at most so many nanoseconds
    /// may be replaced. All limits of callers share the table, so it is not the newcomer's own that decides: what
    /// is one request to a slow one is a debt of hundreds by a fast one. Nobody whom one of them refuses is, nor is a
    /// newcomer refused for what it takes over.
    pub(super) fn caller_yields_ns(&self) -> u64 {
        self.0.caller_yields_ns.load(Ordering::Relaxed)
    }

    /// Notes that there was no bucket for a caller.
    pub(super) fn count_shed(&self) {
        self.0.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests of callers without a bucket of their own, which were charged to that of their throttle;
    /// since the start.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.0.shed.load(Ordering::Relaxed)
    }

    /// Charges one unit to a source, else to its aggregate where its line is full: what
    /// the XDP program does per packet, for accept where no kernel judges. A limit that is off
    /// admits.
    #[must_use]
    pub fn charge_source(&self, address: IpAddr, now_ns: u64, limit: &SourceLimit) -> Charge {
        let address = source(address);
        if limit.source.is_off() {
            return UNLIMITED;
        }
        let (tag, line) = self.source_line(address, limit);
        if let Some(charge) = line.charge(tag, now_ns, 1, &limit.source, limit.yields_ns) {
            return charge;
        }
        self.count_incident(Incident::LineFull);
        self.charge_aggregate(address, now_ns, limit)
    }

    /// The word that a source is charged to under `limit`; `None` where its line is full of others
    /// that owe too much to give way.
    #[must_use]
    pub fn source_word(
        &self,
        address: IpAddr,
        now_ns: u64,
        limit: &SourceLimit,
    ) -> Option<&AtomicU64> {
        let (tag, line) = self.source_line(source(address), limit);
        line.find_or_claim(tag, now_ns, limit.yields_ns)
    }

    /// Adds `debt` to what a source owes under `limit`, up to `most` beyond a full bucket.
    #[must_use = "a limit that is off refuses nobody"]
    pub fn add_debt(
        &self,
        address: IpAddr,
        now_ns: u64,
        limit: &SourceLimit,
        (debt, most): (Duration, Duration),
    ) -> Debt {
        if limit.source.is_off() {
            return Debt::Unlimited;
        }
        let Some(word) = self.source_word(address, now_ns, limit) else {
            return Debt::NoRoom;
        };
        let beyond = limit.source.add_debt(word, now_ns, ns(debt), ns(most));
        Debt::Owed(Duration::from_nanos(beyond))
    }

    /// Charges a source `units` as far as one is left to it: what it owes then lets one more in at once, and
    /// the next as it is paid off. Nothing where the limit is off or its line is full of others.
    pub fn tighten(&self, address: IpAddr, now_ns: u64, limit: &SourceLimit, units: u64) {
        if limit.source.is_off() {
            return;
        }
        let Some(word) = self.source_word(address, now_ns, limit) else {
            return;
        };
        let limit = &limit.source;
        let most = limit.slack_ns(1);
        let more = |tat: u64| {
            let owed = tat.saturating_sub(now_ns);
            let charged = owed.saturating_add(limit.increment(units)).min(most);
            (charged > owed).then(|| now_ns.saturating_add(charged))
        };
        // That there is nothing to charge is no failure.
        let (Ok(_) | Err(_)) = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
    }

    /// Whether a source owes more than a full bucket under `limit`: charges alone never come to that,
    /// penalties do.
    #[must_use]
    pub fn is_in_debt(&self, address: IpAddr, now_ns: u64, limit: &SourceLimit) -> bool {
        let (tag, line) = self.source_line(source(address), limit);
        line.find(tag).is_some_and(|way| {
            let owed = way.tat.load(Ordering::Acquire).saturating_sub(now_ns);
            owed > limit.source.tolerance_ns
        })
    }

    fn source_line(&self, address: Address, limit: &SourceLimit) -> (u64, &Line<AtomicU64>) {
        let tag = address.tag(&limit.class);
        let index = index(tag, self.0.seed, SOURCE_LINE_BITS);
        (tag, self.0.sources.at(index))
    }

    fn charge_aggregate(&self, address: Address, now_ns: u64, limit: &SourceLimit) -> Charge {
        if limit.aggregate.is_off() {
            return UNLIMITED;
        }
        let tag = address.aggregate_tag(&limit.class);
        let word = self
            .0
            .aggregates
            .at(index(tag, self.0.seed, AGGREGATE_BITS));
        limit.aggregate.charge(word, now_ns, 1)
    }

    /// Counts one verdict where no kernel counts packets; does nothing where one does.
    pub fn count(&self, verdict: Verdict, reason: Reason, family: Family) {
        if let Some(tallies) = &self.0.tallies {
            let [packets, _bytes] = tallies.counters.at(counter_index(verdict, reason, family));
            packets.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count_incident(&self, incident: Incident) {
        if let Some(tallies) = &self.0.tallies {
            let word = tallies.incidents.at(incident as u32);
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        // The index is rebuilt from nothing and every step leaves it usable, so a panic elsewhere
        // under the lock does not make it wrong.
        self.0.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of adding debt to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debt {
    /// The source owes so much beyond a full bucket, and is refused for so long at least; zero
    /// means that it is not refused yet.
    Owed(Duration),
    /// Its line is full of others that owe too much to give way; nothing was written.
    NoRoom,
    /// The limit is off, so that nothing would refuse it; nothing was written.
    Unlimited,
}

/// Words of the kernel edge that are no buckets, such as the filters of its deny list.
#[derive(Debug)]
pub struct SharedWords(Table<AtomicU64>);

impl SharedWords {
    /// Maps an array of `1 << bits` words. The descriptor may be closed afterwards.
    ///
    /// # Errors
    /// As [`Buckets::from_maps`].
    pub fn map(fd: BorrowedFd<'_>, bits: u32) -> io::Result<Self> {
        Table::map(fd, 0, bits).map(Self)
    }

    /// The word of an index; bits beyond the array's size are ignored.
    #[must_use]
    pub fn at(&self, index: u32) -> &AtomicU64 {
        self.0.at(index)
    }
}

/// Lines of the kernel edge beside those of sources and callers: vouched sources, and offences.
#[derive(Debug)]
pub struct SharedLines {
    lines: Table<Line<AtomicU64>>,
    seed: u64,
    bits: u32,
}

impl SharedLines {
    /// Maps an array of `1 << bits` lines whose tags are placed under `seed`. The descriptor may
    /// be closed afterwards.
    ///
    /// # Errors
    /// As [`Buckets::from_maps`].
    pub fn map(fd: BorrowedFd<'_>, bits: u32, seed: u64) -> io::Result<Self> {
        Ok(Self {
            lines: Table::map(fd, 0, bits)?,
            seed,
            bits,
        })
    }

    /// The line of a tag.
    #[inline]
    #[must_use]
    pub fn of(&self, tag: u64) -> &Line<AtomicU64> {
        self.lines.at(self.index(tag))
    }

    /// The number of a tag's line.
    #[inline]
    #[must_use]
    pub fn index(&self, tag: u64) -> u32 {
        index(tag, self.seed, self.bits)
    }

    /// Key of the tags.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

/// Whose buckets are charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// All listeners share them.
    All,
    /// One listener has its own: its number, counted from one, and its name.
    Listener(u32, &'a str),
}

impl<'a> Owner<'a> {
    /// Whose buckets a limit of the listener of this number charges.
    #[must_use]
    pub fn of(listener: &'a Listener, number: u32, is_own: bool) -> Self {
        if is_own {
            Self::Listener(number, listener.name.as_str())
        } else {
            Self::All
        }
    }
}

/// A configured limit as the tables take it; off where there is none. The coarse clock of the
/// kernel is not considered: that is for whoever knows the length of its tick. `least` is that of the
/// limits of the same configuration, and `seed` that of the buckets.
#[must_use]
pub fn source_limit(
    rate: Option<&SourceRate>,
    kind: u32,
    owner: Owner<'_>,
    least: LeastSlack,
    seed: u64,
) -> SourceLimit {
    rate.map_or_else(SourceLimit::default, |rate| SourceLimit {
        source: rate.source,
        aggregate: rate.aggregate,
        class: limit_class(rate, kind, owner, seed),
        yields_ns: least.yields_ns(&rate.source),
        precise: 0,
    })
}

/// The class of what is counted under a rate. What was charged under one rate says nothing under
/// another: a limit that was too tight would go on refusing after it is corrected. So another
/// rate has other buckets, and so has a listener that takes the place of another one.
fn limit_class(rate: &SourceRate, kind: u32, owner: Owner<'_>, seed: u64) -> Class {
    let (scope, name) = match owner {
        Owner::All => (0, ""),
        Owner::Listener(number, name) => (number, name),
    };
    let rule = [
        rate.source.multiplier,
        rate.source.tolerance_ns,
        u64::from(rate.source.shift),
    ];
    let name = name.bytes().map(u64::from);
    let mark = rule
        .into_iter()
        .chain(name)
        .fold(0, |mixed, word| mix(mixed ^ word, seed));
    Class::marked(kind, scope, mark >> 32, seed)
}

/// The answer of a limit that is off.
const UNLIMITED: Charge = Charge::Admitted {
    before: 0,
    after: 0,
};

/// An address as the maps hold it.
#[must_use]
pub fn source(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(v4) => Address::v4(v4.into()),
        IpAddr::V6(v6) => Address::v6(v6.octets()),
    }
}

/// Has a word owe no more than until `ceiling`.
pub fn owe_at_most(word: &AtomicU64, ceiling: u64) {
    let mut owed = Word::load(word);
    while owed > ceiling {
        match Word::compare_exchange(word, owed, ceiling) {
            Ok(_) => break,
            Err(found) => owed = found,
        }
    }
}

/// Nanoseconds, as words count them.
pub(crate) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What sources are told apart by: an IPv4 address, or the /64 of an IPv6 address, as everywhere.
#[must_use]
pub fn source_value(client: IpAddr) -> [u8; 16] {
    let address = source(client);
    let low = match client {
        IpAddr::V4(_) => address.low,
        IpAddr::V6(_) => 0,
    };
    let mut value = [0; 16];
    let (first, last) = value.split_at_mut(8);
    first.copy_from_slice(&address.high.to_be_bytes());
    last.copy_from_slice(&low.to_be_bytes());
    value
}

/// What sources are told apart by, for people: an IPv4 address, or the /64 of an IPv6 address.
#[must_use]
pub fn source_name(client: IpAddr) -> String {
    match client {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(_) => format!("{}/64", Ipv6Addr::from(source_value(client))),
    }
}

#[cfg(test)]
mod tests;
