//! Why a packet got its verdict.
//!
//! Numbers are part of the map layout: append, never reorder.

/// Verdicts, in the order of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Verdict {
    /// The packet goes on to the stack.
    Pass = 0,
    /// The packet ends here.
    Drop = 1,
    /// The packet is answered from here.
    Transmit = 2,
    /// Monitor mode: the packet passes, enforcement would have dropped it.
    WouldDrop = 3,
}

impl Verdict {
    /// Every verdict, in the order of the counters.
    pub const ALL: [Self; VERDICT_COUNT] =
        [Self::Pass, Self::Drop, Self::Transmit, Self::WouldDrop];

    /// The name in statistics, metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Transmit => "transmit",
            Self::WouldDrop => "would_drop",
        }
    }

    /// From its number; a number that is none reads as [`Self::Pass`].
    #[inline(always)]
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Drop,
            2 => Self::Transmit,
            3 => Self::WouldDrop,
            _ => Self::Pass,
        }
    }
}

/// Number of verdicts.
pub const VERDICT_COUNT: usize = 4;

macro_rules! reasons {
    ($($number:literal $variant:ident $name:literal $doc:literal,)*) => {
        /// Reasons, in the order of the counters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Reason {
            $(#[doc = $doc] $variant = $number,)*
        }

        impl Reason {
            /// Every reason, in the order of the counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in statistics, metrics and documentation.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// From its number; a number that is none reads as [`Self::Fault`].
            #[inline(always)]
            #[must_use]
            pub const fn from_number(number: u64) -> Self {
                match number { $($number => Self::$variant,)* _ => Self::Fault }
            }

            /// One line for people.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

reasons! {
    0 NotIp "not_ip" "Neither IPv4 nor IPv6, such as ARP.",
    1 NotOurs "not_ours" "The destination is no listener of ours.",
    2 Admitted "admitted" "A packet for a listener, within every limit.",
    3 NewConnection "new_connection" "A SYN for a listener, within every limit.",
    4 Fragment "fragment" "A fragment without transport header for a listener's address and protocol.",
    5 Malformed "malformed" "Lengths or TCP flags that no honest stack sends.",
    6 UnparsedToUs "unparsed_to_us" "For a listener's address, but the transport header is out of reach.",
    7 Denied "denied" "The source is on a deny list.",
    8 ConnectionRate "connection_rate" "The source opens connections faster than its limit.",
    9 PacketRate "packet_rate" "The source sends packets faster than its limit.",
    10 Fault "fault" "A map or the clock failed; such packets pass.",
    11 Management "management" "The source is a management prefix, which is never judged.",
    12 Allowed "allowed" "The source is on an allow list.",
    13 ByteRate "byte_rate" "The source sends bytes faster than its limit.",
    14 OtherTraffic "other_traffic" "For this host but no listener, and `other_traffic` is `drop`.",
    15 OtherRate "other_rate" "For this host but no listener, and faster than the limit of such traffic.",
    16 NewcomerConnections "newcomer_connections" "Under attack: a SYN beyond what sources not vouched for share.",
    17 NewcomerPackets "newcomer_packets" "Under attack: a packet beyond what sources not vouched for share.",
    18 Cookie "cookie" "Under attack: the SYN was answered with a SYN cookie.",
    19 Penalised "penalised" "The flow carries a key whose offences are not yet paid for.",
    20 Trickle "trickle" "A SYN of a penalised source, within the trickle that it keeps.",
}

impl Reason {
    /// The bit of this reason in a set of reasons.
    #[inline(always)]
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// Room for reasons in the counters.
pub const REASON_CAPACITY: usize = 32;

const _: () = assert!(Reason::ALL.len() <= REASON_CAPACITY);

/// Address family of a packet, in the order of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Family {
    /// Not IP.
    Other = 0,
    /// IPv4.
    Ipv4 = 1,
    /// IPv6.
    Ipv6 = 2,
}

impl Family {
    /// Every family, in the order of the counters.
    pub const ALL: [Self; FAMILY_COUNT] = [Self::Other, Self::Ipv4, Self::Ipv6];

    /// The name in statistics, metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// Number of families.
pub const FAMILY_COUNT: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_number(verdict as u64), verdict);
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(*reason as u64), *reason);
        }
        assert_eq!(Verdict::from_number(VERDICT_COUNT as u64), Verdict::Pass);
        assert_eq!(Reason::from_number(Reason::ALL.len() as u64), Reason::Fault);
    }
}
