//! Version 1: one line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Progress, ProxyHeaderError, Said};

/// Longest line, with its end.
pub const LINE_BYTES_MAX: usize = 107;
/// What every line begins with.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// Reads a line that begins with [`SIGNATURE`], or with a part of it.
pub(super) fn read(bytes: &[u8]) -> Result<Progress, ProxyHeaderError> {
    let within = bytes.get(..LINE_BYTES_MAX).unwrap_or(bytes);
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let Some(end) = within.iter().position(is_end) else {
        return if within.len() < LINE_BYTES_MAX {
            Ok(Progress::Incomplete)
        } else {
            Err(ProxyHeaderError::Line)
        };
    };
    let (line, behind) = within.split_at_checked(end).unwrap_or((within, &[]));
    match behind {
        [b'\r', b'\n', ..] => Ok(Progress::Whole {
            length: end.saturating_add(2),
            said: said(line)?,
        }),
        [b'\r'] if bytes.len() < LINE_BYTES_MAX => Ok(Progress::Incomplete),
        [b'\r'] => Err(ProxyHeaderError::Line),
        _ => Err(ProxyHeaderError::LineEnd),
    }
}

/// What a line says, without its end.
fn said(line: &[u8]) -> Result<Said, ProxyHeaderError> {
    let line = std::str::from_utf8(line).map_err(|_binary| ProxyHeaderError::Words)?;
    let mut words = line.split(' ').skip(1);
    match words.next() {
        Some("TCP4") => announced::<Ipv4Addr>(words),
        Some("TCP6") => announced::<Ipv6Addr>(words),
        // Whatever stands behind it is to be ignored.
        Some("UNKNOWN") => Ok(Said::Own),
        _ => Err(ProxyHeaderError::Protocol),
    }
}

/// Two addresses and two ports, with one space between them.
fn announced<'a, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Said, ProxyHeaderError> {
    let mut next = || words.next().ok_or(ProxyHeaderError::Words);
    let (source, destination) = (next()?, next()?);
    let (source_port, destination_port) = (next()?, next()?);
    if words.next().is_some() {
        return Err(ProxyHeaderError::Words);
    }
    let end = |address: &str, port: &str| {
        let address = address.parse::<A>();
        let address = address.map_err(|_other| ProxyHeaderError::Address)?;
        Ok(SocketAddr::new(address.into(), self::port(port)?))
    };
    Ok(Said::Announced {
        source: end(source, source_port)?,
        destination: end(destination, destination_port)?,
    })
}

/// A decimal number without signs and leading zeros.
fn port(text: &str) -> Result<u16, ProxyHeaderError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or(ProxyHeaderError::Port)
}
