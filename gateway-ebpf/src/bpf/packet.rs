//! The packet as the kernel hands it over.

use core::arch::asm;

use aya_ebpf::helpers::bpf_xdp_get_buff_len;
use aya_ebpf::programs::XdpContext;
use gateway_ebpf::frame::Frame;

/// Keeps every offset within what the verifier accepts for packet pointers. Four tags, an IPv6
/// header and eight extension headers of the largest size end below it; the linear part of a
/// packet is a page at most, or 64 KiB where the stack has linearised it.
const OFFSET_MASK: usize = 0x7fff;

/// A packet behind an XDP context.
pub(super) struct Packet<'a> {
    context: &'a XdpContext,
    /// Zero, as the distance of a packet pointer to itself: the verifier takes it for a number it
    /// knows nothing about.
    nothing: u64,
}

impl<'a> Packet<'a> {
    #[inline(always)]
    pub(super) fn new(context: &'a XdpContext) -> Self {
        let mut packet = Self {
            context,
            nothing: 0,
        };
        packet.nothing = (packet.start() - packet.start()) as u64;
        packet
    }

    /// Where the packet starts. Read anew each time: the verifier then knows a fresh pointer, and
    /// not one that carries along how far earlier checks, on this path, have looked.
    #[inline(always)]
    fn start(&self) -> usize {
        // SAFETY: the context is the one this program was called with.
        let start = unsafe { &raw const (*self.context.ctx).data };
        // SAFETY: as above; the kernel rewrites this load into one of the real pointer.
        unsafe { start.read_volatile() as usize }
    }

    /// Where the linear part of the packet ends.
    #[inline(always)]
    fn end(&self) -> usize {
        // SAFETY: the context is the one this program was called with.
        let end = unsafe { &raw const (*self.context.ctx).data_end };
        // SAFETY: as above; the kernel rewrites this load into one of the real pointer.
        unsafe { end.read_volatile() as usize }
    }

    /// Where `N` bytes at `offset` are; `None` where they are not all in the linear part. Valid
    /// until the packet is resized.
    #[inline(always)]
    pub(super) fn pointer<const N: usize>(&self, offset: usize) -> Option<*mut u8> {
        // The pointer is formed afresh from the start each time: the verifier then carries a scalar
        // between accesses, which it can forget about, and not a pointer with a history.
        let start = self.start() + (offset & OFFSET_MASK);
        (start + N <= self.end()).then_some(start as *mut u8)
    }

    /// Overwrites `N` bytes at `offset`; `None` where they are not all in the linear part.
    #[inline(always)]
    pub(super) fn write<const N: usize>(&self, offset: usize, bytes: [u8; N]) -> Option<()> {
        let target = self.pointer::<N>(offset)?;
        // SAFETY: there are `N` bytes of packet behind `target`.
        unsafe { target.cast::<[u8; N]>().write_unaligned(bytes) };
        Some(())
    }
}

impl Frame for Packet<'_> {
    #[inline(always)]
    fn linear(&self) -> usize {
        self.end() - self.start()
    }

    #[inline(always)]
    fn total(&self) -> usize {
        // SAFETY: the context is the one this program was called with.
        let length = unsafe { bpf_xdp_get_buff_len(self.context.ctx) };
        length as usize
    }

    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let source = self.pointer::<N>(offset)?;
        // SAFETY: there are `N` bytes of packet behind `source`.
        Some(unsafe { source.cast::<[u8; N]>().read_unaligned() })
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        let [offset] = self.forget_all([offset as u64]);
        offset as usize
    }

    #[inline(always)]
    fn forget_all<const N: usize>(&self, numbers: [u64; N]) -> [u64; N] {
        let nothing = self.nothing;
        numbers.map(|number| {
            let forgotten: u64;
            // SAFETY: changes no memory, nor the number, to which it adds nothing.
            unsafe {
                asm!(
                    "{number} += {nothing}",
                    number = inout(reg) number => forgotten,
                    nothing = in(reg) nothing,
                    options(pure, nomem, nostack),
                );
            }
            forgotten
        })
    }
}
