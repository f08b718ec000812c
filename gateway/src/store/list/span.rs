//! A prefix as the range of numbers that it stands for.

use std::net::IpAddr;

use crate::model::Prefix;

/// Addresses of one family as numbers, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u128,
    pub(super) last: u128,
}

/// The range of a prefix.
pub(super) fn span(prefix: Prefix) -> Span {
    let bits = bits(prefix.network());
    let first = number(prefix.network());
    let host_bits = bits - u32::from(prefix.length());
    let hosts = u128::MAX.checked_shr(u128::BITS - host_bits).unwrap_or(0);
    Span {
        first,
        last: first | hosts,
    }
}

/// An address as a number of its family.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Bits of an address of this family.
pub(super) const fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
