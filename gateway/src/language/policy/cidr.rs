//! Address ranges of conditions.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address range; an address alone is a range of one. What is an IPv4 address in the clothes of
/// IPv6 counts as IPv4. The bits behind the length are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

/// Why a text is no address range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// The part before the slash.
    #[error("`{0}` is not an IP address: write `192.0.2.0/24` or `2001:db8::/32`")]
    Address(String),
    /// The part behind the slash.
    #[error("`{length}` is not a prefix length from {min} to {max}: write one")]
    Length {
        /// As written.
        length: String,
        /// 0, or 96 for IPv4 in the clothes of IPv6.
        min: u8,
        /// 32 or 128.
        max: u8,
    },
    /// Bits set behind the length.
    #[error("`{written}` has bits set behind its length: did you mean `{meant}`?")]
    HostBits {
        /// As written.
        written: String,
        /// With those bits cleared.
        meant: Cidr,
    },
}

impl Cidr {
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

    /// Whether `address` lies inside; IPv4 never lies inside IPv6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        cut(address.to_canonical(), self.length) == self.network
    }
}

/// `address` with the bits behind `length` cleared; a length beyond the address's leaves it whole.
fn cut(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let behind = 32_u32.saturating_sub(length.into());
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let behind = 128_u32.saturating_sub(length.into());
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(written: &str) -> Result<Self, CidrError> {
        let (address, length) = match written.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (written, None),
        };
        let Ok(parsed) = address.parse::<IpAddr>() else {
            return Err(CidrError::Address(address.to_owned()));
        };
        let canonical = parsed.to_canonical();
        let (min, max) = match (parsed, canonical) {
            (IpAddr::V4(_), _) => (0, 32),
            (IpAddr::V6(_), IpAddr::V4(_)) => (96, 128),
            (IpAddr::V6(_), IpAddr::V6(_)) => (0, 128),
        };
        let length = match length {
            None => max,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|length| (min..=max).contains(length) && !digits.starts_with('+'))
                .ok_or_else(|| CidrError::Length {
                    length: digits.to_owned(),
                    min,
                    max,
                })?,
        } - min;
        let cidr = Self {
            network: cut(canonical, length),
            length,
        };
        if cidr.network != canonical {
            return Err(CidrError::HostBits {
                written: written.to_owned(),
                meant: cidr,
            });
        }
        Ok(cidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected: &str) {
        let shown = match written.parse::<Cidr>() {
            Ok(cidr) => cidr.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn reads_ranges_and_says_what_is_wrong() {
        check("192.0.2.0/24", "192.0.2.0/24");
        check("198.51.100.7", "198.51.100.7/32");
        check("0.0.0.0/0", "0.0.0.0/0");
        check("2001:DB8:1234:5678::/64", "2001:db8:1234:5678::/64");
        check("::/0", "::/0");
        check("::ffff:192.0.2.0/120", "192.0.2.0/24");
        check("::ffff:0.0.0.0/96", "0.0.0.0/0");
        check(
            "::ffff:0.0.0.0/95",
            "`95` is not a prefix length from 96 to 128: write one",
        );
        check(
            "192.0.2.0/33",
            "`33` is not a prefix length from 0 to 32: write one",
        );
        check(
            "192.0.2.0/+8",
            "`+8` is not a prefix length from 0 to 32: write one",
        );
        check(
            "192.0.2.0/",
            "`` is not a prefix length from 0 to 32: write one",
        );
        check(
            "192.0.2.1/24",
            "`192.0.2.1/24` has bits set behind its length: did you mean `192.0.2.0/24`?",
        );
        check(
            "here",
            "`here` is not an IP address: write `192.0.2.0/24` or `2001:db8::/32`",
        );
    }

    #[test]
    fn contains_its_own_family_alone() {
        let contains = |cidr: &str, address: &str| {
            let cidr: Cidr = cidr.parse().unwrap();
            cidr.contains(address.parse().unwrap())
        };
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(!contains("::/0", "192.0.2.1"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::1"));
    }
}
