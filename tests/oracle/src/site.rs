//! The site that every frame arrives at: one server with one listener per protocol and family.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::address::{Address, Class, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::bucket::Line;
use gateway_common::capacity::ENDPOINT_LINE_BITS;
use gateway_common::counter::Incident;
use gateway_common::endpoint::{self, Endpoint, EndpointLine};
use gateway_common::limit::Limit;
use gateway_common::list::{Ipv4Key, Ipv6Key, ListEntry};
use gateway_common::settings::{Control, FLAG_LISTENERS, Rules, Settings, SourceLimit};
use gateway_ebpf::datagram::{TCP, UDP};
use gateway_ebpf::tables::{Fault, Tables};

/// Addresses of the server.
pub const SERVER: [Address; 2] = [
    Address::v4(0x0a00_0001),
    Address::v6_halves(*b"\x20\x01\x0d\xb8\0\0\0\x01", *b"\0\0\0\0\0\0\0\x01"),
];
/// The port of every listener.
pub const PORT: u16 = 443;
/// The protocols of the listeners.
pub const PROTOCOLS: [u8; 2] = [TCP, UDP];

/// Whether this is an address of the server.
#[must_use]
pub fn listens(address: Address) -> bool {
    SERVER.contains(&address)
}

/// A kind and the source that pays for it.
pub type Charged = (u32, Address);

/// The tag that such a charge is booked under.
#[must_use]
pub const fn tag((kind, source): Charged) -> u64 {
    source.tag(&Class::new(kind, 0, SEED))
}

const SEED: u64 = 0x0123_4567_89ab_cdef;

/// The tables of the site, in memory. Connections and packets are charged, and no limit is ever
/// reached; there are no lists.
#[derive(Debug)]
pub struct Host {
    control: Control,
    settings: Settings,
    rules: Rules,
    sources: Line<AtomicU64>,
    incidents: Cell<u32>,
}

impl Host {
    /// The site as nobody has visited it yet.
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings {
            seed: SEED,
            endpoint_seed: ENDPOINT_SEED,
            flags: FLAG_LISTENERS,
            ..Settings::default()
        };
        let limit = |kind| SourceLimit {
            source: GENEROUS,
            class: Class::new(kind, 0, SEED),
            ..SourceLimit::default()
        };
        Self {
            control: Control::default(),
            settings,
            rules: Rules {
                limits: [
                    limit(KIND_CONNECTIONS),
                    limit(KIND_PACKETS),
                    SourceLimit::default(),
                ],
                ..Rules::default()
            },
            sources: Line::default(),
            incidents: Cell::new(0),
        }
    }

    /// The tag of the bucket that was charged, if one was.
    #[must_use]
    pub fn charged(&self) -> Option<u64> {
        let [first, ..] = &self.sources.ways;
        Some(first.tag.load(Ordering::Relaxed)).filter(|tag| *tag != 0)
    }

    /// Whether exactly as much was written as one charge writes, and nothing failed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let [_, others @ ..] = &self.sources.ways;
        others
            .iter()
            .all(|way| way.tag.load(Ordering::Relaxed) == 0)
            && self.incidents.get() == 0
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

/// One unit per second, and a burst that nobody uses up.
const GENEROUS: Limit = Limit {
    multiplier: 1_000_000_000,
    tolerance_ns: 1_000_000_000_000,
    shift: 0,
    reserved: 0,
};

/// No line holds more entries than it has room for; a test checks.
const ENDPOINT_SEED: u64 = 11;

/// The entries of the endpoint table: each listener, and that its address and protocol are ours.
fn entries() -> impl Iterator<Item = Endpoint> {
    SERVER.into_iter().flat_map(|address| {
        PROTOCOLS.into_iter().flat_map(move |protocol| {
            [PORT, 0].into_iter().map(move |port| Endpoint {
                address,
                key: endpoint::key(protocol, port),
                listener: 1,
                reserved: 0,
            })
        })
    })
}

impl Tables for Host {
    type Word = AtomicU64;

    fn control(&self) -> Result<&Control, Fault> {
        Ok(&self.control)
    }
    fn settings(&self, index: u32) -> Result<&Settings, Fault> {
        (index == 0).then_some(&self.settings).ok_or(Fault)
    }
    fn rules(&self, index: u32) -> Result<&Rules, Fault> {
        (index <= 1).then_some(&self.rules).ok_or(Fault)
    }
    fn endpoint_line(&self, index: u32) -> Result<&EndpointLine, Fault> {
        let line = ENDPOINTS.iter().find(|(known, _)| *known == index);
        Ok(line.map_or(&NOTHING, |(_, line)| line))
    }
    fn list_ipv4_filter(&self, _: u32) -> Result<u64, Fault> {
        Err(Fault)
    }
    fn list_ipv6_filter(&self, _: u32) -> Result<u64, Fault> {
        Err(Fault)
    }
    fn list_ipv4_exact(&self, _: u32, _: &Ipv4Key) -> Option<&ListEntry<AtomicU64>> {
        None
    }
    fn list_ipv4_prefix(&self, _: u32, _: &Ipv4Key) -> Option<&ListEntry<AtomicU64>> {
        None
    }
    fn list_ipv6_exact(&self, _: u32, _: &Ipv6Key) -> Option<&ListEntry<AtomicU64>> {
        None
    }
    fn list_ipv6_prefix(&self, _: u32, _: &Ipv6Key) -> Option<&ListEntry<AtomicU64>> {
        None
    }
    fn source_line(&self, _: u32) -> Result<&Line<AtomicU64>, Fault> {
        Ok(&self.sources)
    }
    fn aggregate(&self, _: u32) -> Result<&AtomicU64, Fault> {
        Err(Fault)
    }
    fn now(&self) -> Result<u64, Fault> {
        Ok(1 << 40)
    }
    fn now_precise(&self) -> u64 {
        1 << 40
    }
    fn incident(&self, _: Incident) {
        self.incidents.set(self.incidents.get() + 1);
    }
}

type Indexed = (u32, EndpointLine);

const NOTHING: EndpointLine = EndpointLine {
    entries: [NOWHERE; endpoint::ENTRIES],
};

const NOWHERE: Endpoint = Endpoint {
    address: Address { high: 0, low: 0 },
    key: 0,
    listener: 0,
    reserved: 0,
};

static ENDPOINTS: LazyLock<Vec<Indexed>> = LazyLock::new(|| {
    let mut lines: Vec<Indexed> = Vec::new();
    for entry in entries() {
        let index =
            endpoint::line_index(entry.address, entry.key, ENDPOINT_SEED, ENDPOINT_LINE_BITS);
        match lines.iter_mut().find(|(known, _)| *known == index) {
            // Two entries at most fall into one line; the test of this module counts.
            Some((_, line)) => {
                let [_, second] = &mut line.entries;
                *second = entry;
            }
            None => lines.push((
                index,
                EndpointLine {
                    entries: [entry, NOWHERE],
                },
            )),
        }
    }
    lines
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_room() {
        let held = ENDPOINTS.iter().flat_map(|(_, line)| line.entries);
        assert_eq!(
            held.filter(|entry| entry.key != 0).count(),
            entries().count()
        );
    }
}
