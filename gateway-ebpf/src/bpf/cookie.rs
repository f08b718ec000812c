//! Answering a SYN with a SYN cookie.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::{BPF_F_CURRENT_NETNS, xdp_md};
use aya_ebpf::helpers::{
    bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_gen_syncookie, bpf_xdp_adjust_tail,
    bpf_xdp_load_bytes,
};
use aya_ebpf::programs::XdpContext;
use gateway_ebpf::cookie::{self, Cookie, TCP_LENGTH};
use gateway_ebpf::frame::Frame;
use gateway_ebpf::reading::Reading;

use super::packet::Packet;

const IPV4_LENGTH: usize = 20;
const IPV6_LENGTH: usize = 40;
const PORTS: usize = 4;
/// Two addresses and two ports.
const IPV4_TUPLE: usize = 2 * 4 + PORTS;
const IPV6_TUPLE: usize = 2 * 16 + PORTS;
const TCP_FIXED: usize = 20;
const TCP_MAX: usize = 60;

/// Turns the SYN in this packet into the SYN-ACK that answers it; whether that was done. Otherwise
/// the packet may have changed, and can only be dropped.
#[inline(always)]
pub(super) fn answer(context: &XdpContext, syn: &Reading) -> bool {
    gateway_answer(context.ctx, syn.network() as u64, syn.is_ipv4().into()) != 0
}

/// A function of its own: the verifier walks it once, whatever the judgement before it knew.
// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_answer(context: *mut xdp_md, network: u64, is_ipv4: u64) -> u32 {
    let context = XdpContext::new(context);
    let syn = Syn {
        context: &context,
        packet: Packet::new(&context),
    };
    let answered = if is_ipv4 == 0 {
        syn.answer_ipv6(network as usize)
    } else {
        syn.answer_ipv4(network as usize)
    };
    u32::from(answered.is_some())
}

/// The packet to be answered.
///
/// Headers are read anew for each purpose: the stack of a program is small, and is shared with the
/// one that judges.
struct Syn<'a> {
    context: &'a XdpContext,
    packet: Packet<'a>,
}

impl Syn<'_> {
    #[inline(always)]
    fn answer_ipv4(&self, offset: usize) -> Option<()> {
        cookie::ipv4(&self.packet.read(offset)?)?;
        let transport = offset + IPV4_LENGTH;
        let cookie = self.make::<IPV4_LENGTH, IPV4_TUPLE>(offset)?;
        self.resize(transport + TCP_LENGTH)?;
        let header: [u8; IPV4_LENGTH] = self.packet.read(offset)?;
        let [_, _, _, _, _, _, _, _, _, _, _, _, addresses @ ..] = header;
        let sum = cookie::sum(&addresses);
        let reply = cookie::tcp(&self.packet.read(transport)?, cookie, sum);
        self.packet.write(offset, cookie::ipv4(&header)?)?;
        self.packet.write(transport, reply)?;
        self.turn()
    }

    #[inline(always)]
    fn answer_ipv6(&self, offset: usize) -> Option<()> {
        cookie::ipv6(&self.packet.read(offset)?)?;
        let transport = offset + IPV6_LENGTH;
        let cookie = self.make::<IPV6_LENGTH, IPV6_TUPLE>(offset)?;
        self.resize(transport + TCP_LENGTH)?;
        let header: [u8; IPV6_LENGTH] = self.packet.read(offset)?;
        let [_, _, _, _, _, _, _, _, addresses @ ..] = header;
        let sum = cookie::sum(&addresses);
        let reply = cookie::tcp(&self.packet.read(transport)?, cookie, sum);
        self.packet.write(offset, cookie::ipv6(&header)?)?;
        self.packet.write(transport, reply)?;
        self.turn()
    }

    /// The cookie, made for the socket that listens where the SYN is addressed to. The IP header of
    /// `HEADER` bytes ends in the addresses, and the ports follow: together they are what the
    /// kernel calls a tuple.
    #[inline(always)]
    fn make<const HEADER: usize, const TUPLE: usize>(&self, offset: usize) -> Option<Cookie> {
        let transport = offset + HEADER;
        // The helper wants the TCP header with all its options, and to be told exactly its length.
        let [data_offset, _flags] = self.packet.read(transport + 12)?;
        let length = self.packet.forget(usize::from(data_offset >> 4) * 4);
        if !(TCP_FIXED..=TCP_MAX).contains(&length) {
            return None;
        }
        let mut header = MaybeUninit::<[u64; TCP_MAX.div_ceil(8)]>::uninit();
        let header: *mut u64 = header.as_mut_ptr().cast();
        for index in 0..TCP_MAX.div_ceil(8) {
            // SAFETY: the index is below the number of words.
            let word = unsafe { header.add(index) };
            // SAFETY: as above. Volatile, because of plain stores the compiler makes a call.
            unsafe { word.write_volatile(0) };
        }
        // SAFETY: there is room for `length` bytes; the helper looks for the packet's end itself.
        let failed = unsafe {
            bpf_xdp_load_bytes(
                self.context.ctx,
                transport as u32,
                header.cast(),
                length as u32,
            )
        };
        if failed != 0 {
            return None;
        }
        let tuple = self.packet.pointer::<TUPLE>(transport + PORTS - TUPLE)?;
        // SAFETY: there are as many bytes of packet as the helper is told. It returns null or a
        // socket that is held until it is released.
        let socket = unsafe {
            bpf_skc_lookup_tcp(
                self.context.ctx.cast(),
                tuple.cast(),
                TUPLE as u32,
                BPF_F_CURRENT_NETNS as u64,
                0,
            )
        };
        if socket.is_null() {
            return None;
        }
        let answer = match self.packet.pointer::<HEADER>(offset) {
            // SAFETY: the socket is held, and both headers are readable at the lengths given.
            Some(ip) => unsafe {
                bpf_tcp_gen_syncookie(
                    socket.cast(),
                    ip.cast(),
                    HEADER as u32,
                    header.cast(),
                    length as u32,
                )
            },
            None => -1,
        };
        // SAFETY: the socket came from the lookup above and is released once.
        let failed = unsafe { bpf_sk_release(socket.cast()) };
        if failed != 0 {
            return None;
        }
        Cookie::from_helper(answer)
    }

    /// Gives the frame this length.
    #[inline(always)]
    fn resize(&self, length: usize) -> Option<()> {
        let delta = length as i32 - self.packet.total() as i32;
        // SAFETY: the context is the one this program was called with; no pointer into the packet
        // is kept across the call.
        let failed = unsafe { bpf_xdp_adjust_tail(self.context.ctx, delta) };
        (failed == 0).then_some(())
    }

    /// Sends the frame back to where it came from. Its tags stay.
    #[inline(always)]
    fn turn(&self) -> Option<()> {
        let addresses = self.packet.read(0)?;
        self.packet.write(0, cookie::ethernet(addresses))
    }
}
