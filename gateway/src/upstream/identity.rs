//! What backends are shown that ask who calls.
//!
//! An identity is its certificates: the key belongs to the first of them, so that two with the same
//! certificates are one. Nothing here shows the key.

use std::fmt;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// A certificate chain with its key.
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// The identity of who has this key.
    #[must_use]
    pub const fn new(certified: Arc<CertifiedKey>) -> Self {
        Self(certified)
    }

    /// Shows it to every server that asks, whomever that names as issuers.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for ClientIdentity {}

/// Without the key.
impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}
