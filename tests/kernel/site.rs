//! The site under test: one server with one listener per protocol and family.

use anyhow::Context as _;
use gateway_common::address::{Address, Class};
use gateway_common::counter::Counter;
use gateway_common::limit::{Limit, Rate};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Rules, Settings, SourceLimit};
use gateway_tests::capability::or_skip;
use gateway_tests::object::{Listening, Object, Orders};
use gateway_tests::packet::{self, TCP, UDP};

pub(crate) const SERVER: u32 = 0x0a00_0001;
pub(crate) const ELSEWHERE: u32 = 0x0a00_0002;
pub(crate) const CLIENT: u32 = 0xc0a8_0105;
pub(crate) const PORT: u16 = 443;
pub(crate) const DROP: u32 = 1;
pub(crate) const PASS: u32 = 2;

pub(crate) fn server6() -> Address {
    Address::v6_halves(*b"\x20\x01\x0d\xb8\0\0\0\x01", *b"\0\0\0\0\0\0\0\x01")
}

pub(crate) fn client6() -> Address {
    Address::v6_halves(*b"\x20\x01\x0d\xb8\0\x05\0\x01", *b"\0\0\0\0\0\0\0\x09")
}

pub(crate) fn settings() -> Settings {
    Settings {
        seed: 0x0123_4567_89ab_cdef,
        endpoint_seed: 11,
        ..Settings::default()
    }
}

pub(crate) fn per_second(rate: u64, burst: u64, precise: bool) -> SourceLimit {
    let limit = Limit::new(Rate::per_second(rate), burst, 1).unwrap();
    SourceLimit {
        source: limit,
        aggregate: limit,
        yields_ns: limit.increment(1).min(limit.slack_ns(1)),
        precise: u64::from(precise),
        ..SourceLimit::default()
    }
}

/// The settings of the site with limits for connections and packets.
pub(crate) fn orders([connections, packets]: [SourceLimit; 2]) -> Orders {
    let settings = settings();
    let mut limits = [connections, packets, SourceLimit::default()];
    for (kind, limit) in (0..).zip(&mut limits) {
        limit.class = Class::new(kind, 0, settings.seed);
    }
    Orders {
        settings,
        rules: Rules { limits, monitor: 0 },
    }
}

/// The loaded object with its listeners, or `None` where it cannot be loaded.
#[track_caller]
pub(crate) fn site(orders: impl Into<Orders>) -> Option<Object> {
    or_skip(try_site(orders.into()))
}

fn try_site(orders: Orders) -> anyhow::Result<Object> {
    let mut object = Object::load()?;
    object.apply(orders).context("settings")?;
    for address in [Address::v4(SERVER), server6()] {
        for protocol in [TCP, UDP] {
            object.listen(Listening {
                address,
                protocol,
                port: PORT,
            })?;
        }
    }
    Ok(object)
}

/// A frame with a TCP segment from the client to the listener.
pub(crate) fn segment(flags: u8) -> Vec<u8> {
    segment_from(CLIENT, flags)
}

pub(crate) fn segment_from(source: u32, flags: u8) -> Vec<u8> {
    let payload = packet::tcp(40_000, PORT, flags);
    packet::frame4(&packet::ipv4(source, SERVER, TCP, 0x4000, &payload))
}

pub(crate) fn segment6(source: Address, flags: u8) -> Vec<u8> {
    let payload = packet::tcp(40_000, PORT, flags);
    packet::frame6(&packet::ipv6(source, server6(), TCP, &payload))
}

/// Judges a frame and checks action, cell and bytes: exactly one cell grew, by exactly this frame.
#[track_caller]
pub(crate) fn check(
    object: &mut Object,
    name: &str,
    frame: &[u8],
    expected: (Verdict, Reason, Family),
) {
    let before = cells(object);
    let action = object.judge(frame).unwrap();
    let after = cells(object);
    let grown: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before.1 != after.1)
        .map(|((cell, before), (_, after))| {
            (
                *cell,
                after.packets - before.packets,
                after.bytes - before.bytes,
            )
        })
        .collect();
    assert_eq!(grown, [(expected, 1, frame.len() as u64)], "{name}");
    let drops = expected.0 == Verdict::Drop;
    assert_eq!(action, if drops { DROP } else { PASS }, "{name}");
}

pub(crate) type Cell = (Verdict, Reason, Family);

fn cells(object: &mut Object) -> Vec<(Cell, Counter)> {
    let mut cells = Vec::new();
    for verdict in [
        Verdict::Pass,
        Verdict::Drop,
        Verdict::Transmit,
        Verdict::WouldDrop,
    ] {
        for reason in Reason::ALL {
            for family in [Family::Other, Family::Ipv4, Family::Ipv6] {
                let counter = object.counter(verdict, *reason, family).unwrap();
                cells.push(((verdict, *reason, family), counter));
            }
        }
    }
    cells
}
