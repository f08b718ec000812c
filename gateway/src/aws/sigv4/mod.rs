//! AWS Signature Version 4: a request is made canonical, hashed, and signed with a key that is good
//! for one day, region and service.
//!
//! The same steps serve both ends: what a caller signed is verified by signing it again with the
//! secret that is on file. Source: IAM User Guide, "Create a signed AWS API request"; 4 of
//! docs/semantics.md. Signatures over several regions (SigV4A) and over chunks of a body
//! (`STREAMING-*`) are refused by name, because neither is supported here.

mod canonical;
mod claim;
mod key;
mod time;
#[cfg(test)]
mod tests;

pub use canonical::{Canonical, CanonicalHead, HeaderNotSent, SignedRequest};
pub use claim::{Claim, ClaimError, Form, Payload, SIGNED_HEADERS_MAX};
pub use key::{Secret, SigningKey};
pub use time::{SignedAt, TimeError, WINDOW};

/// The only algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What ends every scope.
const TERMINATOR: &str = "aws4_request";

/// Where and when a signing key is good.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `YYYYMMDD`.
    pub date: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// Such as `execute-api`.
    pub service: String,
}

impl Scope {
    /// What is signed: the algorithm, the time, this scope, and the hash of the canonical request.
    #[must_use]
    pub fn string_to_sign(&self, at: &SignedAt, canonical: &Canonical) -> String {
        format!("{ALGORITHM}\n{at}\n{self}\n{}", canonical.hash())
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}/{}/{}/{TERMINATOR}",
            self.date, self.region, self.service
        )
    }
}

/// Lower-case hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves
        .filter_map(|half| DIGITS.get(usize::from(half)))
        .collect()
}

/// The hash of a payload, as canonical requests name it.
#[must_use]
pub fn payload_hash(payload: &[u8]) -> String {
    hexadecimal(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, payload).as_ref())
}
