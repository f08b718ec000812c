//! The interfaces that carry the program, as one gateway or one command holds them.
//!
//! A link that is pinned lives by its pin. So whoever may write the pins can attach and detach
//! beside a gateway that runs, and [`Links::refresh`] finds out what is there now.

use super::attach::{self, HeldLink, is_wanted, remove_pin};
use super::error::EdgeError;
use super::interfaces::{self, Guarded, carried};
use super::object::Object;
use super::pins::Pins;
use super::{Attachment, Unguarded};
use crate::model::{AttachMode, Edge, EdgeMode};
use crate::telemetry::operator_log::explain;

/// Where the program is attached, and where it was to be.
#[derive(Debug, Default)]
pub(super) struct Links {
    held: Vec<HeldLink>,
    attachments: Vec<Attachment>,
    unguarded: Vec<Unguarded>,
}

impl Links {
    pub(super) fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    pub(super) fn unguarded(&self) -> &[Unguarded] {
        &self.unguarded
    }

    /// The interfaces whose addresses are judged.
    pub(super) fn guarded(&self) -> Vec<Guarded> {
        self.held
            .iter()
            .map(|link| Guarded {
                interface: link.interface.clone(),
                index: link.index,
            })
            .collect()
    }

    /// Attaches to every chosen interface, or replaces the program of the link that is pinned for
    /// it. In mode `auto` one that refuses is reported while the others go on, unless all refuse.
    /// Returns what whoever runs the gateway should know besides.
    pub(super) fn attach(
        &mut self,
        pins: &Pins,
        object: &mut Object,
        edge: &Edge,
        chosen: Vec<(String, u32)>,
    ) -> Result<Vec<String>, EdgeError> {
        let mut notes = Vec::new();
        let mut refused = None;
        for interface in chosen {
            let name = interface.0.clone();
            match attach::attach(object.edge()?, pins, interface, edge.attach, edge.on_exit) {
                Ok(attached) => {
                    self.held.push(attached.link);
                    self.attachments.push(attached.attachment);
                    notes.extend(attached.note);
                }
                Err(error) if edge.mode == EdgeMode::Auto && error.is_environmental() => {
                    self.unguarded.push(Unguarded {
                        interface: name,
                        cause: explain(&error),
                    });
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(error) if self.held.is_empty() => Err(error),
            Some(_) | None => Ok(notes),
        }
    }

    /// Looks again: links that somebody pinned for us meanwhile are ours, and those whose pin or
    /// device has gone are not any more; one that was renamed has its new name. Must be
    /// called in the network namespace of the links.
    pub(super) fn refresh(&mut self, pins: &Pins) -> Result<(), EdgeError> {
        let mut now = Vec::with_capacity(self.held.len());
        for link in &self.held {
            let name = interfaces::name(link.index)?;
            now.push(name.zip(carried(link.index)?.filter(|_| link.is_still_there())));
        }
        // Nothing fails while links are moved: one that is lost halfway is detached.
        let known = std::mem::take(&mut self.attachments);
        for (mut link, now) in std::mem::take(&mut self.held).into_iter().zip(now) {
            let before = known.iter().find(|it| it.interface == link.interface);
            let adopted = before.is_some_and(|attachment| attachment.adopted);
            if let Some((interface, found)) = now {
                link.interface.clone_from(&interface);
                self.held.push(link);
                self.attachments.push(Attachment {
                    interface,
                    mode: found.mode,
                    adopted,
                });
            }
        }
        for index in pins.linked()? {
            if self.held.iter().any(|link| link.index == index) {
                continue;
            }
            // Where the interface has gone, its pin means nothing.
            if let (Some(interface), Some(found)) = (interfaces::name(index)?, carried(index)?) {
                self.unguarded.retain(|known| known.interface != interface);
                self.attachments.push(Attachment {
                    interface: interface.clone(),
                    mode: found.mode,
                    adopted: true,
                });
                let path = pins.link_path(index);
                self.held.push(HeldLink::pinned(interface, index, path));
            }
        }
        Ok(())
    }

    /// Checks that a configuration asks for nothing that takes privileges: each of its interfaces
    /// carries the program already, in the mode that it names, or is one that refused it.
    pub(super) fn require(&self, named: &[String], mode: AttachMode) -> Result<(), EdgeError> {
        let is_unguarded = |name: &String| self.unguarded.iter().any(|it| &it.interface == name);
        for name in named {
            let is_held = self.held.iter().any(|link| &link.interface == name);
            if !is_held && !is_unguarded(name) {
                return Err(EdgeError::NewInterface { name: name.clone() });
            }
        }
        let is_other = |attachment: &&Attachment| {
            let is_named = named.is_empty() || named.contains(&attachment.interface);
            is_named && !is_wanted(mode, attachment.mode)
        };
        match self.attachments.iter().find(is_other) {
            Some(attachment) => Err(EdgeError::OtherMode {
                interface: attachment.interface.clone(),
                mode: attachment.mode.name(),
            }),
            None => Ok(()),
        }
    }

    /// Detaches from interfaces that are not named; with no names at all, from none.
    pub(super) fn detach_unnamed(&mut self, named: &[String]) -> Result<(), EdgeError> {
        if named.is_empty() {
            return Ok(());
        }
        for link in std::mem::take(&mut self.held) {
            if named.contains(&link.interface) {
                self.held.push(link);
            } else {
                link.detach()?;
            }
        }
        self.attachments
            .retain(|attachment| named.contains(&attachment.interface));
        self.unguarded
            .retain(|unguarded| named.contains(&unguarded.interface));
        Ok(())
    }

    /// Pins what is not pinned yet, so that it outlives this process.
    pub(super) fn keep(self, pins: &Pins) -> Result<(), EdgeError> {
        for link in self.held {
            drop(link.pin(pins)?);
        }
        Ok(())
    }

    /// Detaches everywhere.
    pub(super) fn detach(self) -> Result<(), EdgeError> {
        self.held.into_iter().try_for_each(HeldLink::detach)
    }

    /// Detaches where there was no program of ours before.
    pub(super) fn undo(self) -> Result<(), EdgeError> {
        let is_new = |link: &HeldLink| {
            let adopted = |attachment: &&Attachment| attachment.interface == link.interface;
            self.attachments
                .iter()
                .find(adopted)
                .is_some_and(|attachment| !attachment.adopted)
        };
        let (new, kept): (Vec<_>, Vec<_>) = self.held.into_iter().partition(is_new);
        drop(kept);
        new.into_iter().try_for_each(HeldLink::detach)
    }
}

/// Removes the pins of interfaces that are not chosen, which detaches from them.
pub(super) fn detach_left(pins: &Pins, chosen: &[(String, u32)]) -> Result<(), EdgeError> {
    for index in pins.linked()? {
        if chosen.iter().all(|(_, kept)| *kept != index) {
            remove_pin(&pins.link_path(index))?;
        }
    }
    Ok(())
}

/// Detaches from an interface by its name; `false` where nothing was pinned for it.
pub(super) fn detach_by_name(pins: &Pins, name: &str) -> Result<bool, EdgeError> {
    let index = interfaces::index(name)?;
    let is_pinned = pins.linked()?.contains(&index);
    if is_pinned {
        remove_pin(&pins.link_path(index))?;
    }
    Ok(is_pinned)
}
