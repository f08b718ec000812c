//! Parts of the judgement that are functions of their own.
//!
//! The kernel's verifier walks such a function once, whatever calls it and however often; inlined,
//! it would walk it once per way of arriving. Arguments arrive as numbers and memory that it knows
//! nothing about. The packet within its limits calls at most one of them.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use gateway_common::settings::{Settings, SharedLimit, SourceLimit};
use gateway_ebpf::attack;
use gateway_ebpf::limits::{self, Act, Answer};
use gateway_ebpf::lists::{self, Considered, Listed};
use gateway_ebpf::other;
use gateway_ebpf::reading::Reading;
use gateway_ebpf::ruling::Outcome;
use gateway_ebpf::tables::Fault;

use super::maps::{Enforcing, Maps};
use super::packet::Packet;

/// What both return where a map does not answer: no answer and no standing has this number.
const FAULT: u64 = u64::MAX;

/// [`Reading::new`] as a call.
#[inline(always)]
pub(super) fn read<'a>(context: &XdpContext, reading: &'a mut MaybeUninit<Reading>) -> &'a Reading {
    const WORDS: usize = size_of::<Reading>() / size_of::<u64>();
    // Memory that is handed to a function must hold something. Written word by word: an assignment
    // becomes a call of a memory function that writes byte by byte.
    let words = reading.as_mut_ptr().cast::<u64>();
    for index in 0..WORDS {
        // SAFETY: the word lies within the reading, which is aligned like one.
        unsafe { words.add(index).write_volatile(0) };
    }
    gateway_read(context.ctx, reading.as_mut_ptr());
    // SAFETY: a reading of zeros is one, and so is what the function has written over it.
    unsafe { reading.assume_init_ref() }
}

/// [`limits::ask`] as a call.
#[inline(always)]
pub(super) fn ask_limit(
    context: &XdpContext,
    limit: &SourceLimit,
    packet: &Reading,
    seed: u64,
    act: Act,
) -> Result<Answer, Fault> {
    match gateway_limit(context.ctx, limit, packet, seed, act.0) {
        0 => Ok(Answer::Within),
        1 => Ok(Answer::Beyond),
        2 => Ok(Answer::InDebt),
        _ => Err(Fault),
    }
}

/// [`lists::ask`] as a call.
#[inline(always)]
pub(super) fn ask_lists(
    packet: &Reading,
    generation: u32,
    considered: Considered,
) -> Result<Listed, Fault> {
    match gateway_lists(packet, generation, considered.0) {
        FAULT => Err(Fault),
        number => Ok(Listed(number)),
    }
}

/// [`attack::admits`] as a call.
#[inline(always)]
pub(super) fn ask_newcomers(
    packet: &Reading,
    seed: u64,
    shared: &SharedLimit,
    which: u32,
) -> Result<bool, Fault> {
    match gateway_newcomer(packet, seed, shared, which) {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fault),
    }
}

/// [`other::judge`] as a call.
#[inline(always)]
pub(super) fn judge_other(
    context: &XdpContext,
    settings: &Settings,
    packet: &Reading,
    monitored: u64,
) -> Result<Outcome, Fault> {
    match gateway_other(context.ctx, settings, packet, monitored) {
        FAULT => Err(Fault),
        number => Ok(Outcome(number)),
    }
}

// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_read(context: *mut xdp_md, reading: *mut Reading) -> u64 {
    // SAFETY: the caller above passes a reading of its own, and the verifier checks that it does.
    let Some(reading) = (unsafe { reading.as_mut() }) else {
        return FAULT;
    };
    let context = XdpContext::new(context);
    *reading = Reading::new(&Packet::new(&context));
    0
}

// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_limit(
    context: *mut xdp_md,
    limit: *const SourceLimit,
    packet: *const Reading,
    seed: u64,
    act: u64,
) -> u64 {
    // SAFETY: the callers above pass references, and the verifier checks that they do.
    let (Some(limit), Some(reading)) = (unsafe { (limit.as_ref(), packet.as_ref()) }) else {
        return FAULT;
    };
    let context = XdpContext::new(context);
    let (packet, maps) = (Packet::new(&context), Maps::<Enforcing>::new(&context));
    match limits::ask(&packet, &maps, limit, reading, seed, Act(act)) {
        Ok(answer) => answer as u64,
        Err(Fault) => FAULT,
    }
}

// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_lists(packet: *const Reading, generation: u32, considered: u64) -> u64 {
    // SAFETY: the caller above passes a reference, and the verifier checks that it does.
    let Some(packet) = (unsafe { packet.as_ref() }) else {
        return FAULT;
    };
    // Entries know nothing of packets. An argument that nobody reads would arrive as anything, which
    // the verifier refuses for a context.
    let context = XdpContext::new(core::ptr::null_mut());
    let maps = Maps::<Enforcing>::new(&context);
    match lists::ask(&maps, packet, generation, Considered(considered)) {
        Ok(Listed(number)) => number,
        Err(Fault) => FAULT,
    }
}

// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_newcomer(
    packet: *const Reading,
    seed: u64,
    shared: *const SharedLimit,
    which: u32,
) -> u64 {
    // SAFETY: the caller above passes references, and the verifier checks that it does.
    let (Some(packet), Some(shared)) = (unsafe { (packet.as_ref(), shared.as_ref()) }) else {
        return FAULT;
    };
    // Lists and budgets know nothing of packets, see above.
    let context = XdpContext::new(core::ptr::null_mut());
    let maps = Maps::<Enforcing>::new(&context);
    match attack::admits(&maps, packet, seed, shared, which) {
        Ok(admits) => u64::from(admits),
        Err(Fault) => FAULT,
    }
}

// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_other(
    context: *mut xdp_md,
    settings: *const Settings,
    packet: *const Reading,
    monitored: u64,
) -> u64 {
    // SAFETY: the caller above passes references, and the verifier checks that it does.
    let (Some(settings), Some(reading)) = (unsafe { (settings.as_ref(), packet.as_ref()) }) else {
        return FAULT;
    };
    let context = XdpContext::new(context);
    let (packet, maps) = (Packet::new(&context), Maps::<Enforcing>::new(&context));
    match other::judge(&packet, &maps, settings, reading, monitored) {
        Ok(Outcome(number)) => number,
        Err(Fault) => FAULT,
    }
}
