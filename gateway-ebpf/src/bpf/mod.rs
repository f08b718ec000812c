//! The kernel's side: programs, maps, the packet and the words.
#![expect(
    unsafe_code,
    reason = "packet and map memory is reached through raw pointers"
)]

mod program;
mod maps;
mod outlined;
mod cookie;
mod packet;
mod word;
mod event;
mod explain;
#[cfg(feature = "log")]
mod log;
#[cfg(feature = "bench")]
mod bench;

/// Lets the kernel offer the helpers that it keeps for GPL-compatible programs.
// SAFETY: the section is read by the loader only; nothing else is placed in it.
#[unsafe(link_section = "license")]
// SAFETY: no other symbol of this name exists in the object.
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics; the build checks that no path to this function is left.
    loop {}
}
