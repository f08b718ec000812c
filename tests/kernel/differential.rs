//! One judgement, three readers: the program in the kernel, the same code on the host, and
//! etherparse, over mutated packets.
//!
//! Kernel and host must agree on verdict, reason, family and bytes of every packet. Etherparse is
//! the witness against a bypass: whatever it reads as TCP or UDP for our listener must not be
//! called somebody else's, and what we admit it must not read as something else.

use std::net::IpAddr;

use etherparse::{LinkExtSlice, NetSlice, SlicedPacket, TransportSlice};
use gateway_common::address::Address;
use gateway_common::bucket::Line;
use gateway_common::capacity::ENDPOINT_LINE_BITS;
use gateway_common::counter::Incident;
use gateway_common::endpoint::{self, Endpoint, EndpointLine};
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::list::{Ipv4Key, Ipv6Key, ListEntry};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Control, FLAG_LISTENERS, Newcomers, Rules, Settings};
use gateway_ebpf::frame::Slice;
use gateway_ebpf::judge::{Judgement, judge};
use gateway_ebpf::tables::{Fault, Tables};
use gateway_tests::object::Object;
use gateway_tests::packet::{
    ACK, SYN, TCP, UDP, ethernet, extension, fragment, frame4, frame6, ipv4, ipv6, tcp, udp,
};

use crate::site::{CLIENT, DROP, PORT, SERVER, client6, server6, settings, site};
use std::sync::atomic::AtomicU64;

/// The site's settings and listeners, on the host. Limits and deny list are off, so that nothing
/// else is asked for.
struct Host {
    control: Control,
    settings: Settings,
    rules: Rules,
    lines: Vec<(u32, EndpointLine)>,
}

impl Host {
    fn new(settings: Settings) -> Self {
        let mut host = Self {
            control: Control::default(),
            rules: Rules::default(),
            settings: Settings {
                flags: FLAG_LISTENERS,
                ..settings
            },
            lines: Vec::new(),
        };
        for address in [Address::v4(SERVER), server6()] {
            for protocol in [TCP, UDP] {
                for port in [PORT, 0] {
                    host.listen(address, endpoint::key(protocol, port));
                }
            }
        }
        host
    }

    fn listen(&mut self, address: Address, key: u64) {
        let seed = self.settings.endpoint_seed;
        let index = endpoint::line_index(address, key, seed, ENDPOINT_LINE_BITS);
        let entry = Endpoint {
            address,
            key,
            ..Endpoint::default()
        };
        let known = self.lines.iter_mut().find(|(known, _)| *known == index);
        let line = match known {
            Some((_, line)) => line,
            None => {
                self.lines.push((index, EndpointLine::default()));
                &mut self.lines.last_mut().unwrap().1
            }
        };
        *line
            .entries
            .iter_mut()
            .find(|entry| entry.key == 0)
            .unwrap() = entry;
    }
}

const EMPTY: EndpointLine = EndpointLine {
    entries: [Endpoint {
        address: Address { high: 0, low: 0 },
        key: 0,
        listener: 0,
        reserved: 0,
    }; endpoint::ENTRIES],
};

impl Tables for Host {
    type Word = AtomicU64;

    fn control(&self) -> Result<&Control, Fault> {
        Ok(&self.control)
    }
    fn settings(&self, _: u32) -> Result<&Settings, Fault> {
        Ok(&self.settings)
    }
    fn rules(&self, _: u32) -> Result<&Rules, Fault> {
        Ok(&self.rules)
    }
    fn endpoint_line(&self, index: u32) -> Result<&EndpointLine, Fault> {
        let found = self.lines.iter().find(|(known, _)| *known == index);
        Ok(found.map_or(&EMPTY, |(_, line)| line))
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
        Err(Fault)
    }
    fn aggregate(&self, _: u32) -> Result<&AtomicU64, Fault> {
        Err(Fault)
    }
    fn vouched_line(&self, _: u32) -> Result<&Line<AtomicU64>, Fault> {
        Err(Fault)
    }
    fn newcomers(&self, _: Newcomers) -> Result<&AtomicU64, Fault> {
        Err(Fault)
    }
    fn flow(&self, _: &FlowKey) -> Option<&FlowRow> {
        None
    }
    fn offence_line(&self, _: u32) -> Result<&Line<AtomicU64>, Fault> {
        Err(Fault)
    }
    fn interface(&self) -> u32 {
        0
    }
    fn count_list(&self, list: u32, _: u64) {
        panic!("list {list}");
    }
    fn now(&self) -> Result<u64, Fault> {
        Err(Fault)
    }
    fn now_precise(&self) -> u64 {
        0
    }
    fn incident(&self, incident: Incident) {
        panic!("{incident:?}");
    }
}

/// A small generator, so that a printed seed is all it takes to see a failure again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        gateway_common::bucket::mix(self.0, 0)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        // Numbers that mean something somewhere, as often as any.
        const KNOWN: [u8; 16] = [
            0, 1, 2, 5, 6, 8, 17, 43, 44, 51, 60, 0x45, 0x60, 0x81, 0xa8, 0xff,
        ];
        let random = self.next().to_le_bytes();
        if random[0] & 1 == 0 {
            KNOWN[usize::from(random[1] & 15)]
        } else {
            random[1]
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let syn = tcp(1, PORT, SYN);
    let ack = tcp(1, PORT, ACK);
    let datagram = udp(1, PORT, 12);
    let four = |protocol, field, payload: &[u8]| ipv4(CLIENT, SERVER, protocol, field, payload);
    let six = |next, payload: &[u8]| ipv6(client6(), server6(), next, payload);
    let chain = extension(60, 0, &extension(43, 1, &extension(TCP, 0, &syn)));
    let mut authentication = vec![TCP, 4];
    authentication.resize(24, 0);
    authentication.extend(&syn);
    let mut options = four(TCP, 0, &[]);
    options[0] = 0x47;
    options.extend([1; 8]);
    options.extend(&syn);
    options[3] = 48;
    vec![
        frame4(&four(TCP, 0x4000, &syn)),
        frame4(&four(TCP, 0, &ack)),
        frame4(&four(UDP, 0, &datagram)),
        frame4(&four(TCP, 0x2000, &syn)),
        frame4(&four(TCP, 3, &syn)),
        frame4(&options),
        frame6(&six(TCP, &syn)),
        frame6(&six(UDP, &datagram)),
        frame6(&six(0, &chain)),
        frame6(&six(51, &authentication)),
        frame6(&six(44, &fragment(TCP, 0, true, &syn))),
        frame6(&six(44, &fragment(UDP, 0, false, &datagram))),
        ethernet(&[0x8100], 0x0800, &four(TCP, 0, &syn)),
        ethernet(&[0x88a8, 0x8100], 0x86dd, &six(TCP, &ack)),
        ethernet(
            &[0x88a8, 0x8100, 0x8100, 0x8100],
            0x0800,
            &four(TCP, 0, &syn),
        ),
        ethernet(&[], 0x0806, &[0; 28]),
    ]
}

fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(4) {
        let at = random.below(frame.len());
        match random.below(8) {
            0..=3 => frame[at] = random.byte(),
            4 => frame[at] ^= 1 << random.below(8),
            5 => frame.truncate(at.max(14)),
            6 => {
                // Another tag, or eight bytes that may be an extension header.
                let inserted = [0x81, 0, 0, 1, random.byte(), 0, 0, 0];
                let length = if random.below(2) == 0 { 4 } else { 8 };
                let at = [12, 14, 34, 54][random.below(4)].min(frame.len());
                frame.splice(at..at, inserted[..length].iter().copied());
            }
            _ => {
                let from = random.below(frame.len());
                let copy = frame[from..(from + 8).min(frame.len())].to_vec();
                frame.splice(at..at, copy);
            }
        }
    }
    frame
}

fn packets() -> u32 {
    let asked = std::env::var("GATEWAY_SOAK_PACKETS").map(|text| text.parse().unwrap());
    asked.unwrap_or(50_000)
}

fn seed() -> u64 {
    let asked = std::env::var("GATEWAY_SEED").map(|text| text.parse().unwrap());
    asked.unwrap_or_else(|_| {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_nsec.unsigned_abs() ^ now.tv_sec.unsigned_abs() << 32
    })
}

#[test]
fn kernel_host_and_etherparse_read_the_same_packet() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    let host = Host::new(settings());
    let seed = seed();
    println!("GATEWAY_SEED={seed}");
    let mut random = Random(seed);
    let seeds = seeds();
    let (mut ours, mut witnessed) = (0, 0);
    for number in 0..packets() {
        let frame = mutate(&mut random, &seeds);
        let judgement = judge(&Slice::new(&frame), &host);
        agree(&mut object, &frame, &judgement, number);
        ours += u32::from(judgement.reason != Reason::NotOurs);
        witnessed += u32::from(witness(&frame, &judgement, number));
    }
    println!("{ours} for us, {witnessed} read by etherparse as for our listener");
    assert!(
        witnessed > packets() / 10,
        "the mutations leave too little intact"
    );
}

/// The kernel's cell for this judgement grew by this packet.
fn agree(object: &mut Object, frame: &[u8], host: &Judgement, number: u32) {
    let cell = (host.verdict, host.reason, host.family);
    let before = object.counter(cell.0, cell.1, cell.2).unwrap();
    let action = object.judge(frame).unwrap();
    let after = object.counter(cell.0, cell.1, cell.2).unwrap();
    assert_eq!(
        (after.packets - before.packets, after.bytes - before.bytes),
        (1, host.bytes),
        "packet {number}: the host says {host:?}, the kernel {action}: {frame:02x?}"
    );
    assert_eq!(
        action == DROP,
        host.verdict == Verdict::Drop,
        "packet {number}"
    );
}

/// Compares with etherparse; whether it read a packet for our listener.
fn witness(frame: &[u8], judgement: &Judgement, number: u32) -> bool {
    let Ok(sliced) = SlicedPacket::from_ethernet(frame) else {
        return false;
    };
    let mut kinds: Vec<u16> = sliced
        .link
        .iter()
        .filter_map(|link| Some(link.to_header()?.ethernet2()?.ether_type.0))
        .collect();
    kinds.extend(sliced.link_exts.iter().map(|extension| match extension {
        LinkExtSlice::Vlan(vlan) => vlan.ether_type().0,
        LinkExtSlice::Macsec(_) => 0,
    }));
    // Etherparse also reads 0x9100 and MACsec, which the kernel does not take for VLAN tags.
    let vlan_only = kinds.iter().all(|kind| *kind != 0x9100 && *kind != 0);
    let target = match &sliced.net {
        Some(NetSlice::Ipv4(ip)) => IpAddr::V4(ip.header().destination_addr()),
        Some(NetSlice::Ipv6(ip)) => IpAddr::V6(ip.header().destination_addr()),
        _ => return false,
    };
    let ours = match target {
        IpAddr::V4(address) => address.to_bits() == SERVER,
        IpAddr::V6(address) => Address::v6(address.octets()) == server6(),
    };
    let port = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => tcp.destination_port(),
        Some(TransportSlice::Udp(udp)) => udp.destination_port(),
        _ => return false,
    };
    let is_ours = vlan_only && ours && port == PORT;
    let passed_as_other = matches!(
        judgement.reason,
        Reason::NotOurs | Reason::NotIp | Reason::Fault
    ) || (judgement.verdict, judgement.reason)
        == (Verdict::Pass, Reason::Malformed);
    assert!(
        !(is_ours && passed_as_other),
        "packet {number} for our listener is called {judgement:?}: {frame:02x?}"
    );
    let admitted = matches!(judgement.reason, Reason::Admitted | Reason::NewConnection);
    assert!(
        is_ours || !admitted,
        "packet {number} for {target} {port} is called {judgement:?}: {frame:02x?}"
    );
    if let (true, Some(TransportSlice::Tcp(tcp))) = (admitted, &sliced.transport) {
        let opening = tcp.syn() && !tcp.ack();
        assert_eq!(
            judgement.reason == Reason::NewConnection,
            opening,
            "packet {number}"
        );
    }
    is_ours && judgement.family != Family::Other
}
