//! Marks the shared types for aya's typed maps.
#![expect(
    unsafe_code,
    reason = "`Pod` is aya's promise that a type is plain bytes"
)]

use crate::address::Address;
use crate::bucket::{Alone, PlainLine};
use crate::counter::{Counter, TickClock};
use crate::endpoint::EndpointLine;
use crate::event::{Event, Sampler};
use crate::flow::{FlowKey, FlowRow};
use crate::list::PlainEntry;
use crate::settings::{Control, Rules, Settings};
use crate::slot::PlainSlot;
use crate::trace::Trace;

macro_rules! pod {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: `repr(C)`, fixed-width integers only, every padding byte is a named field.
            unsafe impl aya::Pod for $type {}
        )*
    };
}

pod!(
    Address,
    Alone<u64>,
    Control,
    Counter,
    EndpointLine,
    Event,
    FlowKey,
    FlowRow,
    PlainEntry,
    PlainLine,
    PlainSlot,
    Rules,
    Sampler,
    Settings,
    TickClock,
    Trace
);
