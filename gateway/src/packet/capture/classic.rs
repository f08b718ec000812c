//! The classic format (draft-ietf-opsawg-pcap): one header, then records.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::{CaptureError, ETHERNET, Frame, Order, RECORD_BYTES_MAX, read_or_end, read_vec};

/// Times in microseconds, which every reader knows.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Times in nanoseconds.
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Version 2.4, the only one there is.
const VERSION: [u16; 2] = [2, 4];
/// Bytes of the header behind its magic number, and where the link type stands in them.
const HEADER_BYTES: usize = 20;
const LINK_TYPE_OFFSET: usize = 16;
const RECORD_HEADER_BYTES: usize = 16;

/// Reads the records of a file.
pub(super) struct Reader<R> {
    file: R,
    order: Order,
}

impl<R: Read> Reader<R> {
    /// Reads the header behind `magic`.
    pub(super) fn new(magic: [u8; 4], mut file: R) -> Result<Self, CaptureError> {
        let is_magic = |order: Order| [MICROSECONDS, NANOSECONDS].contains(&order.u32(magic));
        let order = match (is_magic(Order::Little), is_magic(Order::Big)) {
            (true, _) => Order::Little,
            (_, true) => Order::Big,
            _ => {
                return Err(CaptureError::NotACapture {
                    found: u32::from_be_bytes(magic),
                });
            }
        };
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header)?;
        // The upper bits say whether frames end in a checksum.
        let link_type = order.u32_at(&header, LINK_TYPE_OFFSET).unwrap_or(0) & 0xffff;
        if link_type != ETHERNET {
            return Err(CaptureError::LinkType { found: link_type });
        }
        Ok(Self { file, order })
    }

    pub(super) fn next(&mut self, index: usize) -> Result<Option<Frame>, CaptureError> {
        let mut header = [0; RECORD_HEADER_BYTES];
        if !read_or_end(&mut self.file, &mut header)? {
            return Ok(None);
        }
        let field = |offset: usize| self.order.u32_at(&header, offset).unwrap_or(0);
        let (captured, wire_bytes) = (field(8), field(12));
        if captured > RECORD_BYTES_MAX {
            return Err(CaptureError::TooLong {
                index,
                bytes: captured,
                max: RECORD_BYTES_MAX,
            });
        }
        Ok(Some(Frame {
            bytes: read_vec(&mut self.file, captured)?,
            wire_bytes,
        }))
    }
}

/// Writes a file, record by record, with times in nanoseconds.
#[derive(Debug)]
pub struct Writer<W> {
    file: W,
}

impl<W: Write> Writer<W> {
    /// Starts the file.
    ///
    /// # Errors
    /// The file's.
    pub fn new(mut file: W) -> io::Result<Self> {
        let mut header = Vec::new();
        header.extend(NANOSECONDS.to_le_bytes());
        header.extend(VERSION.iter().flat_map(|number| number.to_le_bytes()));
        // Times are of UTC, and of no stated accuracy.
        header.extend([0; 8]);
        header.extend(RECORD_BYTES_MAX.to_le_bytes());
        header.extend(ETHERNET.to_le_bytes());
        file.write_all(&header)?;
        file.flush()?;
        Ok(Self { file })
    }

    /// Adds the start of a frame of `wire_bytes` bytes that was seen so long after 1970. Written
    /// through at once, so that a file that is still written can be read along.
    ///
    /// # Errors
    /// The file's.
    pub fn add(&mut self, since_1970: Duration, bytes: &[u8], wire_bytes: u32) -> io::Result<()> {
        // The field ends in the year 2106.
        let seconds = u32::try_from(since_1970.as_secs()).unwrap_or(u32::MAX);
        let captured = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut record = Vec::with_capacity(RECORD_HEADER_BYTES + bytes.len());
        for field in [seconds, since_1970.subsec_nanos(), captured, wire_bytes] {
            record.extend(field.to_le_bytes());
        }
        record.extend(bytes);
        self.file.write_all(&record)?;
        self.file.flush()
    }
}
