//! The order of a judgement.
//!
//! Not IP: pass at once. Not for a listener: see [`crate::other`]. For a listener: management
//! passes before all, what is malformed is dropped, then the lists speak; what cannot be read is
//! dropped; under attack newcomers share a budget; then the limits of the source are asked, and
//! last whether the flow is penalised. What fails on our side passes and is counted.

use gateway_common::address::{Address, KIND_BYTES, KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::capacity::ENDPOINT_LINE_BITS;
use gateway_common::counter::Incident;
use gateway_common::endpoint;
use gateway_common::reason::{FAMILY_COUNT, Family, Reason, VERDICT_COUNT, Verdict};
use gateway_common::settings::{
    Control, FLAG_COOKIES, FLAG_LISTENERS, FLAG_LISTS, FLAG_OTHER_TRAFFIC, FLAG_UNPARSED_PASS,
    Newcomers, Rules, Settings, SourceLimit, rules_index,
};
use gateway_common::trace::{Step, Topic};

use crate::datagram::{Content, TCP, Target, UDP};
use crate::frame::Frame;
use crate::limits::{Act, Answer};
use crate::lists::{Considered, Listed, Standing};
use crate::reading::Reading;
use crate::ruling::{End, Outcome, Ruling};
use crate::tables::{Fault, Tables};
use crate::{flows, lists};

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
    pub bytes: u64,
    /// Its source; all zero where that was not read.
    pub source: Address,
    /// The listener it is for, as in the endpoint table; zero where it is for none.
    pub listener: u32,
    /// The list that denied it, or would have; zero also where none did.
    pub list: u32,
    /// Verdict and reason in one number.
    pub outcome: Outcome,
    /// Its cell in the counters, as [`gateway_common::counter::counter_index`] has it.
    pub cell: u64,
    /// Its cell in the counters of the listeners, likewise.
    pub listener_cell: u64,
}

/// Judges one frame.
#[inline(always)]
pub fn judge<F: Frame, T: Tables>(frame: &F, tables: &T) -> Judgement {
    judge_read(frame, tables, &Reading::new(frame))
}

/// Judges one frame that has been read.
#[inline(always)]
pub fn judge_read<F: Frame, T: Tables>(frame: &F, tables: &T, packet: &Reading) -> Judgement {
    tables.note(|| Step {
        topic: Topic::Parsed as u32,
        outcome: 0,
        first: u64::from(packet.content()),
        second: packet.bytes,
    });
    let mut case = Case {
        frame,
        tables,
        packet,
        listener: 0,
        list: 0,
    };
    let outcome = match case.decide() {
        Ok(outcome) | Err(End::Ruled(outcome)) => outcome,
        Err(End::Fault) => {
            tables.incident(Incident::MapFailed);
            Outcome::pass(Reason::Fault)
        }
    };
    let both = u64::from(case.list) << 32 | u64::from(case.listener);
    let [outcome, both] = frame.forget_all([outcome.0, both]);
    let mut outcome = Outcome(outcome);
    if outcome.is(Verdict::Transmit) && !tables.answer_syn(packet) {
        tables.incident(Incident::CookieFailed);
        outcome = Outcome::new(Verdict::Drop, Reason::NewcomerConnections);
    }
    let [outcome] = frame.forget_all([outcome.0]);
    let outcome = Outcome(outcome);
    let [a, b, c, d, list @ ..] = both.to_le_bytes();
    let listener = u32::from_le_bytes([a, b, c, d]);
    Judgement {
        verdict: outcome.verdict(),
        reason: outcome.reason(),
        family: packet.family(),
        bytes: packet.bytes,
        source: packet.source,
        listener,
        list: u32::from_le_bytes(list),
        outcome,
        // Reckoned with numbers, because every kind would be a branch otherwise.
        cell: outcome.0 * FAMILY_COUNT as u64 + u64::from(packet.family_number()),
        listener_cell: u64::from(listener) * VERDICT_COUNT as u64 + outcome.verdict_number(),
    }
}

/// One packet on its way through the order.
struct Case<'a, F, T> {
    frame: &'a F,
    tables: &'a T,
    packet: &'a Reading,
    listener: u32,
    list: u32,
}

impl<F: Frame, T: Tables> Case<'_, F, T> {
    #[inline(always)]
    fn decide(&mut self) -> Result<Outcome, End> {
        let (tables, packet) = (self.tables, self.packet);
        if packet.is(Content::NotIp) {
            return Ok(Outcome::pass(Reason::NotIp));
        }
        if packet.is(Content::NoHeader) {
            // Nobody can say whom it was for, and the stack will refuse it as well.
            return Ok(Outcome::pass(Reason::Malformed));
        }
        let control = tables.control()?;
        let generation = u32::try_from(control.active & 1).map_err(|_wide| Fault)?;
        let settings = tables.settings(generation)?;
        if settings.flags & FLAG_LISTENERS == 0 {
            return Ok(Outcome::pass(Reason::NotOurs));
        }
        if packet.is(Content::TagsTooDeep) {
            // Whom it is for cannot be known: it counts as ours, because we listen here.
            let mut ruling = Ruling::new(
                self.frame,
                tables.rules(rules_index(generation, 0))?.monitor,
            );
            self.unparsed(settings, &mut ruling)?;
            return Ok(ruling.pass(Reason::UnparsedToUs));
        }
        let listener = self.find_listener(settings)?;
        let packet = &packet.forgotten(self.frame);
        if let Some(listener) = listener {
            self.listener = listener;
            let rules = tables.rules(rules_index(generation, listener))?;
            return self.decide_ours(packet, control, settings, rules);
        }
        if settings.flags & FLAG_OTHER_TRAFFIC == 0 {
            return Ok(Outcome::pass(Reason::NotOurs));
        }
        let monitored = tables.rules(rules_index(generation, 0))?.monitor;
        Ok(tables.judge_other(self.frame, settings, packet, monitored)?)
    }

    /// The listener that answers on the destination, as far as the packet says what that is.
    #[inline(always)]
    fn find_listener(&self, settings: &Settings) -> Result<Option<u32>, Fault> {
        let packet = self.packet;
        if packet.is(Content::OtherProtocol) || packet.is(Content::Control) {
            return Ok(None);
        }
        let address = packet.destination;
        let find = |key| find_endpoint(self.tables, settings, address, key);
        let found = match packet.target() {
            Target::UNKNOWN => match find(endpoint::key(TCP, 0))? {
                Some(listener) => Some(listener),
                None => find(endpoint::key(UDP, 0))?,
            },
            Target(key) => find(key)?,
        };
        self.tables.note(|| Step {
            topic: Topic::Destination as u32,
            outcome: u32::from(found.is_some()),
            first: u64::from(found.unwrap_or(0)),
            second: 0,
        });
        Ok(found)
    }

    /// Judges a packet for a listener.
    #[inline(always)]
    fn decide_ours(
        &mut self,
        packet: &Reading,
        control: &Control,
        settings: &Settings,
        rules: &Rules,
    ) -> Result<Outcome, End> {
        let mut ruling = Ruling::new(self.frame, rules.monitor);
        if let Some(outcome) = self.ask_lists(packet, settings, &mut ruling)? {
            return Ok(outcome);
        }
        if packet.is(Content::Fragment) {
            self.refuse(&mut ruling, Reason::Fragment)?;
        }
        if packet.is(Content::OutOfReach) {
            self.unparsed(settings, &mut ruling)?;
        }
        let packet = &packet.forgotten(self.frame);
        if control.attack != 0 {
            self.ask_budget(settings, &mut ruling, packet.is(Content::Opening))?;
        }
        if packet.is(Content::Opening) {
            let passing = self.ask_connections(settings, rules, &mut ruling)?;
            return Ok(ruling.pass(passing));
        }
        self.ask_packets(rules, settings.seed, &mut ruling)?;
        if control.penalties != 0
            && packet.is(Content::Ordinary)
            && ruling.asks(Reason::Penalised)
            && flows::is_penalised(self.tables, packet)?
        {
            self.refuse(&mut ruling, Reason::Penalised)?;
        }
        Ok(ruling.pass(if packet.is(Content::OutOfReach) {
            Reason::UnparsedToUs
        } else {
            Reason::Admitted
        }))
    }

    #[inline(always)]
    fn refuse(&self, ruling: &mut Ruling, reason: Reason) -> Result<(), End> {
        ruling.refuse(self.frame, self.tables, reason)
    }

    /// A packet whose headers cannot be reached.
    #[inline(always)]
    fn unparsed(&self, settings: &Settings, ruling: &mut Ruling) -> Result<(), End> {
        if settings.flags & FLAG_UNPARSED_PASS == 0 {
            self.refuse(ruling, Reason::UnparsedToUs)?;
        }
        Ok(())
    }

    /// Management, malformed, allowed, denied. `Some` where the packet passes by that alone.
    #[inline(always)]
    fn ask_lists(
        &mut self,
        packet: &Reading,
        settings: &Settings,
        ruling: &mut Ruling,
    ) -> Result<Option<Outcome>, End> {
        let malformed = packet.is(Content::Malformed);
        let listed = if settings.flags & FLAG_LISTS == 0 {
            Listed::NOT
        } else {
            // Nothing but management can save what is malformed, unless that is only monitored;
            // and once it is noted, another monitored reason has nothing to add.
            let considered = if malformed && !ruling.monitors(Reason::Malformed) {
                Considered::MANAGEMENT
            } else {
                Considered::ALL
                    .without(Standing::Monitored, malformed)
                    .without(
                        Standing::Denied,
                        malformed && ruling.monitors(Reason::Denied),
                    )
            };
            lists::find(self.tables, settings, self.packet, considered)?
        };
        if listed.is(Standing::Management) {
            return Ok(Some(Outcome::pass(Reason::Management)));
        }
        if malformed {
            self.refuse(ruling, Reason::Malformed)?;
        }
        if listed.is(Standing::Allowed) {
            return Ok(Some(ruling.pass(Reason::Allowed)));
        }
        if listed.is(Standing::Denied) {
            self.list = listed.list();
            self.refuse(ruling, Reason::Denied)?;
        }
        if listed.is(Standing::Monitored) {
            self.list = listed.list();
            ruling.note(self.frame, self.tables, Reason::Denied);
        }
        Ok(None)
    }

    /// Under attack: newcomers are charged to what they share. Where cookies are on, a SYN beyond
    /// that is answered with one and not refused.
    #[inline(always)]
    fn ask_budget(
        &self,
        settings: &Settings,
        ruling: &mut Ruling,
        opening: bool,
    ) -> Result<(), End> {
        let (which, reason) = if opening {
            (Newcomers::Connections, Reason::NewcomerConnections)
        } else {
            (Newcomers::Packets, Reason::NewcomerPackets)
        };
        let shared = settings.newcomers.get(which as usize).ok_or(Fault)?;
        if !ruling.asks(reason)
            || self
                .tables
                .ask_newcomers(self.packet, settings.seed, shared, which as u32)?
        {
            return Ok(());
        }
        if opening && settings.flags & FLAG_COOKIES != 0 && !ruling.monitors(reason) {
            ruling.answer(self.frame, Reason::Cookie);
            return Ok(());
        }
        self.refuse(ruling, reason)
    }

    /// The connection limit of a SYN, and the trickle that a penalised source keeps: why it passes.
    #[inline(always)]
    fn ask_connections(
        &self,
        settings: &Settings,
        rules: &Rules,
        ruling: &mut Ruling,
    ) -> Result<Reason, End> {
        let limit = limit_of(rules, KIND_CONNECTIONS)?;
        if limit.source.is_off() || !ruling.asks(Reason::ConnectionRate) {
            return Ok(Reason::NewConnection);
        }
        let ask = |limit| {
            self.tables
                .ask_limit(self.frame, limit, self.packet, settings.seed, Act::CHARGE)
        };
        match ask(limit)? {
            Answer::Within => return Ok(Reason::NewConnection),
            Answer::InDebt if !settings.trickle.source.is_off() => {
                if ask(&settings.trickle)? == Answer::Within {
                    return Ok(Reason::Trickle);
                }
            }
            Answer::InDebt | Answer::Beyond => {}
        }
        self.refuse(ruling, Reason::ConnectionRate)?;
        Ok(Reason::NewConnection)
    }

    /// The limits of every other packet. Bytes are looked at first and charged last, so that what
    /// either limit refuses is charged to neither.
    #[inline(always)]
    fn ask_packets(&self, rules: &Rules, seed: u64, ruling: &mut Ruling) -> Result<(), End> {
        let ask = |limit, act| {
            self.tables
                .ask_limit(self.frame, limit, self.packet, seed, act)
        };
        let bytes = limit_of(rules, KIND_BYTES)?;
        if !bytes.source.is_off()
            && ruling.asks(Reason::ByteRate)
            && ask(bytes, Act::LOOK)? != Answer::Within
        {
            self.refuse(ruling, Reason::ByteRate)?;
        }
        let packets = limit_of(rules, KIND_PACKETS)?;
        if !packets.source.is_off()
            && ruling.asks(Reason::PacketRate)
            && ask(packets, Act::CHARGE)? != Answer::Within
        {
            self.refuse(ruling, Reason::PacketRate)?;
        }
        if !bytes.source.is_off() && ruling.asks(Reason::ByteRate) {
            ask(bytes, Act::PAY)?;
        }
        Ok(())
    }
}

#[inline(always)]
fn limit_of(rules: &Rules, kind: u32) -> Result<&SourceLimit, Fault> {
    rules.limits.get(kind as usize).ok_or(Fault)
}

/// The number stored with an entry of the endpoint table.
#[inline(always)]
pub(crate) fn find_endpoint<T: Tables>(
    tables: &T,
    settings: &Settings,
    address: Address,
    key: u64,
) -> Result<Option<u32>, Fault> {
    let seed = settings.endpoint_seed;
    let index = endpoint::line_index(address, key, seed, ENDPOINT_LINE_BITS);
    let generation = (settings.endpoint_generation & 1) << ENDPOINT_LINE_BITS;
    let line = tables.endpoint_line(generation | index)?;
    Ok(line.find(address, key).map(|entry| entry.listener))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
