//! The entry points.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_ns};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
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
    match Packet::new(&context).write_start([jiffies, now]) {
        Some(()) => XDP_PASS,
        None => XDP_DROP,
    }
}

/// Judges and counts.
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
    if judgement.outcome.is_drop() {
        XDP_DROP
    } else {
        XDP_PASS
    }
}
