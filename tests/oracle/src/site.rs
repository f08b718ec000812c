//! The site that every frame arrives at: one server with one listener per protocol and family.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::address::{
    Address, Class, KIND_BYTES, KIND_CONNECTIONS, KIND_OTHER, KIND_PACKETS,
};
use gateway_common::bucket::Line;
use gateway_common::capacity::ENDPOINT_LINE_BITS;
use gateway_common::counter::Incident;
use gateway_common::endpoint::{self, Endpoint, EndpointLine};
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::limit::Limit;
use gateway_common::list::{Ipv4Key, Ipv6Key, ListEntry};
use gateway_common::settings::{
    Control, FLAG_LISTENERS, FLAG_OTHER_TRAFFIC, OtherTraffic, Rules, Settings, SourceLimit,
    Treatment, UDP_REPLY_PORTS_MAX,
};
use gateway_ebpf::datagram::{TCP, UDP};
use gateway_ebpf::reading::Reading;
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

/// The kinds of limit that a source pays to, and the source.
pub type Charged = (&'static [u32], Address);

/// The tags that such charges are booked under, in their order, and zeros.
#[must_use]
pub fn tags((kinds, source): Charged) -> [u64; 4] {
    let mut tags = [0; 4];
    for (tag, kind) in tags.iter_mut().zip(kinds) {
        *tag = source.tag(&Class::new(*kind, 0, SEED));
    }
    tags
}

const SEED: u64 = 0x0123_4567_89ab_cdef;

/// Source ports of UDP that count as replies.
pub const REPLY_PORTS: [u16; UDP_REPLY_PORTS_MAX] = [53, 123, 0, 0, 0, 0, 0, 0];
/// The interface that every frame comes in on: that of the kernel's test run.
const INTERFACE: u32 = 1;

/// What becomes of traffic to the server that is for no listener: TCP, UDP and the rest. `None`
/// where nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site(pub Option<[Treatment; 3]>);

impl Site {
    /// All that differ in which way some frame takes: every treatment of every kind.
    pub const ALL: [Self; 4] = {
        use Treatment::{Drop, Limit, Pass};
        [
            Self(None),
            Self(Some([Drop, Limit, Pass])),
            Self(Some([Limit, Pass, Drop])),
            Self(Some([Pass, Drop, Limit])),
        ]
    };

    /// The settings of the site: no limit is ever reached, and there are no lists.
    #[must_use]
    pub fn settings(self) -> Settings {
        let guarded = if self.0.is_some() {
            FLAG_OTHER_TRAFFIC
        } else {
            0
        };
        Settings {
            seed: SEED,
            endpoint_seed: ENDPOINT_SEED,
            flags: FLAG_LISTENERS | guarded,
            udp_reply_ports: REPLY_PORTS,
            other: limit(KIND_OTHER),
            ..Settings::default()
        }
    }

    /// The rules of every listener: connections, packets and bytes are charged.
    #[must_use]
    pub fn rules() -> Rules {
        Rules {
            limits: [KIND_CONNECTIONS, KIND_PACKETS, KIND_BYTES].map(limit),
            ..Rules::default()
        }
    }

    /// The lines of the endpoint table that are not empty, with their indexes.
    #[must_use]
    pub fn endpoints(self) -> Vec<(u32, EndpointLine)> {
        let mut lines: Vec<(u32, EndpointLine)> = Vec::new();
        for entry in self.entries() {
            let (address, key) = (entry.address, entry.key);
            let index = endpoint::line_index(address, key, ENDPOINT_SEED, ENDPOINT_LINE_BITS);
            match lines.iter_mut().find(|(known, _)| *known == index) {
                Some((_, line)) => {
                    // A third entry would displace the second; a test counts them.
                    let [_, second] = &mut line.entries;
                    *second = entry;
                }
                None => {
                    let mut line = EndpointLine::default();
                    let [first, _] = &mut line.entries;
                    *first = entry;
                    lines.push((index, line));
                }
            }
        }
        lines
    }

    /// The entries: each listener, that its address and protocol are ours, and where other traffic
    /// is held back.
    fn entries(self) -> Vec<Endpoint> {
        let mut entries = Vec::new();
        let mut enter = |address, key, listener| {
            entries.push(Endpoint {
                address,
                key,
                listener,
                reserved: 0,
            });
        };
        for address in SERVER {
            for protocol in PROTOCOLS {
                enter(address, endpoint::key(protocol, PORT), 1);
                enter(address, endpoint::key(protocol, 0), 1);
            }
        }
        if let Some([tcp, udp, rest]) = self.0 {
            for address in SERVER {
                enter(address, endpoint::LOCAL, 0);
            }
            let OtherTraffic(treatments) = OtherTraffic::new(tcp, udp, rest);
            enter(
                endpoint::interface(INTERFACE),
                endpoint::INTERFACE,
                treatments,
            );
        }
        entries
    }
}

const fn limit(kind: u32) -> SourceLimit {
    SourceLimit {
        source: GENEROUS,
        aggregate: Limit::OFF,
        class: Class::new(kind, 0, SEED),
        yields_ns: GENEROUS.increment(1),
        precise: 0,
    }
}

/// One unit per nanosecond, and a burst that nobody uses up.
const GENEROUS: Limit = Limit {
    multiplier: 1,
    tolerance_ns: 1_000_000_000_000,
    shift: 0,
    reserved: 0,
};

/// No line holds more entries than it has room for; a test checks.
const ENDPOINT_SEED: u64 = 11;

/// The tables of a site, in memory.
#[derive(Debug)]
pub struct Host<'a> {
    control: Control,
    settings: Settings,
    rules: Rules,
    endpoints: &'a [(u32, EndpointLine)],
    sources: Line<AtomicU64>,
    incidents: Cell<u32>,
}

impl<'a> Host<'a> {
    /// A site as nobody has visited it yet, and its [`Site::endpoints`].
    #[must_use]
    pub fn new(site: Site, endpoints: &'a [(u32, EndpointLine)]) -> Self {
        Self {
            control: Control::default(),
            settings: site.settings(),
            rules: Site::rules(),
            endpoints,
            sources: Line::default(),
            incidents: Cell::new(0),
        }
    }

    /// The tags of the buckets that were charged, and zeros.
    #[must_use]
    pub fn charged(&self) -> [u64; 4] {
        self.sources
            .ways
            .each_ref()
            .map(|way| way.tag.load(Ordering::Relaxed))
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.incidents.get() == 0
    }
}

impl Tables for Host<'_> {
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
        let line = self.endpoints.iter().find(|(known, _)| *known == index);
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
    fn vouched_line(&self, _: u32) -> Result<&Line<AtomicU64>, Fault> {
        Err(Fault)
    }
    fn newcomers(&self, _: u32) -> Result<&AtomicU64, Fault> {
        Err(Fault)
    }
    fn flow(&self, _: &FlowKey) -> Option<&FlowRow> {
        None
    }
    fn offence_line(&self, _: u32) -> Result<&Line<AtomicU64>, Fault> {
        Err(Fault)
    }
    fn interface(&self) -> u32 {
        INTERFACE
    }
    fn answer_syn(&self, _: &Reading) -> bool {
        false
    }
    fn count_list(&self, _: u32, _: u64) {
        self.incidents.set(self.incidents.get() + 1);
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

const NOTHING: EndpointLine = EndpointLine {
    entries: [NOWHERE; endpoint::ENTRIES],
};

const NOWHERE: Endpoint = Endpoint {
    address: Address { high: 0, low: 0 },
    key: 0,
    listener: 0,
    reserved: 0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_room() {
        for site in Site::ALL {
            let lines = site.endpoints();
            let held = lines.iter().flat_map(|(_, line)| line.entries);
            let held = held.filter(|entry| entry.key != 0).count();
            assert_eq!(held, site.entries().len(), "{site:?}");
        }
    }
}
