//! The answer to a SYN that carries a SYN cookie: a SYN-ACK whose sequence number is the cookie.
//!
//! The stack keeps nothing about the connection until the client's ACK brings the cookie back, so
//! the answer promises only what the cookie itself remembers: a maximum segment size. It offers no
//! window scale, no selective acknowledgement and no timestamps. Only plain headers are answered:
//! an IPv4 header without options, an IPv6 header with TCP behind it.

use crate::datagram::TCP;

/// Bytes of the answer's TCP header: the fixed part and one option.
pub const TCP_LENGTH: usize = LENGTH as usize;
const LENGTH: u8 = 24;

/// What the first flight of any client fits into: ten segments. The stack's first ACK says how much
/// there really is.
const WINDOW: [u8; 2] = 14_600_u16.to_be_bytes();
const HOP_LIMIT: u8 = 64;
const SYN_ACK: u8 = 0x12;
/// What the pseudo header of TCP has besides the addresses, as a part of a [`sum`].
const PROTOCOL_AND_LENGTH: u64 = u16::from_ne_bytes([0, TCP + LENGTH]) as u64;

/// What the kernel made for a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The sequence number.
    pub number: u32,
    /// The largest segment that the cookie stands for, at most what the client offered.
    pub mss: u16,
}

impl Cookie {
    /// Reads the answer of the kernel's helper; `None` for its errors.
    #[inline(always)]
    #[must_use]
    pub const fn from_helper(answer: i64) -> Option<Self> {
        if answer < 0 {
            return None;
        }
        let [_, _, m0, m1, n0, n1, n2, n3] = answer.to_be_bytes();
        Some(Self {
            number: u32::from_be_bytes([n0, n1, n2, n3]),
            mss: u16::from_be_bytes([m0, m1]),
        })
    }
}

/// Both addresses of an Ethernet header, exchanged.
#[inline(always)]
#[must_use]
pub const fn ethernet(addresses: [u8; 12]) -> [u8; 12] {
    let [t0, t1, t2, t3, t4, t5, s0, s1, s2, s3, s4, s5] = addresses;
    [s0, s1, s2, s3, s4, s5, t0, t1, t2, t3, t4, t5]
}

/// The IPv4 header of the answer to a packet with this header. `None` where it is not a plain
/// header with TCP behind it.
#[inline(always)]
#[must_use]
pub fn ipv4(header: &[u8; 20]) -> Option<[u8; 20]> {
    let [
        0x45,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        TCP,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        t0,
        t1,
        t2,
        t3,
    ] = *header
    else {
        return None;
    };
    let [high, low] = 44_u16.to_be_bytes();
    let mut answer = [
        0x45, 0, high, low, 0, 0, 0x40, 0, HOP_LIMIT, TCP, 0, 0, t0, t1, t2, t3, s0, s1, s2, s3,
    ];
    let [high, low] = checksum(sum(&answer));
    answer[10] = high;
    answer[11] = low;
    Some(answer)
}

/// As [`ipv4`].
#[inline(always)]
#[must_use]
pub fn ipv6(header: &[u8; 40]) -> Option<[u8; 40]> {
    let [first, _, _, _, _, _, TCP, _, addresses @ ..] = header else {
        return None;
    };
    if first >> 4 != 6 {
        return None;
    }
    let (source, target) = addresses.split_first_chunk::<16>()?;
    let mut answer = [0; 40];
    let [high, low] = 24_u16.to_be_bytes();
    *answer.first_chunk_mut::<8>()? = [0x60, 0, 0, 0, high, low, TCP, HOP_LIMIT];
    let [_, _, _, _, _, _, _, _, addresses @ ..] = &mut answer;
    *addresses.first_chunk_mut::<16>()? = *target.first_chunk::<16>()?;
    *addresses.last_chunk_mut::<16>()? = *source;
    Some(answer)
}

/// The TCP header of the answer to a SYN with this header. `addresses` is the [`sum`] over the
/// addresses of the IP header, either way round.
#[inline(always)]
#[must_use]
pub fn tcp(syn: &[u8; 20], cookie: Cookie, addresses: u64) -> [u8; TCP_LENGTH] {
    let [s0, s1, t0, t1, n0, n1, n2, n3, ..] = *syn;
    let [c0, c1, c2, c3] = cookie.number.to_be_bytes();
    let next = u32::from_be_bytes([n0, n1, n2, n3]).wrapping_add(1);
    let [a0, a1, a2, a3] = next.to_be_bytes();
    let [w0, w1] = WINDOW;
    let [m0, m1] = cookie.mss.to_be_bytes();
    let mut answer = [
        t0, t1, s0, s1, c0, c1, c2, c3, a0, a1, a2, a3, 0x60, SYN_ACK, w0, w1, 0, 0, 0, 0, 2, 4,
        m0, m1,
    ];
    let [high, low] = checksum(sum(&answer) + addresses + PROTOCOL_AND_LENGTH);
    answer[16] = high;
    answer[17] = low;
    answer
}

/// The sum of a header or a part of one, of a multiple of four bytes, for [`tcp`]: of words of 32
/// bits in the machine's order, which comes to the same checksum as those of 16 bits in the
/// network's (RFC 1071, section 2).
#[inline(always)]
#[must_use]
pub fn sum<const N: usize>(bytes: &[u8; N]) -> u64 {
    let (words, _) = bytes.as_chunks::<4>();
    words
        .iter()
        .fold(0, |sum, word| sum + u64::from(u32::from_ne_bytes(*word)))
}

/// The Internet checksum of words with this sum, which is below `2^48`.
#[inline(always)]
const fn checksum(sum: u64) -> [u8; 2] {
    let thirds = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let once = (thirds & 0xffff) + (thirds >> 16);
    let twice = (once & 0xffff) + (once >> 16);
    let [_, _, _, _, _, _, high, low] = (!twice).to_be_bytes();
    u16::from_be_bytes([high, low]).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: Cookie = Cookie {
        number: 0x1234_5678,
        mss: 1300,
    };
    const SYN: [u8; 20] = [
        0x9c, 0x40, 1, 0xbb, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xa0, 2, 0xfa, 0xf0, 0, 0, 0, 0,
    ];

    #[test]
    fn an_answer_names_the_cookie_and_the_next_byte_and_its_sums_are_right() {
        let mut header = [
            0x45, 0, 0, 60, 9, 9, 0x40, 0, 57, TCP, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        header[12..].copy_from_slice(&[192, 168, 1, 5, 10, 0, 0, 1]);
        let answer = ipv4(&header).unwrap();
        assert_eq!(answer[12..], [10, 0, 0, 1, 192, 168, 1, 5]);
        // Together with the right checksum, words sum up to nothing.
        assert_eq!(checksum(sum(&answer)), [0, 0]);

        let addresses = sum(&[192, 168, 1, 5, 10, 0, 0, 1]);
        let segment = tcp(&SYN, COOKIE, addresses);
        assert_eq!(segment[..4], [1, 0xbb, 0x9c, 0x40]);
        assert_eq!(segment[4..8], COOKIE.number.to_be_bytes());
        // The sequence number wraps.
        assert_eq!(segment[8..12], [0; 4]);
        let pseudo = sum(&[0, TCP, 0, 24]);
        assert_eq!(checksum(sum(&segment) + addresses + pseudo), [0, 0]);
    }

    #[test]
    fn ipv6_addresses_are_exchanged() {
        let mut header = [7; 40];
        header[..8].copy_from_slice(&[0x6f, 1, 2, 3, 0, 40, TCP, 57]);
        header[24..].fill(9);
        let answer = ipv6(&header).unwrap();
        assert_eq!(answer[..8], [0x60, 0, 0, 0, 0, 24, TCP, HOP_LIMIT]);
        assert_eq!(answer[8..24], [9; 16]);
        assert_eq!(answer[24..], [7; 16]);
    }

    #[test]
    fn what_is_no_plain_header_is_not_answered() {
        let mut header = [0; 20];
        header[0] = 0x46;
        header[9] = TCP;
        assert_eq!(ipv4(&header), None);
        header[0] = 0x45;
        assert!(ipv4(&header).is_some());
        header[9] = 17;
        assert_eq!(ipv4(&header), None);
        let mut header = [0; 40];
        header[0] = 0x60;
        header[6] = 60;
        assert_eq!(ipv6(&header), None);
    }

    #[test]
    fn errors_of_the_helper_are_no_cookies() {
        assert_eq!(Cookie::from_helper(-2), None);
        let made = Cookie::from_helper(1300 << 32 | 0x1234_5678);
        assert_eq!(made, Some(COOKIE));
    }
}
