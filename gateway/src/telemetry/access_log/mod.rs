//! One line per request: a JSON object, or what the format of its stage says.
//!
//! Every worker formats into a buffer of its own and hands it to one writer thread, so that no
//! request waits for a disk. The queue between them is bounded; what does not fit is dropped and
//! counted, never waited for.

mod record;
mod sink;
mod writer;

pub(super) use record::timestamp;
pub use record::{
    Kind, OpenRecord, REASON_CLIENT_LEFT, REASON_UPSTREAM_BROKE_OFF, Record, ShortText, bounded,
};
pub use sink::{Queue, Sink, Sinks};
pub use writer::{Destination, Opened, Reopener, Writer};

use std::time::Duration;

/// How often workers hand over what they have.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(50);
