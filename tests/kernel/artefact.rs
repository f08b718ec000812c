//! The object itself.

use aya::Ebpf;
use aya::programs::Xdp;
use gateway_common::capacity::{
    AGGREGATE_BITS, CALLER_LINE_BITS, DENY_EXACT_MAX, DENY_IPV4_FILTER_WORDS,
    DENY_IPV6_FILTER_BITS, DENY_PREFIX_MAX, ENDPOINT_LINE_BITS, SLOT_COUNT, SOURCE_LINE_BITS,
};
use gateway_common::counter::{COUNTER_COUNT, INCIDENT_CAPACITY};
use gateway_common::name;
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
    let filter6 = 2 << (DENY_IPV6_FILTER_BITS - 6);
    let mut expected = vec![
        (name::MAP_CONTROL, 1, 0),
        (name::MAP_SETTINGS, 2, 0),
        (name::MAP_ENDPOINTS, 2 << ENDPOINT_LINE_BITS, MMAPABLE),
        (name::MAP_SOURCES, 1 << SOURCE_LINE_BITS, MMAPABLE),
        (name::MAP_AGGREGATES, 1 << AGGREGATE_BITS, MMAPABLE),
        (name::MAP_SLOTS, SLOT_COUNT, MMAPABLE),
        (name::MAP_CALLERS, 1 << CALLER_LINE_BITS, MMAPABLE),
        (name::MAP_DENY4_FILTER, 2 * DENY_IPV4_FILTER_WORDS, MMAPABLE),
        (name::MAP_DENY6_FILTER, filter6, MMAPABLE),
        (name::MAP_COUNTERS, u32::try_from(COUNTER_COUNT).unwrap(), 0),
        (
            name::MAP_INCIDENTS,
            u32::try_from(INCIDENT_CAPACITY).unwrap(),
            0,
        ),
        (name::MAP_CLOCK, 1, 0),
    ];
    let exact = [name::MAP_DENY4_EXACT, name::MAP_DENY6_EXACT];
    expected.extend(
        exact
            .as_flattened()
            .iter()
            .map(|map| (*map, DENY_EXACT_MAX, NO_PREALLOC)),
    );
    let prefix = [name::MAP_DENY4_PREFIX, name::MAP_DENY6_PREFIX];
    expected.extend(
        prefix
            .as_flattened()
            .iter()
            .map(|map| (*map, DENY_PREFIX_MAX, NO_PREALLOC)),
    );
    expected.sort_unstable();

    let ebpf: &mut Ebpf = object.ebpf();
    let mut found: Vec<(String, u32, u32)> = Vec::new();
    for (name, map) in ebpf.maps() {
        let data = match map {
            aya::maps::Map::Array(data)
            | aya::maps::Map::PerCpuArray(data)
            | aya::maps::Map::HashMap(data)
            | aya::maps::Map::LpmTrie(data) => data,
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
