//! The debug entry point: judges like the real one and logs every judgement.

use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::info;

use super::program::{act, judged};

/// Judges every packet and says what it decided, by the numbers of the counters.
#[xdp(frags)]
fn gateway_debug(context: XdpContext) -> u32 {
    let judgement = judged(&context);
    info!(
        &context,
        "verdict {} reason {} family {} bytes {}",
        judgement.verdict as u32,
        judgement.reason as u32,
        judgement.family as u32,
        judgement.bytes
    );
    act(&judgement)
}
