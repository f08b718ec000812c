//! Certificates that the gateway shows.
//!
//! What their files held comes along, so that nothing is opened again after the configuration was
//! read. Two are the same that have the same files and the same certificates: the key belongs to the
//! first of those. Nothing here shows the key.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;

/// A certificate chain and its key, both PEM files.
#[derive(Clone)]
pub struct Certificate {
    /// Chain, leaf first. A listener serves it for its own subject alternative names.
    pub chain: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// What both held, found to belong together; `None` where they were not to be opened.
    pub pair: Option<Arc<CertifiedKey>>,
}

/// The configuration was read without its files, and something needs them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate in `{}` was not opened with the configuration", chain.display())]
pub struct Unopened {
    /// The chain.
    pub chain: PathBuf,
}

impl Certificate {
    /// The chain, never empty, with what signs for its first certificate.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn opened(&self) -> Result<&Arc<CertifiedKey>, Unopened> {
        let chain = || self.chain.clone();
        self.pair
            .as_ref()
            .ok_or_else(|| Unopened { chain: chain() })
    }

    fn identity(&self) -> (&Path, &Path, Option<Vec<&[u8]>>) {
        let certificates = self.pair.as_ref().map(|pair| pair.cert.iter());
        let certificates = certificates.map(|all| all.map(AsRef::as_ref).collect());
        (&self.chain, &self.key, certificates)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Certificate {}

impl PartialOrd for Certificate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Certificate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for Certificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain,
            key,
            pair: _,
        } = self;
        f.debug_struct("Certificate")
            .field("chain", chain)
            .field("key", key)
            .finish()
    }
}
