//! Floods: frames handed to a link many at a time, at a rate of one's choice.
//!
//! Frames leave through a packet socket (packet(7)), so they pass no routing, no filter and no
//! checksum of this host, and may name any source.

use std::io::IoSlice;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use etherparse::PacketBuilder;
use gateway::clock::monotonic_ns;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockType, sendmmsg, socket,
};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::namespace::Namespace;

/// Most frames handed over by one system call.
const BATCH: usize = 64;
/// How long the sender sleeps when it is ahead of its rate.
const PAUSE: Duration = Duration::from_micros(100);
/// Odd, so that every source of a range is met before one is met twice.
const STRIDE: u32 = 0x9e_3779;

/// A link to flood: where frames leave, and what they are addressed to.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
    from: LinkAddr,
    source: [u8; 6],
    target: [u8; 6],
}

/// What a flood consists of. Sources walk through a range, each met once before one comes again.
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

/// What a flood has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames handed to the link.
    pub offered: u64,
    /// Those of them that the link had no room for.
    pub refused: u64,
}

impl Link {
    /// Opens the link `interface` of `outside` towards the interface `opposite` of `inside`.
    ///
    /// # Errors
    /// Without root, or where an interface is missing.
    pub fn open(
        outside: &Namespace,
        interface: &str,
        inside: &Namespace,
        opposite: &str,
    ) -> anyhow::Result<Self> {
        let from = address(outside, interface)?;
        let target = address(inside, opposite)?;
        let socket = outside.run(|| {
            // Without a protocol the socket receives nothing.
            socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                None,
            )
        });
        Ok(Self {
            socket: socket.context("cannot open a packet socket (needs root)")?,
            from,
            source: from.addr().context("the interface has no address")?,
            target: target.addr().context("the interface has no address")?,
        })
    }

    /// Hands frames to the link: how many it had no room for.
    ///
    /// # Errors
    /// `sendmmsg`'s, apart from a full link.
    fn send(&self, frames: &[Vec<u8>], headers: &mut MultiHeaders<LinkAddr>) -> nix::Result<u64> {
        let mut refused = 0;
        let mut rest = frames;
        while !rest.is_empty() {
            let slices: Vec<_> = rest.iter().map(|frame| [IoSlice::new(frame)]).collect();
            let targets = vec![Some(self.from); rest.len()];
            let sent = sendmmsg(
                self.socket.as_raw_fd(),
                headers,
                &slices,
                &targets,
                [],
                MsgFlags::empty(),
            );
            let taken = match sent {
                Ok(results) => results.count(),
                Err(Errno::ENOBUFS) => 0,
                Err(errno) => return Err(errno),
            };
            // The call ends early at a frame that the link has refused: that one is gone.
            refused += u64::from(taken < rest.len());
            rest = rest.get(taken + 1..).unwrap_or_default();
        }
        Ok(refused)
    }

    /// Starts a flood of `kind` at `per_second` frames, on a thread that runs on `cpu` alone where
    /// one is named.
    #[must_use]
    pub fn flood(self, kind: Kind, per_second: u64, cpu: Option<usize>) -> Flood {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            if let Some(cpu) = cpu {
                let mut only = CpuSet::new();
                only.set(cpu);
                sched_setaffinity(None, &only).context("sched_setaffinity")?;
            }
            self.run(kind, per_second, &theirs)
        });
        Flood {
            shared,
            thread: Some(thread),
        }
    }

    fn run(&self, kind: Kind, per_second: u64, shared: &Shared) -> anyhow::Result<()> {
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        let mut frames = vec![Vec::new(); BATCH];
        let start = monotonic_ns();
        let mut offered = 0;
        while !shared.stop.load(Ordering::Relaxed) {
            let elapsed = u128::from(monotonic_ns() - start);
            let due = u64::try_from(elapsed * u128::from(per_second) / 1_000_000_000)?;
            let count = usize::try_from(due.saturating_sub(offered))?.min(BATCH);
            if count == 0 {
                std::thread::sleep(PAUSE);
                continue;
            }
            let batch = frames.get_mut(..count).unwrap_or_default();
            for (frame, number) in batch.iter_mut().zip(offered..) {
                self.write(kind, number, frame)?;
            }
            let refused = self.send(batch, &mut headers).context("sendmmsg")?;
            offered += count as u64;
            shared.offered.store(offered, Ordering::Relaxed);
            shared.refused.fetch_add(refused, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Frame `number` of a flood.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "numbers are spread over fields that are narrower than they"
    )]
    fn write(&self, kind: Kind, number: u64, frame: &mut Vec<u8>) -> anyhow::Result<()> {
        let ethernet = PacketBuilder::ethernet2(self.source, self.target);
        let port = 1_024 + (number % 60_000) as u16;
        let spread = (number as u32).wrapping_mul(STRIDE);
        frame.clear();
        match kind {
            Kind::Syn4 {
                first,
                bits,
                server,
            } => ethernet
                .ipv4(within(first, bits, spread), server.0.octets(), 64)
                .tcp(port, server.1, number as u32, 64_240)
                .syn()
                .write(frame, &[])?,
            Kind::Syn6 { first, server } => {
                // Another /64 each time.
                let source = first.to_bits() | u128::from(spread) << 64 | 1;
                ethernet
                    .ipv6(source.to_be_bytes(), server.0.octets(), 64)
                    .tcp(port, server.1, number as u32, 64_240)
                    .syn()
                    .write(frame, &[])?;
            }
            Kind::Udp4 {
                first,
                bits,
                server,
            } => ethernet
                .ipv4(within(first, bits, spread), server.octets(), 64)
                .udp(port, (spread >> 16) as u16 | 1)
                .write(frame, &[0; 18])?,
            Kind::Segments4 { client, server } => ethernet
                .ipv4(client.0.octets(), server.0.octets(), 64)
                .tcp(client.1, server.1, number as u32, 64_240)
                .ack(spread)
                .write(frame, &[0; 18])?,
        }
        Ok(())
    }
}

/// A flood under way. Dropping it ends it.
#[derive(Debug)]
pub struct Flood {
    shared: Arc<Shared>,
    /// Until it has been joined.
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Whoever drops a flood instead of stopping it has failed already.
            drop(thread.join());
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    offered: AtomicU64,
    refused: AtomicU64,
}

impl Flood {
    /// What it has come to so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            offered: self.shared.offered.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
        }
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
    pub fn stop(mut self) -> anyhow::Result<Tally> {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a flood returns its errors")?;
        }
        Ok(self.tally())
    }
}

/// An address of a range.
fn within(first: Ipv4Addr, bits: u32, spread: u32) -> [u8; 4] {
    let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
    (first.to_bits() | spread & mask).to_be_bytes()
}

/// The link-layer address of an interface.
fn address(namespace: &Namespace, interface: &str) -> anyhow::Result<LinkAddr> {
    let name = interface.to_owned();
    let found = namespace.run(move || {
        let mut all = getifaddrs()?;
        nix::Result::Ok(all.find_map(|entry| {
            let address = entry.address.filter(|_| entry.interface_name == name)?;
            address.as_link_addr().copied()
        }))
    })?;
    found.with_context(|| format!("there is no interface `{interface}`"))
}
