//! Who gives way in the tables of sources and of callers.

use gateway_common::limit::{COST_MAX, Limit};

use crate::model::Gateway;

/// The least slack of all limits that charge the table of sources: nobody whom one of them refuses
/// owes so little.
///
/// All limits of all listeners share the table, and what is one unit to a slow one is a full bucket
/// to a fast one. So the newcomer's own limit does not decide alone who gives way to it. The program
/// and the daemon charge the same lines and go by the same figure, which is why it counts limits that
/// the daemon itself charges nothing to.
///
/// The default leaves nothing: only who owes nothing gives way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeastSlack {
    ns: u64,
}

/// What an identity may owe to give way to a newcomer that comes under `limit`, in nanoseconds: what one unit
/// costs, and less than whoever is refused one owes.
#[must_use]
pub fn yields_ns(limit: &Limit) -> u64 {
    limit.increment(1).min(limit.slack_ns(1))
}

impl LeastSlack {
    /// Of the limits that `gateway` has in force; what nothing is charged to does not count.
    #[must_use]
    pub fn of(gateway: &Gateway) -> Self {
        let edge = &gateway.edge;
        // A packet is refused when its bytes do not fit, however many they are.
        let of_listeners = gateway.listeners.iter().flat_map(|listener| {
            let own = &listener.edge;
            [
                (own.connections.resolve(edge.connections).0, 1),
                (own.packets.resolve(edge.packets).0, 1),
                (own.bytes.resolve(edge.bytes).0, COST_MAX),
            ]
        });
        let other = &edge.other_traffic;
        let of_all = [
            (other.is_limited().then_some(other.packets), 1),
            // Penalties are paid off even when none are given any more.
            (Some(edge.trickle), 1),
        ];
        let slack = of_listeners
            .chain(of_all)
            .filter_map(|(rate, cost)| Some(rate?.source.slack_ns(cost)));
        Self {
            ns: slack.min().unwrap_or(0),
        }
    }

    /// What a source may owe to give way to a newcomer under `limit`: one unit of that, and less than
    /// whoever is refused owes.
    #[must_use]
    pub fn yields_ns(self, limit: &Limit) -> u64 {
        limit.increment(1).min(self.ns)
    }
}
