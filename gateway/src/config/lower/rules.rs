//! The rules of the kernel edge beyond the limits per source.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use gateway_common::reason::Reason;
use gateway_common::settings::Treatment;

use super::Lowering;
use super::edge::is_interface_name;
use super::limit::Unit;
use super::quantity::s;
use super::source_rate::Default;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written::{self, Rule, Xdp};
use crate::model::{
    ListenerEdge, OtherTraffic, PenaltyMode, PenaltyRules, RULES, Treatments, UnderAttack,
};

/// Packets per source that are for no listener, where they are limited.
const OTHER_PACKETS: Default = Default {
    rate: 100,
    burst: 1_000,
};
/// DNS and NTP, which nearly every host asks for.
const UDP_REPLY_PORTS: [u16; 2] = [53, 123];
/// New connections that newcomers share: a fraction of the few thousand per second that one core
/// makes TLS handshakes for.
const NEWCOMER_CONNECTIONS: Default = Default {
    rate: 500,
    burst: 1_000,
};
/// Packets that newcomers share: fifty for each of their connections.
const NEWCOMER_PACKETS: Default = Default {
    rate: 25_000,
    burst: 50_000,
};
/// How long a source may be cut off. More is not owed: see `gateway_common::limit::DEBT_NS_MAX`.
const PENALTY: RangeInclusive<Duration> = s(1)..=s(600);
/// How long an attack may be said to last after the last sign of it.
const HOLD: RangeInclusive<Duration> = s(1)..=s(3600);
/// How long a source may be vouched for. A refresh every ten seconds has to be a small part of it.
const VOUCH_FOR: RangeInclusive<Duration> = s(60)..=s(86_400);

/// Lowers the section `xdp` of a listener.
pub(super) fn listener(
    written: &written::ListenerXdp,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> ListenerEdge {
    let mut rate = |written: &Option<written::SourceLimit>, unit, key| {
        cx.listener_rate(written.as_ref(), unit, &at.key(key))
    };
    ListenerEdge {
        connections: rate(
            &written.connections_per_source,
            Unit::ONE,
            "connections_per_source",
        ),
        packets: rate(&written.packets_per_source, Unit::ONE, "packets_per_source"),
        bytes: rate(&written.bytes_per_source, Unit::BYTE, "bytes_per_source"),
        monitor: written
            .monitor
            .as_ref()
            .map(|written| monitor(written, &at.key("monitor"), cx)),
    }
}

/// The reasons of the rules named.
pub(super) fn monitor(
    written: &written::Monitor,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> BTreeSet<Reason> {
    let rules = match written {
        written::Monitor::All(written::All::All) => return RULES.into(),
        written::Monitor::Rules(rules) => rules,
    };
    let mut reasons = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let reason = reason(*rule);
        if !reasons.insert(reason) {
            let message = format!("the rule `{}` stands twice: keep one", reason.name());
            cx.error(&at.item(index), message);
        }
    }
    reasons
}

const fn reason(rule: Rule) -> Reason {
    match rule {
        Rule::Denied => Reason::Denied,
        Rule::Malformed => Reason::Malformed,
        Rule::Fragment => Reason::Fragment,
        Rule::UnparsedToUs => Reason::UnparsedToUs,
        Rule::ConnectionRate => Reason::ConnectionRate,
        Rule::PacketRate => Reason::PacketRate,
        Rule::ByteRate => Reason::ByteRate,
        Rule::OtherTraffic => Reason::OtherTraffic,
        Rule::OtherRate => Reason::OtherRate,
        Rule::NewcomerConnections => Reason::NewcomerConnections,
        Rule::NewcomerPackets => Reason::NewcomerPackets,
        Rule::Penalised => Reason::Penalised,
    }
}

/// Lowers `xdp.other_traffic`.
pub(super) fn other_traffic(xdp: &Xdp, cx: &mut Lowering<'_>) -> OtherTraffic {
    let written = &xdp.other_traffic;
    let at = cx.root.key("xdp").key("other_traffic");
    let treatments = Treatments {
        tcp: treatment(written.tcp, Treatment::Pass),
        udp: treatment(written.udp, Treatment::Pass),
        rest: treatment(written.rest, Treatment::Pass),
    };
    let section = at.key("interfaces");
    let mut interfaces = Vec::new();
    for (name, own) in &written.interfaces.0 {
        check_interface(name, &xdp.interfaces, &section.key(name), cx);
        let treatments = Treatments {
            tcp: treatment(own.tcp, treatments.tcp),
            udp: treatment(own.udp, treatments.udp),
            rest: treatment(own.rest, treatments.rest),
        };
        interfaces.push((name.clone(), treatments));
    }
    let packets = written.packets_per_source.as_ref();
    OtherTraffic {
        treatments,
        interfaces,
        udp_reply_ports: written
            .udp_reply_ports
            .clone()
            .unwrap_or_else(|| UDP_REPLY_PORTS.into()),
        packets: cx.source_rate_or(packets, OTHER_PACKETS, &at.key("packets_per_source")),
    }
}

/// An interface that will carry no program cannot treat anything.
fn check_interface(name: &str, attached: &[String], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let shown = shortened(name);
    if !is_interface_name(name) {
        let message = format!("`{shown}` is not an interface name: write one such as `eth0`");
        cx.error_at_key(at, message);
    } else if !attached.is_empty() && !attached.iter().any(|known| known == name) {
        let fix = suggestion(name, attached.iter().map(String::as_str), "add it there");
        let message = format!("`{shown}` is not among `xdp.interfaces`{fix}");
        cx.error_at_key(at, message);
    }
}

fn treatment(written: Option<written::Treatment>, default: Treatment) -> Treatment {
    match written {
        None => default,
        Some(written::Treatment::Pass) => Treatment::Pass,
        Some(written::Treatment::Limit) => Treatment::Limit,
        Some(written::Treatment::Drop) => Treatment::Drop,
    }
}

/// Lowers `xdp.penalties`, which stands at `at`.
pub(super) fn penalties(
    written: &written::Penalties,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> PenaltyRules {
    let mut limit = |written: &Option<written::Rate>, key| {
        let it = written.as_ref()?;
        cx.limit(it.rate.0, it.burst, &at.key(key))
            .map(|(_, limit)| limit)
    };
    let free = limit(&written.offences, "offences");
    let handshakes = limit(&written.handshakes, "handshakes");
    let first = cx.duration(written.first.as_ref(), &at.key("first"), PENALTY, s(10));
    let most_at = at.key("most");
    let most = cx.duration(written.most.as_ref(), &most_at, PENALTY, s(600).max(first));
    if most < first {
        let message = "this is less than `first`: write at least that";
        cx.error(&most_at, message);
    }
    PenaltyRules {
        mode: match written.mode {
            None | Some(written::PenaltyMode::Off) => PenaltyMode::Off,
            Some(written::PenaltyMode::Monitor) => PenaltyMode::Monitor,
            Some(written::PenaltyMode::Enforce) => PenaltyMode::Enforce,
        },
        offences: free.unwrap_or_else(PenaltyRules::free_offences),
        first,
        most,
        handshakes: handshakes.unwrap_or_else(PenaltyRules::unproven_handshakes),
    }
}

/// Lowers `xdp.under_attack`.
pub(super) fn under_attack(written: &written::UnderAttack, cx: &mut Lowering<'_>) -> UnderAttack {
    let at = cx.root.key("xdp").key("under_attack");
    let syns_per_second = match &written.syns_per_second {
        None | Some(written::SynThreshold::Off(written::Off::Off)) => None,
        Some(written::SynThreshold::From(syns)) => Some(*syns),
    };
    let newcomers = at.key("newcomers");
    UnderAttack {
        syns_per_second,
        hold: cx.duration(written.hold.as_ref(), &at.key("hold"), HOLD, s(60)),
        newcomer_connections: cx.shared_rate_or(
            written.newcomers.connections.as_ref(),
            NEWCOMER_CONNECTIONS,
            &newcomers.key("connections"),
        ),
        newcomer_packets: cx.shared_rate_or(
            written.newcomers.packets.as_ref(),
            NEWCOMER_PACKETS,
            &newcomers.key("packets"),
        ),
        vouch_for: cx.duration(
            written.vouch_for.as_ref(),
            &at.key("vouch_for"),
            VOUCH_FOR,
            s(3600),
        ),
        syn_cookies: written.syn_cookies.unwrap_or(false),
    }
}
