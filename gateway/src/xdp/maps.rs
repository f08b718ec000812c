//! The maps by their names, types and sizes.

use std::fmt;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Mutex;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use gateway_common::bucket::{Alone, WAYS};
use gateway_common::capacity::{
    AGGREGATE_BITS, CALLER_LINE_BITS, ENDPOINT_LINE_BITS, EVENT_RING_BYTES, FLOW_MAX,
    LIST_EXACT_MAX, LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS, LIST_MAX, LIST_PREFIX_MAX,
    OFFENCE_LINE_BITS, RULES_COUNT, SLOT_COUNT, SOURCE_LINE_BITS, VOUCHED_LINE_BITS,
};
use gateway_common::counter::{
    COUNTER_COUNT, Counter, INCIDENT_CAPACITY, LISTENER_COUNTER_COUNT, TickClock,
};
use gateway_common::endpoint::EndpointLine;
use gateway_common::event::Sampler;
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::list::{Ipv4Key, Ipv4PrefixData, Ipv6Key, PlainEntry};
use gateway_common::name::{
    MAP_AGGREGATES, MAP_CALLERS, MAP_CLOCK, MAP_CONTROL, MAP_COUNTERS, MAP_ENDPOINTS, MAP_EVENTS,
    MAP_FLOWS, MAP_INCIDENTS, MAP_LIST_COUNTERS, MAP_LIST4_EXACT, MAP_LIST4_FILTER,
    MAP_LIST4_PREFIX, MAP_LIST6_EXACT, MAP_LIST6_FILTER, MAP_LIST6_PREFIX, MAP_LISTENER_COUNTERS,
    MAP_NEWCOMERS, MAP_OFFENCES, MAP_RULES, MAP_SAMPLER, MAP_SETTINGS, MAP_SLOTS, MAP_SOURCES,
    MAP_VOUCHED,
};
use gateway_common::settings::{Control, NEWCOMERS_COUNT, Rules, Settings};

use super::error::{EdgeError, MapShape};
use super::pins::Pins;
use crate::model::BucketTables;
use crate::store::bucket::{BucketMaps, Buckets, LineReader, SharedLines, SharedWords};
use crate::store::control::ControlWords;

/// `BPF_MAP_TYPE_*` of `linux/bpf.h`.
const HASH: u32 = 1;
const ARRAY: u32 = 2;
const PERCPU_ARRAY: u32 = 6;
const LPM_TRIE: u32 = 11;
const RINGBUF: u32 = 27;

/// Words of both generations of the filters, as powers of two.
pub(super) const FILTER4_BITS: u32 = (LIST_IPV4_FILTER_WORDS * 2).trailing_zeros();
pub(super) const FILTER6_BITS: u32 = LIST_IPV6_FILTER_BITS - 6 + 1;

const fn shape(kind: u32, key: usize, value: usize, entries: usize) -> MapShape {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sizes and counts of constants, all far below 2^32"
    )]
    MapShape {
        kind,
        key_bytes: key as u32,
        value_bytes: value as u32,
        entries: entries as u32,
    }
}

const fn array(value: usize, entries: usize) -> MapShape {
    shape(ARRAY, 4, value, entries)
}

const fn per_cpu(value: usize, entries: usize) -> MapShape {
    shape(PERCPU_ARRAY, 4, value, entries)
}

const fn exact(key: usize) -> MapShape {
    shape(HASH, key, size_of::<PlainEntry>(), LIST_EXACT_MAX as usize)
}

const fn prefix(key: usize) -> MapShape {
    shape(
        LPM_TRIE,
        key,
        size_of::<PlainEntry>(),
        LIST_PREFIX_MAX as usize,
    )
}

/// Every map of the object with the shape that this layout version gives it. How many entries slots
/// and callers have the configuration says.
pub(super) const ALL: [(&str, MapShape); 29] = {
    const LINE: usize = 64;
    let exact4 = exact(size_of::<Ipv4Key>());
    let exact6 = exact(size_of::<Ipv6Key>());
    let prefix4 = prefix(size_of::<Key<Ipv4PrefixData>>());
    let prefix6 = prefix(size_of::<Key<Ipv6Key>>());
    let [exact4_a, exact4_b] = MAP_LIST4_EXACT;
    let [exact6_a, exact6_b] = MAP_LIST6_EXACT;
    let [prefix4_a, prefix4_b] = MAP_LIST4_PREFIX;
    let [prefix6_a, prefix6_b] = MAP_LIST6_PREFIX;
    [
        (MAP_CONTROL, array(size_of::<Control>(), 1)),
        (MAP_SETTINGS, array(size_of::<Settings>(), 2)),
        (MAP_RULES, array(size_of::<Rules>(), 2 * RULES_COUNT)),
        (MAP_VOUCHED, array(LINE, 1 << VOUCHED_LINE_BITS)),
        (MAP_NEWCOMERS, array(LINE, NEWCOMERS_COUNT)),
        (
            MAP_FLOWS,
            shape(HASH, size_of::<FlowKey>(), size_of::<FlowRow>(), FLOW_MAX),
        ),
        (MAP_OFFENCES, array(LINE, 1 << OFFENCE_LINE_BITS)),
        (MAP_EVENTS, shape(RINGBUF, 0, 0, EVENT_RING_BYTES as usize)),
        (MAP_SAMPLER, per_cpu(size_of::<Sampler>(), 1)),
        (MAP_LIST_COUNTERS, per_cpu(size_of::<Counter>(), LIST_MAX)),
        (
            MAP_LISTENER_COUNTERS,
            per_cpu(size_of::<Counter>(), LISTENER_COUNTER_COUNT),
        ),
        (
            MAP_ENDPOINTS,
            array(size_of::<EndpointLine>(), 2 << ENDPOINT_LINE_BITS),
        ),
        (MAP_SOURCES, array(LINE, 1 << SOURCE_LINE_BITS)),
        (MAP_AGGREGATES, array(8, 1 << AGGREGATE_BITS)),
        (MAP_SLOTS, array(LINE, SLOT_COUNT as usize)),
        (MAP_CALLERS, array(LINE, 1 << CALLER_LINE_BITS)),
        (MAP_LIST4_FILTER, array(8, 1 << FILTER4_BITS)),
        (MAP_LIST6_FILTER, array(8, 1 << FILTER6_BITS)),
        (exact4_a, exact4),
        (exact4_b, exact4),
        (exact6_a, exact6),
        (exact6_b, exact6),
        (prefix4_a, prefix4),
        (prefix4_b, prefix4),
        (prefix6_a, prefix6),
        (prefix6_b, prefix6),
        (MAP_COUNTERS, per_cpu(size_of::<Counter>(), COUNTER_COUNT)),
        (MAP_INCIDENTS, per_cpu(8, INCIDENT_CAPACITY)),
        (MAP_CLOCK, per_cpu(size_of::<TickClock>(), 1)),
    ]
};

/// What the switch changes: settings and endpoints.
pub(super) struct SwitchMaps {
    pub(super) control: ControlWords,
    pub(super) settings: Array<MapData, Settings>,
    pub(super) rules: Array<MapData, Rules>,
    pub(super) endpoints: Array<MapData, EndpointLine>,
    pub(super) newcomers: Array<MapData, Alone<u64>>,
}

/// One generation of one family of the lists.
#[derive(Debug)]
pub(super) struct FamilyMaps<K: aya::Pod, D: aya::Pod> {
    pub(super) exact: HashMap<MapData, K, PlainEntry>,
    pub(super) prefix: LpmTrie<MapData, D, PlainEntry>,
    /// Names of both maps.
    pub(super) names: [&'static str; 2],
}

/// One generation of the lists.
#[derive(Debug)]
pub(super) struct GenerationMaps {
    pub(super) ipv4: FamilyMaps<Ipv4Key, Ipv4PrefixData>,
    pub(super) ipv6: FamilyMaps<Ipv6Key, Ipv6Key>,
}

/// The lists.
pub(super) struct ListTables {
    pub(super) filter4: SharedWords,
    pub(super) filter6: SharedWords,
    pub(super) generations: [GenerationMaps; 2],
    pub(super) counters: PerCpuArray<MapData, Counter>,
}

/// What is only read.
pub(super) struct StatisticsMaps {
    pub(super) counters: PerCpuArray<MapData, Counter>,
    /// Also written: cells whose number stands for something else now start at zero.
    pub(super) listeners: Mutex<PerCpuArray<MapData, Counter>>,
    /// As `listeners`.
    pub(super) lists: Mutex<PerCpuArray<MapData, Counter>>,
    pub(super) incidents: PerCpuArray<MapData, u64>,
    pub(super) control: Array<MapData, Control>,
    pub(super) slots: MapData,
    pub(super) sizes: BucketTables,
}

/// The buckets of sources and callers, to be read.
pub(super) struct DebtMaps {
    pub(super) sources: LineReader,
    pub(super) callers: LineReader,
}

impl fmt::Debug for SwitchMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchMaps").finish_non_exhaustive()
    }
}

impl fmt::Debug for StatisticsMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatisticsMaps").finish_non_exhaustive()
    }
}

impl fmt::Debug for DebtMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebtMaps").finish_non_exhaustive()
    }
}

/// Opens the pin of a map and checks that it is what this layout version says.
pub(super) fn open(pins: &std::path::Path, name: &'static str) -> Result<Map, EdgeError> {
    let path = pins.join(name);
    let failed = |source| EdgeError::Map { name, source };
    let data = MapData::from_pin(&path).map_err(failed)?;
    let found = shape_of(&data).map_err(failed)?;
    let expected = ALL.iter().find(|(known, _)| *known == name);
    match expected {
        Some(&(_, expected)) if expected.or_sized(name, found) == found => {
            Map::from_map_data(data).map_err(failed)
        }
        Some(&(_, expected)) => Err(EdgeError::ForeignMap {
            path,
            found,
            expected,
        }),
        None => Err(EdgeError::Incomplete { what: "map", name }),
    }
}

/// Opens a map as the type that its contents have.
pub(super) fn open_as<T>(pins: &std::path::Path, name: &'static str) -> Result<T, EdgeError>
where
    T: TryFrom<Map, Error = MapError>,
{
    T::try_from(open(pins, name)?).map_err(|source| EdgeError::Map { name, source })
}

/// Opens an array for mapping.
pub(super) fn open_data(pins: &std::path::Path, name: &'static str) -> Result<MapData, EdgeError> {
    match open(pins, name)? {
        Map::Array(data) => Ok(data),
        _ => Err(EdgeError::Incomplete {
            what: "array",
            name,
        }),
    }
}

fn shape_of(data: &MapData) -> Result<MapShape, MapError> {
    let info = data.info()?;
    Ok(MapShape {
        // The discriminants of aya's type are those of the kernel.
        kind: info.map_type()? as u32,
        key_bytes: info.key_size(),
        value_bytes: info.value_size(),
        entries: info.max_entries(),
    })
}

impl MapShape {
    /// This one, with as many entries as `found` has where any of a range will do.
    fn or_sized(self, name: &str, found: Self) -> Self {
        let lines = u64::from(found.entries);
        let is_of_range = match name {
            MAP_SLOTS => BucketTables::default().with_throttles(lines).is_ok(),
            MAP_CALLERS => {
                let callers = lines.saturating_mul(WAYS as u64);
                BucketTables::default().with_callers(callers).is_ok()
            }
            _ => false,
        };
        let entries = if is_of_range {
            found.entries
        } else {
            self.entries
        };
        Self { entries, ..self }
    }
}

/// How many entries a pinned map has.
pub(super) fn entries(pins: &std::path::Path, name: &'static str) -> Result<u32, EdgeError> {
    let failed = |source| EdgeError::Map { name, source };
    let data = MapData::from_pin(pins.join(name)).map_err(failed)?;
    Ok(shape_of(&data).map_err(failed)?.entries)
}

/// How many buckets the pinned arrays have.
pub(super) fn bucket_tables(pins: &std::path::Path) -> Result<BucketTables, EdgeError> {
    // Opening an array checks that it has a size that there may be.
    for name in [MAP_SLOTS, MAP_CALLERS] {
        open(pins, name)?;
    }
    let throttles = u64::from(entries(pins, MAP_SLOTS)?);
    let callers = u64::from(entries(pins, MAP_CALLERS)?).saturating_mul(WAYS as u64);
    BucketTables::new(throttles, callers).map_err(|error| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        super::error::system("reading the sizes of the bucket arrays")(error)
    })
}

/// Kernel id of a pinned map.
pub(super) fn id(pins: &std::path::Path, name: &'static str) -> Result<u32, EdgeError> {
    let failed = |source| EdgeError::Map { name, source };
    let data = MapData::from_pin(pins.join(name)).map_err(failed)?;
    Ok(data.info().map_err(failed)?.id())
}

/// Bytes that the kernel has set aside for a pinned map, as `/proc/<pid>/fdinfo` tells (kernel:
/// `bpf_map_show_fdinfo`): exact from Linux 6.4 on, an estimate before.
pub(super) fn memory_bytes(pins: &std::path::Path, name: &'static str) -> Result<u64, EdgeError> {
    let failed = |source| EdgeError::Map { name, source };
    let data = MapData::from_pin(pins.join(name)).map_err(failed)?;
    let path = format!("/proc/self/fdinfo/{}", data.fd().as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path)
        .map_err(super::error::system("read /proc/self/fdinfo of a map"))?;
    let bytes = text
        .lines()
        .find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok());
    Ok(bytes.unwrap_or(0))
}

/// Opens every pinned map once, which checks the shape of each.
pub(super) fn check_shapes(pins: &std::path::Path) -> Result<(), EdgeError> {
    for (name, _) in ALL {
        open(pins, name)?;
    }
    Ok(())
}

impl SwitchMaps {
    pub(super) fn open(pins: &Pins) -> Result<Self, EdgeError> {
        let pins = pins.directory();
        let control = open_data(pins, MAP_CONTROL)?;
        Ok(Self {
            control: ControlWords::map(control.fd().as_fd())
                .map_err(super::error::system("mmap of the control words"))?,
            settings: open_as(pins, MAP_SETTINGS)?,
            rules: open_as(pins, MAP_RULES)?,
            endpoints: open_as(pins, MAP_ENDPOINTS)?,
            newcomers: open_as(pins, MAP_NEWCOMERS)?,
        })
    }
}

impl<K: aya::Pod, D: aya::Pod> FamilyMaps<K, D> {
    fn open(pins: &std::path::Path, names: [&'static str; 2]) -> Result<Self, EdgeError> {
        let [exact, prefix] = names;
        Ok(Self {
            exact: open_as(pins, exact)?,
            prefix: open_as(pins, prefix)?,
            names,
        })
    }
}

impl ListTables {
    pub(super) fn open(pins: &Pins) -> Result<Self, EdgeError> {
        let pins = pins.directory();
        let filter = |name, bits| {
            let data = open_data(pins, name)?;
            SharedWords::map(data.fd().as_fd(), bits)
                .map_err(super::error::system("mmap of the lists' filter"))
        };
        let [exact4_a, exact4_b] = MAP_LIST4_EXACT;
        let [exact6_a, exact6_b] = MAP_LIST6_EXACT;
        let [prefix4_a, prefix4_b] = MAP_LIST4_PREFIX;
        let [prefix6_a, prefix6_b] = MAP_LIST6_PREFIX;
        let generation = |ipv4, ipv6| {
            Ok::<_, EdgeError>(GenerationMaps {
                ipv4: FamilyMaps::open(pins, ipv4)?,
                ipv6: FamilyMaps::open(pins, ipv6)?,
            })
        };
        Ok(Self {
            filter4: filter(MAP_LIST4_FILTER, FILTER4_BITS)?,
            filter6: filter(MAP_LIST6_FILTER, FILTER6_BITS)?,
            generations: [
                generation([exact4_a, prefix4_a], [exact6_a, prefix6_a])?,
                generation([exact4_b, prefix4_b], [exact6_b, prefix6_b])?,
            ],
            counters: open_as(pins, MAP_LIST_COUNTERS)?,
        })
    }
}

impl StatisticsMaps {
    pub(super) fn open(pins: &std::path::Path) -> Result<Self, EdgeError> {
        Ok(Self {
            counters: open_as(pins, MAP_COUNTERS)?,
            listeners: Mutex::new(open_as(pins, MAP_LISTENER_COUNTERS)?),
            lists: Mutex::new(open_as(pins, MAP_LIST_COUNTERS)?),
            incidents: open_as(pins, MAP_INCIDENTS)?,
            control: open_as(pins, MAP_CONTROL)?,
            slots: open_data(pins, MAP_SLOTS)?,
            sizes: bucket_tables(pins)?,
        })
    }
}

impl DebtMaps {
    pub(super) fn open(pins: &std::path::Path) -> Result<Self, EdgeError> {
        let lines = |name, bits| {
            let data = open_data(pins, name)?;
            LineReader::map(data.fd().as_fd(), bits)
                .map_err(super::error::system("mmap of a bucket table"))
        };
        Ok(Self {
            sources: lines(MAP_SOURCES, SOURCE_LINE_BITS)?,
            callers: lines(MAP_CALLERS, bucket_tables(pins)?.caller_line_bits())?,
        })
    }
}

/// Maps the words that the daemon shares with the program.
pub(super) fn buckets(pins: &Pins, seed: u64) -> Result<Buckets, EdgeError> {
    let pins = pins.directory();
    let sources = open_data(pins, MAP_SOURCES)?;
    let aggregates = open_data(pins, MAP_AGGREGATES)?;
    let slots = open_data(pins, MAP_SLOTS)?;
    let callers = open_data(pins, MAP_CALLERS)?;
    let maps = BucketMaps {
        sources: sources.fd().as_fd(),
        aggregates: aggregates.fd().as_fd(),
        slots: slots.fd().as_fd(),
        callers: callers.fd().as_fd(),
        sizes: bucket_tables(pins)?,
    };
    Buckets::from_maps(maps, seed).map_err(super::error::system("mmap of the bucket arrays"))
}

/// Maps the lines of vouched sources.
pub(super) fn vouched(pins: &Pins, seed: u64) -> Result<SharedLines, EdgeError> {
    let data = open_data(pins.directory(), MAP_VOUCHED)?;
    SharedLines::map(data.fd().as_fd(), VOUCHED_LINE_BITS, seed)
        .map_err(super::error::system("mmap of the vouched sources"))
}

/// Maps the lines of offences.
pub(super) fn offences(pins: &Pins, seed: u64) -> Result<SharedLines, EdgeError> {
    let data = open_data(pins.directory(), MAP_OFFENCES)?;
    SharedLines::map(data.fd().as_fd(), OFFENCE_LINE_BITS, seed)
        .map_err(super::error::system("mmap of the offences"))
}
