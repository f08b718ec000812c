//! The listeners as the program's endpoint table, and how other traffic is treated.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use gateway_common::address::Address;
use gateway_common::capacity::{ENDPOINT_LINE_BITS, ENDPOINT_MAX};
use gateway_common::endpoint::{
    Endpoint, EndpointLine, INTERFACE, LOCAL, interface, key, line_index,
};
use gateway_common::settings::OtherTraffic as Packed;

use super::error::EdgeError;
use super::interfaces::LocalAddress;
use crate::model::{Listener, OtherTraffic, Treatments};
use crate::store::bucket::source;

/// Protocol number of TCP.
const TCP: u8 = 6;
/// Seeds tried before giving up. With [`ENDPOINT_MAX`] entries about one in two hundred works.
const SEEDS_MAX: u32 = 1 << 16;

/// The lines that hold anything, under one seed.
#[derive(Clone, Debug, Default)]
pub(super) struct EndpointTable {
    pub(super) seed: u64,
    pub(super) lines: BTreeMap<u32, EndpointLine>,
    /// Whether there is an interface that does not simply pass other traffic.
    pub(super) treats_other_traffic: bool,
}

/// An interface that carries the program, and how it treats other traffic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Treating {
    pub(super) interface_index: u32,
    pub(super) treatments: Treatments,
}

/// How interfaces, by name and index, treat other traffic.
pub(super) fn treating<'a>(
    other: &OtherTraffic,
    interfaces: impl Iterator<Item = (&'a str, u32)>,
) -> Vec<Treating> {
    interfaces
        .map(|(name, interface_index)| Treating {
            interface_index,
            treatments: other.on(name),
        })
        .collect()
}

impl EndpointTable {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether both place the same entries in the same lines.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let entries = |table: &Self| -> Vec<_> {
            table
                .lines
                .iter()
                .map(|(&index, line)| (index, line.entries))
                .collect()
        };
        self.seed == other.seed && entries(self) == entries(other)
    }

    /// Expands `listeners` over the local addresses and places every destination, together with
    /// what `treating` says where it says anything.
    pub(super) fn build(
        listeners: &[Listener],
        local: &[LocalAddress],
        treating: &[Treating],
    ) -> Result<Self, EdgeError> {
        let mut endpoints = expand(listeners, local);
        let interfaces = treated(treating);
        let treats_other_traffic = !interfaces.is_empty();
        if treats_other_traffic {
            endpoints.extend(interfaces);
            endpoints.extend(local_entries(local));
        }
        if endpoints.len() > ENDPOINT_MAX {
            return Err(EdgeError::TooManyEndpoints {
                found: endpoints.len(),
                max: ENDPOINT_MAX,
            });
        }
        let (seed, lines) = (0..SEEDS_MAX)
            .map(u64::from)
            .find_map(|seed| Some((seed, place(&endpoints, seed)?)))
            .ok_or(EdgeError::NoEndpointSeed { tried: SEEDS_MAX })?;
        Ok(Self {
            seed,
            lines,
            treats_other_traffic,
        })
    }
}

/// One entry per interface that does not simply pass other traffic.
fn treated(treating: &[Treating]) -> Vec<Endpoint> {
    treating
        .iter()
        .filter_map(|treating| {
            let Treatments { tcp, udp, rest } = treating.treatments;
            let Packed(packed) = Packed::new(tcp, udp, rest);
            (packed != 0).then(|| Endpoint {
                address: interface(treating.interface_index),
                key: INTERFACE,
                listener: packed,
                reserved: 0,
            })
        })
        .collect()
}

/// One entry per address of this host. What is sent to many, by broadcast or multicast, is for no
/// address of it, and passes.
fn local_entries(local: &[LocalAddress]) -> Vec<Endpoint> {
    let addresses: BTreeSet<Address> = local.iter().map(|local| source(local.address)).collect();
    addresses
        .into_iter()
        .map(|address| Endpoint {
            address,
            key: LOCAL,
            listener: 0,
            reserved: 0,
        })
        .collect()
}

/// One entry per address and port, and one with port 0 per address, which decides for what names
/// no port. Where two listeners meet, the one with the address wins over the wildcard, as in the
/// kernel's own lookup.
fn expand(listeners: &[Listener], local: &[LocalAddress]) -> Vec<Endpoint> {
    let mut chosen: BTreeMap<(Halves, u64), (bool, u32)> = BTreeMap::new();
    for (number, listener) in (1_u32..).zip(listeners) {
        let wanted = listener.address.ip();
        let is_wildcard = wanted.is_unspecified();
        let addresses: Vec<IpAddr> = if is_wildcard {
            local
                .iter()
                .map(|local| local.address)
                .filter(|address| address.is_ipv4() == wanted.is_ipv4())
                .collect()
        } else {
            vec![wanted]
        };
        for address in addresses {
            let Address { high, low } = source(address);
            for port in [listener.address.port(), 0] {
                let entry = chosen
                    .entry(((high, low), key(TCP, port)))
                    .or_insert((is_wildcard, number));
                if entry.0 && !is_wildcard {
                    *entry = (is_wildcard, number);
                }
            }
        }
    }
    chosen
        .into_iter()
        .map(|(((high, low), key), (_, listener))| Endpoint {
            address: Address { high, low },
            key,
            listener,
            reserved: 0,
        })
        .collect()
}

/// An address that can be ordered.
type Halves = (u64, u64);

/// Places every endpoint under `seed`; `None` where a line would need a third entry.
fn place(endpoints: &[Endpoint], seed: u64) -> Option<BTreeMap<u32, EndpointLine>> {
    let mut lines: BTreeMap<u32, EndpointLine> = BTreeMap::new();
    for endpoint in endpoints {
        let index = line_index(endpoint.address, endpoint.key, seed, ENDPOINT_LINE_BITS);
        let line = lines.entry(index).or_default();
        let free = line.entries.iter_mut().find(|entry| entry.key == 0)?;
        *free = *endpoint;
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ListenerEdge, ListenerLimits, ListenerName, ListenerTimeouts};
    use gateway_common::settings::Treatment;
    use std::time::Duration;

    fn listener(address: &str) -> Listener {
        Listener {
            name: ListenerName::new(address),
            interface: None,
            kernel_offload: false,
            address: address.parse().unwrap(),
            tls: None,
            http2: true,
            trusted_proxies: Vec::new(),
            forwarded_header: crate::model::ForwardedHeader::default(),
            proxy_protocol: None,
            limits: ListenerLimits {
                connections_max: 1,
                connections_per_source_max: 1,
                header_bytes_max: 1,
                header_count_max: 1,
                http2_streams_max: 1,
                http2_resets_max: 1,
            },
            timeouts: ListenerTimeouts {
                handshake: Duration::ZERO,
                headers: Duration::ZERO,
                body: Duration::ZERO,
                idle: Duration::ZERO,
            },
            edge: ListenerEdge::default(),
        }
    }

    fn local(addresses: &[&str]) -> Vec<LocalAddress> {
        addresses
            .iter()
            .map(|text| LocalAddress {
                interface: "eth0".to_owned(),
                address: text.parse().unwrap(),
                is_loopback: false,
            })
            .collect()
    }

    fn find(table: &EndpointTable, address: &str, port: u16) -> Option<u32> {
        let address = source(address.parse().unwrap());
        let key = key(TCP, port);
        let index = line_index(address, key, table.seed, ENDPOINT_LINE_BITS);
        Some(table.lines.get(&index)?.find(address, key)?.listener)
    }

    #[test]
    fn a_wildcard_means_the_local_addresses_of_its_family() {
        let local = local(&["192.0.2.1", "2001:db8::1"]);
        let listeners = [
            listener("0.0.0.0:443"),
            listener("192.0.2.1:80"),
            listener("[::]:81"),
        ];
        let table = EndpointTable::build(&listeners, &local, &[]).unwrap();
        assert_eq!(find(&table, "192.0.2.1", 443), Some(1));
        assert_eq!(find(&table, "192.0.2.1", 80), Some(2));
        assert_eq!(find(&table, "192.0.2.1", 0), Some(2));
        assert_eq!(find(&table, "192.0.2.1", 81), None);
        assert_eq!(find(&table, "2001:db8::1", 81), Some(3));
        assert_eq!(find(&table, "192.0.2.2", 443), None);
    }

    #[test]
    fn an_address_wins_over_a_wildcard_on_the_same_port() {
        let local = local(&["192.0.2.1", "192.0.2.2"]);
        let listeners = [listener("0.0.0.0:443"), listener("192.0.2.1:443")];
        let table = EndpointTable::build(&listeners, &local, &[]).unwrap();
        assert_eq!(find(&table, "192.0.2.1", 443), Some(2));
        assert_eq!(find(&table, "192.0.2.2", 443), Some(1));
    }

    #[test]
    fn as_many_as_fit_are_placed_and_one_more_is_refused() {
        let addresses: Vec<LocalAddress> = (0..1_024_u32)
            .map(|number| LocalAddress {
                interface: "eth0".to_owned(),
                address: IpAddr::V4((0x0a00_0000 + number).into()),
                is_loopback: false,
            })
            .collect();
        let table = EndpointTable::build(&[listener("0.0.0.0:443")], &addresses, &[]).unwrap();
        let placed: usize = table
            .lines
            .values()
            .map(|line| line.entries.iter().filter(|entry| entry.key != 0).count())
            .sum();
        assert_eq!(placed, ENDPOINT_MAX);
        let listeners = [listener("0.0.0.0:443"), listener("192.0.2.1:443")];
        let error = EndpointTable::build(&listeners, &addresses, &[]).unwrap_err();
        assert!(matches!(
            error,
            EdgeError::TooManyEndpoints { found: 2_050, .. }
        ));
    }

    #[test]
    fn other_traffic_is_known_only_where_an_interface_does_not_pass_it() {
        let local = local(&["192.0.2.1", "2001:db8::1", "127.0.0.1"]);
        let listeners = [listener("192.0.2.1:443")];
        let build = |treatment| {
            let treatments = Treatments {
                udp: treatment,
                ..Treatments::default()
            };
            let interfaces = [(3, Treatments::default()), (7, treatments)];
            let treating = interfaces.map(|(interface_index, treatments)| Treating {
                interface_index,
                treatments,
            });
            EndpointTable::build(&listeners, &local, &treating).unwrap()
        };
        let entry = |table: &EndpointTable, address, key| {
            let index = line_index(address, key, table.seed, ENDPOINT_LINE_BITS);
            let found = table.lines.get(&index)?.find(address, key)?;
            Some(found.listener)
        };
        let host = source("127.0.0.1".parse().unwrap());

        let passing = build(Treatment::Pass);
        assert!(!passing.treats_other_traffic);
        assert_eq!(entry(&passing, host, LOCAL), None);
        assert_eq!(entry(&passing, interface(7), INTERFACE), None);

        let dropping = build(Treatment::Drop);
        assert!(dropping.treats_other_traffic);
        assert_eq!(entry(&dropping, host, LOCAL), Some(0));
        assert_eq!(entry(&dropping, interface(3), INTERFACE), None);
        let packed = Packed(entry(&dropping, interface(7), INTERFACE).unwrap());
        assert_eq!(packed.of(17), Treatment::Drop as u32);
        assert_eq!(packed.of(6), Treatment::Pass as u32);
        assert_eq!(find(&dropping, "192.0.2.1", 443), Some(1));
    }
}
