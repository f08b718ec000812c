//! Version 2: a block of bytes that says how long it is.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::checksum::Checksum;
use super::{Progress, ProxyHeaderError, Said};

/// Longest header that is read. Addresses take 232 bytes at most; the rest are additions, of which a
/// client's certificate is the longest that is known.
pub const HEADER_BYTES_MAX: usize = 4096;
/// Most additions that a header may have.
pub const TLV_COUNT_MAX: usize = 64;

/// What every header begins with.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes up to the addresses.
const FIXED_BYTES: usize = 16;
/// Bytes of the two paths of a connection between Unix sockets.
const UNIX_BYTES: usize = 216;
/// The addition that holds the checksum of the header, CRC-32C.
const CHECKSUM: u8 = 0x03;

/// Reads a header that begins with [`SIGNATURE`], or with a part of it.
pub(super) fn read(bytes: &[u8]) -> Result<Progress, ProxyHeaderError> {
    let Some((fixed, behind)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(Progress::Incomplete);
    };
    let [.., version_and_command, family, high, low] = *fixed;
    if version_and_command >> 4 != 2 {
        return Err(ProxyHeaderError::Version(version_and_command >> 4));
    }
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED_BYTES.saturating_add(rest);
    if length > HEADER_BYTES_MAX {
        return Err(ProxyHeaderError::Length(length));
    }
    let (Some(header), Some(behind)) = (bytes.get(..length), behind.get(..rest)) else {
        return Ok(Progress::Incomplete);
    };
    let said = match version_and_command & 0x0f {
        // All that follows is to be ignored.
        0 => Said::Own,
        1 => passed_on(header, family, behind)?,
        other => return Err(ProxyHeaderError::Command(other)),
    };
    Ok(Progress::Whole { length, said })
}

/// What a whole header says of a connection that is passed on; `behind` is what follows its fixed part.
fn passed_on(header: &[u8], family: u8, behind: &[u8]) -> Result<Said, ProxyHeaderError> {
    let short = || ProxyHeaderError::Addresses(behind.len());
    let (said, tlvs) = match family {
        // Of unknown kind: all that follows is to be ignored.
        0x00 => return Ok(Said::Own),
        0x11 => {
            let (addresses, tlvs) = behind.split_first_chunk::<12>().ok_or_else(short)?;
            (ipv4(addresses), tlvs)
        }
        0x21 => {
            let (addresses, tlvs) = behind.split_first_chunk::<36>().ok_or_else(short)?;
            (ipv6(addresses), tlvs)
        }
        0x31 => (Said::Own, behind.get(UNIX_BYTES..).ok_or_else(short)?),
        other => return Err(ProxyHeaderError::Family(other)),
    };
    check_tlvs(header, tlvs)?;
    Ok(said)
}

fn ipv4(addresses: &[u8; 12]) -> Said {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *addresses;
    let port = |high, low| u16::from_be_bytes([high, low]);
    Said::Announced {
        source: SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port(i, j)),
        destination: SocketAddr::new(Ipv4Addr::new(e, f, g, h).into(), port(k, l)),
    }
}

fn ipv6(addresses: &[u8; 36]) -> Said {
    let address = |from: usize| {
        let bytes = addresses.get(from..).and_then(<[u8]>::first_chunk::<16>);
        Ipv6Addr::from(bytes.copied().unwrap_or_default())
    };
    let [.., i, j, k, l] = *addresses;
    let port = |high, low| u16::from_be_bytes([high, low]);
    Said::Announced {
        source: SocketAddr::new(address(0).into(), port(i, j)),
        destination: SocketAddr::new(address(16).into(), port(k, l)),
    }
}

/// Goes through what stands behind the addresses up to the end of `header`, and checks the checksum
/// where there is one.
fn check_tlvs(header: &[u8], tlvs: &[u8]) -> Result<(), ProxyHeaderError> {
    let mut rest = tlvs;
    let mut count = 0;
    let mut stated = None;
    while let Some((&kind, behind)) = rest.split_first() {
        count += 1;
        if count > TLV_COUNT_MAX {
            return Err(ProxyHeaderError::TlvCount);
        }
        let (length, behind) = behind
            .split_first_chunk::<2>()
            .ok_or(ProxyHeaderError::Tlv)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let at = header.len().saturating_sub(behind.len());
        let (value, behind) = behind
            .split_at_checked(length)
            .ok_or(ProxyHeaderError::Tlv)?;
        if kind == CHECKSUM {
            let value: [u8; 4] = value
                .try_into()
                .map_err(|_other| ProxyHeaderError::ChecksumForm)?;
            if stated.replace((at, u32::from_be_bytes(value))).is_some() {
                return Err(ProxyHeaderError::ChecksumForm);
            }
        }
        rest = behind;
    }
    let Some((at, stated)) = stated else {
        return Ok(());
    };
    // It is made with zeros in its own place.
    let mut checksum = Checksum::new();
    for (index, byte) in header.iter().enumerate() {
        let is_own = (at..at.saturating_add(4)).contains(&index);
        checksum.add(if is_own { 0 } else { *byte });
    }
    if checksum.finish() == stated {
        Ok(())
    } else {
        Err(ProxyHeaderError::Checksum)
    }
}
