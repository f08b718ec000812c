//! Whom mutual TLS trusts.

use std::fmt;

/// The authorities whose certificates a domain's clients may present. One that cannot be used was
/// left out.
#[derive(Clone, PartialEq, Eq)]
pub struct Truststore {
    /// Tells contents apart.
    pub id: TruststoreId,
    /// Authorities that vouch for themselves. Never empty.
    pub roots: Vec<Root>,
    /// Authorities that another one vouches for, each a certificate in DER.
    pub intermediates: Vec<Vec<u8>>,
}

/// An authority that vouches for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Root {
    /// Its certificate in DER.
    pub der: Vec<u8>,
    /// First second at which it is valid, since 1970.
    pub not_before: i64,
    /// Last one.
    pub not_after: i64,
}

/// SHA-256 of a truststore's file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TruststoreId(pub [u8; 32]);

impl fmt::Debug for Truststore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Truststore")
            .field("roots", &self.roots.len())
            .field("intermediates", &self.intermediates.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").finish_non_exhaustive()
    }
}

impl fmt::Debug for TruststoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TruststoreId").finish_non_exhaustive()
    }
}
