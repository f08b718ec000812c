//! Floods: frames handed to a link many at a time, at a rate of one's choice.
//!
//! The kernel makes them: a program that writes a frame and sends it on is run on live frames
//! (`BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18). They arrive as those of a network card do, in pages
//! that need no copy, having passed no routing, no filter and no checksum of this host, and may
//! name any source.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context as _;
use aya::Ebpf;
use aya::maps::{Array, IterableMap as _, MapData};
use aya::programs::xdp::XdpMode;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp};
use etherparse::PacketBuilder;
use gateway::clock::monotonic_ns;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::assembled::{
    EXIT, Instruction, NAME, add, add_register, and, call, elf, load, load_long, move_register, or,
    set, shift_right, skip_if_greater, skip_unless_greater, store, store_half, store_long,
    value_of, xor,
};
use crate::namespace::Namespace;
use crate::process::joined;

/// Runs of the program before the link is told.
const BATCH: u32 = 64;
/// Runs of one system call: some milliseconds. Each keeps pages and a number of the kernel's for a
/// second, of which there are 65,535.
const CALL: u32 = 65_536;
/// The sender waits for its time by trying again and again; everybody else goes first.
const NICE: i32 = 19;
/// `bpf_ktime_get_ns`.
const TIME: i32 = 5;
/// `bpf_get_prandom_u32`.
const RANDOM: i32 = 7;
/// `bpf_redirect`.
const REDIRECT: i32 = 23;
/// `XDP_ABORTED`.
const ABORTED: i32 = 0;
/// `XDP_DROP`.
const DROP: i32 = 1;

/// A link to flood: where frames leave, and what they are addressed to.
#[derive(Debug)]
pub struct Link<'a> {
    outside: &'a Namespace,
    index: u32,
    source: [u8; 6],
    target: [u8; 6],
}

/// What a flood consists of. Sources are random ones of a range.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// SYNs from spoofed IPv4 sources in `first` and the 2^`bits` - 1 addresses after it.
    Syn4 {
        /// The lowest source; its low bits are zero.
        first: Ipv4Addr,
        /// Binary logarithm of the number of sources, at most 32.
        bits: u32,
        /// The listener.
        server: (Ipv4Addr, u16),
    },
    /// SYNs from spoofed IPv6 sources, each in a /64 of its own below the /32 of `first`.
    Syn6 {
        /// The lowest source; everything behind its first 32 bits is zero.
        first: Ipv6Addr,
        /// The listener.
        server: (Ipv6Addr, u16),
    },
    /// UDP datagrams to changing ports, sources as for [`Kind::Syn4`].
    Udp4 {
        /// As above.
        first: Ipv4Addr,
        /// As above.
        bits: u32,
        /// The host.
        server: Ipv4Addr,
    },
    /// Segments of one connection, or what looks like it.
    Segments4 {
        /// The client's end.
        client: (Ipv4Addr, u16),
        /// The listener.
        server: (Ipv4Addr, u16),
    },
}

/// A frame of which some words are random.
#[derive(Debug)]
struct Template {
    frame: Vec<u8>,
    /// Where words of 32 bits are, and which of their bits are random.
    words: Vec<(i16, u32)>,
    /// Where checksums are, and how many of the words go into them.
    checksums: Vec<(i16, usize)>,
}

impl Link<'_> {
    /// Opens the link `interface` of `outside` towards the interface `opposite` of `inside`. Frames
    /// arrive only while the latter polls: where XDP is attached to it, or GRO is on.
    ///
    /// # Errors
    /// Where an interface is missing.
    pub fn open<'a>(
        outside: &'a Namespace,
        interface: &str,
        inside: &Namespace,
        opposite: &str,
    ) -> anyhow::Result<Link<'a>> {
        let name = interface.to_owned();
        let index = outside.run(move || if_nametoindex(name.as_str()));
        Ok(Link {
            outside,
            index: index.with_context(|| format!("there is no interface `{interface}`"))?,
            source: address(outside, interface)?,
            target: address(inside, opposite)?,
        })
    }

    /// Starts a flood of `kind` at `per_second` frames, on a thread that runs on `cpu` alone where
    /// one is named.
    ///
    /// # Errors
    /// Without root, or without live frames.
    pub fn flood(&self, kind: Kind, per_second: u64, cpu: Option<usize>) -> anyhow::Result<Flood> {
        let template = self.template(kind)?;
        let mut state =
            Array::<_, State>::create(1, 0).context("cannot create a map (needs root)")?;
        state.set(0, [monotonic_ns(), 0], 0)?;
        let map = state.map().fd().as_fd().as_raw_fd();
        let code = template.program(self.index, map, 1_000_000_000 / per_second)?;
        let mut object = Ebpf::load(&elf("xdp", &code)).context("cannot load the generator")?;
        let program: &mut Xdp = object
            .program_mut(NAME)
            .context("assembled with this name")?
            .try_into()?;
        program.load().context("cannot load the generator")?;
        // The kernel's dispatcher knows a program that is attached somewhere, here where nothing
        // arrives; a run of any other waits tens of milliseconds until it does.
        let nowhere = Namespace::new()?;
        let inside = nowhere.enter();
        program.attach("lo", XdpMode::Skb)?;
        drop(inside);
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = self.outside.spawn(move || {
            if let Some(cpu) = cpu {
                let mut only = CpuSet::new();
                only.set(cpu);
                sched_setaffinity(None, &only).context("sched_setaffinity")?;
            }
            // Of this thread alone (setpriority(2), "C library/kernel differences").
            setpriority_process(None, NICE).context("setpriority")?;
            send(&mut object, &template.frame, &told)
        });
        Ok(Flood {
            state,
            stop,
            thread: Some(thread),
            _nowhere: nowhere,
        })
    }

    fn template(&self, kind: Kind) -> anyhow::Result<Template> {
        let ethernet = PacketBuilder::ethernet2(self.source, self.target);
        let (port, mut frame) = (0x8000, Vec::new());
        // The low half of a word is the destination's port, or is spared.
        let ports = 0x7fff_0000;
        let (words, checksums) = match kind {
            Kind::Syn4 {
                first,
                bits,
                server,
            } => {
                let packet = ethernet
                    .ipv4(first.octets(), server.0.octets(), 64)
                    .tcp(port, server.1, 0, 64_240);
                packet.syn().write(&mut frame, &[])?;
                (vec![(26, low(bits)), (34, ports)], vec![(24, 1), (50, 2)])
            }
            Kind::Syn6 { first, server } => {
                let packet = ethernet
                    .ipv6(first.octets(), server.0.octets(), 64)
                    .tcp(port, server.1, 0, 64_240);
                packet.syn().write(&mut frame, &[])?;
                // Another /64 each time.
                (vec![(26, low(32)), (54, ports)], vec![(70, 2)])
            }
            Kind::Udp4 {
                first,
                bits,
                server,
            } => {
                let packet = ethernet
                    .ipv4(first.octets(), server.octets(), 64)
                    .udp(port, 1);
                packet.write(&mut frame, &[0; 18])?;
                let ports = ports | 0xfffe;
                (vec![(26, low(bits)), (34, ports)], vec![(24, 1), (40, 2)])
            }
            Kind::Segments4 { client, server } => {
                let packet = ethernet
                    .ipv4(client.0.octets(), server.0.octets(), 64)
                    .tcp(client.1, server.1, 0, 64_240);
                packet.ack(0).write(&mut frame, &[0; 18])?;
                // Sequence and acknowledgement.
                (vec![(38, low(32)), (42, low(32))], vec![(50, 2)])
            }
        };
        Ok(Template {
            frame,
            words,
            checksums,
        })
    }
}

impl Template {
    /// A program that, whenever it is time, fills the words in, mends the checksums and sends the
    /// frame on.
    fn program(
        &self,
        interface: u32,
        state: RawFd,
        interval_ns: u64,
    ) -> anyhow::Result<Vec<Instruction>> {
        // Registers that outlast calls, and where the stack begins.
        let (context, frame, stack) = (6, 7, 10);
        // What the words are kept in meanwhile.
        let slots: Vec<i16> = (1..)
            .map(|number| -4 * number)
            .take(self.words.len())
            .collect();
        let mut code = vec![move_register(context, 1), call(TIME)];
        code.extend(value_of(1, state));
        code.extend([
            load_long(2, 1, DUE),
            skip_unless_greater(2, 0, 2),
            set(0, DROP),
            EXIT,
            add(2, i32::try_from(interval_ns)?),
            store_long(1, DUE, 2),
            load_long(2, 1, OFFERED),
            add(2, 1),
            store_long(1, OFFERED, 2),
        ]);
        for (&(at, random), &slot) in self.words.iter().zip(&slots) {
            code.extend([
                call(RANDOM),
                and(0, random.to_be()),
                or(0, self.word(at)? & !random.to_be()),
                store(stack, slot, 0),
            ]);
        }
        // Where the frame begins and ends, by the first two fields of `xdp_md`.
        code.extend([
            load(frame, context, 0),
            load(1, context, 4),
            move_register(2, frame),
            add(2, i32::try_from(self.frame.len())?),
        ]);
        let mut rest = Vec::new();
        for (&(at, _), &slot) in self.words.iter().zip(&slots) {
            rest.extend([load(1, stack, slot), store(frame, at, 1)]);
        }
        for &(at, covered) in &self.checksums {
            let covered = covered.min(self.words.len());
            rest.push(set(1, self.sum_without(at, covered)?));
            for &slot in slots.iter().take(covered) {
                rest.extend([load(2, stack, slot), move_register(3, 2), and(2, 0xffff)]);
                rest.extend([shift_right(3, 16), add_register(1, 2), add_register(1, 3)]);
            }
            for _ in 0..2 {
                rest.extend([move_register(2, 1), and(1, 0xffff)]);
                rest.extend([shift_right(2, 16), add_register(1, 2)]);
            }
            rest.extend([xor(1, 0xffff), store_half(frame, at, 1)]);
        }
        rest.extend([set(1, i32::try_from(interface)?), set(2, 0), call(REDIRECT)]);
        code.push(set(0, ABORTED));
        code.push(skip_if_greater(2, 1, i16::try_from(rest.len())?));
        code.extend(rest);
        code.push(EXIT);
        Ok(code)
    }

    /// The sum that a checksum is of, in this machine's byte order and without the first `covered`
    /// words: a sum of 16 bits and carries comes out the same in either order (RFC 1071).
    fn sum_without(&self, at: i16, covered: usize) -> anyhow::Result<i32> {
        // The halves of a word cancel what they have added.
        let mut sum = !self.word(at)? & 0xffff;
        for &(at, _) in self.words.iter().take(covered) {
            let word = !self.word(at)?;
            sum += (word & 0xffff) + (word >> 16);
        }
        Ok(i32::try_from(sum)?)
    }

    /// The word at `at`, which may reach beyond the frame's end.
    fn word(&self, at: i16) -> anyhow::Result<u32> {
        let bytes = self.frame.iter().skip(usize::try_from(at)?);
        let mut word = [0; 4];
        for (to, byte) in word.iter_mut().zip(bytes) {
            *to = *byte;
        }
        Ok(u32::from_ne_bytes(word))
    }
}

fn send(object: &mut Ebpf, frame: &[u8], stop: &AtomicBool) -> anyhow::Result<()> {
    let program: &mut Xdp = object
        .program_mut(NAME)
        .context("assembled with this name")?
        .try_into()?;
    while !stop.load(Ordering::Relaxed) {
        let run = program.test_run(TestRunOptions {
            data_in: Some(frame),
            repeat: CALL,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::new()
        });
        run.context("cannot run the generator on live frames (Linux 5.18)")?;
    }
    Ok(())
}

/// What the program remembers from one run to the next: when the next frame is due, in nanoseconds,
/// and how many there have been.
type State = [u64; 2];
/// Where these are.
const DUE: i16 = 0;
const OFFERED: i16 = 8;

/// A flood under way. Dropping it ends it.
pub struct Flood {
    state: Array<MapData, State>,
    stop: Arc<AtomicBool>,
    /// Until it has been joined.
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    /// Where the generator is attached.
    _nowhere: Namespace,
}

impl Flood {
    /// Frames handed to the link so far, those that it had no room for included.
    ///
    /// # Panics
    /// When the kernel does not tell.
    #[must_use]
    pub fn offered(&self) -> u64 {
        let [_, offered] = self.state.get(&0, 0).expect("it has one element");
        offered
    }

    /// Whether it has ended, which it does by itself only for an error.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What went wrong while sending.
    ///
    /// # Panics
    /// When its thread did.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => match joined(thread, "the end of a flood") {
                Some(outcome) => outcome.expect("a flood returns its errors"),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Flood {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Flood");
        text.field("offered", &self.offered())
            .finish_non_exhaustive()
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        // Whoever drops a flood instead of stopping it has failed already.
        drop(self.end());
    }
}

/// The lowest `bits` bits.
fn low(bits: u32) -> u32 {
    u32::MAX.checked_shr(32 - bits).unwrap_or(0)
}

/// The link-layer address of an interface.
fn address(namespace: &Namespace, interface: &str) -> anyhow::Result<[u8; 6]> {
    let name = interface.to_owned();
    let found = namespace.run(move || {
        let mut all = getifaddrs()?;
        nix::Result::Ok(all.find_map(|entry| {
            let address = entry.address.filter(|_| entry.interface_name == name)?;
            address.as_link_addr()?.addr()
        }))
    })?;
    found.with_context(|| format!("there is no interface `{interface}`"))
}
