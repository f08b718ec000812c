//! The deny list in the kernel's tables.

mod image;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use aya::Pod;
use aya::maps::lpm_trie::Key;
use gateway_common::capacity::{LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS};
use gateway_common::list::{LIST_OPERATOR, PlainEntry};

use super::error::EdgeError;
use super::maps::{DenyMaps, DenyTables};
use super::pins::Pins;
use super::switch::{Switch, wait_for_packets};
use crate::store::bucket::SharedWords;
use crate::store::deny::{DenySink, EffectiveEntry, SinkError};
use image::{Family, Image};

/// Words of one generation of the IPv6 filter.
const FILTER6_WORDS: u32 = 1 << (LIST_IPV6_FILTER_BITS - 6);

/// Keeps the kernel's tables at what the list says.
#[derive(Debug)]
pub(super) struct KernelDeny {
    switch: Arc<Mutex<Switch>>,
    tables: DenyTables,
    /// What each generation holds; `None` where that is not known.
    held: [Option<Image>; 2],
    /// The lock of the pins, where no daemon holds it.
    _pins: Option<Pins>,
}

impl KernelDeny {
    /// `is_fresh` says that the tables were never written.
    pub(super) fn new(
        switch: Arc<Mutex<Switch>>,
        tables: DenyTables,
        is_fresh: bool,
        pins: Option<Pins>,
    ) -> Self {
        let held = || is_fresh.then(Image::default);
        Self {
            switch,
            tables,
            held: [held(), held()],
            _pins: pins,
        }
    }

    fn replace_all(&mut self, image: Image) -> Result<(), EdgeError> {
        let switch = Arc::clone(&self.switch);
        let mut switch = switch.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = switch.spare_list_generation();
        wait_for_packets()?;
        self.write(spare, &image)?;
        switch.publish_deny(spare, image.is_empty(), image.has_short_ipv6)?;
        self.remember(spare, image);
        Ok(())
    }

    fn change(&mut self, image: Image) -> Result<(), EdgeError> {
        let switch = Arc::clone(&self.switch);
        let mut switch = switch.lock().unwrap_or_else(PoisonError::into_inner);
        let active = switch.spare_list_generation() ^ 1;
        if self.held.get(active as usize).is_none_or(Option::is_none) {
            drop(switch);
            return self.replace_all(image);
        }
        // A prefix for which the filter says nothing must be asked for before it is there, and
        // until after it is gone.
        let old_is_short = self
            .held
            .get(active as usize)
            .and_then(Option::as_ref)
            .is_some_and(|old| old.has_short_ipv6);
        if image.has_short_ipv6 && !old_is_short {
            switch.publish_deny(active, false, true)?;
        }
        self.write(active, &image)?;
        switch.publish_deny(active, image.is_empty(), image.has_short_ipv6)?;
        self.remember(active, image);
        Ok(())
    }

    fn remember(&mut self, generation: u32, image: Image) {
        if let Some(held) = self.held.get_mut(generation as usize) {
            *held = Some(image);
        }
    }

    /// Makes one generation hold `image`. Until it is done nobody knows what it holds.
    fn write(&mut self, generation: u32, image: &Image) -> Result<(), EdgeError> {
        let held = self
            .held
            .get_mut(generation as usize)
            .and_then(Option::take);
        let [ipv4_a, ipv4_b] = &mut self.tables.ipv4;
        let [ipv6_a, ipv6_b] = &mut self.tables.ipv6;
        let (ipv4, ipv6) = if generation == 0 {
            (ipv4_a, ipv6_a)
        } else {
            (ipv4_b, ipv6_b)
        };
        let filter4 = Filter {
            words: &self.tables.filter4,
            base: generation * LIST_IPV4_FILTER_WORDS,
            count: LIST_IPV4_FILTER_WORDS,
        };
        let filter6 = Filter {
            words: &self.tables.filter6,
            base: generation * FILTER6_WORDS,
            count: FILTER6_WORDS,
        };
        let held = match held {
            Some(held) => held,
            None => {
                purge(ipv4, &filter4)?;
                purge(ipv6, &filter6)?;
                Image::default()
            }
        };
        write_family(ipv4, &filter4, &held.ipv4, &image.ipv4)?;
        write_family(ipv6, &filter6, &held.ipv6, &image.ipv6)
    }
}

impl DenySink for KernelDeny {
    fn replace(&mut self, entries: &[EffectiveEntry]) -> Result<(), SinkError> {
        let image = self.image(entries);
        Ok(self.replace_all(image)?)
    }

    fn update(&mut self, entries: &[EffectiveEntry]) -> Result<(), SinkError> {
        let image = self.image(entries);
        Ok(self.change(image)?)
    }
}

impl KernelDeny {
    fn image(&self, entries: &[EffectiveEntry]) -> Image {
        let seed = self
            .switch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .seed();
        Image::of(entries, seed)
    }
}

/// One generation of one filter.
struct Filter<'a> {
    words: &'a SharedWords,
    base: u32,
    count: u32,
}

impl Filter<'_> {
    fn set(&self, index: u32, word: u64) {
        let cell = self.words.at(self.base + index);
        // Untouched pages of an empty filter stay untouched.
        if cell.load(Ordering::Acquire) != word {
            cell.store(word, Ordering::Release);
        }
    }
}

/// Entries come before the filter bits that lead to them and go after them, so that what is denied
/// before and after is denied throughout.
fn write_family<K, D>(
    maps: &mut DenyMaps<K, D>,
    filter: &Filter<'_>,
    old: &Family<K, D>,
    new: &Family<K, D>,
) -> Result<(), EdgeError>
where
    K: Pod + Ord,
    D: Pod + Ord,
{
    for (key, expires_ns) in changed(&old.exact, &new.exact) {
        maps.exact
            .insert(*key, entry(expires_ns), 0)
            .map_err(exact_error)?;
    }
    for ((length, data), expires_ns) in changed(&old.prefix, &new.prefix) {
        maps.prefix
            .insert(&Key::new(*length, *data), entry(expires_ns), 0)
            .map_err(prefix_error)?;
    }
    for (&index, &word) in &new.filter {
        filter.set(index, word);
    }
    for &index in old
        .filter
        .keys()
        .filter(|index| !new.filter.contains_key(index))
    {
        filter.set(index, 0);
    }
    for key in old.exact.keys().filter(|key| !new.exact.contains_key(key)) {
        maps.exact.remove(key).map_err(exact_error)?;
    }
    for key in old
        .prefix
        .keys()
        .filter(|key| !new.prefix.contains_key(key))
    {
        let (length, data) = key;
        maps.prefix
            .remove(&Key::new(*length, *data))
            .map_err(prefix_error)?;
    }
    Ok(())
}

/// What is new, or ends at another time than before.
fn changed<'a, K: Ord>(
    old: &'a BTreeMap<K, u64>,
    new: &'a BTreeMap<K, u64>,
) -> impl Iterator<Item = (&'a K, u64)> {
    new.iter()
        .filter(|(key, expires_ns)| old.get(key) != Some(expires_ns))
        .map(|(key, &expires_ns)| (key, expires_ns))
}

/// Empties a generation that an earlier run may have written.
fn purge<K: Pod, D: Pod>(maps: &mut DenyMaps<K, D>, filter: &Filter<'_>) -> Result<(), EdgeError> {
    let keys: Vec<K> = maps
        .exact
        .keys()
        .collect::<Result<_, _>>()
        .map_err(exact_error)?;
    for key in keys {
        maps.exact.remove(&key).map_err(exact_error)?;
    }
    let keys: Vec<Key<D>> = maps
        .prefix
        .keys()
        .collect::<Result<_, _>>()
        .map_err(prefix_error)?;
    for key in keys {
        maps.prefix.remove(&key).map_err(prefix_error)?;
    }
    for index in 0..filter.count {
        filter.set(index, 0);
    }
    Ok(())
}

fn entry(deny_until_ns: u64) -> PlainEntry {
    PlainEntry {
        deny_until_ns,
        lists: 1 << LIST_OPERATOR,
        deny_list: LIST_OPERATOR,
        ..PlainEntry::default()
    }
}

fn exact_error(source: aya::maps::MapError) -> EdgeError {
    EdgeError::Map {
        name: "deny exact",
        source,
    }
}

fn prefix_error(source: aya::maps::MapError) -> EdgeError {
    EdgeError::Map {
        name: "deny prefix",
        source,
    }
}
