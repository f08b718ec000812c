//! The maps explain themselves: `bpftool` prints their fields by name.

use std::process::Command;

use aya::maps::{HashMap, Map, MapData};
use gateway_common::address::{self, Address};
use gateway_common::capacity::{ENDPOINT_LINE_BITS, RULES_COUNT, SOURCE_LINE_BITS};
use gateway_common::counter::listener_counter_index;
use gateway_common::endpoint;
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::list::{NEVER, PlainEntry};
use gateway_common::name;
use gateway_common::reason::Verdict;
use gateway_tests::capability::{or_skip, tool};
use gateway_tests::object::Object;
use gateway_tests::packet::{SYN, TCP};
use serde_json::{Value, json};

use crate::site::{CLIENT, PASS, PORT, SERVER, orders, per_second, segment, site};

/// A loaded object, where `bpftool` is installed to look into it.
fn looked_into() -> Option<Object> {
    or_skip(tool("bpftool"))?;
    site(orders([per_second(1, 5, true), per_second(2, 5, true)]))
}

#[test]
fn settings_rules_and_control_words_are_dumped_with_their_fields() {
    let Some(mut object) = looked_into() else {
        return;
    };
    let settings = &dump(&mut object, name::MAP_SETTINGS)[0]["formatted"]["value"];
    assert_eq!(settings["seed"], object.settings().seed);
    assert_eq!(settings["endpoint_seed"], 11);
    assert_eq!(settings["trickle"]["class"]["number"], 0);
    assert_eq!(settings["newcomers"][1]["limit"]["tolerance_ns"], 0);
    assert_eq!(settings["udp_reply_ports"], json!([0, 0, 0, 0, 0, 0, 0, 0]));
    let rules = dump(&mut object, name::MAP_RULES);
    assert_eq!(rules.len(), 2 * RULES_COUNT);
    let limits = &rules[1]["formatted"]["value"]["limits"];
    let expected = object.rules().limits;
    for (found, expected) in limits.as_array().unwrap().iter().zip(expected) {
        assert_eq!(found["class"]["number"], expected.class.number);
        assert_eq!(found["source"]["multiplier"], expected.source.multiplier);
        assert_eq!(found["precise"], expected.precise);
    }
    assert_eq!(rules[1]["formatted"]["value"]["monitor"], 0);
    let control = &dump(&mut object, name::MAP_CONTROL)[0]["formatted"]["value"];
    for word in ["active", "attack", "penalties", "events"] {
        assert_eq!(control[word], 0, "{word}");
    }
}

#[test]
fn lists_and_flows_are_dumped_with_their_fields() {
    let Some(mut object) = looked_into() else {
        return;
    };
    let denied = PlainEntry {
        deny_until_ns: NEVER,
        lists: 1 << 5,
        deny_list: 5,
        ..PlainEntry::default()
    };
    let [v4, v6] = [Address::v4(0x0a09_0001), crate::site::client6()];
    for (address, length, map, key) in [
        (v4, 32, name::MAP_LIST4_EXACT, json!([10, 9, 0, 1])),
        (
            v4,
            24,
            name::MAP_LIST4_PREFIX,
            json!({"prefix_len": 24, "data": [10, 9, 0, 1, 0, 0, 0, 0]}),
        ),
        (
            v6,
            128,
            name::MAP_LIST6_EXACT,
            json!([32, 1, 13, 184, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]),
        ),
        (
            v6,
            64,
            name::MAP_LIST6_PREFIX,
            json!({
                "prefix_len": 64,
                "data": [32, 1, 13, 184, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]
            }),
        ),
    ] {
        object.deny(0, address, length, denied).unwrap();
        let entries = dump(&mut object, map[0]);
        let [entry] = entries.as_slice() else {
            panic!("{} holds {entries:?}", map[0]);
        };
        let entry = &entry["formatted"];
        assert_eq!(entry["key"], key, "{}", map[0]);
        assert_eq!(entry["value"]["deny_until_ns"], NEVER);
        assert_eq!(entry["value"]["lists"], 1 << 5);
        assert_eq!(entry["value"]["deny_list"], 5);
        for field in ["monitor_until_ns", "allow_until_ns", "hits", "flags"] {
            assert!(!entry["value"][field].is_null(), "{field} in {entry}");
        }
    }
    let flow = FlowKey {
        source: v4,
        destination: Address::v4(SERVER),
        ports: 40_000 << 16 | u32::from(PORT),
        protocol: u32::from(TCP),
    };
    let row = FlowRow {
        tag: 7,
        slack_ns: 8,
        line: 9,
        reserved: 0,
    };
    let map = object.map(name::MAP_FLOWS).unwrap();
    let mut flows = HashMap::<_, FlowKey, FlowRow>::try_from(map).unwrap();
    flows.insert(flow, row, 0).unwrap();
    let flows = dump(&mut object, name::MAP_FLOWS);
    let found = &flows[0]["formatted"];
    assert_eq!(found["key"]["source"]["low"], v4.low);
    assert_eq!(found["key"]["ports"], flow.ports);
    assert_eq!(
        found["value"],
        json!({"tag": 7, "slack_ns": 8, "line": 9, "reserved": 0})
    );
}

#[test]
fn sources_endpoints_and_counters_are_shown_with_their_fields() {
    let Some(mut object) = looked_into() else {
        return;
    };
    let frame = segment(SYN);
    assert_eq!(object.judge(&frame).unwrap(), PASS);
    let (settings, rules) = (object.settings(), object.rules());

    let tag = Address::v4(CLIENT).tag(&rules.limits[0].class);
    let line = address::index(tag, settings.seed, SOURCE_LINE_BITS);
    let way = &entry(&mut object, name::MAP_SOURCES, line)["value"]["ways"][0];
    assert_eq!(number(&way["tag"]), tag);
    assert!(number(&way["tat"]) > 0, "{way}");

    let key = endpoint::key(TCP, PORT);
    let server = Address::v4(SERVER);
    let line = endpoint::line_index(server, key, settings.endpoint_seed, ENDPOINT_LINE_BITS);
    let entries = &entry(&mut object, name::MAP_ENDPOINTS, line)["value"]["entries"];
    let found = entries.as_array().unwrap().iter();
    let found = found.clone().find(|entry| entry["key"] == key).unwrap();
    assert_eq!(found["address"]["low"], server.low);
    assert_eq!(found["listener"], 1);

    let cell = listener_counter_index(1, Verdict::Pass);
    let per_cpu = &entry(&mut object, name::MAP_LISTENER_COUNTERS, cell)["values"];
    let sum = |field: &str| {
        let values = per_cpu.as_array().unwrap().iter();
        values
            .map(|one| one["value"][field].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("packets"), sum("bytes")), (1, frame.len() as u64));
}

/// What `bpftool` prints of a map: all of it.
fn dump(object: &mut Object, map: &str) -> Vec<Value> {
    let id = id(object, map);
    match bpftool(&["map", "dump", "id", &id]) {
        Value::Array(entries) => entries,
        other => panic!("`{map}` is printed as {other}"),
    }
}

/// What `bpftool` prints of one entry of an array, which is large.
fn entry(object: &mut Object, map: &str, index: u32) -> Value {
    let id = id(object, map);
    let key = index.to_ne_bytes().map(|byte| byte.to_string());
    let [a, b, c, d] = &key;
    let printed = bpftool(&["map", "lookup", "id", &id, "key", a, b, c, d]);
    printed["formatted"].clone()
}

/// A word that is changed by several at once: its number lies within.
fn number(word: &Value) -> u64 {
    match word {
        Value::Object(fields) => fields.values().map(number).sum(),
        plain => plain.as_u64().unwrap(),
    }
}

fn id(object: &mut Object, map: &str) -> String {
    let data: &MapData = match object.map(map).unwrap() {
        Map::Array(data) | Map::HashMap(data) | Map::LpmTrie(data) | Map::PerCpuArray(data) => data,
        other => panic!("`{map}` is {other:?}"),
    };
    data.info().unwrap().id().to_string()
}

fn bpftool(arguments: &[&str]) -> Value {
    let output = Command::new("bpftool")
        .arg("--json")
        .args(arguments)
        .output();
    let output = output.expect("bpftool is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error} in {text}"))
}
