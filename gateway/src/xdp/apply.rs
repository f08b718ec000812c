//! `gateway xdp apply` and `gateway xdp detach`: what takes privileges, done for a gateway that has
//! given its own up, or for one that does not run.
//!
//! Beside a running gateway only links change: the program is loaded against the maps that the
//! gateway writes, it replaces the one in every pinned link, and new interfaces get links of their
//! own. The rules stay the gateway's to change, which it does when it is told.

use std::sync::Arc;

use gateway_common::name::MAP_CONTROL;

use super::error::EdgeError;
use super::handle::EdgeHandle;
use super::interfaces::{carried, chosen, local_addresses};
use super::links::{self, Links};
use super::object::Object;
use super::pins::{self, Pins};
use super::{Attachment, maps, occupant, require_capabilities, user_id};
use crate::model::{Edge, EdgeMode, Gateway, InstanceName, OnExit};
use crate::store::list::{ListError, ListSink};

/// Links that were changed beside a running gateway, which has to be told.
#[derive(Debug)]
pub struct Applied {
    links: Links,
    interfaces: Vec<String>,
    notes: Vec<String>,
    /// Held until the gateway has been told, so that nobody else changes links meanwhile.
    _pins: Pins,
}

/// Puts the program of this binary on every interface that the configuration asks for, beside the
/// gateway that runs as this user and group. Interfaces that it no longer asks for are left for the
/// gateway to let go.
///
/// # Errors
/// [`EdgeError::NothingToApply`] where the gateway runs without a kernel edge of this layout or
/// its programs end with it; else as [`super::start`]. What was attached anew is detached again.
pub fn apply_beside(gateway: &Gateway, (user, group): (u32, u32)) -> Result<Applied, EdgeError> {
    may_apply(gateway)?;
    // Who runs this command is there to see what refuses.
    let edge = &Edge {
        mode: EdgeMode::Required,
        ..gateway.edge.clone()
    };
    let chosen = chosen(&edge.interfaces, &gateway.listeners, &local_addresses()?)?;
    let Some(pins) = Pins::beside(&gateway.instance)? else {
        return Err(EdgeError::NothingToApply {
            cause: "the running gateway has no kernel edge of this version's layout",
            fix: "restart it with this binary as root",
        });
    };
    let control = maps::id(pins.directory(), MAP_CONTROL)?;
    let pinned = pins.linked()?;
    for (_, index) in chosen.iter().filter(|(_, index)| !pinned.contains(index)) {
        let found = carried(*index)?;
        let is_held = found.is_some_and(|found| occupant::uses_map(found.program_id, control));
        if is_held {
            return Err(EdgeError::NothingToApply {
                cause: "the running gateway has `xdp.on_exit: detach`, so that its programs belong to it",
                fix: "restart it as root",
            });
        }
    }
    // Its maps are pinned, whatever size the configuration asks for by now.
    let mut object = Object::load(&pins, gateway.buckets)?;
    let interfaces = chosen.iter().map(|(name, _)| name.clone()).collect();
    let mut links = Links::default();
    match links.attach(&pins, &mut object, edge, chosen) {
        Ok(notes) => {
            pins.hand_over_links(user, group)?;
            Ok(Applied {
                links,
                interfaces,
                notes,
                _pins: pins,
            })
        }
        Err(error) => {
            links.undo()?;
            Err(error)
        }
    }
}

impl Applied {
    /// Every interface that is to carry the program.
    #[must_use]
    pub fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    /// Where the program is now.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        self.links.attachments()
    }

    /// What else should be known.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Detaches from the interfaces that had no program of ours before, because the gateway
    /// refused. Programs that were replaced stay replaced: they judge by the same rules.
    ///
    /// # Errors
    /// A pin that could not be removed.
    pub fn undo(self) -> Result<(), EdgeError> {
        self.links.undo()
    }
}

/// Whether this process may apply anything, and anything is to be applied.
///
/// # Errors
/// [`EdgeError::NothingToApply`], [`EdgeError::NotPermitted`].
pub fn may_apply(gateway: &Gateway) -> Result<(), EdgeError> {
    require_kept(gateway)?;
    require_capabilities()
}

/// Starts the kernel edge as the configuration asks while no gateway runs; `fill` as for
/// [`super::start`]. The caller then calls [`EdgeHandle::shutdown`] with [`OnExit::Keep`].
///
/// # Errors
/// As [`super::start`] in mode `required`, and [`EdgeError::NothingToApply`] where nothing is to
/// stay.
pub fn apply_alone(
    gateway: &Gateway,
    fill: impl FnOnce(Arc<dyn ListSink>) -> Result<(), ListError>,
) -> Result<EdgeHandle, EdgeError> {
    may_apply(gateway)?;
    EdgeHandle::start(gateway, user_id(gateway), fill)
}

fn require_kept(gateway: &Gateway) -> Result<(), EdgeError> {
    let refusal = |cause, fix| Err(EdgeError::NothingToApply { cause, fix });
    match (gateway.edge.mode, gateway.edge.on_exit) {
        (EdgeMode::Off, _) => refusal(
            "`xdp.mode` is `off`",
            "set it to `auto` or `required`; `gateway xdp detach` removes what is attached",
        ),
        (_, OnExit::Detach) => refusal(
            "`xdp.on_exit` is `detach`, so that programs live no longer than the gateway",
            "set it to `keep`, or restart the gateway as root",
        ),
        (EdgeMode::Auto | EdgeMode::Required, OnExit::Keep) => Ok(()),
    }
}

/// What [`detach`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// Everything is gone: programs, limits, lists and counters in the kernel.
    Everything,
    /// One interface is free; the rest stays in force.
    Interface,
    /// There was nothing of this instance.
    Nothing,
}

/// Takes the programs of an instance whose gateway does not run off one interface, or off all
/// together with everything that is pinned, that of other versions too.
///
/// # Errors
/// [`EdgeError::InstanceRunning`], and pins that cannot be removed.
pub fn detach(instance: &InstanceName, interface: Option<&str>) -> Result<Detached, EdgeError> {
    let pins = Pins::open(instance)?;
    match (pins, interface) {
        (Some(pins), Some(name)) => Ok(if links::detach_by_name(&pins, name)? {
            Detached::Interface
        } else {
            Detached::Nothing
        }),
        (Some(pins), None) => {
            pins.remove_versions()?;
            pins.remove().map(|()| Detached::Everything)
        }
        (None, Some(_)) => Ok(Detached::Nothing),
        (None, None) => Ok(if pins::remove_left_versions(instance)? {
            Detached::Everything
        } else {
            Detached::Nothing
        }),
    }
}
