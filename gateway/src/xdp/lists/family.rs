//! The exact table and the trie of one family and generation.

use aya::Pod;
use aya::maps::MapError;
use aya::maps::lpm_trie::Key;
use gateway_common::list::PlainEntry;

use crate::xdp::error::EdgeError;
use crate::xdp::maps::FamilyMaps;

/// Where an entry lies: under the whole address, or under a length and the address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<K, D> {
    Exact(K),
    Prefix(u32, D),
}

/// Flags of `bpf(2)` for updates: in any case, and only where there is an entry.
const BPF_ANY: u64 = 0;
const BPF_EXIST: u64 = 2;

impl<K: Pod, D: Pod> FamilyMaps<K, D> {
    /// The entry at a place that holds one. Of a place that holds none the trie returns what
    /// covers it.
    pub(super) fn get(&self, place: Place<K, D>) -> Result<Option<PlainEntry>, EdgeError> {
        let [exact, prefix] = self.names;
        let (found, name) = match place {
            Place::Exact(key) => (self.exact.get(&key, 0), exact),
            Place::Prefix(length, data) => (self.prefix.get(&Key::new(length, data), 0), prefix),
        };
        match found {
            Ok(entry) => Ok(Some(entry)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(EdgeError::Map { name, source }),
        }
    }

    /// Writes an entry.
    pub(super) fn put(&mut self, place: Place<K, D>, entry: PlainEntry) -> Result<(), EdgeError> {
        let (outcome, name) = write(self, place, entry, BPF_ANY);
        outcome.map_err(|source| EdgeError::Map { name, source })
    }

    /// Writes an entry only where there is one; whether there was.
    pub(super) fn replace(
        &mut self,
        place: Place<K, D>,
        entry: PlainEntry,
    ) -> Result<bool, EdgeError> {
        match write(self, place, entry, BPF_EXIST) {
            (Ok(()), _) => Ok(true),
            (Err(error), _) if is_absent(&error) => Ok(false),
            (Err(source), name) => Err(EdgeError::Map { name, source }),
        }
    }

    /// Removes an entry, if it is there.
    pub(super) fn remove(&mut self, place: Place<K, D>) -> Result<(), EdgeError> {
        let [exact, prefix] = self.names;
        let (outcome, name) = match place {
            Place::Exact(key) => (self.exact.remove(&key), exact),
            Place::Prefix(length, data) => (self.prefix.remove(&Key::new(length, data)), prefix),
        };
        match outcome {
            Ok(()) => Ok(()),
            // Taking back a change that happened in part removes what never came.
            Err(error) if is_absent(&error) => Ok(()),
            Err(source) => Err(EdgeError::Map { name, source }),
        }
    }

    /// Removes every entry.
    pub(super) fn clear(&mut self) -> Result<(), EdgeError> {
        let [exact, prefix] = self.names;
        let failed = |name| move |source| EdgeError::Map { name, source };
        // All keys first: after the removal of the key it has just returned, the kernel would begin
        // its walk anew.
        let keys: Vec<K> = self
            .exact
            .keys()
            .collect::<Result<_, _>>()
            .map_err(failed(exact))?;
        for key in keys {
            self.exact.remove(&key).map_err(failed(exact))?;
        }
        let keys: Vec<Key<D>> = self
            .prefix
            .keys()
            .collect::<Result<_, _>>()
            .map_err(failed(prefix))?;
        for key in keys {
            self.prefix.remove(&key).map_err(failed(prefix))?;
        }
        Ok(())
    }
}

fn write<K: Pod, D: Pod>(
    maps: &mut FamilyMaps<K, D>,
    place: Place<K, D>,
    entry: PlainEntry,
    flags: u64,
) -> (Result<(), MapError>, &'static str) {
    let [exact, prefix] = maps.names;
    match place {
        Place::Exact(key) => (maps.exact.insert(key, entry, flags), exact),
        Place::Prefix(length, data) => {
            let key = Key::new(length, data);
            (maps.prefix.insert(&key, entry, flags), prefix)
        }
    }
}

fn is_absent(error: &MapError) -> bool {
    match error {
        MapError::KeyNotFound => true,
        MapError::SyscallError(error) => error.io_error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
