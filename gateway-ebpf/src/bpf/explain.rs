//! The explaining entry point: the judgement of [`super::program`] with its writes compiled out,
//! saying each step.
//!
//! It is loaded against the maps of a running edge and run on one packet by test run. Its words
//! keep still: a charge is decided and not made, a claim finds its way and leaves the tag alone.
//! What it notes goes into a map of its own that nobody else has.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use gateway_common::trace::{Step, Trace};
use gateway_common::word::Word;
use gateway_ebpf::judge::judge_read;
use gateway_ebpf::tables::Tables as _;

use super::maps::{Access, Maps, TRACE};
use super::outlined;
use super::packet::Packet;
use super::word::MapWord;

/// Says what would become of the packet. Passes whatever comes: the verdict is in the trace. Never
/// attached.
#[xdp(frags)]
#[inline(always)]
fn gateway_explain(context: XdpContext) -> u32 {
    let (packet, maps) = (Packet::new(&context), Maps::<Explaining>::new(&context));
    if let Some(trace) = trace() {
        trace.length = 0;
        trace.now_ns = maps.now_precise();
    }
    let mut reading = MaybeUninit::uninit();
    let judgement = judge_read(&packet, &maps, outlined::read(&context, &mut reading));
    if let Some(trace) = trace() {
        trace.verdict = judgement.verdict as u32;
        trace.reason = judgement.reason as u32;
        trace.family = judgement.family as u32;
        trace.listener = judgement.listener;
    }
    XDP_PASS
}

fn trace() -> Option<&'static mut Trace> {
    let trace = TRACE.get_ptr_mut(0)?;
    // SAFETY: the map is this run's alone, and a reference to it is gone before the next is made.
    unsafe { trace.as_mut() }
}

/// The access of the program that explains: it changes nothing that is shared, and keeps steps.
pub(super) struct Explaining;

// SAFETY: a `StillWord` is a `MapWord`, which is one `u64`.
unsafe impl Access for Explaining {
    type Word = StillWord;

    const WRITES: bool = false;

    #[inline(always)]
    fn interface(_: &XdpContext) -> u32 {
        trace().map_or(0, |trace| trace.interface)
    }

    #[inline(always)]
    fn note(step: impl FnOnce() -> Step) {
        let step = step();
        let what = u64::from(step.topic) << 32 | u64::from(step.outcome);
        gateway_step(what, step.first, step.second);
    }
}

/// Keeps a step; `what` is topic and outcome in one number. A function of its own: there are many
/// steps, and each would be walked once per way of arriving at it.
// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_step(what: u64, first: u64, second: u64) -> u64 {
    let Some(trace) = trace() else {
        return 0;
    };
    // A judgement takes fewer steps than there is room for.
    if let Some(place) = trace.steps.get_mut(trace.length as usize) {
        *place = Step {
            topic: (what >> 32) as u32,
            outcome: what as u32,
            first,
            second,
        };
        trace.length += 1;
    }
    0
}

/// A cell of a map that is read and never changed. Whoever wants to change it is told that it has:
/// so a judgement goes on as if it had been the only one.
#[repr(transparent)]
pub(super) struct StillWord(MapWord);

impl Word for StillWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        self.0.load()
    }

    #[inline(always)]
    fn compare_exchange(&self, current: u64, _: u64) -> Result<u64, u64> {
        Ok(current)
    }

    #[inline(always)]
    fn add(&self, _: u64) {}
}
