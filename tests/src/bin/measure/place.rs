//! Objects loaded for a measurement, with a listener of each family, and the frames they judge.

use anyhow::{Context as _, anyhow};
use aya::maps::HashMap;
use aya::maps::lpm_trie::{Key, LpmTrie};
use gateway_common::address::{self, Address, Class, KIND_CONNECTIONS, KIND_PACKETS, KIND_TRICKLE};
use gateway_common::bucket::{PlainLine, Way, mix};
use gateway_common::capacity::{LIST_IPV4_FILTER_WORDS, SOURCE_LINE_BITS};
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::limit::{Limit, Rate};
use gateway_common::list::{self, PlainEntry, ipv4_prefix_data};
use gateway_common::name;
use gateway_common::settings::{Control, FLAG_LISTS, Rules, Settings, SourceLimit};
use gateway_tests::object::{Listening, Object, Orders};
use gateway_tests::packet::{self, ACK, SYN, TCP};

/// Port of the listener.
pub(crate) const PORT: u16 = 443;
/// Where the client's packets come from.
pub(crate) const CLIENT_PORT: u16 = 40_000;
/// The listener's address.
pub(crate) const SERVER: u32 = 0xc0a8_0001;
/// A client within every limit.
pub(crate) const CLIENT: u32 = 0xc0a8_0101;
/// Prefixes in the table that is called full.
pub(crate) const PREFIXES: u32 = 1_000_000;

/// The listener's address in IPv6.
fn server6() -> Address {
    Address::v6_halves(*b"\x20\x01\x0d\xb8\0\0\0\x01", *b"\0\0\0\0\0\0\0\x01")
}

/// How many packets a source may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) per_second: u64,
    pub(crate) burst: u64,
    /// Whether the clock is read for each charge.
    pub(crate) precise: bool,
}

impl Allowance {
    /// One packet per nanosecond: charged for every packet, and never in debt.
    pub(crate) const UNREACHED: Self = Self {
        per_second: 1_000_000_000,
        burst: 1 << 20,
        precise: false,
    };

    fn limit(self) -> anyhow::Result<SourceLimit> {
        let limit = Limit::new(Rate::per_second(self.per_second), self.burst, 1)
            .map_err(|error| anyhow!("{error:?}"))?;
        Ok(SourceLimit {
            source: limit,
            yields_ns: limit.increment(1),
            precise: u64::from(self.precise),
            ..SourceLimit::default()
        })
    }
}

/// Puts listeners and a packet limit in force.
pub(crate) fn furnish(mut object: Object, allowance: Allowance) -> anyhow::Result<Object> {
    let settings = Settings {
        seed: 0x5bd1_e995_9d1b_54a3,
        endpoint_seed: 7,
        ..Settings::default()
    };
    let packets = SourceLimit {
        class: Class::new(KIND_PACKETS, 0, settings.seed),
        ..allowance.limit()?
    };
    let none = SourceLimit::default();
    object.apply(Orders {
        settings,
        rules: Rules {
            limits: [none, packets, none],
            ..Rules::default()
        },
    })?;
    for address in [Address::v4(SERVER), server6()] {
        object.listen(Listening {
            address,
            protocol: TCP,
            port: PORT,
        })?;
    }
    Ok(object)
}

/// Puts a source so deep in debt that it stays limited: refusals write nothing.
pub(crate) fn indebt(object: &mut Object, source: u32) -> anyhow::Result<()> {
    let settings = object.settings();
    let tag = Address::v4(source).tag(&Class::new(KIND_PACKETS, 0, settings.seed));
    let mut line = PlainLine::default();
    *line.ways.first_mut().context("a line has ways")? = Way { tag, tat: u64::MAX };
    let index = address::index(tag, settings.seed, SOURCE_LINE_BITS);
    Ok(object.sources()?.set(index, line, 0)?)
}

/// Puts a source so deep in debt that none of its connections gets through, its trickle's included.
pub(crate) fn shut_out(object: &mut Object, source: u32) -> anyhow::Result<()> {
    let (settings, rules) = (object.settings(), object.rules());
    let [_, packets, bytes] = rules.limits;
    let limit = |kind| SourceLimit {
        class: Class::new(kind, 0, settings.seed),
        ..packets
    };
    let (connections, trickle) = (limit(KIND_CONNECTIONS), limit(KIND_TRICKLE));
    object.apply(Orders {
        settings: Settings {
            trickle,
            ..settings
        },
        rules: Rules {
            limits: [connections, packets, bytes],
            ..rules
        },
    })?;
    for limit in [connections, trickle] {
        let tag = Address::v4(source).tag(&limit.class);
        let mut line = PlainLine::default();
        *line.ways.first_mut().context("a line has ways")? = Way { tag, tat: u64::MAX };
        let index = address::index(tag, settings.seed, SOURCE_LINE_BITS);
        object.sources()?.set(index, line, 0)?;
    }
    Ok(())
}

/// Penalises the flow from `source` to the listener for an offence that is not paid for.
pub(crate) fn penalise(object: &mut Object, source: u32) -> anyhow::Result<()> {
    let flow = FlowKey {
        source: Address::v4(source),
        destination: Address::v4(SERVER),
        ports: u32::from(CLIENT_PORT) << 16 | u32::from(PORT),
        protocol: u32::from(TCP),
    };
    let row = FlowRow {
        tag: 1,
        ..FlowRow::default()
    };
    let mut flows = HashMap::<_, FlowKey, FlowRow>::try_from(object.map(name::MAP_FLOWS)?)?;
    flows.insert(flow, row, 0)?;
    let mut line = PlainLine::default();
    *line.ways.first_mut().context("a line has ways")? = Way {
        tag: row.tag,
        tat: u64::MAX,
    };
    object.array(name::MAP_OFFENCES)?.set(row.line, line, 0)?;
    let control = Control {
        penalties: 1,
        ..Control::default()
    };
    Ok(object.array(name::MAP_CONTROL)?.set(0, control, 0)?)
}

/// Denies [`PREFIXES`] random prefixes of 24 to 31 bits, the client's /24 not among them.
pub(crate) fn deny_many(object: &mut Object) -> anyhow::Result<()> {
    let entry = PlainEntry {
        deny_until_ns: list::NEVER,
        lists: 1 << list::LIST_OPERATOR,
        ..PlainEntry::default()
    };
    let [prefixes, _] = name::MAP_LIST4_PREFIX;
    let mut words = vec![0; LIST_IPV4_FILTER_WORDS as usize];
    let mut trie = LpmTrie::<_, [u8; 8], PlainEntry>::try_from(object.map(prefixes)?)?;
    let (mut count, mut number) = (0, 0);
    while count < PREFIXES {
        number += 1;
        let random = mix(number, 0x1d8e_4e27_c47d_124f);
        let length = 24 + u32::try_from(random & 7)?;
        let address = u32::try_from(random >> 32)? & u32::MAX << (32 - length);
        if address >> 8 == CLIENT >> 8 {
            continue;
        }
        trie.insert(&Key::new(length, ipv4_prefix_data(address)), entry, 0)?;
        let bit = list::ipv4_bit(address);
        let word = words.get_mut(bit.word as usize);
        *word.context("the filter covers every address")? |= bit.mask;
        count += 1;
    }
    let mut filter = object.array::<u64>(name::MAP_LIST4_FILTER)?;
    for (index, word) in (0..).zip(words) {
        filter.set(index, word, 0)?;
    }
    let settings = object.settings();
    object.adjust(Settings {
        flags: settings.flags | FLAG_LISTS,
        ..settings
    })
}

/// A TCP segment with ACK from `source` to the listener.
pub(crate) fn segment(source: u32) -> Vec<u8> {
    packet::frame4(&packet4(source))
}

/// A SYN from `source` to the listener.
pub(crate) fn attempt(source: u32) -> Vec<u8> {
    let payload = packet::tcp(CLIENT_PORT, PORT, SYN);
    packet::frame4(&packet::ipv4(source, SERVER, TCP, 0x4000, &payload))
}

/// [`segment`] with one VLAN tag.
pub(crate) fn tagged(source: u32) -> Vec<u8> {
    packet::ethernet(&[0x8100], 0x0800, &packet4(source))
}

/// [`segment`] over IPv6.
pub(crate) fn segment6() -> Vec<u8> {
    let client = Address::v6_halves(*b"\x20\x01\x0d\xb8\0\x05\0\x01", *b"\0\0\0\0\0\0\0\x09");
    let payload = packet::tcp(CLIENT_PORT, PORT, ACK);
    packet::frame6(&packet::ipv6(client, server6(), TCP, &payload))
}

/// A segment whose source the varying program changes in the bits of `mask`.
pub(crate) fn varying(mask: u32) -> Vec<u8> {
    let mut frame = segment(CLIENT);
    let orders = mask.to_ne_bytes().into_iter().chain([0; 8]);
    for (byte, order) in frame.iter_mut().zip(orders) {
        *byte = order;
    }
    frame
}

fn packet4(source: u32) -> Vec<u8> {
    let payload = packet::tcp(CLIENT_PORT, PORT, ACK);
    packet::ipv4(source, SERVER, TCP, 0x4000, &payload)
}
