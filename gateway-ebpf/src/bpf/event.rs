//! Events: a sample of what is dropped, with the start of its frame.
//!
//! Only drops come here, and only while somebody watches; then the price of one that is not sampled
//! is the clock of the tick and one cell of this CPU. The reader polls, so no event wakes it: a
//! wakeup per drop would cost more than the drop.

use core::mem::offset_of;

use aya_ebpf::bindings::{BPF_RB_NO_WAKEUP, xdp_md};
use aya_ebpf::helpers::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use gateway_common::address::{Address, Class};
use gateway_common::counter::Incident;
use gateway_common::event::{Due, EVENT_BYTES, Event, offender_slot, sampling};
use gateway_common::reason::Verdict;
use gateway_ebpf::frame::Frame as _;
use gateway_ebpf::judge::Judgement;
use gateway_ebpf::tables::{Fault, Tables as _};

use super::maps::{EVENTS, Enforcing, Maps, SAMPLER};
use super::packet::Packet;

const _: () = assert!(offset_of!(Event, bytes) % size_of::<u64>() == 0);
const _: () = assert!(EVENT_BYTES.is_power_of_two());

/// Makes an event of a judgement, if it is a drop, somebody watches and it is its turn. What fails
/// here is counted and has no influence on the verdict.
#[inline(always)]
pub(super) fn report(context: &XdpContext, judgement: &Judgement) {
    if !matches!(judgement.verdict, Verdict::Drop | Verdict::WouldDrop) {
        return;
    }
    match Maps::<Enforcing>::new(context).control() {
        Ok(control) if control.events == 0 => {}
        Ok(_) | Err(Fault) => {
            let Address { high, low } = judgement.source;
            let cause = Cause::of(judgement);
            gateway_event(context.ctx, high, low, cause.0, judgement.listener.into());
        }
    }
}

/// What an event says of its drop besides the frame, in one number, so that it travels in a
/// register: verdict, reason and family in a byte each, then the list in two.
#[derive(Clone, Copy)]
struct Cause(u64);

impl Cause {
    #[inline(always)]
    const fn of(judgement: &Judgement) -> Self {
        let verdict = judgement.verdict as u64;
        let reason = (judgement.reason as u64) << 8;
        let family = (judgement.family as u64) << 16;
        Self(verdict | reason | family | (judgement.list as u64) << 24)
    }

    const fn verdict(self) -> u8 {
        self.0 as u8
    }

    const fn reason(self) -> u8 {
        (self.0 >> 8) as u8
    }

    const fn family(self) -> u8 {
        (self.0 >> 16) as u8
    }

    const fn list(self) -> u32 {
        (self.0 >> 24) as u32
    }
}

/// A function of its own, so that the verifier walks it once, and not once for each way into a
/// drop. It returns what nobody needs because such functions return a number.
// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_event(
    context: *mut xdp_md,
    source_high: u64,
    source_low: u64,
    cause: u64,
    listener: u64,
) -> u64 {
    let context = XdpContext::new(context);
    let source = Address {
        high: source_high,
        low: source_low,
    };
    let maps = Maps::new(&context);
    if try_report(&context, &maps, source, Cause(cause), listener as u32).is_err() {
        maps.incident(Incident::MapFailed);
    }
    0
}

#[inline(always)]
fn try_report(
    context: &XdpContext,
    maps: &Maps<'_, Enforcing>,
    source: Address,
    cause: Cause,
    listener: u32,
) -> Result<(), Fault> {
    let control = maps.control()?;
    let now_ns = maps.now()?;
    let sampling = sampling(control.events, now_ns);
    if sampling == 0 {
        return Ok(());
    }
    let settings = maps.settings((control.active & 1) as u32)?;
    let class = Class {
        salt: settings.seed,
        number: 0,
        reserved: 0,
    };
    let tag = source.tag(&class);
    let offender = (offender_slot(tag, settings.seed), tag);
    let sampler = SAMPLER.get_ptr_mut(0).ok_or(Fault)?;
    // SAFETY: the cell belongs to this CPU, and nothing preempts the program on it.
    let sampler = unsafe { &mut *sampler };
    let due = sampler.note(offender, sampling, now_ns, settings.events_per_second);
    let is_new_offender = match due {
        Due::No => return Ok(()),
        Due::Skipped => {
            maps.incident(Incident::EventSkipped);
            return Ok(());
        }
        Due::Event { is_new_offender } => is_new_offender,
    };
    let Some(mut room) = EVENTS.reserve(0) else {
        maps.incident(Incident::EventLost);
        return Ok(());
    };
    // SAFETY: what the ring lends is memory, and every field is written before it is submitted.
    let event = unsafe { room.assume_init_mut() };
    event.time_ns = now_ns;
    event.interface = maps.interface();
    event.listener = listener;
    event.list = cause.list();
    event.stands_for = sampler.reported(offender);
    event.verdict = cause.verdict();
    event.reason = cause.reason();
    event.family = cause.family();
    event.is_new_offender = u8::from(is_new_offender);
    event.reserved = 0;
    copy_start(context, event);
    room.submit(u64::from(BPF_RB_NO_WAKEUP));
    Ok(())
}

/// Copies as much of the frame as an event holds.
#[inline(always)]
fn copy_start(context: &XdpContext, event: &mut Event) {
    let start = (&raw mut event.bytes).cast::<u64>();
    for word in 0..EVENT_BYTES / size_of::<u64>() {
        // What was there before is another event. Volatile, or else the compiler makes a call of
        // the loop, to a function that the verifier walks byte by byte.
        // SAFETY: the word lies within the bytes, which are aligned for words and a whole number
        // of them.
        unsafe { start.add(word).write_volatile(0) };
    }
    // SAFETY: the context is the one this program was called with.
    let frame_bytes = unsafe { bpf_xdp_get_buff_len(context.ctx) } as u32;
    event.frame_bytes = frame_bytes;
    // Bounded once more by a mask that the compiler cannot see through, and so keeps: the verifier
    // loses the first bound on the way. No frame is empty.
    let whole = (frame_bytes as usize).min(EVENT_BYTES);
    let last = Packet::new(context).forget(whole.wrapping_sub(1)) & (EVENT_BYTES - 1);
    let captured = last as u32 + 1;
    // SAFETY: at most as many bytes as there is room for are copied from the frame.
    let copied = unsafe { bpf_xdp_load_bytes(context.ctx, 0, start.cast(), captured) };
    event.captured_bytes = if copied == 0 { captured } else { 0 };
}
