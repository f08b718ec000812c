//! Traffic to this host that is for no listener.
//!
//! It passes unless its interface is configured otherwise. Connections that this host has opened
//! itself must go on, and nothing here knows them: so of TCP only what asks for a connection is
//! held back, of UDP all but what comes from the ports of replies, and never an ICMP error or
//! neighbour discovery. A fragment or a header that cannot be read counts as what is held back:
//! otherwise cutting a packet up would be a way around. Management prefixes and allowed sources
//! are not held back either; the deny lists speak of listeners only.

use gateway_common::endpoint;
use gateway_common::reason::Reason;
use gateway_common::settings::{FLAG_LISTS, OtherTraffic, Settings, Treatment};
use gateway_common::trace::{Step, Topic};

use crate::datagram::{Content, TCP, UDP};
use crate::frame::Frame;
use crate::judge::find_endpoint;
use crate::limits::{Act, Answer};
use crate::lists::{self, Considered, Standing};
use crate::reading::Reading;
use crate::ruling::{End, Outcome, Ruling};
use crate::tables::{Fault, Tables};

const LIMIT: u32 = Treatment::Limit as u32;
const PASS: u32 = Treatment::Pass as u32;

/// Judges a packet that is for no listener, on a host where some interface holds some back.
/// `monitored` are the reasons that are only monitored.
///
/// # Errors
/// [`Fault`] when a map or the clock does not answer.
#[inline(always)]
pub fn judge<F: Frame, T: Tables>(
    frame: &F,
    tables: &T,
    settings: &Settings,
    packet: &Reading,
    monitored: u64,
) -> Result<Outcome, Fault> {
    let mut ruling = Ruling::new(frame, monitored);
    match ask(frame, tables, settings, packet, &mut ruling) {
        Ok(outcome) | Err(End::Ruled(outcome)) => Ok(outcome),
        Err(End::Fault) => Err(Fault),
    }
}

#[inline(always)]
fn ask<F: Frame, T: Tables>(
    frame: &F,
    tables: &T,
    settings: &Settings,
    packet: &Reading,
    ruling: &mut Ruling,
) -> Result<Outcome, End> {
    const NOT_OURS: Outcome = Outcome::pass(Reason::NotOurs);
    let protocol = packet.target().protocol_number();
    let interface = endpoint::interface(tables.interface());
    let treatment = find_endpoint(tables, settings, interface, endpoint::INTERFACE)?
        .map_or(PASS, |packed| OtherTraffic(packed).of(protocol));
    tables.note(|| Step {
        topic: Topic::OtherTraffic as u32,
        outcome: 0,
        first: u64::from(treatment),
        second: 0,
    });
    if treatment == PASS || !is_held_back(settings, packet, protocol) {
        return Ok(NOT_OURS);
    }
    if find_endpoint(tables, settings, packet.destination, endpoint::LOCAL)?.is_none() {
        return Ok(NOT_OURS);
    }
    if settings.flags & FLAG_LISTS != 0 {
        let listed = lists::find(tables, settings, packet, Considered::EXEMPT)?;
        if listed.is(Standing::Management) {
            return Ok(Outcome::pass(Reason::Management));
        }
        if listed.is(Standing::Allowed) {
            return Ok(Outcome::pass(Reason::Allowed));
        }
    }
    if treatment != LIMIT {
        ruling.refuse(frame, tables, Reason::OtherTraffic)?;
    } else if !settings.other.source.is_off() {
        let answer =
            tables.ask_limit(frame, &settings.other, packet, settings.seed, Act::CHARGE)?;
        if answer != Answer::Within {
            ruling.refuse(frame, tables, Reason::OtherRate)?;
        }
    }
    Ok(ruling.pass(Reason::NotOurs))
}

/// Whether a packet is of the kind that is held back at all.
#[inline(always)]
fn is_held_back(settings: &Settings, packet: &Reading, protocol: u8) -> bool {
    if packet.is(Content::Control) || packet.is(Content::Malformed) {
        // The stack refuses what is malformed itself.
        return false;
    }
    match protocol {
        TCP => !packet.is(Content::Ordinary),
        UDP if packet.is(Content::Ordinary) => {
            let from = packet.source_port();
            from == 0 || !settings.udp_reply_ports.contains(&from)
        }
        _ => true,
    }
}
