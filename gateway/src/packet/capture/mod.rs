//! Captures: files of frames that `tcpdump` and Wireshark read and write.
//!
//! Written is the classic format; read are both, because Wireshark saves the newer one. Only frames
//! of Ethernet are understood. A file is as hostile as a packet: lengths are bounded before anything
//! is allocated for them.

mod classic;
mod next_generation;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

pub use classic::Writer;

/// The most bytes that a record or block may claim: what `tcpdump` and Wireshark accept.
const RECORD_BYTES_MAX: u32 = 262_144;
/// `LINKTYPE_ETHERNET` (draft-ietf-opsawg-pcaplinktype).
const ETHERNET: u32 = 1;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes, as many as were captured.
    pub bytes: Vec<u8>,
    /// How many it had on the wire.
    pub wire_bytes: u32,
}

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file itself.
    #[error("cannot read it")]
    Read(#[from] io::Error),
    /// Neither format.
    #[error("it starts with {found:#010x}, so it is no capture: pcap and pcapng files are read")]
    NotACapture {
        /// Its first four bytes.
        found: u32,
    },
    /// Frames of another kind of link.
    #[error(
        "its link type is {found}, not Ethernet (1): capture on an Ethernet interface, and not on \
         `any`"
    )]
    LinkType {
        /// By number.
        found: u32,
    },
    /// A length that cannot be.
    #[error("frame {index}: it claims {bytes} bytes, at most {max} are read")]
    TooLong {
        /// Counted from one.
        index: usize,
        /// As claimed.
        bytes: u32,
        /// Most there may be.
        max: u32,
    },
    /// A structure that cannot be.
    #[error("frame {index}: {what}")]
    Malformed {
        /// Counted from one.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Fewer frames than asked for.
    #[error("it has {count} frames, so there is no number {wanted}")]
    NoSuchFrame {
        /// As asked for, counted from one.
        wanted: usize,
        /// How many there are.
        count: usize,
    },
}

/// Reads one frame of a file, counted from one.
///
/// # Errors
/// See [`CaptureError`].
pub fn frame_of(path: &Path, wanted: usize) -> Result<Frame, CaptureError> {
    nth(BufReader::new(File::open(path)?), wanted)
}

fn nth(mut file: impl Read, wanted: usize) -> Result<Frame, CaptureError> {
    let mut magic = [0; 4];
    file.read_exact(&mut magic)?;
    let mut count = 0;
    let mut frames = if magic == next_generation::MAGIC {
        Reader::NextGeneration(next_generation::Reader::new(file))
    } else {
        Reader::Classic(classic::Reader::new(magic, file)?)
    };
    while let Some(frame) = frames.next(count + 1)? {
        count += 1;
        if count == wanted {
            return Ok(frame);
        }
    }
    Err(CaptureError::NoSuchFrame { wanted, count })
}

enum Reader<R> {
    Classic(classic::Reader<R>),
    NextGeneration(next_generation::Reader<R>),
}

impl<R: Read> Reader<R> {
    /// The next frame, which is number `index`.
    fn next(&mut self, index: usize) -> Result<Option<Frame>, CaptureError> {
        match self {
            Self::Classic(reader) => reader.next(index),
            Self::NextGeneration(reader) => reader.next(index),
        }
    }
}

/// The order of the bytes in a file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number at `offset` of `bytes`.
    fn u32_at(self, bytes: &[u8], offset: usize) -> Option<u32> {
        Some(self.u32(*bytes.get(offset..)?.first_chunk()?))
    }
}

/// Reads `buffer` whole; `false` where the file ends before its first byte.
fn read_or_end(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Reads `bytes` bytes, which have been bounded.
fn read_vec(file: &mut impl Read, bytes: u32) -> io::Result<Vec<u8>> {
    let mut read = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    file.read_exact(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests;
