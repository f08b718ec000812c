//! Marks the shared types for aya's typed maps.
#![expect(
    unsafe_code,
    reason = "`Pod` is aya's promise that a type is plain bytes"
)]

use crate::address::Address;
use crate::bucket::PlainLine;
use crate::counter::{Counter, TickClock};
use crate::deny::DenyEntry;
use crate::endpoint::EndpointLine;
use crate::settings::{Control, Settings};
use crate::slot::PlainSlot;

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
    Control,
    Counter,
    DenyEntry,
    EndpointLine,
    PlainLine,
    PlainSlot,
    Settings,
    TickClock
);
