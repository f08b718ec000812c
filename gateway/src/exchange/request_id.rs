//! The name of one request, in the client's headers and in the log.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_common::bucket::mix;

/// Sixteen characters ending in `=`, as HTTP APIs of Amazon API Gateway send them. Unique per
/// process with overwhelming likelihood; not a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

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
        let first = mix(number, self.seed).to_be_bytes();
        let [a, b, c, ..] = mix(number, self.seed.rotate_left(32)).to_be_bytes();
        let [f0, f1, f2, f3, f4, f5, f6, f7] = first;
        let mut text = [b'='; 16];
        // Eleven bytes are always sixteen characters, so the slice cannot be too short.
        let written = STANDARD.encode_slice([f0, f1, f2, f3, f4, f5, f6, f7, a, b, c], &mut text);
        debug_assert_eq!(written, Ok(16));
        RequestId(text)
    }
}

impl RequestId {
    /// As bytes, all of them ASCII.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_documented_form_and_differ() {
        let ids = RequestIds::new(7);
        let (one, two) = (ids.next(), ids.next());
        assert_eq!(one.as_str().len(), 16);
        assert!(one.as_str().ends_with('='));
        assert_ne!(one, two);
        assert_ne!(RequestIds::new(8).next(), one);
    }
}
