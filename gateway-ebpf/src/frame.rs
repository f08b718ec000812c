//! A received frame, read with bounds.

/// The bytes of one received frame.
pub trait Frame {
    /// Bytes that can be read here: the linear part of the frame.
    fn linear(&self) -> usize;

    /// Bytes of the whole frame, parts beyond the linear one included. May be slow: asked only
    /// where a header claims more than the linear part holds.
    fn total(&self) -> usize;

    /// `N` bytes at `offset`; `None` where they are not all in the linear part.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// `offset`, unchanged, as a number whose history is unknown.
    ///
    /// The kernel's verifier tells paths apart by the offset they arrived with and walks the rest
    /// of the program once per path. A number it knows nothing about lets it walk once.
    fn forget(&self, offset: usize) -> usize {
        offset
    }

    /// The same for any numbers.
    fn forget_all<const N: usize>(&self, numbers: [u64; N]) -> [u64; N] {
        numbers
    }
}

/// A frame in memory: what tests read.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    bytes: &'a [u8],
    total: usize,
}

impl<'a> Slice<'a> {
    /// A frame that is linear as a whole.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            total: bytes.len(),
        }
    }

    /// A frame of which only the first `linear` bytes can be read.
    #[must_use]
    pub fn split(bytes: &'a [u8], linear: usize) -> Self {
        Self {
            bytes: bytes.get(..linear).unwrap_or(bytes),
            total: bytes.len(),
        }
    }
}

impl Frame for Slice<'_> {
    fn linear(&self) -> usize {
        self.bytes.len()
    }

    fn total(&self) -> usize {
        self.total
    }

    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }
}
