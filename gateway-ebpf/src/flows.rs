//! Flows whose key has offences to pay for.

use gateway_common::capacity::OFFENCE_LINE_BITS;
use gateway_common::flow::FlowKey;
use gateway_common::trace::{Step, Topic};
use gateway_common::word::Word;

use crate::reading::Reading;
use crate::tables::{Fault, Tables};

/// Whether the packet's flow is penalised now: there is a row for it, and the offence that the row
/// names is in debt. A row whose offence is gone holds nobody back.
///
/// # Errors
/// [`Fault`] when a map or the clock does not answer.
#[inline(always)]
pub fn is_penalised<T: Tables>(tables: &T, packet: &Reading) -> Result<bool, Fault> {
    let target = packet.target();
    let key = FlowKey {
        source: packet.source,
        destination: packet.destination,
        ports: u32::from(packet.source_port()) << 16 | u32::from(target.destination_port()),
        protocol: u32::from(target.protocol_number()),
    };
    let is_penalised = match tables.flow(&key) {
        None => false,
        Some(row) => {
            let line = tables.offence_line(row.line & ((1 << OFFENCE_LINE_BITS) - 1))?;
            let owed_until = line.find(row.tag).map_or(0, |way| way.tat.load());
            owed_until.saturating_sub(tables.now()?) > row.slack_ns
        }
    };
    tables.note(|| Step {
        topic: Topic::Flow as u32,
        outcome: u32::from(is_penalised),
        ..Step::default()
    });
    Ok(is_penalised)
}
