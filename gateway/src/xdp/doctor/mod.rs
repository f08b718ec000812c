//! `gateway doctor`: what a host has and lacks for the kernel edge, with the command that changes
//! it and the document that says so.
//!
//! Facts are read first ([`host`], [`link`], [`ethtool`]); rules over them ([`kernel`], [`driver`],
//! [`reach`]) are pure functions, so that a host which this one is not can be examined in a test.

mod generic_netlink;
mod ethtool;
mod host;
mod link;
mod kernel;
mod driver;
mod reach;

use std::io;
use std::path::Path;

use super::error::{EdgeError, system};
use super::{interfaces, pins};
use crate::model::{EdgeMode, Gateway, InstanceName};

use ethtool::Drivers;
use host::Host;
use link::Link;

pub use ethtool::{Channels, NativeSupport};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be, or good to know.
    Ok,
    /// Works, with less than there could be.
    Warn,
    /// Does not work.
    Fail,
}

impl Level {
    /// The name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was looked at: `kernel`, `clock`, or an interface as `interface eth0`.
    pub subject: String,
    /// What was found and what that means.
    pub text: String,
    /// The command that changes it, where there is one.
    pub command: Option<String>,
    /// The document that says so, where there is one: a path in the kernel's source tree or a
    /// manual page.
    pub source: Option<&'static str>,
}

impl Finding {
    fn new(level: Level, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            level,
            subject: subject.into(),
            text: text.into(),
            command: None,
            source: None,
        }
    }

    fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    fn source(mut self, source: &'static str) -> Self {
        self.source = Some(source);
        self
    }
}

/// What keeps rules of this gateway from working on this host, where nothing else would say so:
/// for whoever starts or reloads it.
///
/// # Errors
/// `/proc` cannot be read.
pub fn obstacles(gateway: &Gateway) -> Result<Option<Finding>, EdgeError> {
    kernel::missing_cookies(gateway).map_err(system("read /proc"))
}

/// Examines this host for a gateway, or with none every interface that is up.
///
/// # Errors
/// Where not even the interfaces can be listed, or the configuration names one that is not there.
pub fn examine(gateway: Option<&Gateway>) -> Result<Vec<Finding>, EdgeError> {
    let failed = system("read /proc and /sys");
    let host = Host::read(Path::new("/")).map_err(failed)?;
    let drivers = Drivers::open().map_err(system("generic netlink"))?;
    let links = Link::all(Path::new("/"), &drivers)?;
    let mut findings = kernel::examine(&host);
    match gateway {
        Some(gateway) if gateway.edge.mode == EdgeMode::Off => findings.push(Finding::new(
            Level::Ok,
            "xdp",
            "`xdp.mode` is `off`: no interface carries a program, accept enforces what it can",
        )),
        Some(gateway) => {
            findings.extend(kernel::examine_for(&host, gateway));
            let local = interfaces::local_addresses()?;
            let chosen = interfaces::chosen(&gateway.edge.interfaces, &gateway.listeners, &local)?;
            let is_chosen = |link: &&Link| chosen.iter().any(|(_, index)| *index == link.index);
            let judged: Vec<&Link> = links.iter().filter(is_chosen).collect();
            for link in &judged {
                findings.extend(driver::examine(link, &links, gateway.edge.attach));
                findings.extend(occupied(link, &gateway.instance)?);
            }
            findings.extend(reach::examine(&links, &judged, &gateway.listeners, &local));
            findings.extend(left_over(&gateway.instance)?);
        }
        None => {
            for link in links.iter().filter(|link| link.is_up && !link.is_loopback) {
                findings.extend(driver::examine(
                    link,
                    &links,
                    crate::model::AttachMode::Auto,
                ));
            }
        }
    }
    Ok(findings)
}

/// The program of somebody else on an interface that this instance is to judge.
fn occupied(link: &Link, instance: &InstanceName) -> Result<Option<Finding>, EdgeError> {
    let (Some(occupant), Some(carried)) = (&link.occupant, link.carried) else {
        return Ok(None);
    };
    let directory = pins::directory(instance);
    let subject = format!("interface {}", link.name);
    let is_ours = match super::maps::id(&directory, gateway_common::name::MAP_CONTROL) {
        Ok(control) => super::occupant::uses_map(carried.program_id, control),
        Err(error) if is_for_others_only(&error) => {
            let text = format!("carries the XDP {occupant}: only root can see whose it is");
            return Ok(Some(Finding::new(Level::Warn, subject, text)));
        }
        Err(_nothing_pinned) => false,
    };
    Ok(Some(if is_ours {
        Finding::new(Level::Ok, subject, format!("carries our {occupant}"))
    } else {
        Finding::new(
            Level::Fail,
            subject,
            format!("carries the XDP {occupant} of somebody else, so ours cannot be attached"),
        )
        .command(occupant.fix())
    }))
}

/// Whether pins are closed to this user.
fn is_for_others_only(error: &EdgeError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let denied = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        if denied {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Pins of other layout versions, whose programs go on judging.
fn left_over(instance: &InstanceName) -> Result<Vec<Finding>, EdgeError> {
    let paths = match super::status::other_versions(instance) {
        Ok(paths) => paths,
        // The pins are closed to everybody but root and the gateway's user.
        Err(error) if is_for_others_only(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    let finding = |path: &std::path::PathBuf| {
        let path = path.display();
        Finding::new(
            Level::Warn,
            "pins",
            format!("`{path}` was left by another version: programs among these pins still judge"),
        )
        .command(format!("sudo rm -r {path}"))
    };
    Ok(paths.iter().map(finding).collect())
}
