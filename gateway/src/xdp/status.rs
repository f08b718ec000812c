//! What is pinned and attached for an instance, whether its gateway runs or not.

use std::path::PathBuf;
use std::time::SystemTime;

use aya::programs::links::{FdLink, PinnedLink};
use gateway_common::layout::LAYOUT_VERSION;

use super::error::EdgeError;
use super::in_force::OrderMaps;
use super::{Attachment, maps, occupant, pins, stats};
use crate::model::InstanceName;

/// The kernel edge of one instance.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where its pins are.
    pub directory: PathBuf,
    /// Version of the layout of its maps: this binary's.
    pub layout_version: u32,
    /// Interfaces of this network namespace that carry its program.
    pub interfaces: Vec<InterfaceStatus>,
    /// The programs on them: one, or two while one has not been replaced yet.
    pub programs: Vec<ProgramStatus>,
    /// The words that change from moment to moment.
    pub words: Words,
    /// Every map with its size.
    pub maps: Vec<MapStatus>,
    /// Pins that other versions have left: programs among them still judge.
    pub other_versions: Vec<PathBuf>,
}

/// An interface with the program.
#[derive(Clone, Debug)]
pub struct InterfaceStatus {
    /// The interface, and how the program is attached.
    pub attachment: Attachment,
    /// The program's kernel id.
    pub program_id: u32,
    /// The kernel id of the pinned link; `None` where the link belongs to the running gateway.
    pub link_id: Option<u32>,
}

/// A loaded program.
#[derive(Clone, Debug)]
pub struct ProgramStatus {
    /// Its kernel id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The kernel's digest of its instructions.
    pub tag: u64,
    /// When it was loaded.
    pub loaded_at: Option<SystemTime>,
    /// Instructions that the verifier went through; from Linux 5.16 on.
    pub verified_instructions: Option<u32>,
    /// Bytes of machine code; zero without the JIT compiler.
    pub machine_code_bytes: u32,
}

/// The control words and what they point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Generation of settings and rules, 0 or 1.
    pub active: u64,
    /// Generation of the endpoints, 0 or 1.
    pub endpoint_generation: u32,
    /// Generation of the lists, 0 or 1.
    pub list_generation: u32,
    /// Whether newcomers share a budget.
    pub attack: bool,
    /// Rows of penalised flows.
    pub penalties: u64,
    /// As [`gateway_common::settings::Control::events`].
    pub events: u64,
}

/// A map.
#[derive(Clone, Copy, Debug)]
pub struct MapStatus {
    /// Its name.
    pub name: &'static str,
    /// Entries at most.
    pub entries: u32,
    /// What the kernel has set aside for it.
    pub memory_bytes: u64,
}

/// Looks at an instance; `None` where nothing of this layout version is pinned for it.
///
/// # Errors
/// `Pin` or `Map` where this user may not look.
pub fn read(instance: &InstanceName) -> Result<Option<Status>, EdgeError> {
    let Some(pinned) = stats::open_pinned(instance)? else {
        return Ok(None);
    };
    let directory = pins::directory(instance);
    let mut interfaces = Vec::with_capacity(pinned.attachments.len());
    let mut programs: Vec<ProgramStatus> = Vec::new();
    for attachment in pinned.attachments {
        let index = super::interfaces::index(&attachment.interface)?;
        let Some(found) = super::interfaces::carried(index)? else {
            continue;
        };
        if programs.iter().all(|known| known.id != found.program_id) {
            programs.extend(program(found.program_id));
        }
        let path = pins::link_path(&directory, index)?;
        let link_id = PinnedLink::from_pin(path)
            .ok()
            .and_then(|pinned| FdLink::from(pinned).info().ok())
            .map(|link| link.id());
        interfaces.push(InterfaceStatus {
            attachment,
            program_id: found.program_id,
            link_id,
        });
    }
    let orders = OrderMaps::open(&directory)?;
    let orders = orders.in_force()?;
    let mut maps = Vec::with_capacity(maps::ALL.len());
    for (name, _) in maps::ALL {
        maps.push(MapStatus {
            name,
            entries: maps::entries(&directory, name)?,
            memory_bytes: maps::memory_bytes(&directory, name)?,
        });
    }
    Ok(Some(Status {
        layout_version: LAYOUT_VERSION,
        interfaces,
        programs,
        words: Words {
            active: orders.control.active,
            endpoint_generation: orders.settings.endpoint_generation,
            list_generation: orders.settings.list_generation,
            attack: orders.control.attack != 0,
            penalties: orders.control.penalties,
            events: orders.control.events,
        },
        maps,
        other_versions: pins::other_versions(&directory)?,
        directory,
    }))
}

/// Pins that other versions have left for an instance, also where this version has none.
///
/// # Errors
/// `Pin` where this user may not look.
pub fn other_versions(instance: &InstanceName) -> Result<Vec<PathBuf>, EdgeError> {
    let directory = pins::directory(instance);
    match directory.parent().map(std::fs::symlink_metadata) {
        Some(Ok(_)) => pins::other_versions(&directory),
        Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(pins::pin_error("stat", &directory, error))
        }
        Some(Err(_)) | None => Ok(Vec::new()),
    }
}

fn program(id: u32) -> Option<ProgramStatus> {
    let program = occupant::program(id)?;
    Some(ProgramStatus {
        id,
        name: program.name_as_str().unwrap_or_default().to_owned(),
        tag: program.tag(),
        loaded_at: program.loaded_at(),
        verified_instructions: program.verified_instruction_count(),
        machine_code_bytes: program.size_jitted(),
    })
}
