//! What a configuration asks of the program, in the program's own terms.

use gateway_common::address::{
    KIND_BYTES, KIND_CONNECTIONS, KIND_OTHER, KIND_PACKETS, KIND_TRICKLE,
};
use gateway_common::capacity::RULES_COUNT;
use gateway_common::reason::Reason;
use gateway_common::settings::{
    FLAG_COOKIES, FLAG_UNPARSED_PASS, NEWCOMERS_COUNT, Rules as ListenerRules, Settings,
    SharedLimit, SourceLimit, UDP_REPLY_PORTS_MAX,
};

use crate::model::{Edge, Gateway, Listener, SharedRate, SourceRate, UnparsedToUs};
use crate::store::bucket::{LeastSlack, Owner, source_limit};

/// Ticks that a burst must be worth for the coarse clock to serve.
const COARSE_TICKS_MIN: u128 = 4;

/// The rules of every listener, and what holds for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// By listener number; the first are those of the host itself.
    pub(super) by_listener: Vec<ListenerRules>,
    flags: u32,
    events_per_second: u32,
    udp_reply_ports: [u16; UDP_REPLY_PORTS_MAX],
    other: SourceLimit,
    trickle: SourceLimit,
    newcomers: [SharedLimit; NEWCOMERS_COUNT],
}

/// Flags that rules decide about; the others belong to the tables.
const FLAGS: u32 = FLAG_UNPARSED_PASS | FLAG_COOKIES;

impl Rules {
    /// The rules of `gateway` for a kernel whose clock ticks every `tick_ns`, under the seed of
    /// the settings.
    pub(super) fn of(gateway: &Gateway, tick_ns: u64, seed: u64) -> Self {
        let edge = &gateway.edge;
        let kernel = Kernel {
            tick_ns,
            least: LeastSlack::of(gateway),
            seed,
        };
        let mut by_listener = vec![ListenerRules::default(); RULES_COUNT];
        let listeners = (1_u32..).zip(&gateway.listeners);
        let rules = listeners.map(|(number, listener)| kernel.rules(edge, number, listener));
        let host = ListenerRules {
            monitor: bits(&edge.monitor),
            ..ListenerRules::default()
        };
        for (place, rules) in by_listener
            .iter_mut()
            .zip(std::iter::once(host).chain(rules))
        {
            *place = rules;
        }
        let mut flags = 0;
        if edge.unparsed_to_us == UnparsedToUs::Pass {
            flags |= FLAG_UNPARSED_PASS;
        }
        if edge.under_attack.syn_cookies {
            flags |= FLAG_COOKIES;
        }
        let mut udp_reply_ports = [0; UDP_REPLY_PORTS_MAX];
        let ports = &edge.other_traffic.udp_reply_ports;
        for (place, port) in udp_reply_ports.iter_mut().zip(ports) {
            *place = *port;
        }
        Self {
            by_listener,
            flags,
            events_per_second: edge.events_per_second,
            udp_reply_ports,
            other: kernel.limit(KIND_OTHER, Owner::All, Some(edge.other_traffic.packets)),
            trickle: kernel.limit(KIND_TRICKLE, Owner::All, Some(edge.trickle)),
            newcomers: [
                kernel.shared(&edge.under_attack.newcomer_connections),
                kernel.shared(&edge.under_attack.newcomer_packets),
            ],
        }
    }

    /// `settings` with what these rules say for every listener.
    pub(super) const fn applied_to(&self, settings: Settings) -> Settings {
        Settings {
            flags: settings.flags & !FLAGS | self.flags,
            events_per_second: self.events_per_second,
            udp_reply_ports: self.udp_reply_ports,
            other: self.other,
            trickle: self.trickle,
            newcomers: self.newcomers,
            ..settings
        }
    }
}

/// What limits are compiled for.
struct Kernel {
    tick_ns: u64,
    least: LeastSlack,
    seed: u64,
}

impl Kernel {
    fn rules(&self, edge: &Edge, number: u32, listener: &Listener) -> ListenerRules {
        let own = &listener.edge;
        let limit =
            |kind, (rate, is_own)| self.limit(kind, Owner::of(listener, number, is_own), rate);
        ListenerRules {
            limits: [
                limit(KIND_CONNECTIONS, own.connections.resolve(edge.connections)),
                limit(KIND_PACKETS, own.packets.resolve(edge.packets)),
                limit(KIND_BYTES, own.bytes.resolve(edge.bytes)),
            ],
            monitor: bits(own.monitor.as_ref().unwrap_or(&edge.monitor)),
        }
    }

    fn limit(&self, kind: u32, owner: Owner<'_>, rate: Option<SourceRate>) -> SourceLimit {
        SourceLimit {
            precise: u64::from(
                rate.is_some_and(|rate| self.is_precise(rate.rate_micro_per_second, rate.burst)),
            ),
            ..source_limit(rate.as_ref(), kind, owner, self.least, self.seed)
        }
    }

    fn shared(&self, rate: &SharedRate) -> SharedLimit {
        SharedLimit {
            limit: rate.limit,
            precise: u64::from(self.is_precise(rate.rate_micro_per_second, rate.burst)),
        }
    }

    /// Whether a burst is worth less than four ticks, so that a clock read once per tick would not
    /// do.
    fn is_precise(&self, rate_micro_per_second: u64, burst: u64) -> bool {
        const MICRO_NANOS: u128 = 1_000_000 * 1_000_000_000;
        let four_ticks =
            COARSE_TICKS_MIN * u128::from(rate_micro_per_second) * u128::from(self.tick_ns);
        u128::from(burst) * MICRO_NANOS < four_ticks
    }
}

const _: () = assert!(KIND_CONNECTIONS == 0 && KIND_PACKETS == 1 && KIND_BYTES == 2);

fn bits(reasons: &std::collections::BTreeSet<Reason>) -> u64 {
    reasons.iter().fold(0, |bits, reason| bits | reason.bit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_less_than_four_ticks_asks_for_the_precise_clock() {
        let kernel = Kernel {
            tick_ns: 4_000_000,
            least: LeastSlack::default(),
            seed: 0,
        };
        let is_precise = |rate: u64, burst| kernel.is_precise(rate * 1_000_000, burst);
        // Four ticks of 4 ms at 1,000 per second are 16 units.
        assert!(is_precise(1_000, 15));
        assert!(!is_precise(1_000, 16));
        assert!(!is_precise(100, 1_000));
        assert!(is_precise(1_000_000, 1_000));
    }
}
