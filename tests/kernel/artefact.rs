//! The object itself.

use aya::Ebpf;
use aya::programs::Xdp;
use gateway_common::capacity::{
    AGGREGATE_BITS, CALLER_LINE_BITS, ENDPOINT_LINE_BITS, EVENT_RING_BYTES, FLOW_MAX,
    LIST_EXACT_MAX, LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS, LIST_MAX, LIST_PREFIX_MAX,
    OFFENCE_LINE_BITS, RULES_COUNT, SLOT_COUNT, SOURCE_LINE_BITS, VOUCHED_LINE_BITS,
};
use gateway_common::counter::{COUNTER_COUNT, INCIDENT_CAPACITY, LISTENER_COUNTER_COUNT};
use gateway_common::name;
use gateway_common::settings::NEWCOMERS_COUNT;
use gateway_tests::capability::or_skip;
use gateway_tests::object::Object;

const MMAPABLE: u32 = 1 << 10;
const NO_PREALLOC: u32 = 1;

/// Instructions that the verifier may walk; it gives up at a million.
const VERIFIED_MAX: u32 = 10_000;

#[test]
fn every_map_has_its_name_size_and_flags() {
    let Some(mut object) = or_skip(Object::load()) else {
        return;
    };
    let count = |entries: usize| u32::try_from(entries).unwrap();
    let filter6 = 2 << (LIST_IPV6_FILTER_BITS - 6);
    let mut expected = vec![
        (name::MAP_CONTROL, 1, MMAPABLE),
        (name::MAP_SETTINGS, 2, 0),
        (name::MAP_RULES, count(2 * RULES_COUNT), 0),
        (name::MAP_VOUCHED, 1 << VOUCHED_LINE_BITS, MMAPABLE),
        (name::MAP_NEWCOMERS, count(NEWCOMERS_COUNT), MMAPABLE),
        (name::MAP_FLOWS, count(FLOW_MAX), 0),
        (name::MAP_OFFENCES, 1 << OFFENCE_LINE_BITS, MMAPABLE),
        (name::MAP_EVENTS, EVENT_RING_BYTES, 0),
        (name::MAP_SAMPLER, 1, 0),
        (name::MAP_TRACE, 1, 0),
        (name::MAP_LIST_COUNTERS, count(LIST_MAX), 0),
        (
            name::MAP_LISTENER_COUNTERS,
            count(LISTENER_COUNTER_COUNT),
            0,
        ),
        (name::MAP_ENDPOINTS, 2 << ENDPOINT_LINE_BITS, MMAPABLE),
        (name::MAP_SOURCES, 1 << SOURCE_LINE_BITS, MMAPABLE),
        (name::MAP_AGGREGATES, 1 << AGGREGATE_BITS, MMAPABLE),
        (name::MAP_SLOTS, SLOT_COUNT, MMAPABLE),
        (name::MAP_CALLERS, 1 << CALLER_LINE_BITS, MMAPABLE),
        (name::MAP_LIST4_FILTER, 2 * LIST_IPV4_FILTER_WORDS, MMAPABLE),
        (name::MAP_LIST6_FILTER, filter6, MMAPABLE),
        (name::MAP_COUNTERS, count(COUNTER_COUNT), 0),
        (name::MAP_INCIDENTS, count(INCIDENT_CAPACITY), 0),
        (name::MAP_CLOCK, 1, 0),
    ];
    let exact = [name::MAP_LIST4_EXACT, name::MAP_LIST6_EXACT];
    expected.extend(
        exact
            .as_flattened()
            .iter()
            .map(|map| (*map, LIST_EXACT_MAX, NO_PREALLOC)),
    );
    let prefix = [name::MAP_LIST4_PREFIX, name::MAP_LIST6_PREFIX];
    expected.extend(
        prefix
            .as_flattened()
            .iter()
            .map(|map| (*map, LIST_PREFIX_MAX, NO_PREALLOC)),
    );
    expected.sort_unstable();

    let ebpf: &mut Ebpf = object.ebpf();
    let mut found: Vec<(String, u32, u32)> = Vec::new();
    for (name, map) in ebpf.maps() {
        let data = match map {
            aya::maps::Map::Array(data)
            | aya::maps::Map::PerCpuArray(data)
            | aya::maps::Map::HashMap(data)
            | aya::maps::Map::LpmTrie(data)
            | aya::maps::Map::RingBuf(data) => data,
            other => panic!("`{name}` is {other:?}"),
        };
        let info = data.info().unwrap();
        found.push((name.to_owned(), info.max_entries(), info.map_flags()));
    }
    found.sort_unstable();
    let found: Vec<_> = found
        .iter()
        .map(|(name, size, flags)| (name.as_str(), *size, *flags))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_programs_are_those_named_and_the_verifier_walks_few_instructions() {
    let Some(mut object) = or_skip(Object::load()) else {
        return;
    };
    let mut names: Vec<_> = object
        .ebpf()
        .programs()
        .map(|(name, _)| name.to_owned())
        .collect();
    names.sort_unstable();
    let mut expected = [name::PROGRAM_EDGE, name::PROGRAM_EMPTY, name::PROGRAM_TICK];
    expected.sort_unstable();
    assert_eq!(
        names, expected,
        "the entry point that logs is never shipped"
    );
    let edge: &mut Xdp = object
        .ebpf()
        .program_mut(name::PROGRAM_EDGE)
        .unwrap()
        .try_into()
        .unwrap();
    let verified = edge.info().unwrap().verified_instruction_count();
    println!("{verified:?} instructions verified");
    assert!(
        verified.is_none_or(|count| count < VERIFIED_MAX),
        "{verified:?}"
    );
}
