//! The entry point of the benchmarks: gives every packet another source, then judges it like the
//! real one. A test run hands the same frame to the program again and again, and keeps what the
//! program writes into it; so the sources of a run have to come from inside.
//!
//! The frame says what to do, in the Ethernet addresses, which nobody judges: first the mask of
//! the bits of the source that are to vary, then a count of the packets so far.

use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use gateway_common::bucket::mix;

use super::program::{act, judged};

/// Where the IPv4 source of an untagged frame is.
const SOURCE_AT: usize = 26;
/// The source whose bits vary.
const SOURCE: u32 = 0x0a00_0001;
/// Spreads counts over sources; any odd number does.
const KEY: u64 = 0x5851_f42d_4c95_7f2d;

/// Judges every packet as if it came from somebody else.
#[xdp(frags)]
fn gateway_bench(context: XdpContext) -> u32 {
    vary(&context);
    act(&judged(&context))
}

/// Does the same work for every mask, so that a mask of zero is the baseline of any other.
#[inline(always)]
fn vary(context: &XdpContext) {
    let start = context.data();
    if start + SOURCE_AT + size_of::<u32>() > context.data_end() {
        return;
    }
    let mask = start as *const u32;
    let count = (start + size_of::<u32>()) as *mut u64;
    let source = (start + SOURCE_AT) as *mut u32;
    // SAFETY: the check above leaves room for all three behind `start`.
    let mask = unsafe { mask.read_unaligned() };
    // SAFETY: as above.
    let before = unsafe { count.read_unaligned() };
    // SAFETY: as above.
    unsafe { count.write_unaligned(before.wrapping_add(1)) };
    let varied = SOURCE ^ ((mix(before, KEY) >> 32) as u32 & mask);
    // SAFETY: as above.
    unsafe { source.write_unaligned(varied.to_be()) };
}
