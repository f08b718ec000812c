//! The attached kernel edge, as the daemon holds it.

use std::sync::{Arc, Mutex};

use gateway_common::name::MAP_FLOWS;

use super::attach::{self, HeldLink};
use super::deny::KernelDeny;
use super::endpoints::{EndpointTable, treating};
use super::error::EdgeError;
use super::flows::KernelFlows;
use super::follow::{AddressFollower, Scope};
use super::interfaces::{Guarded, LocalAddress};
use super::maps::{self, DenyTables, SwitchMaps};
use super::object::Object;
use super::pins::Pins;
use super::rules::Rules;
use super::stats::StatisticsReader;
use super::switch::Switch;
use super::syns::SynReader;
use super::{Attachment, Unguarded, interfaces, lock};
use crate::model::{EdgeMode, Gateway, OnExit};
use crate::store::bucket::Buckets;
use crate::store::control::ControlWords;
use crate::store::coverage::Coverage;
use crate::store::deny::DenySink;
use crate::store::penalty::Penalties;
use crate::store::vouch::Vouched;
use crate::telemetry::operator_log::explain;

/// The attached kernel edge.
#[derive(Debug)]
pub struct EdgeHandle {
    pins: Pins,
    links: Vec<HeldLink>,
    attachments: Vec<Attachment>,
    unguarded: Vec<Unguarded>,
    notes: Vec<String>,
    buckets: Buckets,
    control: ControlWords,
    vouched: Vouched,
    penalties: Penalties,
    syns: SynReader,
    statistics: StatisticsReader,
    switch: Arc<Mutex<Switch>>,
    coverage: Coverage,
    scope: Arc<Mutex<Scope>>,
    deny: Option<KernelDeny>,
    tick_ns: u64,
}

impl EdgeHandle {
    /// Loads, tells the program the rules, attaches.
    pub(super) fn start(gateway: &Gateway, user: Option<u32>) -> Result<Self, EdgeError> {
        let local = interfaces::local_addresses()?;
        let chosen = interfaces::chosen(&gateway.edge.interfaces, &gateway.listeners, &local)?;
        let indexed = chosen.iter().map(|(name, index)| (name.as_str(), *index));
        let treating = treating(&gateway.edge.other_traffic, indexed);
        let table = EndpointTable::build(&gateway.listeners, &local, &treating)?;
        let pins = Pins::create(&gateway.instance, user)?;
        let notes = notes(&pins, gateway, &chosen)?;
        let mut object = Object::load(&pins)?;
        let tick_ns = object.tick_ns()?;
        let (mut switch, is_fresh) = Switch::open(SwitchMaps::open(&pins)?)?;
        let seed = switch.seed();
        let control = switch.control();
        let buckets = maps::buckets(&pins, seed)?;
        let vouched = Vouched::new(
            maps::vouched(&pins, seed)?,
            gateway.edge.under_attack.vouch_for,
        );
        let penalties = Penalties::new(
            buckets.clone(),
            maps::offences(&pins, seed)?,
            Box::new(KernelFlows::new(maps::open_as(
                pins.directory(),
                MAP_FLOWS,
            )?)),
            control.clone(),
        )?;
        // The program learns the rules before it sees its first packet.
        let rules = Rules::of(gateway, tick_ns, seed);
        switch.publish(&rules, table)?;
        let switch = Arc::new(Mutex::new(switch));
        let deny = KernelDeny::new(
            Arc::clone(&switch),
            DenyTables::open(&pins)?,
            is_fresh,
            None,
        );
        let mut edge = Self {
            statistics: StatisticsReader::open(pins.directory())?,
            syns: SynReader::open(pins.directory())?,
            control,
            vouched,
            penalties,
            pins,
            links: Vec::new(),
            attachments: Vec::new(),
            unguarded: Vec::new(),
            notes,
            buckets,
            switch,
            coverage: Coverage::default(),
            scope: Arc::new(Mutex::new(Scope::default())),
            deny: Some(deny),
            tick_ns,
        };
        if let Err(error) = edge.attach_all(&mut object, gateway, chosen) {
            // Fresh maps that no program feeds would pass for a kernel edge.
            if is_fresh && edge.links.is_empty() {
                edge.pins.remove()?;
            }
            return Err(error);
        }
        edge.set_scope(gateway, &local)?;
        Ok(edge)
    }

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
                        cause: explain(&error),
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

    /// The words that steer the program from moment to moment.
    #[must_use]
    pub fn control(&self) -> ControlWords {
        self.control.clone()
    }

    /// The sources that have proven themselves.
    #[must_use]
    pub fn vouched(&self) -> Vouched {
        self.vouched.clone()
    }

    /// What penalties are written to.
    #[must_use]
    pub fn penalties(&self) -> Penalties {
        self.penalties.clone()
    }

    /// Reads how many new connections were counted.
    #[must_use]
    pub fn syns(&self) -> SynReader {
        self.syns.clone()
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

    /// Which connections the kernel has charged already, for accept.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage.clone()
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
            scope: Arc::clone(&self.scope),
            coverage: self.coverage.clone(),
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
        let table = self.scope(gateway).table(&local)?;
        let mut switch = lock(&self.switch);
        let rules = Rules::of(gateway, self.tick_ns, switch.seed());
        switch.publish(&rules, table)?;
        drop(switch);
        self.vouched.follow(gateway.edge.under_attack.vouch_for);
        self.detach_unnamed(&gateway.edge.interfaces)?;
        self.set_scope(gateway, &local)
    }

    /// What a configuration is about, on the interfaces that carry the program.
    fn scope(&self, gateway: &Gateway) -> Scope {
        let guarded = self.links.iter().map(|link| Guarded {
            interface: link.interface.clone(),
            index: link.index,
        });
        Scope {
            listeners: gateway.listeners.clone(),
            guarded: guarded.collect(),
            other_traffic: Some(gateway.edge.other_traffic.clone()),
        }
    }

    /// Tells the follower and accept what is guarded from now on.
    fn set_scope(&self, gateway: &Gateway, local: &[LocalAddress]) -> Result<(), EdgeError> {
        let next = self.scope(gateway);
        let mut scope = lock(&self.scope);
        self.coverage
            .replace(interfaces::addresses_of(&next.guarded, local)?);
        *scope = next;
        Ok(())
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

/// What whoever runs the gateway should know about these pins and this configuration.
fn notes(
    pins: &Pins,
    gateway: &Gateway,
    chosen: &[(String, u32)],
) -> Result<Vec<String>, EdgeError> {
    let mut notes = Vec::new();
    for path in pins.other_versions()? {
        notes.push(format!(
            "`{}` was left by another version of the gateway: remove it when that version is not \
             needed any more",
            path.display()
        ));
    }
    for (name, _) in &gateway.edge.other_traffic.interfaces {
        if chosen.iter().all(|(chosen, _)| chosen != name) {
            notes.push(format!(
                "`xdp.other_traffic.interfaces` names `{name}`, which carries no program: add it to \
                 `xdp.interfaces`, or take it out"
            ));
        }
    }
    Ok(notes)
}
