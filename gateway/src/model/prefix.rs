//! Address prefixes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address range in CIDR notation; an address alone is its longest prefix. IPv4-mapped IPv6
/// addresses are read as IPv4. The bits behind the length are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    network: IpAddr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The part before the slash.
    #[error("`{0}` is not an IP address: write one, or a prefix such as `192.0.2.0/24`")]
    Address(String),
    /// The part behind the slash.
    #[error("`{length}` is not a prefix length from 0 to {max}: write one")]
    Length {
        /// As written.
        length: String,
        /// 32 or 128.
        max: u8,
    },
    /// Bits set behind the length.
    #[error("`{written}` has bits set behind its length: did you mean `{meant}`?")]
    HostBits {
        /// As written.
        written: String,
        /// With those bits cleared.
        meant: Prefix,
    },
}

impl Prefix {
    /// The prefix of `length` bits that contains `address`; lengths beyond the address's are cut.
    #[must_use]
    pub fn containing(address: IpAddr, length: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Self {
                    network: Ipv4Addr::from(u32::from(v4) & mask).into(),
                    length,
                }
            }
            IpAddr::V6(v6) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Self {
                    network: Ipv6Addr::from(u128::from(v6) & mask).into(),
                    length,
                }
            }
        }
    }

    /// The prefix of one address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self::containing(address, 128)
    }

    /// First address.
    #[must_use]
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// Number of leading bits that are fixed.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether this is a single address.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        match self.network {
            IpAddr::V4(_) => self.length == 32,
            IpAddr::V6(_) => self.length == 128,
        }
    }

    /// Whether `address` lies inside; families never match each other.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4()
            && Self::containing(address, self.length).network == self.network
    }

    /// Whether every address of `other` lies inside.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.network)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_unhelpful| PrefixError::Address(address.to_owned()))?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => max,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|&length| length <= max && digits.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(|| PrefixError::Length {
                    length: digits.to_owned(),
                    max,
                })?,
        };
        let mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
        let prefix = Self::containing(
            address,
            if mapped {
                length.saturating_sub(96)
            } else {
                length
            },
        );
        if prefix.network != address.to_canonical() {
            return Err(PrefixError::HostBits {
                written: text.to_owned(),
                meant: prefix,
            });
        }
        Ok(prefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = text.parse::<Prefix>();
        let shown = parsed
            .as_ref()
            .map(ToString::to_string)
            .map_err(ToString::to_string);
        assert_eq!(shown.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn parses_addresses_and_ranges_and_says_what_is_wrong() {
        check("10.0.0.0/8", Ok("10.0.0.0/8"));
        check("10.1.2.3", Ok("10.1.2.3/32"));
        check("2001:db8::/32", Ok("2001:db8::/32"));
        check("::ffff:10.0.0.0/104", Ok("10.0.0.0/8"));
        check("0.0.0.0/0", Ok("0.0.0.0/0"));
        check(
            "ten",
            Err("`ten` is not an IP address: write one, or a prefix such as `192.0.2.0/24`"),
        );
        check(
            "10.0.0.0/33",
            Err("`33` is not a prefix length from 0 to 32: write one"),
        );
        check(
            "10.0.0.0/+8",
            Err("`+8` is not a prefix length from 0 to 32: write one"),
        );
        check(
            "10.0.0.1/8",
            Err("`10.0.0.1/8` has bits set behind its length: did you mean `10.0.0.0/8`?"),
        );
    }

    #[test]
    fn contains_and_covers_within_one_family() {
        let wide: Prefix = "10.0.0.0/8".parse().unwrap();
        let narrow: Prefix = "10.1.0.0/16".parse().unwrap();
        assert!(wide.contains("10.200.0.1".parse().unwrap()));
        assert!(wide.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!wide.contains("11.0.0.1".parse().unwrap()));
        assert!(wide.covers(&narrow) && !narrow.covers(&wide));
        assert!(
            !"::/0"
                .parse::<Prefix>()
                .unwrap()
                .contains("10.0.0.1".parse().unwrap())
        );
    }
}
