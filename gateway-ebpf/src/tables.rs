//! What a judgement asks of its surroundings.

use gateway_common::bucket::Line;
use gateway_common::counter::Incident;
use gateway_common::endpoint::EndpointLine;
use gateway_common::list::{Ipv4Key, Ipv6Key, ListEntry};
use gateway_common::settings::{Control, Rules, Settings};
use gateway_common::word::Word;

/// A table or the clock did not answer. The packet passes, and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// The maps and the clock.
///
/// Indexes and generations are computed by the judgement; an implementation looks up and nothing
/// else.
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

    /// One word of the IPv4 deny filter, both generations counted through.
    ///
    /// # Errors
    /// [`Fault`] when the map does not answer.
    fn list_ipv4_filter(&self, index: u32) -> Result<u64, Fault>;

    /// One word of the IPv6 deny filter, both generations counted through.
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

    /// `CLOCK_MONOTONIC` in nanoseconds as of the last tick.
    ///
    /// # Errors
    /// [`Fault`] when the clock's map does not answer.
    fn now(&self) -> Result<u64, Fault>;

    /// `CLOCK_MONOTONIC` in nanoseconds now.
    fn now_precise(&self) -> u64;

    /// Counts something that is not a verdict.
    fn incident(&self, incident: Incident);
}
