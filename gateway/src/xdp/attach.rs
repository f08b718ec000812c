//! Attaching the program to interfaces, and taking over from the run before.

use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpLinkId, XdpMode};
use aya::programs::{ProgramError, Xdp};
use gateway_common::name::MAP_CONTROL;

use super::error::{EdgeError, system};
use super::interfaces::{carried, detach_netlink};
use super::occupant::{self, AttachedBy, Occupant};
use super::pins::{Pins, pin_error};
use super::{Attachment, Mode, maps};
use crate::model::{AttachMode, OnExit};

/// A program on an interface.
#[derive(Debug)]
pub(super) struct HeldLink {
    pub(super) interface: String,
    pub(super) index: u32,
    life: Life,
}

/// What keeps a program attached.
#[derive(Debug)]
enum Life {
    /// The pin alone, so that removing it detaches, whoever does.
    Pinned(PathBuf),
    /// This descriptor, so that it goes with the process, however that ends.
    Held(FdLink),
}

impl HeldLink {
    /// A link that somebody else has pinned.
    pub(super) const fn pinned(interface: String, index: u32, path: PathBuf) -> Self {
        Self {
            interface,
            index,
            life: Life::Pinned(path),
        }
    }

    /// Whether it still keeps its program attached: somebody may have removed the pin.
    pub(super) fn is_still_there(&self) -> bool {
        match &self.life {
            Life::Pinned(path) => std::fs::symlink_metadata(path).is_ok(),
            Life::Held(_) => true,
        }
    }

    /// Takes the program off the interface.
    pub(super) fn detach(self) -> Result<(), EdgeError> {
        match self.life {
            Life::Pinned(path) => remove_pin(&path),
            Life::Held(link) => {
                drop(link);
                Ok(())
            }
        }
    }

    /// Pins the link, so that the program outlives this process.
    pub(super) fn pin(self, pins: &Pins) -> Result<Self, EdgeError> {
        let Life::Held(link) = self.life else {
            return Ok(self);
        };
        let path = pins.link_path(self.index);
        drop(
            link.pin(&path)
                .map_err(|error| pin_error("pin", &path, error))?,
        );
        Ok(Self {
            life: Life::Pinned(path),
            ..self
        })
    }

    /// Makes the program go with this process.
    fn unpin(self) -> Result<Self, EdgeError> {
        let Life::Pinned(path) = self.life else {
            return Ok(self);
        };
        let pinned =
            PinnedLink::from_pin(&path).map_err(|error| pin_error("open", &path, error))?;
        let link = pinned
            .unpin()
            .map_err(|error| pin_error("unlink", &path, error))?;
        Ok(Self {
            life: Life::Held(link),
            ..self
        })
    }
}

/// Removes the pin of a link, which detaches. The kernel detaches a while after the last pin has
/// gone, but at once with the last descriptor (`kernel/bpf/syscall.c`, `bpf_link_put`): so a
/// descriptor is held meanwhile, where this process may open the pin.
pub(super) fn remove_pin(path: &Path) -> Result<(), EdgeError> {
    let link = PinnedLink::from_pin(path);
    std::fs::remove_file(path).map_err(|error| pin_error("unlink", path, error))?;
    drop(link);
    Ok(())
}

/// A program that has just been attached, and what whoever runs the gateway should know of it.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) link: HeldLink,
    pub(super) attachment: Attachment,
    pub(super) note: Option<String>,
}

/// Attaches `program` to an interface, or replaces the program of a link that an earlier run
/// pinned there.
pub(super) fn attach(
    program: &mut Xdp,
    pins: &Pins,
    (interface, index): (String, u32),
    mode: AttachMode,
    on_exit: OnExit,
) -> Result<Attached, EdgeError> {
    let path = pins.link_path(index);
    let mut note = None;
    let found = adopt(program, &path, index, mode)?;
    let is_adopted = matches!(found, Found::Adopted(_));
    let link = match found {
        Found::Adopted(link) => link,
        Found::Nothing => match attach_new(program, &interface, index, mode) {
            Err(EdgeError::Occupied { occupant }) if is_ours(pins, &occupant)? => {
                detach_netlink(index, occupant.mode).map_err(system("RTM_SETLINK"))?;
                note = Some(format!(
                    "`{interface}` carried our own {occupant}, which cannot be replaced without a \
                     gap: it was taken off first"
                ));
                attach_instead(program, pins, &interface, index, mode, occupant.mode)?
            }
            outcome => outcome?,
        },
        Found::OtherMode(before) => attach_instead(program, pins, &interface, index, mode, before)?,
    };
    let program_id = program.info()?.id();
    let mode = match carried(index)? {
        Some(found) if found.program_id == program_id => found.mode,
        Some(_) | None => return Err(EdgeError::NotAttached { interface }),
    };
    let held = HeldLink {
        interface: interface.clone(),
        index,
        life: if is_adopted {
            // The pin is still there.
            Life::Pinned(path)
        } else {
            Life::Held(link)
        },
    };
    let link = match on_exit {
        OnExit::Keep => held.pin(pins)?,
        OnExit::Detach => held.unpin()?,
    };
    let attachment = Attachment {
        interface,
        mode,
        adopted: is_adopted,
    };
    Ok(Attached {
        link,
        attachment,
        note,
    })
}

/// Whether a program that somebody attached by netlink judges by our maps: what a kernel without
/// XDP links, or a hand, left of an earlier run.
fn is_ours(pins: &Pins, occupant: &Occupant) -> Result<bool, EdgeError> {
    if occupant.attached != AttachedBy::Netlink {
        return Ok(false);
    }
    let control = maps::id(pins.directory(), MAP_CONTROL)?;
    Ok(occupant::uses_map(occupant.program_id, control))
}

/// Attaches where our own program was taken off because it ran in another mode. Where the new mode
/// is refused, the interface is judged in the old one as before.
fn attach_instead(
    program: &mut Xdp,
    pins: &Pins,
    interface: &str,
    index: u32,
    mode: AttachMode,
    before: Mode,
) -> Result<FdLink, EdgeError> {
    attach_new(program, interface, index, mode).or_else(|refused| {
        let restored = HeldLink {
            interface: interface.to_owned(),
            index,
            life: Life::Held(attach_as(program, interface, index, before)?),
        };
        drop(restored.pin(pins)?);
        Err(refused)
    })
}

/// What an earlier run left for an interface.
#[derive(Debug)]
enum Found {
    /// Its link, with the program replaced.
    Adopted(FdLink),
    /// A link in a mode that is not wanted any more; it is detached.
    OtherMode(Mode),
    /// No link that serves; a pin is gone.
    Nothing,
}

/// Takes the pinned link over.
fn adopt(program: &mut Xdp, path: &Path, index: u32, mode: AttachMode) -> Result<Found, EdgeError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(pin_error("stat", path, error)),
        Ok(_) => {}
    }
    let pinned = PinnedLink::from_pin(path).map_err(|error| pin_error("open", path, error))?;
    // The mode of a link is fixed; for another one it has to be attached anew.
    let unfit = match carried(index)? {
        Some(found) if is_wanted(mode, found.mode) => None,
        Some(found) => Some(Found::OtherMode(found.mode)),
        // The interface the link was on is gone, and this one has got its number.
        None => Some(Found::Nothing),
    };
    if let Some(unfit) = unfit {
        drop(
            pinned
                .unpin()
                .map_err(|error| pin_error("unlink", path, error))?,
        );
        return Ok(unfit);
    }
    let link = XdpLink::try_from(FdLink::from(pinned))
        .map_err(|error| pin_error("read the link behind", path, error))?;
    match program.attach_to_link(link) {
        Ok(id) => take(program, id, "").map(Found::Adopted),
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOLINK) =>
        {
            std::fs::remove_file(path).map_err(|error| pin_error("unlink", path, error))?;
            Ok(Found::Nothing)
        }
        Err(error) => Err(pin_error("replace the program of", path, error)),
    }
}

/// Whether a mode is one that the configuration asks for.
pub(super) const fn is_wanted(wanted: AttachMode, mode: Mode) -> bool {
    match (wanted, mode) {
        (AttachMode::Auto, _)
        | (AttachMode::Native, Mode::Native)
        | (AttachMode::Generic, Mode::Generic) => true,
        (AttachMode::Native, Mode::Generic) | (AttachMode::Generic, Mode::Native) => false,
    }
}

fn attach_new(
    program: &mut Xdp,
    interface: &str,
    index: u32,
    mode: AttachMode,
) -> Result<FdLink, EdgeError> {
    let native = |program: &mut Xdp| attach_as(program, interface, index, Mode::Native);
    let generic = |program: &mut Xdp| attach_as(program, interface, index, Mode::Generic);
    match mode {
        AttachMode::Native => native(program),
        AttachMode::Generic => generic(program),
        AttachMode::Auto => match native(program) {
            // What the driver refuses, the generic path may take.
            Err(EdgeError::Attach { .. } | EdgeError::NoLink { .. }) => generic(program),
            other => other,
        },
    }
}

fn attach_as(
    program: &mut Xdp,
    interface: &str,
    index: u32,
    mode: Mode,
) -> Result<FdLink, EdgeError> {
    let xdp_mode = match mode {
        Mode::Native => XdpMode::Driver,
        Mode::Generic => XdpMode::Skb,
    };
    match program.attach_to_if_index(index, xdp_mode) {
        Ok(id) => take(program, id, interface),
        Err(ProgramError::SyscallError(error))
            if matches!(
                error.io_error.raw_os_error(),
                Some(libc::EBUSY | libc::EEXIST)
            ) =>
        {
            match carried(index)? {
                Some(found) => Err(EdgeError::Occupied {
                    occupant: Box::new(Occupant::describe(interface, found)),
                }),
                None => Err(EdgeError::Attach {
                    interface: interface.to_owned(),
                    mode: mode.name(),
                    source: ProgramError::SyscallError(error),
                }),
            }
        }
        Err(source) => Err(EdgeError::Attach {
            interface: interface.to_owned(),
            mode: mode.name(),
            source,
        }),
    }
}

/// The link as a descriptor. aya falls back to netlink without saying so where the kernel refuses
/// a link; that attachment is undone by dropping it, and reported.
fn take(program: &mut Xdp, id: XdpLinkId, interface: &str) -> Result<FdLink, EdgeError> {
    let link = program.take_link(id)?;
    FdLink::try_from(link).map_err(|_netlink| EdgeError::NoLink {
        interface: interface.to_owned(),
    })
}
