//! Which IPv6 sources are behind the tags.
//!
//! A tag of an IPv6 source is a keyed mix and cannot be read back. But the peers of the host's own
//! TCP sockets are known, half-open ones included, and their tags can be made; so whoever has a
//! connection can be named, and whoever only sends packets that are dropped cannot.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv6Addr;

use anyhow::Context as _;
use gateway_common::address::Address;

use crate::xdp::stats::Debts;

/// The sockets of this network namespace.
const SOCKETS: &str = "/proc/self/net/tcp6";
/// Bytes read of it at most: about 50,000 sockets. Peers beyond stay unnamed.
const BYTES_MAX: u64 = 8 << 20;

/// The networks of connected peers.
///
/// # Errors
/// As reading does; a host without IPv6 has none.
pub(super) fn connected() -> anyhow::Result<HashSet<Ipv6Addr>> {
    let file = match std::fs::File::open(SOCKETS) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{SOCKETS}`")),
    };
    let mut networks = HashSet::new();
    for line in BufReader::new(file.take(BYTES_MAX)).lines() {
        let line = line.with_context(|| format!("cannot read `{SOCKETS}`"))?;
        networks.extend(network(&line));
    }
    Ok(networks)
}

/// The /64 of the peer in a line of the socket table; `None` for headings and for peers that are
/// no IPv6 ones.
fn network(line: &str) -> Option<Ipv6Addr> {
    let remote = line.split_whitespace().nth(2)?;
    let (address, _port) = remote.split_once(':')?;
    // Four words of the address, each printed as a number of this host's byte order.
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        u32::from_str_radix(word, 16).ok()
    });
    let words: Vec<u32> = words.collect::<Option<_>>()?;
    let [first, second, third, fourth] = words.as_slice().try_into().ok()?;
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_mut(4).zip([first, second, third, fourth]) {
        place.copy_from_slice(&u32::to_ne_bytes(word));
    }
    let address = Ipv6Addr::from(bytes);
    if address.to_ipv4_mapped().is_some() || address.is_unspecified() {
        return None;
    }
    Some(Ipv6Addr::from(u128::from(address) >> 64 << 64))
}

/// The networks behind the tags of `debts`, as far as they are among `networks`, with the numbers
/// of their classes.
pub(super) fn resolve(
    debts: &Debts,
    networks: &HashSet<Ipv6Addr>,
) -> HashMap<u64, (Ipv6Addr, u32)> {
    let wanted: HashSet<u64> = debts.sources.iter().map(|bucket| bucket.tag).collect();
    let mut found = HashMap::new();
    for network in networks {
        let address = Address::v6(network.octets());
        for limit in &debts.limits {
            let tag = address.tag(&limit.class);
            if wanted.contains(&tag) {
                found.insert(tag, (*network, limit.class.number));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use gateway_common::address::{Class, KIND_PACKETS};
    use gateway_common::limit::{Limit, Rate};

    use super::*;
    use crate::store::bucket::OwingBucket;
    use crate::xdp::stats::ClassLimit;

    #[test]
    fn a_connected_peer_is_named_by_its_network() {
        // As the kernel prints 2001:db8:1:2:3:4:5:6 on a host with this one's byte order.
        let address: Ipv6Addr = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        let printed: String = address
            .octets()
            .chunks(4)
            .map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap())))
            .collect();
        let line = format!("   0: 00000000000000000000000001000000:20FB {printed}:D431 01 0:0");
        let network = network(&line).unwrap();
        assert_eq!(network, "2001:db8:1:2::".parse::<Ipv6Addr>().unwrap());

        let class = Class::new(KIND_PACKETS, 3, 77);
        let tag = Address::v6(address.octets()).tag(&class);
        let debts = Debts {
            sources: vec![OwingBucket { tag, tat: 1 }, OwingBucket { tag: 5, tat: 1 }],
            limits: vec![ClassLimit {
                class,
                limit: Limit::new(Rate::per_second(1), 1, 1).unwrap(),
            }],
            ..Debts::default()
        };
        let found = resolve(&debts, &HashSet::from([network]));
        assert_eq!(found, HashMap::from([(tag, (network, class.number))]));
    }

    #[test]
    fn headings_listeners_and_mapped_peers_are_no_ipv6_sources() {
        for line in [
            "  sl  local_address                         remote_address                        st",
            "   0: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A",
            "   1: 0000000000000000FFFF00000100007F:20FB 0000000000000000FFFF00000100007F:D431 01",
            "   2: short",
            "",
        ] {
            assert_eq!(network(line), None, "{line}");
        }
        assert!(connected().is_ok());
    }
}
