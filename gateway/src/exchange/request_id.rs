//! The name of one request, in the client's headers and in the log.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use gateway_common::bucket::mix;

/// A request's name, in the form of either type of API. Unique per process with overwhelming
/// likelihood; not a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u128);

/// Makes request ids, one source per worker.
#[derive(Debug)]
pub struct RequestIds {
    seed: u64,
    next: std::cell::Cell<u64>,
}

impl RequestIds {
    /// A source whose ids differ from those of every source with another seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            next: std::cell::Cell::new(0),
        }
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> RequestId {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let high = mix(number, self.seed);
        let low = mix(number, self.seed.rotate_left(32));
        RequestId(u128::from(high) << 64 | u128::from(low))
    }
}

impl RequestId {
    /// Sixteen characters of ASCII ending in `=`, as HTTP APIs of Amazon API Gateway send them, and
    /// REST APIs in `x-amz-apigw-id`.
    #[must_use]
    pub fn short(self) -> [u8; 16] {
        let mut text = [b'='; 16];
        let [a, b, c, d, e, f, g, h, i, j, k, ..] = self.0.to_be_bytes();
        // Eleven bytes are always sixteen characters, so the slice cannot be too short.
        let written = STANDARD.encode_slice([a, b, c, d, e, f, g, h, i, j, k], &mut text);
        debug_assert_eq!(written, Ok(16));
        text
    }

    /// The root of a trace that begins at `now` (seconds since 1970): `1-{8 digits}-{24 digits}`, as
    /// AWS X-Ray writes it.
    #[must_use]
    pub fn trace_root(self, now: u64) -> String {
        let [.., a, b, c, d] = now.to_be_bytes();
        let [id @ .., _, _, _, _] = self.0.to_be_bytes();
        hexadecimal("1-", [&[a, b, c, d][..], &id])
    }

    /// A number that is uniform over all values and independent of those of other requests, for
    /// decisions that are made once per request.
    #[must_use]
    pub fn draw(self) -> u64 {
        let high = u64::try_from(self.0 >> 64).unwrap_or(0);
        mix(high, 0)
    }

    /// A UUID of version 4 (RFC 9562, section 5.4), as REST APIs send it in `x-amzn-RequestId`.
    #[must_use]
    pub fn uuid(self) -> String {
        let version = 0x4_u128 << 76;
        let variant = 0b10_u128 << 62;
        let bits = self.0 & !(0xf << 76) & !(0b11 << 62) | version | variant;
        let [a, b, c, d, e, f, g, h, i, j, node @ ..] = bits.to_be_bytes();
        hexadecimal("", [&[a, b, c, d][..], &[e, f], &[g, h], &[i, j], &node])
    }
}

/// `parts` in hexadecimal digits, with dashes between them, behind `prefix`.
fn hexadecimal<const N: usize>(prefix: &str, parts: [&[u8]; N]) -> String {
    /// The longest of them, a UUID.
    const CHARACTERS_MAX: usize = 36;
    let mut text = String::with_capacity(CHARACTERS_MAX);
    text.push_str(prefix);
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            text.push('-');
        }
        HEXLOWER.encode_append(part, &mut text);
    }
    text
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_documented_form_and_differ() {
        let ids = RequestIds::new(7);
        let (one, two) = (ids.next(), ids.next());
        assert!(one.short().ends_with(b"="));
        assert_ne!(one.short(), two.short());
        assert_ne!(one.uuid(), two.uuid());
        let other = RequestIds::new(8).next();
        assert_ne!(other.short(), one.short());
        for id in [one, two, other] {
            let root = id.trace_root(0x1_6543_210f);
            assert!(
                root.starts_with("1-6543210f-") && root.len() == 35,
                "{root}"
            );
            let uuid = id.uuid();
            let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }
}
