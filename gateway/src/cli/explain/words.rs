//! Words for the steps of a judgement.

use std::time::Duration;

use gateway_common::address::{
    KIND_BYTES, KIND_CONNECTIONS, KIND_OTHER, KIND_PACKETS, KIND_TRICKLE,
};
use serde::Serialize;

use crate::daemon::names::Names;
use crate::packet::Headers;
use crate::xdp::explain::{Content, Entry, Explanation, Finding, Listed, Owing, Treated};

/// One step, for people and for programs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    /// What was asked, in one word.
    step: &'static str,
    /// What came of it.
    pub(super) says: String,
}

/// Every step of an explanation.
pub(super) fn steps(explanation: &Explanation, names: &Names, headers: &Headers) -> Vec<Step> {
    let findings = explanation.findings.iter();
    findings
        .map(|finding| {
            let (step, says) = said(finding, names, headers);
            Step { step, says }
        })
        .collect()
}

fn said(finding: &Finding, names: &Names, headers: &Headers) -> (&'static str, String) {
    match finding {
        Finding::Parsed(content) => ("parse", parsed(*content).to_owned()),
        Finding::Destination(None) => (
            "destination",
            "no listener answers on its destination".to_owned(),
        ),
        Finding::Destination(Some(number)) => (
            "destination",
            format!("it is for listener {}", names.listener(*number)),
        ),
        Finding::OtherTraffic(treated) => ("other_traffic", other_traffic(*treated).to_owned()),
        Finding::Lists(listed) => ("lists", lists(listed, names)),
        Finding::Vouched(Some(left)) => (
            "vouched",
            format!(
                "under attack: its source is vouched for, for another {}",
                spoken(*left)
            ),
        ),
        Finding::Vouched(None) => (
            "vouched",
            "under attack: nobody vouches for its source, so it is a newcomer".to_owned(),
        ),
        Finding::Newcomers { is_within } => (
            "newcomers",
            if *is_within {
                "there is room in what newcomers share".to_owned()
            } else {
                "what newcomers share is used up".to_owned()
            },
        ),
        Finding::Limit(owing) => ("limit", limit(owing, headers)),
        Finding::Flow { is_penalised } => (
            "flow",
            if *is_penalised {
                "its flow is held back: the key it carries has offences to pay for".to_owned()
            } else {
                "its flow is not held back for anybody's offences".to_owned()
            },
        ),
        Finding::Monitored(reason) => (
            "monitor",
            format!(
                "`{}` is only monitored here: enforced, it would drop the packet now",
                reason.name()
            ),
        ),
    }
}

const fn parsed(content: Content) -> &'static str {
    match content {
        Content::Opening => "it is a SYN, which asks for a new connection",
        Content::Ordinary => "it is a well-formed segment or datagram",
        Content::Fragment => "it is a fragment without a whole transport header",
        Content::OutOfReach => "its headers go on beyond what can be read",
        Content::Malformed => "its lengths, flags or addresses are none that an honest stack sends",
        Content::NotIp => "it is neither IPv4 nor IPv6",
        Content::TagsTooDeep => "it carries more VLAN tags than are read",
        Content::OtherProtocol => "it is of a protocol that no listener speaks",
        Content::NoHeader => "its IP header is cut off",
        Content::Control => {
            "it is an ICMP error or neighbour discovery, which networks cannot do without"
        }
    }
}

const fn other_traffic(treated: Treated) -> &'static str {
    match treated {
        Treated::Pass => "its interface lets such traffic to this host pass",
        Treated::Limit => "its interface limits such traffic to this host per source",
        Treated::Drop => "its interface drops such traffic to this host",
    }
}

fn lists(listed: &Listed, names: &Names) -> String {
    let by = |word: &str, Entry { list, left }: &Entry| {
        let left = left.map_or_else(
            || "until it is removed".to_owned(),
            |left| format!("for another {}", spoken(left)),
        );
        format!("its source is {word} list {} {left}", names.list(*list))
    };
    match listed {
        Listed::Not => "its source is on no list".to_owned(),
        Listed::Management => {
            "its source is a management prefix, which passes before anything else".to_owned()
        }
        Listed::Allowed(entry) => by("allowed by", entry),
        Listed::Denied(entry) => by("denied by", entry),
        Listed::Monitored(entry) => by("denied, in monitor mode, by", entry),
    }
}

fn limit(owing: &Owing, headers: &Headers) -> String {
    let units = match owing.kind {
        KIND_CONNECTIONS => "connections",
        KIND_PACKETS => "packets",
        KIND_BYTES => "bytes",
        KIND_OTHER => "packets to no listener",
        KIND_TRICKLE => "connections of the trickle that a penalised source keeps",
        _ => "units",
    };
    let who = if owing.by_aggregate {
        let prefix = match headers.source {
            Some(address) if address.is_ipv6() => "/48",
            _ => "/24",
        };
        format!("there is no room for its source, so its {prefix} pays, which")
    } else {
        "its source".to_owned()
    };
    let outcome = if owing.is_within {
        "this packet is within"
    } else {
        "this packet is beyond"
    };
    format!(
        "{who} owes {} of {} {units} ({} per second): {outcome}",
        figure(owing.owed),
        figure(owing.burst),
        figure(owing.per_second)
    )
}

/// A figure with at most two decimals, and none that are zero.
fn figure(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// A time in whole seconds, or what is left of the last one.
fn spoken(left: Duration) -> String {
    let rounded = if left >= Duration::from_secs(1) {
        Duration::from_secs(left.as_secs())
    } else {
        Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(0))
    };
    humantime::format_duration(rounded).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_short_as_they_can_be() {
        for (value, expected) in [
            (0.0, "0"),
            (1000.0, "1000"),
            (99.999_999, "100"),
            (0.5, "0.5"),
            (12.345, "12.35"),
        ] {
            assert_eq!(figure(value), expected);
        }
    }

    #[test]
    fn times_are_whole_seconds_until_the_last() {
        assert_eq!(spoken(Duration::from_millis(90_500)), "1m 30s");
        assert_eq!(spoken(Duration::from_millis(300)), "300ms");
    }
}
