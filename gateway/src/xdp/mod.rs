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
mod object;
mod interfaces;
mod endpoints;
mod switch;
mod attach;
mod deny;
mod follow;
pub mod stats;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{EdgeMode, Gateway, InstanceName, Listener, OnExit};
use crate::store::bucket::Buckets;
use crate::store::deny::DenySink;

use attach::HeldLink;
use deny::KernelDeny;
use endpoints::EndpointTable;
use maps::{DenyTables, SwitchMaps};
use object::Object;
use pins::Pins;
use stats::StatisticsReader;
use switch::{Rules, Switch};

pub use error::{EdgeError, MapShape, VerifierTail};
pub use follow::AddressFollower;

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

/// An interface that was to carry a program and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unguarded {
    /// The interface.
    pub interface: String,
    /// Why.
    pub cause: String,
}

/// The attached kernel edge.
#[derive(Debug)]
pub struct EdgeHandle {
    pins: Pins,
    links: Vec<HeldLink>,
    attachments: Vec<Attachment>,
    unguarded: Vec<Unguarded>,
    notes: Vec<String>,
    buckets: Buckets,
    statistics: StatisticsReader,
    switch: Arc<Mutex<Switch>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
    deny: Option<KernelDeny>,
    tick_ns: u64,
}

/// Starts the kernel edge as the configuration asks. Call before threads exist and before
/// privileges are given up, in the network namespace of the listeners.
///
/// # Errors
/// In mode `required` whatever keeps it from working; in mode `auto` only what the configuration
/// got wrong or what could be an attack, such as a running instance of this name or foreign pins.
pub fn start(gateway: &Gateway) -> Result<Start, EdgeError> {
    let absent = |cause: String, fix: &str| {
        Start::Absent(Absence {
            cause,
            missing: missing(gateway),
            fix: fix.to_owned(),
        })
    };
    match gateway.edge.mode {
        EdgeMode::Off => Ok(absent(
            "`xdp.mode` is `off`".to_owned(),
            "set `xdp.mode: auto` and start the gateway as root",
        )),
        EdgeMode::Required => start_attached(gateway).map(|edge| Start::Attached(Box::new(edge))),
        EdgeMode::Auto => match start_attached(gateway) {
            Ok(edge) => Ok(Start::Attached(Box::new(edge))),
            Err(error) if error.is_environmental() => {
                let fix = error.fix();
                let cause = describe(&error);
                Ok(absent(cause, fix))
            }
            Err(error) => Err(error),
        },
    }
}

/// What accept cannot make up for.
fn missing(gateway: &Gateway) -> Vec<String> {
    let mut missing = vec![
        "denied sources and connections over their rate are refused at accept instead of dropped \
         before the stack"
            .to_owned(),
    ];
    missing.push(if gateway.edge.packets.is_some() {
        "`xdp.packets_per_source` is not enforced".to_owned()
    } else {
        "packet rates cannot be limited".to_owned()
    });
    missing
}

fn start_attached(gateway: &Gateway) -> Result<EdgeHandle, EdgeError> {
    require_capabilities()?;
    let local = interfaces::local_addresses()?;
    let chosen = interfaces::chosen(&gateway.edge.interfaces, &gateway.listeners, &local)?;
    let table = EndpointTable::build(&gateway.listeners, &local)?;
    let pins = Pins::create(&gateway.instance, user_id(gateway))?;
    let mut notes = Vec::new();
    for path in pins.other_versions()? {
        notes.push(format!(
            "`{}` was left by another version of the gateway: remove it when that version is not \
             needed any more",
            path.display()
        ));
    }
    let mut object = Object::load(&pins)?;
    let tick_ns = object.tick_ns()?;
    let (mut switch, is_fresh) = Switch::open(SwitchMaps::open(&pins)?)?;
    let buckets = maps::buckets(&pins, switch.seed())?;
    // The program learns the rules before it sees its first packet.
    switch.publish(&Rules::of(&gateway.edge, tick_ns), table)?;
    let switch = Arc::new(Mutex::new(switch));
    let deny = KernelDeny::new(
        Arc::clone(&switch),
        DenyTables::open(&pins)?,
        is_fresh,
        None,
    );
    let mut edge = EdgeHandle {
        statistics: StatisticsReader::open(pins.directory())?,
        pins,
        links: Vec::new(),
        attachments: Vec::new(),
        unguarded: Vec::new(),
        notes,
        buckets,
        switch,
        listeners: Arc::new(Mutex::new(gateway.listeners.clone())),
        deny: Some(deny),
        tick_ns,
    };
    edge.attach_all(&mut object, gateway, chosen)?;
    Ok(edge)
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

impl EdgeHandle {
    /// Attaches to every chosen interface. In mode `auto` one that refuses is reported while the
    /// others go on, unless all refuse.
    fn attach_all(
        &mut self,
        object: &mut Object,
        gateway: &Gateway,
        chosen: Vec<(String, u32)>,
    ) -> Result<(), EdgeError> {
        for index in self.pins.linked()? {
            if chosen.iter().all(|(_, kept)| *kept != index) {
                attach::detach_left(&self.pins, index)?;
            }
        }
        let edge = &gateway.edge;
        let mut refused = None;
        for interface in chosen {
            let name = interface.0.clone();
            let program = object.edge()?;
            match attach::attach(program, &self.pins, interface, edge.attach, edge.on_exit) {
                Ok((link, attachment)) => {
                    self.links.push(link);
                    self.attachments.push(attachment);
                }
                Err(error) if edge.mode == EdgeMode::Auto && error.is_environmental() => {
                    self.unguarded.push(Unguarded {
                        interface: name,
                        cause: describe(&error),
                    });
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(error) if self.links.is_empty() => Err(error),
            Some(_) | None => Ok(()),
        }
    }

    /// The words shared with the program.
    #[must_use]
    pub fn buckets(&self) -> Buckets {
        self.buckets.clone()
    }

    /// Where the program runs.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// Where it was to run and does not.
    #[must_use]
    pub fn unguarded(&self) -> &[Unguarded] {
        &self.unguarded
    }

    /// What whoever runs the gateway should know besides.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Reads the statistics, for metrics.
    #[must_use]
    pub fn statistics(&self) -> StatisticsReader {
        self.statistics.clone()
    }

    /// Whether source limits are charged by the kernel, so that accept must not charge them again.
    /// True only if no interface is unguarded.
    #[must_use]
    pub fn judges_all(&self) -> bool {
        self.unguarded.is_empty()
    }

    /// The kernel's tables, for [`crate::store::deny::DenyList::attach`]. `None` the second time.
    pub fn take_deny_sink(&mut self) -> Option<Box<dyn DenySink>> {
        self.deny
            .take()
            .map(|sink| Box::new(sink) as Box<dyn DenySink>)
    }

    /// The task that follows the host's addresses; the caller spawns it on its control runtime.
    #[must_use]
    pub fn address_follower(&self) -> AddressFollower {
        AddressFollower {
            switch: Arc::clone(&self.switch),
            listeners: Arc::clone(&self.listeners),
        }
    }

    /// Gives the pins to the user the gateway is going to run as, so that it can still remove
    /// them. Call before giving privileges up.
    ///
    /// # Errors
    /// `chown`'s.
    pub fn hand_over(&self, user: u32, group: u32) -> Result<(), EdgeError> {
        self.pins.hand_over(user, group)
    }

    /// Puts the listeners and limits of another configuration in force, all at once. Works
    /// without privileges.
    ///
    /// # Errors
    /// [`EdgeError::NewInterface`] for a configured interface that carries no program of ours;
    /// nothing changed then. The failure of a map operation also leaves the old rules in force.
    pub fn apply(&mut self, gateway: &Gateway) -> Result<(), EdgeError> {
        for name in &gateway.edge.interfaces {
            let is_held = self.links.iter().any(|link| &link.interface == name);
            let is_known = self.unguarded.iter().any(|known| &known.interface == name);
            if !is_held && !is_known {
                return Err(EdgeError::NewInterface { name: name.clone() });
            }
        }
        let local = interfaces::local_addresses()?;
        let table = EndpointTable::build(&gateway.listeners, &local)?;
        let rules = Rules::of(&gateway.edge, self.tick_ns);
        {
            let mut listeners = lock(&self.listeners);
            lock(&self.switch).publish(&rules, table)?;
            listeners.clone_from(&gateway.listeners);
        }
        self.detach_unnamed(&gateway.edge.interfaces)
    }

    /// Detaches from interfaces that the configuration has ceased to name.
    fn detach_unnamed(&mut self, named: &[String]) -> Result<(), EdgeError> {
        if named.is_empty() {
            return Ok(());
        }
        let links = std::mem::take(&mut self.links);
        for mut link in links {
            if named.contains(&link.interface) {
                self.links.push(link);
            } else {
                link.unpin()?;
            }
        }
        self.attachments
            .retain(|attachment| named.contains(&attachment.interface));
        self.unguarded
            .retain(|unguarded| named.contains(&unguarded.interface));
        Ok(())
    }

    /// Ends this process's part: the programs stay and keep judging, or everything goes.
    ///
    /// # Errors
    /// What could not be pinned or removed; the path is in the error.
    pub fn shutdown(self, on_exit: OnExit) -> Result<(), EdgeError> {
        let Self { pins, links, .. } = self;
        match on_exit {
            OnExit::Keep => {
                for link in links {
                    link.pin(&pins)?;
                }
                Ok(())
            }
            OnExit::Detach => {
                for mut link in links {
                    link.unpin()?;
                }
                pins.remove()
            }
        }
    }
}

/// The pinned deny tables of an instance whose gateway is not running, for the command line;
/// `None` where nothing is pinned. Holds the instance's lock while it lives.
///
/// # Errors
/// [`EdgeError::InstanceRunning`] and whatever opening maps fails with.
pub fn offline_deny_sink(instance: &InstanceName) -> Result<Option<Box<dyn DenySink>>, EdgeError> {
    let Some(pins) = Pins::open(instance)? else {
        return Ok(None);
    };
    let (switch, is_fresh) = Switch::open(SwitchMaps::open(&pins)?)?;
    let tables = DenyTables::open(&pins)?;
    let switch = Arc::new(Mutex::new(switch));
    Ok(Some(Box::new(KernelDeny::new(
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

/// An error with its causes, on one line.
fn describe(error: &EdgeError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
