//! The kernel edge seen from user space.
//!
//! [`start`] loads the embedded program against the maps that are pinned for this instance, tells
//! it the listeners and limits, and attaches it, or replaces the program that the run before left
//! attached, without a gap. What it returns lives on descriptors alone: everything an
//! [`EdgeHandle`] does works after the process has given its privileges up, except attaching to
//! an interface that is new.
//!
//! XDP is an accelerator and never the only guard. Where it cannot be had, [`Start::Absent`] says
//! what is then not done and what would change that, and accept enforces what can be enforced
//! there.

mod error;
mod pins;
mod maps;
mod resize;
mod object;
mod interfaces;
mod endpoints;
mod rules;
mod switch;
mod occupant;
mod attach;
mod lists;
mod links;
mod follow;
mod flows;
mod syns;
mod handle;
mod apply;
mod in_force;
pub mod stats;
mod lease;
pub mod events;
pub mod explain;
pub mod status;
pub mod doctor;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{EdgeMode, Gateway, InstanceName, Listener, ListenerRate, Treatments};
use crate::store::list::{ListError, ListSink};
use crate::telemetry::operator_log::explain;

use lists::KernelLists;
use maps::{ListTables, SwitchMaps};
use pins::Pins;
use switch::Switch;

pub use apply::{Applied, Detached, apply_alone, apply_beside, detach, may_apply};
pub use error::{EdgeError, MapShape, VerifierTail};
pub use follow::AddressFollower;
pub use handle::EdgeHandle;
pub use occupant::{AttachedBy, Identity, Occupant};
pub use syns::SynReader;

/// How a start of the kernel edge ended.
#[derive(Debug)]
pub enum Start {
    /// The kernel judges packets.
    Attached(Box<EdgeHandle>),
    /// It does not.
    Absent(Absence),
}

/// Why the kernel judges nothing, what that means, and what would change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Why.
    pub cause: String,
    /// What the kernel is not doing.
    pub missing: Vec<String>,
    /// The command or setting that would change it.
    pub fix: String,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cause,
            missing,
            fix,
        } = self;
        write!(
            f,
            "XDP is not used: {cause}; without it {}; to change this: {fix}",
            missing.join(", ")
        )
    }
}

/// A program on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The interface.
    pub interface: String,
    /// How the program is attached.
    pub mode: Mode,
    /// Whether it took over from an earlier run without a gap.
    pub adopted: bool,
}

/// Where in the receive path a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the generic path, after the kernel has built its packet (and after GRO, so that limits
    /// count merged packets).
    Generic,
}

impl Mode {
    /// The name in output and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// An interface that was to carry a program and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unguarded {
    /// The interface.
    pub interface: String,
    /// Why.
    pub cause: String,
}

/// Starts the kernel edge as the configuration asks; `fill` puts the lists into its tables, see
/// [`crate::store::list::Lists::attach`], before the first packet is judged. Call before threads exist and before
/// privileges are given up, in the network namespace of the listeners.
///
/// # Errors
/// In mode `required` whatever keeps it from working; in mode `auto` only what the configuration
/// got wrong or what could be an attack, such as a running instance of this name or foreign pins.
/// Whatever fails leaves nothing attached that was not before.
pub fn start(
    gateway: &Gateway,
    fill: impl FnOnce(Arc<dyn ListSink>) -> Result<(), ListError>,
) -> Result<Start, EdgeError> {
    let absent = |cause: String, fix: &str| {
        Start::Absent(Absence {
            cause,
            missing: missing(gateway),
            fix: fix.to_owned(),
        })
    };
    match gateway.edge.mode {
        EdgeMode::Off => {
            let cause = match remove_left_over(&gateway.instance) {
                Ok(()) if status::other_versions(&gateway.instance)?.is_empty() => {
                    "`xdp.mode` is `off`".to_owned()
                }
                Ok(()) => "`xdp.mode` is `off`, but programs that another version has left may \
                           still judge: `gateway xdp detach` ends that"
                    .to_owned(),
                Err(error @ EdgeError::InstanceRunning { .. }) => return Err(error),
                Err(error) => format!(
                    "`xdp.mode` is `off` ({}: {})",
                    left_over_warning(&gateway.instance),
                    explain(&error)
                ),
            };
            Ok(absent(
                cause,
                "set `xdp.mode: auto` and start the gateway as root",
            ))
        }
        EdgeMode::Required => {
            start_attached(gateway, fill).map(|edge| Start::Attached(Box::new(edge)))
        }
        EdgeMode::Auto => match start_attached(gateway, fill) {
            Ok(edge) => Ok(Start::Attached(Box::new(edge))),
            Err(error) if error.is_environmental() => {
                let mut cause = explain(&error);
                if pins::left_over(&gateway.instance) {
                    cause = format!("{cause} ({})", left_over_warning(&gateway.instance));
                }
                Ok(absent(cause, error.fix()))
            }
            Err(error) => Err(error),
        },
    }
}

/// Removes what an earlier run left attached, which would go on judging by its old rules.
fn remove_left_over(instance: &InstanceName) -> Result<(), EdgeError> {
    if !pins::left_over(instance) {
        return Ok(());
    }
    match Pins::open(instance)? {
        Some(pins) => pins.remove(),
        None => Ok(()),
    }
}

fn left_over_warning(instance: &InstanceName) -> String {
    format!(
        "the program of an earlier run may still judge by its old rules: `sudo rm -r {}` ends that",
        pins::instance_directory(instance).display()
    )
}

/// What accept cannot make up for.
fn missing(gateway: &Gateway) -> Vec<String> {
    let mut missing = vec![
        "denied sources and connections over their rate are refused at accept instead of dropped \
         before the stack"
            .to_owned(),
    ];
    let edge = &gateway.edge;
    let is_own = |rate: ListenerRate| matches!(rate, ListenerRate::Own(_));
    let any = |shared: bool, own: fn(&Listener) -> ListenerRate| {
        shared
            || gateway
                .listeners
                .iter()
                .any(|listener| is_own(own(listener)))
    };
    let packets = any(edge.packets.is_some(), |listener| listener.edge.packets);
    let bytes = any(edge.bytes.is_some(), |listener| listener.edge.bytes);
    let other = &edge.other_traffic;
    let settings = [
        ("packets_per_source", packets),
        ("bytes_per_source", bytes),
        (
            "other_traffic",
            other.treatments != Treatments::default() || !other.interfaces.is_empty(),
        ),
        (
            "under_attack.syns_per_second",
            edge.under_attack.syns_per_second.is_some(),
        ),
    ];
    for (setting, is_configured) in settings {
        if is_configured {
            missing.push(format!("`xdp.{setting}` is not enforced"));
        }
    }
    if !packets {
        missing.push("packet rates cannot be limited".to_owned());
    }
    missing
}

fn start_attached(
    gateway: &Gateway,
    fill: impl FnOnce(Arc<dyn ListSink>) -> Result<(), ListError>,
) -> Result<EdgeHandle, EdgeError> {
    require_capabilities()?;
    EdgeHandle::start(gateway, user_id(gateway), fill)
}

/// The user the gateway is going to run as; one that does not exist is refused elsewhere.
fn user_id(gateway: &Gateway) -> Option<u32> {
    let name = gateway.user.as_deref()?;
    let user = nix::unistd::User::from_name(name).ok().flatten()?;
    Some(user.uid.as_raw())
}

/// Loading and attaching XDP takes `CAP_BPF` and `CAP_NET_ADMIN` from Linux 5.8 on.
fn require_capabilities() -> Result<(), EdgeError> {
    use rustix::thread::CapabilitySet;
    let held = rustix::thread::capabilities(None)
        .map_err(error::errno("capget"))?
        .effective;
    let has_bpf = held.intersects(CapabilitySet::BPF | CapabilitySet::SYS_ADMIN);
    match (has_bpf, held.contains(CapabilitySet::NET_ADMIN)) {
        (true, true) => Ok(()),
        (false, true) => Err(EdgeError::NotPermitted { missing: "CAP_BPF" }),
        (true, false) => Err(EdgeError::NotPermitted {
            missing: "CAP_NET_ADMIN",
        }),
        (false, false) => Err(EdgeError::NotPermitted {
            missing: "CAP_BPF and CAP_NET_ADMIN",
        }),
    }
}

/// The pinned tables of the lists of an instance whose gateway is not running, for the command line;
/// `None` where nothing is pinned. Holds the instance's lock while it lives.
///
/// # Errors
/// [`EdgeError::InstanceRunning`] and whatever opening maps fails with.
pub fn offline_list_sink(instance: &InstanceName) -> Result<Option<Arc<dyn ListSink>>, EdgeError> {
    let Some(pins) = Pins::open(instance)? else {
        return Ok(None);
    };
    let (switch, is_fresh) = Switch::open(SwitchMaps::open(&pins)?)?;
    let tables = ListTables::open(&pins)?;
    let switch = Arc::new(Mutex::new(switch));
    Ok(Some(Arc::new(KernelLists::new(
        switch,
        tables,
        is_fresh,
        Some(pins),
    ))))
}

/// A lock whose holder changes one thing at a time; a panic in between leaves the kernel with the
/// old state in force.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
