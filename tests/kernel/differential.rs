//! One judgement, three readers: the program in the kernel, the same code on the host, and
//! etherparse, over mutated packets.
//!
//! Host and etherparse are compared by [`gateway_oracle::compare`]; kernel and host must agree on
//! verdict, reason, family and bytes of every packet.

use gateway_common::reason::{Reason, Verdict};
use gateway_ebpf::judge::Judgement;
use gateway_oracle::site::{PORT, PROTOCOLS, SERVER as SERVERS};
use gateway_tests::capability::or_skip;
use gateway_tests::object::{Listening, Object};
use gateway_tests::packet::{
    ACK, SYN, TCP, UDP, ethernet, extension, fragment, frame4, frame6, ipv4, ipv6, tcp, udp,
};

use crate::site::{CLIENT, DROP, SERVER, client6, server6, settings};

/// The object with the oracle's site, or `None` where it cannot be loaded.
#[track_caller]
pub(crate) fn site() -> Option<Object> {
    or_skip(try_site())
}

fn try_site() -> anyhow::Result<Object> {
    let mut object = Object::load()?;
    object.apply(settings())?;
    for address in SERVERS {
        for protocol in PROTOCOLS {
            object.listen(Listening {
                address,
                protocol,
                port: PORT,
            })?;
        }
    }
    Ok(object)
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
    let Some(mut object) = site() else {
        return;
    };
    let seed = seed();
    println!("GATEWAY_SEED={seed}");
    let mut random = Random(seed);
    let seeds = seeds();
    let (mut ours, mut read) = (0, 0);
    for number in 0..packets() {
        let frame = mutate(&mut random, &seeds);
        let agreement = gateway_oracle::compare(&frame)
            .unwrap_or_else(|disagreement| panic!("packet {number}: {disagreement}"));
        agree(&mut object, &frame, &agreement.judgement);
        ours += u32::from(agreement.judgement.reason != Reason::NotOurs);
        read += u32::from(agreement.read_to_a_listener);
    }
    println!("{ours} for us, {read} read by etherparse down to a listener");
    assert!(
        read > packets() / 10,
        "the mutations leave too little intact"
    );
}

/// The kernel's cell for this judgement grows by this frame.
pub(crate) fn agree(object: &mut Object, frame: &[u8], host: &Judgement) {
    let cell = (host.verdict, host.reason, host.family);
    let before = object.counter(cell.0, cell.1, cell.2).unwrap();
    let action = object.judge(frame).unwrap();
    let after = object.counter(cell.0, cell.1, cell.2).unwrap();
    assert_eq!(
        (after.packets - before.packets, after.bytes - before.bytes),
        (1, host.bytes as u64),
        "the host says {host:?}, the kernel {action}: {frame:02x?}"
    );
    let drops = host.verdict == Verdict::Drop;
    assert_eq!(action == DROP, drops, "{host:?}: {frame:02x?}");
}
