//! Whom the kernel may keep out, because every API would.
//!
//! A statement of a resource policy that denies all of its API to whole ranges of addresses says what
//! a deny list says. The kernel's lists hold for every listener, so a range counts only if every API on
//! every listener denies it. Listeners on loopback addresses are left out of that: nobody from elsewhere
//! reaches them, and loopback is never denied. Neither is a trusted proxy, whose clients the policies
//! mean, nor who is never judged. Who is dropped gets no 403.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Api, ApiName, Definition, Gateway, Listener, ListenerName, Prefix, Stage};
use crate::language::policy::{ApiScope, Policy, offloads};

/// Ranges that are handed to the kernel; of more, the largest.
pub const OFFLOADED_MAX: usize = 4_096;

/// Why nothing can be kept out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hindrance {
    /// A listener that is to answer everybody itself.
    #[error(
        "the kernel's lists hold for every listener: nothing is offloaded before `{0}` has \
         `kernel_offload: true` too"
    )]
    Listener(ListenerName),
    /// An API that answers everybody.
    #[error("nothing is offloaded while the API `{0}` has no resource policy")]
    Api(ApiName),
}

/// The ranges that every API of `gateway` denies; none where no listener offloads. None covers
/// another.
///
/// # Errors
/// See [`Hindrance`].
pub fn offloaded(gateway: &Gateway) -> Result<Vec<Prefix>, Hindrance> {
    let listeners = || gateway.listeners.iter();
    if !listeners().any(|listener| listener.kernel_offload) {
        return Ok(Vec::new());
    }
    let is_open = |it: &&Listener| !it.kernel_offload && !it.address.ip().is_loopback();
    if let Some(open) = listeners().find(is_open) {
        return Err(Hindrance::Listener(open.name.clone()));
    }
    let offloading = |name: &ListenerName| {
        let mut all = listeners();
        all.any(|listener| listener.kernel_offload && listener.name == *name)
    };
    let mut common: Option<Vec<Prefix>> = None;
    for api in gateway
        .apis
        .iter()
        .filter(|api| answers(api, gateway, &offloading))
    {
        for definition in api.stages.iter().flat_map(Stage::definitions) {
            let denied = denied(api, definition, gateway)?;
            common = Some(match common {
                None => outermost(denied),
                Some(common) => intersection(&common, &denied),
            });
        }
    }
    let mut kept = common.unwrap_or_default();
    let proxies = listeners().flat_map(Listener::proxies);
    let spared = proxies.chain(gateway.lists.management.iter().copied());
    for hole in spared.chain(loopback()) {
        kept = kept
            .iter()
            .flat_map(|range| without(*range, &hole))
            .collect();
    }
    kept.sort_unstable_by_key(|range| (range.length(), *range));
    kept.truncate(OFFLOADED_MAX);
    kept.sort_unstable();
    Ok(kept)
}

/// Whether an API answers on a listener that offloads, itself or behind a domain.
fn answers(api: &Api, gateway: &Gateway, offloading: &dyn Fn(&ListenerName) -> bool) -> bool {
    let domains = gateway.domains.iter().filter(|domain| {
        let mut led_to = domain.apis();
        led_to.any(|name| *name == api.name)
    });
    let of_domains = domains.flat_map(|domain| &domain.listeners);
    api.listeners.iter().chain(of_domains).any(offloading)
}

/// What an API denies to everybody, by a definition that one of its stages serves.
fn denied(api: &Api, definition: &Definition, gateway: &Gateway) -> Result<Vec<Prefix>, Hindrance> {
    let policy: Option<&Policy> = definition.policy.as_deref();
    let policy = policy.ok_or_else(|| Hindrance::Api(api.name.clone()))?;
    let identity = &gateway.identity;
    let scope = ApiScope {
        partition: identity.partition.clone(),
        region: identity.region.clone(),
        account: identity.account.clone(),
        api_id: api.id.to_string(),
    };
    let statements = offloads(policy, &scope);
    let sources = statements.iter().flat_map(|statement| statement.sources);
    let prefix = |source: &crate::language::policy::Cidr| {
        Prefix::containing(source.network(), source.length())
    };
    Ok(sources.map(prefix).collect())
}

fn loopback() -> [Prefix; 2] {
    [
        Prefix::containing(Ipv4Addr::LOCALHOST.into(), 8),
        Prefix::host(Ipv6Addr::LOCALHOST.into()),
    ]
}

fn intersection(one: &[Prefix], other: &[Prefix]) -> Vec<Prefix> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let inner = pairs.filter_map(|(a, b)| match (a.covers(b), b.covers(a)) {
        (true, _) => Some(*b),
        (false, true) => Some(*a),
        (false, false) => None,
    });
    outermost(inner.collect())
}

/// Those that no other one covers.
fn outermost(mut ranges: Vec<Prefix>) -> Vec<Prefix> {
    ranges.sort_unstable();
    ranges.dedup_by(|inner, outer| outer.covers(inner));
    ranges
}

/// What is left of a range behind a hole.
fn without(range: Prefix, hole: &Prefix) -> Vec<Prefix> {
    if hole.covers(&range) {
        return Vec::new();
    }
    let mut left = Vec::new();
    let mut around = range;
    // Of the two halves one has the hole in it, until it is the hole.
    while around.covers(hole) && around != *hole {
        let [low, high] = halves(around);
        let (with, free) = if low.covers(hole) {
            (low, high)
        } else {
            (high, low)
        };
        left.push(free);
        around = with;
    }
    if around == range {
        left.push(range);
    }
    left
}

/// The halves of a range that is no single address.
fn halves(range: Prefix) -> [Prefix; 2] {
    let length = range.length().saturating_add(1);
    let high = match range.network() {
        IpAddr::V4(v4) => {
            let bit = 1_u32.checked_shl(32_u32.saturating_sub(length.into()));
            Ipv4Addr::from(u32::from(v4) | bit.unwrap_or(0)).into()
        }
        IpAddr::V6(v6) => {
            let bit = 1_u128.checked_shl(128_u32.saturating_sub(length.into()));
            Ipv6Addr::from(u128::from(v6) | bit.unwrap_or(0)).into()
        }
    };
    [range.network(), high].map(|network| Prefix::containing(network, length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixes(texts: &[&str]) -> Vec<Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_hole_leaves_everything_around_it() {
        for (range, hole, left) in [
            (
                "192.0.2.0/30",
                "192.0.2.1",
                &["192.0.2.2/31", "192.0.2.0"][..],
            ),
            ("192.0.2.0/24", "192.0.2.0/24", &[]),
            ("192.0.2.7", "192.0.0.0/16", &[]),
            ("192.0.2.0/24", "198.51.100.0/24", &["192.0.2.0/24"]),
            ("192.0.2.0/24", "2001:db8::/32", &["192.0.2.0/24"]),
            ("2001:db8::/126", "2001:db8::4", &["2001:db8::/126"]),
            ("2001:db8::/127", "2001:db8::1", &["2001:db8::"]),
        ] {
            let found = without(range.parse().unwrap(), &hole.parse().unwrap());
            assert_eq!(found, prefixes(left), "{range} {hole}");
        }
        let all = without("0.0.0.0/0".parse().unwrap(), &"10.1.2.3".parse().unwrap());
        assert_eq!(all.len(), 32);
    }

    fn range() -> impl Strategy<Value = Prefix> {
        // Few addresses, so that ranges meet.
        let address = any::<u8>().prop_map(|low| Ipv4Addr::from(0xc000_0200 | u32::from(low)));
        let v4 = (address, 20_u8..=32).prop_map(|(a, length)| Prefix::containing(a.into(), length));
        let v6 = (any::<u8>(), 110_u8..=128).prop_map(|(low, length)| {
            let address = Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(low));
            Prefix::containing(address.into(), length)
        });
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn sets_are_what_they_say_of_every_address(
            one in proptest::collection::vec(range(), 0..6),
            other in proptest::collection::vec(range(), 0..6),
            asked in range(),
        ) {
            let address = asked.network();
            let is_in = |ranges: &[Prefix]| ranges.iter().any(|range| range.contains(address));
            let both = intersection(&one, &other);
            prop_assert_eq!(is_in(&both), is_in(&one) && is_in(&other));
            let mut left = one.clone();
            for hole in &other {
                left = left.iter().flat_map(|range| without(*range, hole)).collect();
            }
            prop_assert_eq!(is_in(&left), is_in(&one) && !is_in(&other));
        }
    }
}
