//! What a judgement asks of its surroundings.

use gateway_common::bucket::Line;
use gateway_common::counter::Incident;
use gateway_common::endpoint::EndpointLine;
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::list::{Ipv4Key, Ipv6Key, ListEntry};
use gateway_common::settings::{Control, Rules, Settings, SharedLimit, SourceLimit};
use gateway_common::trace::Step;
use gateway_common::word::Word;

use crate::attack;
use crate::frame::Frame;
use crate::limits::{self, Act, Answer};
use crate::lists::{self, Considered, Listed};
use crate::other;
use crate::reading::Reading;
use crate::ruling::Outcome;

/// A table or the clock did not answer. The packet passes, and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// The maps and the clock.
///
/// Indexes and generations are computed by the judgement; an implementation looks up and nothing
/// else. What a judgement changes it changes through [`Self::Word`], [`Self::incident`] and
/// [`Self::count_list`] alone, so that tables whose words keep still judge without a trace.
pub trait Tables {
    /// A cell of a bucket.
    type Word: Word;

    /// The words that change from moment to moment.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn control(&self) -> Result<&Control, Fault>;

    /// The settings of an index.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn settings(&self, index: u32) -> Result<&Settings, Fault>;

    /// The rules of an index, both generations counted through.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn rules(&self, index: u32) -> Result<&Rules, Fault>;

    /// One line of the endpoint table, both generations counted through.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn endpoint_line(&self, index: u32) -> Result<&EndpointLine, Fault>;

    /// One word of the IPv4 filter of the lists, both generations counted through.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn list_ipv4_filter(&self, index: u32) -> Result<u64, Fault>;

    /// One word of the IPv6 filter of the lists, both generations counted through.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn list_ipv6_filter(&self, index: u32) -> Result<u64, Fault>;

    /// The exact entry of an IPv4 address, if there is one.
    fn list_ipv4_exact(&self, generation: u32, key: &Ipv4Key) -> Option<&ListEntry<Self::Word>>;

    /// The entry of the longest prefix of an IPv4 address, if there is one.
    fn list_ipv4_prefix(&self, generation: u32, key: &Ipv4Key) -> Option<&ListEntry<Self::Word>>;

    /// The exact entry of an IPv6 address, if there is one.
    fn list_ipv6_exact(&self, generation: u32, key: &Ipv6Key) -> Option<&ListEntry<Self::Word>>;

    /// The entry of the longest prefix of an IPv6 address, if there is one.
    fn list_ipv6_prefix(&self, generation: u32, key: &Ipv6Key) -> Option<&ListEntry<Self::Word>>;

    /// One line of the source table.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn source_line(&self, index: u32) -> Result<&Line<Self::Word>, Fault>;

    /// One word of the aggregate table.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn aggregate(&self, index: u32) -> Result<&Self::Word, Fault>;

    /// One line of the vouched sources.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn vouched_line(&self, index: u32) -> Result<&Line<Self::Word>, Fault>;

    /// The word that newcomers share.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn newcomers(&self, which: u32) -> Result<&Self::Word, Fault>;

    /// The row of a penalised flow, if there is one.
    fn flow(&self, key: &FlowKey) -> Option<&FlowRow>;

    /// One line of the offences.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn offence_line(&self, index: u32) -> Result<&Line<Self::Word>, Fault>;

    /// Index of the interface that the packet came in on.
    fn interface(&self) -> u32;

    /// `CLOCK_MONOTONIC` in nanoseconds as of the last tick.
    ///
    /// # Errors
    /// [`Fault`] when the clock's map does not answer.
    fn now(&self) -> Result<u64, Fault>;

    /// `CLOCK_MONOTONIC` in nanoseconds now.
    fn now_precise(&self) -> u64;

    /// Turns the packet, a SYN, into the SYN-ACK that answers it with a SYN cookie; whether that was
    /// done. Otherwise the packet can only be dropped.
    fn answer_syn(&self, syn: &Reading) -> bool;

    /// The clock as a limit asks for it: `precise` is that of the settings.
    ///
    /// # Errors
    /// As [`Self::now`].
    #[inline(always)]
    fn now_for(&self, precise: u64) -> Result<u64, Fault> {
        if precise == 0 {
            self.now()
        } else {
            Ok(self.now_precise())
        }
    }

    /// Counts something that is not a verdict.
    fn incident(&self, incident: Incident);

    /// Counts a packet for which a list has decided, or would have.
    fn count_list(&self, list: u32, bytes: u64);

    /// Notes a step. The step is made only where somebody keeps it: by default nobody does, and
    /// nothing is left of it.
    #[inline(always)]
    fn note(&self, step: impl FnOnce() -> Step) {
        // Dropped unmade.
        let _ = step;
    }

    /// Asks one limit, as [`limits::ask`]. A hook for tables that have that compiled as a function
    /// of its own.
    ///
    /// # Errors
    /// [`Fault`] when a map does not answer.
    #[inline(always)]
    fn ask_limit<F: Frame>(
        &self,
        frame: &F,
        limit: &SourceLimit,
        packet: &Reading,
        seed: u64,
        act: Act,
    ) -> Result<Answer, Fault>
    where
        Self: Sized,
    {
        limits::ask(frame, self, limit, packet, seed, act)
    }

    /// Asks the lists about a source that the filter does not rule out, as [`lists::ask`]. A hook
    /// likewise.
    ///
    /// # Errors
    /// [`Fault`] when the clock does not answer.
    #[inline(always)]
    fn ask_lists(
        &self,
        packet: &Reading,
        generation: u32,
        considered: Considered,
    ) -> Result<Listed, Fault>
    where
        Self: Sized,
    {
        lists::ask(self, packet, generation, considered)
    }

    /// Asks whether an attack holds a packet back, as [`attack::admits`]. A hook likewise.
    ///
    /// # Errors
    /// [`Fault`] when a map or the clock does not answer.
    #[inline(always)]
    fn ask_newcomers(
        &self,
        packet: &Reading,
        seed: u64,
        shared: &SharedLimit,
        which: u32,
    ) -> Result<bool, Fault>
    where
        Self: Sized,
    {
        attack::admits(self, packet, seed, shared, which)
    }

    /// Judges traffic that is for no listener, as [`other::judge`]. A hook likewise.
    ///
    /// # Errors
    /// [`Fault`] when a map or the clock does not answer.
    #[inline(always)]
    fn judge_other<F: Frame>(
        &self,
        frame: &F,
        settings: &Settings,
        packet: &Reading,
        monitored: u64,
    ) -> Result<Outcome, Fault>
    where
        Self: Sized,
    {
        other::judge(frame, self, settings, packet, monitored)
    }
}
