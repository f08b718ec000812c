//! CRC-32C (RFC 3720, section 12.1): the polynomial 0x1EDC6F41, bits in reverse.

/// The polynomial, in reverse.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A checksum in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checksum(u32);

impl Checksum {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Adds one byte. Headers are short and seldom have one: a table would cost more than it saves.
    pub(super) const fn add(&mut self, byte: u8) {
        self.0 ^= byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let low = self.0 & 1;
            self.0 >>= 1;
            if low == 1 {
                self.0 ^= POLYNOMIAL;
            }
            bit += 1;
        }
    }

    pub(super) const fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: u32) {
        let mut checksum = Checksum::new();
        for byte in bytes {
            checksum.add(*byte);
        }
        assert_eq!(checksum.finish(), expected);
    }

    #[test]
    fn known_answers() {
        // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
        check(&[0; 32], 0x8a91_36aa);
        check(&[0xff; 32], 0x62a8_ab43);
        check(b"123456789", 0xe306_9283);
    }
}
