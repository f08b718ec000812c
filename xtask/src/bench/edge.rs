//! `cargo xtask bench edge`: nanoseconds per packet in the kernel, in total, beside an empty
//! program in the same run.
//!
//! The kernel times its own loop of a test run, so system calls and copies are not part of a
//! figure. It reports whole nanoseconds; several short loops per window average that out. Cases
//! take turns within a window, so that what changes on the machine meets all of them.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use aya::maps::{Array, HashMap, Map};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use gateway_common::address::{self, Address, Class, KIND_PACKETS};
use gateway_common::bucket::{PlainLine, Way};
use gateway_common::capacity::{ENDPOINT_LINE_BITS, SOURCE_LINE_BITS};
use gateway_common::endpoint::{self, Endpoint, EndpointLine};
use gateway_common::limit::{Limit, Rate};
use gateway_common::list::{self, PlainEntry};
use gateway_common::name;
use gateway_common::settings::{Control, FLAG_LISTENERS, FLAG_LISTS, Rules, Settings, SourceLimit};

use super::report::{Case, Report};
use crate::ebpf;

const WINDOWS: usize = 7;
/// Loops in a window, per case.
const LOOPS: u32 = 8;
/// Packets in a loop.
const PACKETS: u32 = 250_000;

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const TCP: u8 = 6;
const PORT: u16 = 443;
const SERVER: u32 = 0xc0a8_0001;
const CLIENT: u32 = 0xc0a8_0101;
const OFFENDER: u32 = 0xc0a8_0201;
const BANNED: u32 = 0xc0a8_0301;

/// Measures and prints.
///
/// # Errors
/// What is missing to run programs in the kernel, or a program that judged otherwise than its
/// case demands.
pub(crate) fn run(json: bool) -> anyhow::Result<()> {
    let mut ebpf = load()?;
    prepare(&mut ebpf)?;
    let cases = [
        ("empty", name::PROGRAM_EMPTY, CLIENT, XDP_PASS),
        ("pass_hot", name::PROGRAM_EDGE, CLIENT, XDP_PASS),
        ("deny_hit", name::PROGRAM_EDGE, BANNED, XDP_DROP),
        ("source_limited", name::PROGRAM_EDGE, OFFENDER, XDP_DROP),
    ];
    let mut windows = [const { Vec::new() }; 4];
    for _ in 0..WINDOWS {
        for ((_, program, source, action), values) in cases.iter().zip(&mut windows) {
            let packet = segment(*source);
            let mut sum = 0.0;
            for _ in 0..LOOPS {
                sum += measure(&mut ebpf, program, &packet, PACKETS, *action)?;
            }
            values.push(sum / f64::from(LOOPS));
        }
    }
    let [baseline, ..] = &windows;
    let mut report = Report::default();
    for ((name, ..), values) in cases.iter().zip(&windows).skip(1) {
        report
            .cases
            .push(Case::new(name, "ns", values, Some(baseline))?);
    }
    let info = xdp(&mut ebpf, name::PROGRAM_EDGE)?.info()?;
    report.notes.push(format!(
        "verified instructions: {}",
        info.verified_instruction_count().map_or_else(
            || "not told by this kernel".to_owned(),
            |count| count.to_string()
        )
    ));
    report.print(json)
}

fn load() -> anyhow::Result<Ebpf> {
    let path = match std::env::var_os("GATEWAY_EBPF_OBJECT") {
        Some(path) => PathBuf::from(path),
        None => ebpf::root()?.join(ebpf::COMMITTED),
    };
    let bytes =
        std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut ebpf = EbpfLoader::new()
        .load(&bytes)
        .context("cannot create BPF maps: run as root")?;
    for program in [name::PROGRAM_EDGE, name::PROGRAM_EMPTY] {
        xdp(&mut ebpf, program)?
            .load()
            .with_context(|| format!("cannot load `{program}`"))?;
    }
    Ok(ebpf)
}

/// One listener, one denied address, one source in debt, and a packet limit of one per nanosecond,
/// which the passing client never reaches and is charged for all the same.
fn prepare(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    let limit = Limit::new(Rate::per_second(1_000_000_000), 1 << 20, 1)
        .map_err(|error| anyhow!("{error:?}"))?;
    let settings = Settings {
        seed: 0x5bd1_e995_9d1b_54a3,
        endpoint_seed: 7,
        flags: FLAG_LISTENERS | FLAG_LISTS,
        ..Settings::default()
    };
    let packets = SourceLimit {
        source: limit,
        class: Class::new(KIND_PACKETS, 0, settings.seed),
        ..SourceLimit::default()
    };
    let none = SourceLimit::default();
    let rules = Rules {
        limits: [none, packets, none],
        monitor: 0,
    };
    Array::<_, Rules>::try_from(map(ebpf, name::MAP_RULES)?)?.set(0, rules, 0)?;
    let server = Address::v4(SERVER);
    let key = endpoint::key(TCP, PORT);
    let mut line = EndpointLine::default();
    if let Some(entry) = line.entries.first_mut() {
        *entry = Endpoint {
            address: server,
            key,
            ..Endpoint::default()
        };
    }
    let index = endpoint::line_index(server, key, settings.endpoint_seed, ENDPOINT_LINE_BITS);
    Array::<_, EndpointLine>::try_from(map(ebpf, name::MAP_ENDPOINTS)?)?.set(index, line, 0)?;

    let bit = list::ipv4_bit(BANNED);
    Array::<_, u64>::try_from(map(ebpf, name::MAP_LIST4_FILTER)?)?.set(bit.word, bit.mask, 0)?;
    let [exact, _] = name::MAP_LIST4_EXACT;
    let entry = PlainEntry {
        deny_until_ns: list::NEVER,
        lists: 1 << list::LIST_OPERATOR,
        ..PlainEntry::default()
    };
    HashMap::<_, [u8; 4], PlainEntry>::try_from(map(ebpf, exact)?)?.insert(
        BANNED.to_be_bytes(),
        entry,
        0,
    )?;
    let tag = Address::v4(OFFENDER).tag(&packets.class);
    let mut line = PlainLine::default();
    if let Some(way) = line.ways.first_mut() {
        // Refusals write nothing, so the debt stays what it is.
        *way = Way { tag, tat: u64::MAX };
    }
    let index = address::index(tag, settings.seed, SOURCE_LINE_BITS);
    Array::<_, PlainLine>::try_from(map(ebpf, name::MAP_SOURCES)?)?.set(index, line, 0)?;
    Array::<_, Settings>::try_from(map(ebpf, name::MAP_SETTINGS)?)?.set(0, settings, 0)?;
    let control = Control::default();
    Ok(Array::<_, Control>::try_from(map(ebpf, name::MAP_CONTROL)?)?.set(0, control, 0)?)
}

/// Nanoseconds per packet of one loop in the kernel.
fn measure(
    ebpf: &mut Ebpf,
    program: &str,
    packet: &[u8],
    packets: u32,
    action: u32,
) -> anyhow::Result<f64> {
    let result = xdp(ebpf, program)?.test_run(TestRunOptions {
        data_in: Some(packet),
        repeat: packets,
        ..TestRunOptions::new()
    })?;
    if result.return_value != action {
        bail!(
            "`{program}` answered {} instead of {action}: this is not the case it claims to be",
            result.return_value
        );
    }
    Ok(result.duration.as_secs_f64() * 1e9)
}

/// A minimal TCP segment with ACK from `source` to the listener.
fn segment(source: u32) -> Vec<u8> {
    let mut packet = vec![0; 12];
    packet.extend([0x08, 0x00]);
    packet.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 64, TCP, 0, 0]);
    packet.extend(source.to_be_bytes());
    packet.extend(SERVER.to_be_bytes());
    packet.extend(40_000_u16.to_be_bytes());
    packet.extend(PORT.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    packet.resize(64, 0);
    packet
}

fn map<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Map> {
    ebpf.map_mut(name)
        .with_context(|| format!("the object has no map `{name}`"))
}

fn xdp<'a>(ebpf: &'a mut Ebpf, program: &str) -> anyhow::Result<&'a mut Xdp> {
    ebpf.program_mut(program)
        .with_context(|| format!("the object has no program `{program}`"))?
        .try_into()
        .with_context(|| format!("`{program}` is no XDP program"))
}
