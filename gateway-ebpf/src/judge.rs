//! The order of a judgement.
//!
//! Not IP, not ours: pass at once. For us: what is malformed or cannot be read is dropped, then
//! whoever is denied, then whoever is over a limit. What fails on our side passes and is counted.

use gateway_common::address::{self, Address, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::capacity::{
    AGGREGATE_BITS, DENY_IPV4_FILTER_WORDS, DENY_IPV6_FILTER_BITS, ENDPOINT_LINE_BITS,
    SOURCE_LINE_BITS,
};
use gateway_common::counter::Incident;
use gateway_common::deny::{self, DenyEntry, FilterBit, NEVER};
use gateway_common::endpoint;
use gateway_common::limit::Charge;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{
    FLAG_DENY, FLAG_DENY_IPV6_SHORT, FLAG_LISTENERS, FLAG_UNPARSED_PASS, Settings, SourceLimit,
};

use crate::datagram::{Content, Datagram, Parsed, TCP, Target, UDP};
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
    let mut bytes = frame.linear();
    let (family, outcome) = match link::parse(frame) {
        Link::NotIp => (Family::Other, Ok((Verdict::Pass, Reason::NotIp))),
        Link::TagsTooDeep => (Family::Other, too_deep(tables)),
        Link::Ipv4(offset) => {
            let parsed = ipv4::parse(frame, offset);
            (
                Family::Ipv4,
                packet(tables, Family::Ipv4, &parsed, &mut bytes),
            )
        }
        Link::Ipv6(offset) => {
            let parsed = ipv6::parse(frame, offset);
            (
                Family::Ipv6,
                packet(tables, Family::Ipv6, &parsed, &mut bytes),
            )
        }
    };
    let (verdict, reason) = match outcome {
        Ok(outcome) => outcome,
        Err(Fault) => {
            tables.incident(Incident::MapFailed);
            (Verdict::Pass, Reason::Fault)
        }
    };
    Judgement {
        verdict,
        reason,
        family,
        bytes,
    }
}

type Outcome = (Verdict, Reason);

const NOT_OURS: Outcome = (Verdict::Pass, Reason::NotOurs);

/// Whom a frame with too many tags is for cannot be known: it counts as ours where we listen.
#[inline(always)]
fn too_deep<T: Tables>(tables: &T) -> Result<Outcome, Fault> {
    let settings = tables.settings()?;
    Ok(if settings.flags & FLAG_LISTENERS == 0 {
        NOT_OURS
    } else {
        unparsed(settings)
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

#[inline(always)]
fn packet<T: Tables>(
    tables: &T,
    family: Family,
    parsed: &Parsed,
    bytes: &mut usize,
) -> Result<Outcome, Fault> {
    let datagram = match parsed {
        Parsed::Datagram(datagram) => datagram,
        Parsed::OtherProtocol => return Ok(NOT_OURS),
        // Nobody can say whom it was for, and the stack will refuse it as well.
        Parsed::NoHeader => return Ok((Verdict::Pass, Reason::Malformed)),
    };
    *bytes = datagram.bytes;
    let settings = tables.settings()?;
    if settings.flags & FLAG_LISTENERS == 0 || !is_ours(tables, settings, datagram)? {
        return Ok(NOT_OURS);
    }
    let kind = match datagram.content {
        Content::Malformed => return Ok((Verdict::Drop, Reason::Malformed)),
        Content::OutOfReach => return Ok(unparsed(settings)),
        Content::Fragment => return Ok((Verdict::Drop, Reason::Fragment)),
        Content::Opening => KIND_CONNECTIONS,
        Content::Ordinary => KIND_PACKETS,
    };
    if settings.flags & FLAG_DENY != 0 && is_denied(tables, settings, family, datagram.source)? {
        return Ok((Verdict::Drop, Reason::Denied));
    }
    let [connections, packets] = &settings.limits;
    let (limit, refusal, admission) = if kind == KIND_CONNECTIONS {
        (connections, Reason::ConnectionRate, Reason::NewConnection)
    } else {
        (packets, Reason::PacketRate, Reason::Admitted)
    };
    if is_limited(tables, settings, limit, kind, datagram.source)? {
        Ok((Verdict::Drop, refusal))
    } else {
        Ok((Verdict::Pass, admission))
    }
}

/// Whether a listener answers on the destination, as far as the packet says what that is.
#[inline(always)]
fn is_ours<T: Tables>(tables: &T, settings: &Settings, datagram: &Datagram) -> Result<bool, Fault> {
    let find = |key: u64| {
        let index = endpoint::line_index(
            datagram.destination,
            key,
            settings.endpoint_seed,
            ENDPOINT_LINE_BITS,
        );
        let generation = (settings.endpoint_generation & 1) << ENDPOINT_LINE_BITS;
        let line = tables.endpoint_line(generation | index)?;
        Ok(line.find(datagram.destination, key).is_some())
    };
    match datagram.target {
        Target::Port(protocol, port) => find(endpoint::key(protocol, port)),
        Target::Protocol(protocol) => find(endpoint::key(protocol, 0)),
        Target::Unknown => Ok(find(endpoint::key(TCP, 0))? || find(endpoint::key(UDP, 0))?),
    }
}

#[inline(always)]
fn is_denied<T: Tables>(
    tables: &T,
    settings: &Settings,
    family: Family,
    source: Address,
) -> Result<bool, Fault> {
    let generation = settings.deny_generation & 1;
    let (exact, prefix) = if family == Family::Ipv4 {
        // The lower half of a mapped address ends in the IPv4 address.
        let [_, _, _, _, key @ ..] = source.low.to_be_bytes();
        let bit = deny::ipv4_bit(u32::from_be_bytes(key));
        let word = tables.deny_ipv4_filter(generation * DENY_IPV4_FILTER_WORDS + bit.word)?;
        if word & bit.mask == 0 {
            return Ok(false);
        }
        (
            tables.deny_ipv4_exact(generation, &key),
            tables.deny_ipv4_prefix(generation, &key),
        )
    } else {
        if !ipv6_suspect(tables, settings, generation, source)? {
            return Ok(false);
        }
        let key = (u128::from(source.high) << 64 | u128::from(source.low)).to_be_bytes();
        (
            tables.deny_ipv6_exact(generation, &key),
            tables.deny_ipv6_prefix(generation, &key),
        )
    };
    Ok(in_force(tables, exact)? || in_force(tables, prefix)?)
}

/// Whether the filter knows of anything that could cover `source`.
#[inline(always)]
fn ipv6_suspect<T: Tables>(
    tables: &T,
    settings: &Settings,
    generation: u32,
    source: Address,
) -> Result<bool, Fault> {
    let words = 1 << (DENY_IPV6_FILTER_BITS - 6);
    let is_set = |bit: FilterBit| {
        let word = tables.deny_ipv6_filter(generation * words + bit.word)?;
        Ok(word & bit.mask != 0)
    };
    let seed = settings.seed;
    Ok(settings.flags & FLAG_DENY_IPV6_SHORT != 0
        || is_set(deny::ipv6_48_bit(source.high, seed, DENY_IPV6_FILTER_BITS))?
        || is_set(deny::ipv6_32_bit(source.high, seed, DENY_IPV6_FILTER_BITS))?)
}

#[inline(always)]
fn in_force<T: Tables>(tables: &T, entry: Option<DenyEntry>) -> Result<bool, Fault> {
    match entry {
        None => Ok(false),
        Some(entry) if entry.expires_ns == NEVER => Ok(true),
        Some(entry) => Ok(entry.denies(tables.now()?)),
    }
}

#[inline(always)]
fn is_limited<T: Tables>(
    tables: &T,
    settings: &Settings,
    limit: &SourceLimit,
    kind: u32,
    source: Address,
) -> Result<bool, Fault> {
    if limit.source.is_off() {
        return Ok(false);
    }
    let now = if limit.precise == 0 {
        tables.now()?
    } else {
        tables.now_precise()
    };
    let seed = settings.seed;
    let tag = source.tag(kind, seed);
    let line = tables.source_line(address::index(tag, seed, SOURCE_LINE_BITS))?;
    let charge = match line.charge_bounded(tag, now, 1, &limit.source) {
        Some(charge) => charge,
        None => {
            tables.incident(Incident::LineFull);
            if limit.aggregate.is_off() {
                return Ok(false);
            }
            let tag = source.aggregate_tag(kind, seed);
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
