//! The pinned edge of an instance, found and opened from outside.

use std::path::Path;

use gateway_common::name::MAP_CONTROL;

use super::{DebtsReader, StatisticsReader};
use crate::model::InstanceName;
use crate::xdp::error::{EdgeError, system};
use crate::xdp::interfaces::carried;
use crate::xdp::{Attachment, maps, occupant, pins};

/// The pinned edge of an instance, read from outside.
#[derive(Debug)]
pub struct Pinned {
    /// Its statistics.
    pub statistics: StatisticsReader,
    /// Who owes how much.
    pub debts: DebtsReader,
    /// Interfaces of this network namespace that carry its program.
    pub attachments: Vec<Attachment>,
}

/// Opens what an instance has pinned; `None` where it has not pinned anything.
///
/// # Errors
/// `Pin` or `Map` where this user may not read it, or where it is not of this layout version.
pub fn open_pinned(instance: &InstanceName) -> Result<Option<Pinned>, EdgeError> {
    let directory = pins::directory(instance);
    match std::fs::metadata(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(pins::pin_error("stat", &directory, error)),
        Ok(_) => {}
    }
    Ok(Some(Pinned {
        statistics: StatisticsReader::open(&directory)?,
        debts: DebtsReader::open(&directory)?,
        attachments: attachments(&directory)?,
    }))
}

/// The interfaces of this network namespace whose program uses the pinned maps: also those of a
/// link that is not pinned, because it is to go with its gateway. Programs can be looked into by
/// root only; others see the pinned links.
fn attachments(directory: &Path) -> Result<Vec<Attachment>, EdgeError> {
    let control = maps::id(directory, MAP_CONTROL)?;
    let linked = pins::linked(directory)?;
    let names =
        nix::net::if_::if_nameindex().map_err(|error| system("if_nameindex")(error.into()))?;
    let mut attachments = Vec::new();
    for entry in &names {
        let Some(found) = carried(entry.index())? else {
            continue;
        };
        if linked.contains(&entry.index()) || occupant::uses_map(found.program_id, control) {
            attachments.push(Attachment {
                interface: entry.name().to_string_lossy().into_owned(),
                mode: found.mode,
                adopted: true,
            });
        }
    }
    Ok(attachments)
}
