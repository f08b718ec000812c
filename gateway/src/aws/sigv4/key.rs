//! Secrets, and the keys that are made of them.

use std::fmt;

use aws_lc_rs::hmac;

use super::{Scope, TERMINATOR};

/// The secret half of an access key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From what is on file.
    #[must_use]
    pub const fn new(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What signs in one scope. It may be kept as long as its scope is asked for.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// The key of `secret` in `scope`.
    #[must_use]
    pub fn derive(secret: &Secret, scope: &Scope) -> Self {
        let first = format!("AWS4{}", secret.0);
        let parts = [&scope.date, &scope.region, &scope.service];
        let parts = parts.into_iter().map(String::as_str);
        let start = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        Self(parts.chain([TERMINATOR]).fold(start, |key, part| {
            let tag = hmac::sign(&key, part.as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
        }))
    }

    /// The signature as requests carry it.
    #[must_use]
    pub fn sign(&self, string_to_sign: &str) -> String {
        super::hexadecimal(hmac::sign(&self.0, string_to_sign.as_bytes()).as_ref())
    }

    /// Whether this is the signature, in a time that does not tell how much of it is right.
    #[must_use]
    pub fn verifies(&self, string_to_sign: &str, signature: &[u8; 32]) -> bool {
        hmac::verify(&self.0, string_to_sign.as_bytes(), signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}
