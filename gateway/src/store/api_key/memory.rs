//! API keys in memory, as they are on the disk.

use std::sync::Arc;

use tokio::sync::watch;

use super::key::{KeySet, ValueMac};
use super::vault::Vault;

/// The API keys of an instance. Clones share them. What was acknowledged to whoever changed them is
/// found here by then.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    vault: Arc<Vault>,
    current: Arc<watch::Sender<Arc<KeySet>>>,
}

impl ApiKeys {
    pub(super) fn new(vault: Arc<Vault>, keys: KeySet) -> Self {
        Self {
            vault,
            current: Arc::new(watch::Sender::new(Arc::new(keys))),
        }
    }

    /// All of them, as of now.
    #[must_use]
    pub fn all(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.borrow())
    }

    /// Tells of every change; of several in short order the last one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<KeySet>> {
        self.current.subscribe()
    }

    /// What a value is recognized by, whatever its length and bytes: what no key has has no key.
    #[must_use]
    pub fn mac_of(&self, value: &[u8]) -> ValueMac {
        self.vault.mac_of(value)
    }

    /// What makes of values what they are recognized by.
    #[must_use]
    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(super) fn replace(&self, keys: KeySet) {
        self.current.send_replace(Arc::new(keys));
    }
}
