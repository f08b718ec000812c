//! Everything that the maps hold, to be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, bail};
use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use gateway::store::bucket::SharedWords;
use gateway_common::counter::{Counter, TickClock};
use gateway_common::event::Sampler;
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::list::{Ipv4Key, Ipv4PrefixData, Ipv6Key, PlainEntry};
use gateway_common::name;
use gateway_common::settings::{Rules, Settings};

/// `BPF_F_MMAPABLE` of `linux/bpf.h`.
const MMAPABLE: u32 = 1 << 10;

/// What one map holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Every word of a mapped array.
    Words(Vec<u64>),
    /// Every entry of another map.
    Entries(Vec<String>),
}

/// What the maps hold, by name.
pub type Dump = BTreeMap<String, Content>;

/// The names of the maps that differ.
#[must_use]
pub fn difference(before: &Dump, after: &Dump) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    differ.cloned().collect()
}

/// Reads every map of a loaded object but [`name::MAP_TRACE`].
///
/// # Errors
/// A map that cannot be read, or that this does not know.
pub fn loaded(ebpf: &aya::Ebpf) -> anyhow::Result<Dump> {
    let shared = ebpf.maps().filter(|(name, _)| *name != name::MAP_TRACE);
    shared
        .map(|(name, map)| Ok((name.to_owned(), content(name, map)?)))
        .collect()
}

/// Reads every map that is pinned in a directory.
///
/// # Errors
/// As [`loaded`].
pub fn pinned(directory: &Path) -> anyhow::Result<Dump> {
    let mut dump = Dump::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.context("a pin has a name")?;
        if name.starts_with("link_") {
            continue;
        }
        let map = Map::from_map_data(MapData::from_pin(&path)?)?;
        dump.insert(name.to_owned(), content(name, &map)?);
    }
    Ok(dump)
}

fn content(name: &str, map: &Map) -> anyhow::Result<Content> {
    let entries = match (name, map) {
        (_, Map::Array(data)) if data.info()?.map_flags() & MMAPABLE != 0 => {
            return words(data).map(Content::Words);
        }
        (name::MAP_SETTINGS, _) => array::<Settings>(map)?,
        (name::MAP_RULES, _) => array::<Rules>(map)?,
        (name::MAP_COUNTERS | name::MAP_LIST_COUNTERS | name::MAP_LISTENER_COUNTERS, _) => {
            per_cpu::<Counter>(map)?
        }
        (name::MAP_INCIDENTS, _) => per_cpu::<u64>(map)?,
        (name::MAP_CLOCK, _) => per_cpu::<TickClock>(map)?,
        (name::MAP_SAMPLER, _) => per_cpu::<Sampler>(map)?,
        (name::MAP_FLOWS, _) => hash::<FlowKey, FlowRow>(map)?,
        (name::MAP_EVENTS, _) => {
            let mut ring: RingBuf<&MapData> = map.try_into()?;
            match ring.next() {
                None => Vec::new(),
                Some(event) => bail!("there is an event, and reading it takes it: {event:?}"),
            }
        }
        (_, Map::HashMap(_)) if name::MAP_LIST4_EXACT.contains(&name) => {
            hash::<Ipv4Key, PlainEntry>(map)?
        }
        (_, Map::HashMap(_)) if name::MAP_LIST6_EXACT.contains(&name) => {
            hash::<Ipv6Key, PlainEntry>(map)?
        }
        (_, Map::LpmTrie(_)) if name::MAP_LIST4_PREFIX.contains(&name) => {
            trie::<Ipv4PrefixData>(map)?
        }
        (_, Map::LpmTrie(_)) if name::MAP_LIST6_PREFIX.contains(&name) => trie::<Ipv6Key>(map)?,
        _ => bail!("`{name}` is unknown here: say how it is read"),
    };
    Ok(Content::Entries(entries))
}

fn words(data: &MapData) -> anyhow::Result<Vec<u64>> {
    let info = data.info()?;
    let count = info.value_size() / 8 * info.max_entries();
    if !count.is_power_of_two() {
        bail!("{count} words are no power of two");
    }
    let words = SharedWords::map(data.fd().as_fd(), count.trailing_zeros())?;
    Ok((0..count)
        .map(|index| words.at(index).load(Ordering::Acquire))
        .collect())
}

fn array<T: aya::Pod + Debug>(map: &Map) -> anyhow::Result<Vec<String>> {
    let array: Array<&MapData, T> = map.try_into()?;
    collected(array.iter())
}

fn per_cpu<T: aya::Pod + Debug>(map: &Map) -> anyhow::Result<Vec<String>> {
    let array: PerCpuArray<&MapData, T> = map.try_into()?;
    (0..array.len())
        .map(|index| Ok(format!("{:?}", &*array.get(&index, 0)?)))
        .collect()
}

fn hash<K: aya::Pod + Debug, V: aya::Pod + Debug>(map: &Map) -> anyhow::Result<Vec<String>> {
    let hash: HashMap<&MapData, K, V> = map.try_into()?;
    collected(hash.iter())
}

fn trie<K: aya::Pod + Debug>(map: &Map) -> anyhow::Result<Vec<String>> {
    let trie: LpmTrie<&MapData, K, PlainEntry> = map.try_into()?;
    let entries = trie.iter().map(|entry| {
        let (key, value) = entry?;
        Ok((key.prefix_len(), key.data(), value))
    });
    collected(entries)
}

fn collected<T: Debug>(
    entries: impl Iterator<Item = Result<T, MapError>>,
) -> anyhow::Result<Vec<String>> {
    let mut collected = Vec::new();
    for entry in entries {
        collected.push(format!("{:?}", entry?));
    }
    collected.sort_unstable();
    Ok(collected)
}
