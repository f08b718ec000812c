//! Where figures come from: the pinned maps, or the mapped file where there is no kernel edge.
//!
//! Both are read without the help of a gateway, so they can be read while none runs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::target::Target;
use crate::daemon::names::Names;
use crate::store::bucket::{BootId, FILE_NAME, read_file, read_file_lines};
use crate::xdp::stats::{Debts, Pinned, Snapshot, open_pinned};

/// Where the figures come from.
pub(super) struct Source {
    runtime_directory: PathBuf,
    place: Place,
}

enum Place {
    Kernel(Box<Pinned>),
    File(PathBuf),
}

/// Whose figures they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The kernel edge's.
    Kernel,
    /// A gateway's that counts at accept.
    File,
    /// As [`Self::File`], but written before the last boot.
    StaleFile,
}

/// What was counted up to one moment.
pub(super) struct Counted {
    pub(super) origin: Origin,
    pub(super) snapshot: Snapshot,
}

/// An interface that carries the program.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct CarryingInterface {
    pub(super) interface: String,
    pub(super) mode: &'static str,
}

impl Origin {
    /// The name in output.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::File => "file",
            Self::StaleFile => "stale_file",
        }
    }
}

impl Source {
    /// Finds what `target` has left to be read.
    pub(super) fn find(target: &Target) -> anyhow::Result<Self> {
        let instance = &target.instance;
        let pinned = open_pinned(instance).with_context(|| {
            format!(
                "cannot read the kernel edge of `{instance}`: run as root or as the gateway's user"
            )
        })?;
        let path = target.runtime_directory.join(FILE_NAME);
        let has_file = match std::fs::symlink_metadata(&path) {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(unreadable(&path, error)),
        };
        let place = match pinned {
            // Maps that no program feeds are of an earlier run where accept counts now.
            Some(pinned) if !(has_file && pinned.attachments.is_empty()) => {
                Place::Kernel(Box::new(pinned))
            }
            _ if has_file => Place::File(path),
            _ => bail!(
                "instance `{instance}` has neither pinned maps nor `{}`: start it with `gateway \
                 run`, or name another one with --instance or --config",
                path.display()
            ),
        };
        Ok(Self {
            runtime_directory: target.runtime_directory.clone(),
            place,
        })
    }

    /// Interfaces of this network namespace that carry the program, as they were when this was
    /// found.
    pub(super) fn attachments(&self) -> Vec<CarryingInterface> {
        let Place::Kernel(pinned) = &self.place else {
            return Vec::new();
        };
        let attachments = pinned.attachments.iter();
        attachments
            .map(|attachment| CarryingInterface {
                interface: attachment.interface.clone(),
                mode: attachment.mode.name(),
            })
            .collect()
    }

    /// Everything counted so far.
    pub(super) fn counted(&self) -> anyhow::Result<Counted> {
        Ok(match &self.place {
            Place::Kernel(pinned) => Counted {
                origin: Origin::Kernel,
                snapshot: pinned.statistics.read()?,
            },
            Place::File(path) => {
                let reading = read_file(path).map_err(|error| unreadable(path, error))?;
                let is_of_this_boot = BootId::current().is_ok_and(|boot| boot == reading.boot);
                Counted {
                    origin: if is_of_this_boot {
                        Origin::File
                    } else {
                        Origin::StaleFile
                    },
                    snapshot: reading.into(),
                }
            }
        })
    }

    /// Every debt at `now_ns`. The file does not say what limits are in force.
    pub(super) fn debts(&self, now_ns: u64) -> anyhow::Result<Debts> {
        match &self.place {
            Place::Kernel(pinned) => Ok(pinned.debts.read(now_ns)?),
            Place::File(path) => {
                let lines =
                    read_file_lines(path, now_ns).map_err(|error| unreadable(path, error))?;
                Ok(Debts {
                    sources: lines.sources,
                    callers: lines.callers,
                    limits: Vec::new(),
                })
            }
        }
    }

    /// The names that the last configuration gave to what is counted.
    pub(super) fn names(&self) -> anyhow::Result<Names> {
        Names::read(&self.runtime_directory).with_context(|| {
            format!(
                "cannot read the names in `{}`, so numbers are shown: run as root or as the \
                 gateway's user, with the version of the running gateway",
                self.runtime_directory.display()
            )
        })
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!(
        "cannot read `{}`: run as root or as the gateway's user",
        path.display()
    ))
}
