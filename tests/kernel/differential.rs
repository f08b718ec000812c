//! One judgement, three readers: the program in the kernel, the same code on the host, and
//! etherparse, over mutated packets.
//!
//! Host and etherparse are compared by the [`Oracle`]; kernel and host must agree on verdict,
//! reason, family and bytes of every packet.

use gateway_common::endpoint::EndpointLine;
use gateway_common::name;
use gateway_common::reason::{Reason, Verdict};
use gateway_ebpf::judge::Judgement;
use gateway_oracle::Oracle;
use gateway_oracle::site::{PORT, Site};
use gateway_tests::capability::or_skip;
use gateway_tests::object::{Object, Orders};
use gateway_tests::packet::{
    ACK, SYN, TCP, UDP, ethernet, extension, fragment, frame4, frame6, ipv4, ipv6, tcp, udp,
};

use crate::site::{CLIENT, DROP, SERVER, client6, server6};

/// An oracle, and the object at the oracle's site. `None` where it cannot be loaded.
#[track_caller]
pub(crate) fn site(site: Site) -> Option<(Oracle, Object)> {
    let object = or_skip(try_site(site))?;
    Some((Oracle::new(site), object))
}

fn try_site(site: Site) -> anyhow::Result<Object> {
    let mut object = Object::load()?;
    object.apply(Orders {
        settings: site.settings(),
        rules: Site::rules(),
    })?;
    let mut endpoints = object.array::<EndpointLine>(name::MAP_ENDPOINTS)?;
    for (index, line) in site.endpoints() {
        endpoints.set(index, line, 0)?;
    }
    Ok(object)
}

/// A frame comes to the same in the kernel, on the host and by what etherparse reads.
#[track_caller]
pub(crate) fn agree((oracle, object): &mut (Oracle, Object), frame: &[u8]) -> Judgement {
    let host = match oracle.compare(frame) {
        Ok(judgement) => judgement,
        Err(disagreement) => panic!("{disagreement}"),
    };
    let cell = (host.verdict, host.reason, host.family);
    let before = object.counter(cell.0, cell.1, cell.2).unwrap();
    let action = object.judge(frame).unwrap();
    let after = object.counter(cell.0, cell.1, cell.2).unwrap();
    assert_eq!(
        (after.packets - before.packets, after.bytes - before.bytes),
        (1, host.bytes),
        "the host says {host:?}, the kernel {action}, at {:?}: {frame:02x?}",
        oracle.site()
    );
    let drops = host.verdict == Verdict::Drop;
    assert_eq!(action == DROP, drops, "{host:?}: {frame:02x?}");
    host
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
        frame4(&four(1, 0, &[3, 4, 0, 0, 0, 0, 5, 0])),
        frame4(&four(1, 0, &[8, 0, 0, 0, 0, 0, 0, 1])),
        frame6(&six(58, &[2, 0, 0, 0, 0, 0, 5, 0])),
        frame6(&six(58, &[128, 0, 0, 0, 0, 0, 0, 1])),
        frame6(&six(0, &extension(58, 0, &[135, 0, 0, 0, 0, 0, 0, 0]))),
        frame4(&four(UDP, 0, &udp(53, 40_000, 12))),
        frame4(&four(TCP, 0, &tcp(1, 22, SYN))),
        frame6(&six(TCP, &tcp(1, 22, ACK))),
        frame4(&four(47, 0, &[0; 8])),
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

/// Packets for each site.
fn packets() -> u32 {
    let asked = std::env::var("GATEWAY_SOAK_PACKETS").map(|text| text.parse().unwrap());
    asked.unwrap_or(20_000)
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
    let seed = seed();
    println!("GATEWAY_SEED={seed}");
    for at in Site::ALL {
        let Some(mut readers) = site(at) else {
            return;
        };
        let mut random = Random(seed);
        let seeds = seeds();
        let mut admitted = 0;
        for _ in 0..packets() {
            let judgement = agree(&mut readers, &mutate(&mut random, &seeds));
            let reason = judgement.reason;
            admitted += u32::from(matches!(reason, Reason::Admitted | Reason::NewConnection));
        }
        println!("{admitted} admitted at {at:?}");
        assert!(
            admitted > packets() / 10,
            "the mutations leave too little intact"
        );
    }
}
