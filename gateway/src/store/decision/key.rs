//! What a decision is found by.

use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

/// What a decision is found by: who made it, as configured then, with the issuer's keys of which
/// generation, and a digest of all that it rests on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DecisionKey {
    /// Which cache.
    pub(super) fence: u64,
    pub(super) generation: u64,
    pub(super) digest: u128,
}

/// A digest of what a decision rests on: of 128 bits, under a key that only this process knows. Several
/// caches can look by one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub(super) [u8; 16]);

impl Digest {
    /// As a part of a key.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

// As for keys.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").finish_non_exhaustive()
    }
}

impl Hash for DecisionKey {
    // The digest is as good as random to everybody outside this process.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let low = self.digest & u128::from(u64::MAX);
        state.write_u64(u64::try_from(low).unwrap_or_default());
    }
}

// A digest would tell who compares logs that two credentials are one.
impl fmt::Debug for DecisionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionKey")
            .field("fence", &self.fence)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Takes the hash of a [`DecisionKey`] as it is.
#[derive(Debug, Default)]
pub(super) struct Passing(u64);

/// Makes [`Passing`].
pub(super) type BuildPassing = BuildHasherDefault<Passing>;

impl Hasher for Passing {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// Makes digests of 128 bits under a key that only this process knows.
///
/// The digest is the tag of AES-GCM over data that is only authenticated (GMAC), with one of two
/// nonces. That would betray the key to whoever saw tags, but nobody does: they stay in this process.
/// What is left is a keyed universal hash (NIST SP 800-38D section 6.4): of two texts of up to `n`
/// blocks of 16 bytes that were chosen without knowledge of the key, the digests are the same with a
/// probability of `(n + 1) / 2^128`. A credential of 1 KiB takes it a sixth of the time of SHA-256.
pub(super) struct Digester(LessSafeKey);

impl Digester {
    /// With a new random key.
    pub(super) fn new() -> Self {
        Self(random_key().expect("a process without randomness could not have started TLS either"))
    }

    /// The digest of `parts`, in their order. Of several, each goes in behind its length, so that `a,b` and
    /// `c` are not `a` and `b,c`.
    pub(super) fn of(&self, parts: &[&[u8]]) -> u128 {
        if let [only] = parts {
            return self.tag(ONE, only);
        }
        let length: usize = parts.iter().map(|part| LENGTH_BYTES + part.len()).sum();
        let mut text = Vec::with_capacity(length);
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        self.tag(SEVERAL, &text)
    }

    fn tag(&self, nonce: [u8; 12], text: &[u8]) -> u128 {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(text), &mut []);
        let tag = tag.expect("only a text of 2^61 bytes has no tag");
        let mut bytes = [0; 16];
        bytes.copy_from_slice(tag.as_ref());
        u128::from_be_bytes(bytes)
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").finish_non_exhaustive()
    }
}

const LENGTH_BYTES: usize = size_of::<u64>();

/// Nonces, by what a text is: one part as it is, or several with their lengths.
const ONE: [u8; 12] = [0; 12];
const SEVERAL: [u8; 12] = [1; 12];

fn random_key() -> Result<LessSafeKey, Unspecified> {
    let mut key = [0; 16];
    rand::fill(&mut key)?;
    Ok(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(texts: &[Vec<u8>]) -> Vec<&[u8]> {
        texts.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn parts_are_joined_without_doubt() {
        let digester = Digester::new();
        let of = |parts: &[&str]| {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            digester.of(&parts)
        };
        let digests = [
            of(&["a,b", "c"]),
            of(&["a", "b,c"]),
            of(&["a,b,c"]),
            of(&["ab", "c"]),
            of(&["a", "bc"]),
            of(&["", "abc"]),
            of(&["abc", ""]),
            of(&["abc"]),
            of(&[]),
            of(&[""]),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest), "number {at}");
        }
        assert_eq!(of(&["a,b", "c"]), of(&["a,b", "c"]));
    }

    #[test]
    fn every_process_has_a_key_of_its_own() {
        let (one, other) = (Digester::new(), Digester::new());
        assert_ne!(one.of(&[b"token"]), other.of(&[b"token"]));
        assert_eq!(format!("{one:?}"), "Digester { .. }");
    }

    proptest! {
        #[test]
        fn two_lists_of_parts_have_one_digest_only_if_they_are_one(
            one in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4),
            other in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4),
        ) {
            let digester = Digester::new();
            let same = digester.of(&parts(&one)) == digester.of(&parts(&other));
            prop_assert_eq!(same, one == other);
        }
    }
}
