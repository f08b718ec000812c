//! The entry points.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_ns};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use gateway_common::reason::Verdict;
use gateway_ebpf::judge::{Judgement, judge_read};

use super::event;
use super::maps::{Enforcing, Maps, count};
use super::outlined;
use super::packet::Packet;

/// Judges every packet.
#[xdp(frags)]
fn gateway_edge(context: XdpContext) -> u32 {
    act(&judged(&context))
}

/// Passes everything: what an empty program costs.
#[xdp(frags)]
fn gateway_empty(_: XdpContext) -> u32 {
    XDP_PASS
}

/// Reports the kernel's tick: overwrites the first sixteen bytes of the packet with `jiffies64`
/// and `CLOCK_MONOTONIC` (ns), in the machine's byte order. Two runs some time apart tell the
/// length of a tick. Never attached; run once by test run.
#[xdp(frags)]
fn gateway_tick(context: XdpContext) -> u32 {
    // SAFETY: both helpers take nothing and only read the kernel's clocks.
    let jiffies = unsafe { bpf_jiffies64() };
    // SAFETY: as above.
    let now = unsafe { bpf_ktime_get_ns() };
    let packet = Packet::new(&context);
    let written = packet
        .write(0, jiffies.to_ne_bytes())
        .and_then(|()| packet.write(size_of_val(&jiffies), now.to_ne_bytes()));
    match written {
        Some(()) => XDP_PASS,
        None => XDP_DROP,
    }
}

/// Judges and counts. What is to be answered has then been answered.
#[inline(always)]
pub(super) fn judged(context: &XdpContext) -> Judgement {
    let (packet, maps) = (Packet::new(context), Maps::<Enforcing>::new(context));
    let mut reading = MaybeUninit::uninit();
    let judgement = judge_read(&packet, &maps, outlined::read(context, &mut reading));
    count(&judgement);
    event::report(context, &judgement);
    judgement
}

#[inline(always)]
pub(super) const fn act(judgement: &Judgement) -> u32 {
    /// The action of each verdict, a byte each: a branch per verdict would be walked for every way
    /// of arriving here.
    const ACTIONS: u64 = (XDP_DROP as u64) << (8 * Verdict::Drop as u32)
        | (XDP_PASS as u64) << (8 * Verdict::Pass as u32)
        | (XDP_PASS as u64) << (8 * Verdict::WouldDrop as u32)
        | (XDP_TX as u64) << (8 * Verdict::Transmit as u32);
    (ACTIONS >> (8 * judgement.outcome.verdict_number())) as u32 & 0xff
}
