//! The PROXY protocol: what a balancer sends before anything else to say whose connection it passes on.
//!
//! As "The PROXY protocol, Versions 1 & 2" (HAProxy, 2020/03/05) has it, read strictly: whoever has to
//! send such a header sends a whole and correct one, or is not served. The readers are functions of
//! the bytes that have arrived; [`hear`] feeds them from a socket and takes from it what the header
//! occupies, to the byte.
//!
//! Refused are headers of other versions, families and transports, headers that are longer than
//! [`HEADER_BYTES_MAX`] or have more than [`TLV_COUNT_MAX`] additions, and those whose checksum is
//! another one. What the additions say is not read: nothing here depends on it.

mod checksum;
mod text;
mod binary;
mod hear;

pub(super) use hear::{Unheard, hear};

use std::net::SocketAddr;

pub use binary::{HEADER_BYTES_MAX, TLV_COUNT_MAX};
pub use text::LINE_BYTES_MAX;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The balancer's own, such as one that asks whether the gateway is well.
    Own,
    /// One that it passes on.
    Announced {
        /// Who has opened it.
        source: SocketAddr,
        /// Where to, at the balancer.
        destination: SocketAddr,
    },
}

/// What the bytes that have arrived come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of them belong to a header, and there is more to come.
    Incomplete,
    /// The header is whole.
    Whole {
        /// Bytes that it occupies.
        length: usize,
        /// What it says.
        said: Said,
    },
}

/// Why bytes are no header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// They begin neither as version 1 nor as version 2.
    #[error("it begins with something else than a PROXY header")]
    Signature,
    /// A line that does not end.
    #[error("the line of version 1 has more than {LINE_BYTES_MAX} bytes")]
    Line,
    /// A line feed without a carriage return, or the other way round.
    #[error("the line of version 1 does not end with CR and LF")]
    LineEnd,
    /// A line of other words than the protocol has.
    #[error("the line of version 1 is not `PROXY`, a protocol, two addresses and two ports")]
    Words,
    /// Neither `TCP4`, `TCP6` nor `UNKNOWN`.
    #[error("version 1 does not know this protocol")]
    Protocol,
    /// No address of the family that stands before it.
    #[error("an address is none of its family")]
    Address,
    /// No port from 0 to 65535.
    #[error("a port is no number from 0 to 65535")]
    Port,
    /// Another version behind the signature of version 2.
    #[error("behind the signature of version 2 stands version {0}")]
    Version(u8),
    /// Neither `LOCAL` nor `PROXY`.
    #[error("version 2 does not know command {0}")]
    Command(u8),
    /// No family and transport of connections.
    #[error("family and transport are 0x{0:02x}, which is no kind of connection")]
    Family(u8),
    /// Too long.
    #[error("the header has {0} bytes: at most {HEADER_BYTES_MAX}")]
    Length(usize),
    /// Too short for the addresses of its family.
    #[error("the addresses do not fit into the header's length of {0} bytes")]
    Addresses(usize),
    /// An addition that ends behind the header.
    #[error("an addition (TLV) ends behind the header")]
    Tlv,
    /// Too many additions.
    #[error("the header has more than {TLV_COUNT_MAX} additions (TLV)")]
    TlvCount,
    /// Not four bytes, or a second one.
    #[error("the checksum is not one of four bytes")]
    ChecksumForm,
    /// Another checksum.
    #[error("the checksum is not that of the header")]
    Checksum,
}

/// Reads a header from the first bytes of a connection, which may go on behind it.
///
/// # Errors
/// See [`ProxyHeaderError`].
pub fn read(bytes: &[u8]) -> Result<Progress, ProxyHeaderError> {
    let begins = |signature: &[u8]| bytes.starts_with(signature) || signature.starts_with(bytes);
    if begins(text::SIGNATURE) {
        text::read(bytes)
    } else if begins(binary::SIGNATURE) {
        binary::read(bytes)
    } else {
        Err(ProxyHeaderError::Signature)
    }
}

#[cfg(test)]
mod tests;
