//! The order of a judgement.
//!
//! Not IP, not ours: pass at once. For us: what is malformed or cannot be read is dropped, then
//! whoever is denied, then whoever is over a limit. What fails on our side passes and is counted.

use gateway_common::address::{self, Address, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::capacity::{
    AGGREGATE_BITS, ENDPOINT_LINE_BITS, LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS, RULES_COUNT,
    SOURCE_LINE_BITS,
};
use gateway_common::counter::Incident;
use gateway_common::endpoint;
use gateway_common::limit::Charge;
use gateway_common::list::{self, FilterBit, ListEntry, NEVER};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{
    FLAG_LIST_IPV6_SHORT, FLAG_LISTENERS, FLAG_LISTS, FLAG_UNPARSED_PASS, Rules, Settings,
};

use crate::datagram::{Content, Datagram, TCP, Target, UDP};
use crate::frame::Frame;
use crate::link::{self, Link};
use crate::tables::{Fault, Tables};
use crate::{ipv4, ipv6};

/// What becomes of a packet, and under what it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Its address family.
    pub family: Family,
    /// Its bytes, Ethernet header included.
    pub bytes: usize,
}

/// Judges one frame.
#[inline(always)]
pub fn judge<F: Frame, T: Tables>(frame: &F, tables: &T) -> Judgement {
    let (family, datagram) = match link::parse(frame) {
        Link::Ipv4(offset) => (Family::Ipv4, ipv4::parse(frame, offset)),
        Link::Ipv6(offset) => (Family::Ipv6, ipv6::parse(frame, offset)),
        Link::NotIp => unaddressed(frame, Content::NotIp),
        Link::TagsTooDeep => unaddressed(frame, Content::TagsTooDeep),
    };
    // From here on every packet takes the same way. What parsing learned are plain numbers now, so
    // that the verifier walks that way once and not once per way of parsing.
    let numbers = Numbers {
        family: frame.forget(family as usize),
        content: frame.forget(datagram.payload.content as usize),
    };
    let (verdict, reason) = match decide(frame, tables, &numbers, &datagram) {
        Ok(outcome) => outcome,
        Err(Fault) => {
            tables.incident(Incident::MapFailed);
            (Verdict::Pass, Reason::Fault)
        }
    };
    Judgement {
        verdict,
        reason,
        family: numbers.family(),
        bytes: datagram.bytes,
    }
}

/// Family and content by number.
struct Numbers {
    family: usize,
    content: usize,
}

impl Numbers {
    #[inline(always)]
    const fn family(&self) -> Family {
        match self.family {
            1 => Family::Ipv4,
            2 => Family::Ipv6,
            _ => Family::Other,
        }
    }

    #[inline(always)]
    const fn is(&self, content: Content) -> bool {
        self.content == content as usize
    }

    /// The kind of limit that a well-formed packet is charged to: both are numbered alike.
    #[inline(always)]
    fn kind(&self) -> u32 {
        // One bit is left, so this converts without a branch.
        u32::try_from(self.content & 1).unwrap_or(KIND_PACKETS)
    }
}

const _: () = assert!(Content::Opening as u32 == KIND_CONNECTIONS);
const _: () = assert!(Content::Ordinary as u32 == KIND_PACKETS);

#[inline(always)]
fn unaddressed<F: Frame>(frame: &F, content: Content) -> (Family, Datagram) {
    (
        Family::Other,
        Datagram::unaddressed(content, frame.linear()),
    )
}

type Outcome = (Verdict, Reason);

const NOT_OURS: Outcome = (Verdict::Pass, Reason::NotOurs);

#[inline(always)]
fn decide<F: Frame, T: Tables>(
    frame: &F,
    tables: &T,
    packet: &Numbers,
    datagram: &Datagram,
) -> Result<Outcome, Fault> {
    if packet.is(Content::NotIp) {
        return Ok((Verdict::Pass, Reason::NotIp));
    }
    if packet.is(Content::OtherProtocol) {
        return Ok(NOT_OURS);
    }
    if packet.is(Content::NoHeader) {
        // Nobody can say whom it was for, and the stack will refuse it as well.
        return Ok((Verdict::Pass, Reason::Malformed));
    }
    let generation = u32::try_from(tables.control()?.active & 1).map_err(|_wide| Fault)?;
    let settings = tables.settings(generation)?;
    if settings.flags & FLAG_LISTENERS == 0 {
        return Ok(NOT_OURS);
    }
    if packet.is(Content::TagsTooDeep) {
        // Whom it is for cannot be known: it counts as ours, because we listen here.
        return Ok(unparsed(settings));
    }
    let Some(listener) = find_listener(tables, settings, datagram)? else {
        return Ok(NOT_OURS);
    };
    let rules = tables.rules(generation * RULES_COUNT as u32 + listener)?;
    if packet.is(Content::Malformed) {
        return Ok((Verdict::Drop, Reason::Malformed));
    }
    if packet.is(Content::OutOfReach) {
        return Ok(unparsed(settings));
    }
    if packet.is(Content::Fragment) {
        return Ok((Verdict::Drop, Reason::Fragment));
    }
    if settings.flags & FLAG_LISTS != 0
        && is_denied(tables, settings, packet.family(), datagram.source)?
    {
        return Ok((Verdict::Drop, Reason::Denied));
    }
    let limited = is_limited(
        frame,
        tables,
        settings,
        rules,
        packet.kind(),
        datagram.source,
    )?;
    Ok(match (limited, packet.is(Content::Opening)) {
        (true, true) => (Verdict::Drop, Reason::ConnectionRate),
        (true, false) => (Verdict::Drop, Reason::PacketRate),
        (false, true) => (Verdict::Pass, Reason::NewConnection),
        (false, false) => (Verdict::Pass, Reason::Admitted),
    })
}

#[inline(always)]
const fn unparsed(settings: &Settings) -> Outcome {
    if settings.flags & FLAG_UNPARSED_PASS == 0 {
        (Verdict::Drop, Reason::UnparsedToUs)
    } else {
        (Verdict::Pass, Reason::UnparsedToUs)
    }
}

/// The listener that answers on the destination, as far as the packet says what that is.
#[inline(always)]
fn find_listener<T: Tables>(
    tables: &T,
    settings: &Settings,
    datagram: &Datagram,
) -> Result<Option<u32>, Fault> {
    let find = |key: u64| {
        let index = endpoint::line_index(
            datagram.destination,
            key,
            settings.endpoint_seed,
            ENDPOINT_LINE_BITS,
        );
        let generation = (settings.endpoint_generation & 1) << ENDPOINT_LINE_BITS;
        let line = tables.endpoint_line(generation | index)?;
        Ok(line
            .find(datagram.destination, key)
            .map(|entry| entry.listener))
    };
    match datagram.payload.target {
        Target::UNKNOWN => match find(endpoint::key(TCP, 0))? {
            Some(listener) => Ok(Some(listener)),
            None => find(endpoint::key(UDP, 0)),
        },
        Target(key) => find(key),
    }
}

#[inline(always)]
fn is_denied<T: Tables>(
    tables: &T,
    settings: &Settings,
    family: Family,
    source: Address,
) -> Result<bool, Fault> {
    let generation = settings.list_generation & 1;
    if family == Family::Ipv4 {
        // The lower half of a mapped address ends in the IPv4 address.
        let [_, _, _, _, key @ ..] = source.low.to_be_bytes();
        let bit = list::ipv4_bit(u32::from_be_bytes(key));
        let word = tables.list_ipv4_filter(generation * LIST_IPV4_FILTER_WORDS + bit.word)?;
        if word & bit.mask == 0 {
            return Ok(false);
        }
        Ok(in_force(tables, tables.list_ipv4_exact(generation, &key))?
            || in_force(tables, tables.list_ipv4_prefix(generation, &key))?)
    } else {
        if !ipv6_suspect(tables, settings, generation, source)? {
            return Ok(false);
        }
        let key = (u128::from(source.high) << 64 | u128::from(source.low)).to_be_bytes();
        Ok(in_force(tables, tables.list_ipv6_exact(generation, &key))?
            || in_force(tables, tables.list_ipv6_prefix(generation, &key))?)
    }
}

/// Whether the filter knows of anything that could cover `source`.
#[inline(always)]
fn ipv6_suspect<T: Tables>(
    tables: &T,
    settings: &Settings,
    generation: u32,
    source: Address,
) -> Result<bool, Fault> {
    let words = 1 << (LIST_IPV6_FILTER_BITS - 6);
    let is_set = |bit: FilterBit| {
        let word = tables.list_ipv6_filter(generation * words + bit.word)?;
        Ok(word & bit.mask != 0)
    };
    let seed = settings.seed;
    Ok(settings.flags & FLAG_LIST_IPV6_SHORT != 0
        || is_set(list::ipv6_48_bit(source.high, seed, LIST_IPV6_FILTER_BITS))?
        || is_set(list::ipv6_32_bit(source.high, seed, LIST_IPV6_FILTER_BITS))?)
}

#[inline(always)]
fn in_force<T: Tables>(tables: &T, entry: Option<&ListEntry<T::Word>>) -> Result<bool, Fault> {
    match entry {
        None => Ok(false),
        Some(entry) if entry.deny_until_ns == NEVER => Ok(true),
        Some(entry) => Ok(entry.denies(tables.now()?)),
    }
}

#[inline(always)]
fn is_limited<F: Frame, T: Tables>(
    frame: &F,
    tables: &T,
    settings: &Settings,
    rules: &Rules,
    kind: u32,
    source: Address,
) -> Result<bool, Fault> {
    let limit = rules.limits.get(kind as usize).ok_or(Fault)?;
    if limit.source.is_off() {
        return Ok(false);
    }
    let now = if limit.precise == 0 {
        tables.now()?
    } else {
        tables.now_precise()
    };
    let seed = settings.seed;
    let tag = source.tag(&limit.class);
    let line = tables.source_line(address::index(tag, seed, SOURCE_LINE_BITS))?;
    let charge = match line.position_or_claim(tag, now, &limit.source) {
        Some(index) => {
            let way = line.ways.get(frame.forget(index)).ok_or(Fault)?;
            limit.source.charge_bounded(&way.tat, now, 1)
        }
        None => {
            tables.incident(Incident::LineFull);
            if limit.aggregate.is_off() {
                return Ok(false);
            }
            let tag = source.aggregate_tag(&limit.class);
            let word = tables.aggregate(address::index(tag, seed, AGGREGATE_BITS))?;
            limit.aggregate.charge_bounded(word, now, 1)
        }
    };
    match charge {
        Charge::Limited { .. } => Ok(true),
        Charge::Admitted { .. } => Ok(false),
        Charge::AdmittedAfterRaces => {
            tables.incident(Incident::RacesLost);
            Ok(false)
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
