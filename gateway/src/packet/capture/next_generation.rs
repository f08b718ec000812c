//! The newer format (draft-ietf-opsawg-pcapng): blocks of many kinds, of which those with frames
//! and those that say what a frame is are read, and the others are passed over.

use std::io::Read;

use super::{CaptureError, ETHERNET, Frame, Order, RECORD_BYTES_MAX, read_or_end, read_vec};

/// Type of the block that starts a section, the same in either order of bytes.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Its order of bytes.
const ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Bytes of a block around its body: type and length before, length behind.
const FRAMING_BYTES: u32 = 12;
/// The most bytes of a block: a frame and its options.
const BLOCK_BYTES_MAX: u32 = 2 * RECORD_BYTES_MAX;
/// Interfaces that a section may describe.
const INTERFACES_MAX: usize = 1_024;

/// Reads the frames of a file.
pub(super) struct Reader<R> {
    file: R,
    order: Order,
    /// Link types of the section's interfaces.
    interfaces: Vec<u32>,
    /// Whether the type of the next block has been read: that of the first one, by which the
    /// format was told.
    is_at_start: bool,
}

impl<R: Read> Reader<R> {
    /// Of a file whose [`MAGIC`] has been read.
    pub(super) const fn new(file: R) -> Self {
        Self {
            file,
            order: Order::Little,
            interfaces: Vec::new(),
            is_at_start: true,
        }
    }

    pub(super) fn next(&mut self, index: usize) -> Result<Option<Frame>, CaptureError> {
        while let Some((kind, body)) = self.block(index)? {
            let malformed = |what| CaptureError::Malformed { index, what };
            match kind {
                INTERFACE => {
                    let link_type = body.first_chunk().map(|bytes| self.order.u16(*bytes));
                    let link_type = link_type.ok_or(malformed("an interface without a type"))?;
                    if self.interfaces.len() == INTERFACES_MAX {
                        return Err(malformed("more than 1024 interfaces before it"));
                    }
                    self.interfaces.push(u32::from(link_type));
                }
                ENHANCED_PACKET => {
                    let field = |offset: usize| self.order.u32_at(&body, offset);
                    let fields = field(0).zip(field(12)).zip(field(16));
                    let ((interface, captured), wire_bytes) =
                        fields.ok_or(malformed("it ends within its header"))?;
                    self.require_ethernet(interface, index)?;
                    let bytes = usize::try_from(captured)
                        .ok()
                        .and_then(|captured| body.get(20..)?.get(..captured))
                        .ok_or(malformed("it claims more bytes than it has"))?;
                    return Ok(Some(Frame {
                        bytes: bytes.to_vec(),
                        wire_bytes,
                    }));
                }
                SIMPLE_PACKET => {
                    let wire_bytes = self.order.u32_at(&body, 0);
                    let wire_bytes = wire_bytes.ok_or(malformed("it ends within its header"))?;
                    self.require_ethernet(0, index)?;
                    let bytes = body.get(4..).unwrap_or_default();
                    // The body is padded to a whole number of words.
                    let whole = usize::try_from(wire_bytes).unwrap_or(usize::MAX);
                    let bytes = bytes.get(..whole).unwrap_or(bytes);
                    return Ok(Some(Frame {
                        bytes: bytes.to_vec(),
                        wire_bytes,
                    }));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn require_ethernet(&self, interface: u32, index: usize) -> Result<(), CaptureError> {
        let found = usize::try_from(interface)
            .ok()
            .and_then(|interface| self.interfaces.get(interface));
        match found {
            Some(&ETHERNET) => Ok(()),
            Some(&found) => Err(CaptureError::LinkType { found }),
            None => Err(CaptureError::Malformed {
                index,
                what: "it names an interface that the file does not describe",
            }),
        }
    }

    /// Type and body of the next block.
    fn block(&mut self, index: usize) -> Result<Option<(u32, Vec<u8>)>, CaptureError> {
        let mut kind = MAGIC;
        let is_first = std::mem::take(&mut self.is_at_start);
        if !is_first && !read_or_end(&mut self.file, &mut kind)? {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.file.read_exact(&mut length)?;
        let mut consumed = FRAMING_BYTES;
        if kind == MAGIC {
            // Only behind its length a section says how that length is to be read.
            let mut order = [0; 4];
            self.file.read_exact(&mut order)?;
            let is = |candidate: Order| candidate.u32(order) == ORDER_MAGIC;
            self.order = match (is(Order::Little), is(Order::Big)) {
                (true, _) => Order::Little,
                (_, true) => Order::Big,
                _ => {
                    return Err(CaptureError::Malformed {
                        index,
                        what: "the section it is in has no order of bytes",
                    });
                }
            };
            self.interfaces.clear();
            consumed += 4;
        }
        let length = self.order.u32(length);
        if length > BLOCK_BYTES_MAX {
            return Err(CaptureError::TooLong {
                index,
                bytes: length,
                max: BLOCK_BYTES_MAX,
            });
        }
        let rest = length
            .checked_sub(consumed)
            .filter(|_| length.is_multiple_of(4));
        let rest = rest.ok_or(CaptureError::Malformed {
            index,
            what: "a block before it has an impossible length",
        })?;
        let body = read_vec(&mut self.file, rest)?;
        let mut behind = [0; 4];
        self.file.read_exact(&mut behind)?;
        if self.order.u32(behind) != length {
            return Err(CaptureError::Malformed {
                index,
                what: "a block before it states two lengths",
            });
        }
        Ok(Some((self.order.u32(kind), body)))
    }
}
