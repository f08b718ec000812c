//! Attaching the program to interfaces, and taking over from the run before.

use std::path::PathBuf;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpLinkId, XdpMode};
use aya::programs::{ProgramError, Xdp};

use super::error::EdgeError;
use super::interfaces::carried;
use super::pins::{Pins, pin_error};
use super::{Attachment, Mode};
use crate::model::{AttachMode, OnExit};

/// A program on an interface. Dropping it detaches, unless it is pinned.
#[derive(Debug)]
pub(super) struct HeldLink {
    pub(super) interface: String,
    pub(super) index: u32,
    link: FdLink,
    pin: Option<PathBuf>,
}

impl HeldLink {
    /// Removes the pin, so that the program goes with this process.
    pub(super) fn unpin(&mut self) -> Result<(), EdgeError> {
        if let Some(path) = self.pin.take() {
            std::fs::remove_file(&path).map_err(|error| pin_error("unlink", &path, error))?;
        }
        Ok(())
    }

    /// Pins the link, so that the program outlives this process.
    pub(super) fn pin(self, pins: &Pins) -> Result<Self, EdgeError> {
        if self.pin.is_some() {
            return Ok(self);
        }
        let path = pins.link_path(self.index)?;
        let pinned = self
            .link
            .pin(&path)
            .map_err(|error| pin_error("pin", &path, error))?;
        Ok(Self {
            link: pinned.into(),
            pin: Some(path),
            ..self
        })
    }
}

/// Attaches `program` to an interface, or replaces the program of a link that an earlier run
/// pinned there.
pub(super) fn attach(
    program: &mut Xdp,
    pins: &Pins,
    (interface, index): (String, u32),
    mode: AttachMode,
    on_exit: OnExit,
) -> Result<(HeldLink, Attachment), EdgeError> {
    let path = pins.link_path(index)?;
    let adopted = adopt(program, &path, index, mode)?;
    let is_adopted = adopted.is_some();
    let link = match adopted {
        Some(link) => link,
        None => attach_new(program, &interface, index, mode)?,
    };
    let program_id = program.info()?.id();
    let mode = match carried(index)? {
        Some(found) if found.program_id == program_id => found.mode,
        Some(_) | None => return Err(EdgeError::NotAttached { interface }),
    };
    let mut held = HeldLink {
        interface: interface.clone(),
        index,
        link,
        pin: is_adopted.then_some(path),
    };
    match on_exit {
        OnExit::Keep => held = held.pin(pins)?,
        OnExit::Detach => held.unpin()?,
    }
    let attachment = Attachment {
        interface,
        mode,
        adopted: is_adopted,
    };
    Ok((held, attachment))
}

/// The pinned link with its program replaced; `None` where there is none that serves, after which
/// the pin is gone.
fn adopt(
    program: &mut Xdp,
    path: &std::path::Path,
    index: u32,
    mode: AttachMode,
) -> Result<Option<FdLink>, EdgeError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(pin_error("stat", path, error)),
        Ok(_) => {}
    }
    let pinned = PinnedLink::from_pin(path).map_err(|error| pin_error("open", path, error))?;
    let wanted = match mode {
        AttachMode::Auto => None,
        AttachMode::Native => Some(Mode::Native),
        AttachMode::Generic => Some(Mode::Generic),
    };
    // The mode of a link is fixed; for another one it has to be attached anew.
    let fits = match carried(index)? {
        Some(found) => wanted.is_none_or(|wanted| wanted == found.mode),
        // The interface the link was on is gone, and this one has got its number.
        None => false,
    };
    if !fits {
        drop(
            pinned
                .unpin()
                .map_err(|error| pin_error("unlink", path, error))?,
        );
        return Ok(None);
    }
    let link = XdpLink::try_from(FdLink::from(pinned))
        .map_err(|error| pin_error("read the link behind", path, error))?;
    match program.attach_to_link(link) {
        Ok(id) => take(program, id, "").map(Some),
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOLINK) =>
        {
            std::fs::remove_file(path).map_err(|error| pin_error("unlink", path, error))?;
            Ok(None)
        }
        Err(error) => Err(pin_error("replace the program of", path, error)),
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
            Err(EdgeError::Occupied {
                interface: interface.to_owned(),
                program_id: carried(index)?.map_or(0, |found| found.program_id),
            })
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

/// Detaches what an earlier run left on an interface that is no longer ours to judge.
pub(super) fn detach_left(pins: &Pins, index: u32) -> Result<(), EdgeError> {
    let path = pins.link_path(index)?;
    std::fs::remove_file(&path).map_err(|error| pin_error("unlink", &path, error))
}
