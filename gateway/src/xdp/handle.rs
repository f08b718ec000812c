//! The attached kernel edge, as the daemon holds it.

use std::sync::{Arc, Mutex};

use gateway_common::name::MAP_FLOWS;

use super::deny::KernelDeny;
use super::endpoints::{EndpointTable, treating};
use super::error::EdgeError;
use super::flows::KernelFlows;
use super::follow::{AddressFollower, Scope};
use super::interfaces::LocalAddress;
use super::links::{self, Links};
use super::maps::{self, DenyTables, SwitchMaps};
use super::object::Object;
use super::pins::Pins;
use super::rules::Rules;
use super::stats::StatisticsReader;
use super::switch::Switch;
use super::syns::SynReader;
use super::{Attachment, Unguarded, interfaces, lock};
use crate::model::{Gateway, OnExit};
use crate::store::bucket::Buckets;
use crate::store::control::ControlWords;
use crate::store::coverage::Coverage;
use crate::store::deny::DenySink;
use crate::store::penalty::Penalties;
use crate::store::vouch::Vouched;

/// The attached kernel edge.
#[derive(Debug)]
pub struct EdgeHandle {
    pins: Pins,
    links: Links,
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
            links: Links::default(),
            notes,
            buckets,
            switch,
            coverage: Coverage::default(),
            scope: Arc::new(Mutex::new(Scope::default())),
            deny: Some(deny),
            tick_ns,
        };
        links::detach_left(&edge.pins, &chosen)?;
        match edge
            .links
            .attach(&edge.pins, &mut object, &gateway.edge, chosen)
        {
            Ok(notes) => edge.notes.extend(notes),
            Err(error) => {
                // Fresh maps that no program feeds would pass for a kernel edge.
                if is_fresh && edge.links.is_empty() {
                    edge.pins.remove()?;
                }
                return Err(error);
            }
        }
        edge.set_scope(gateway, &local)?;
        Ok(edge)
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
        self.links.attachments()
    }

    /// Where it was to run and does not.
    #[must_use]
    pub fn unguarded(&self) -> &[Unguarded] {
        self.links.unguarded()
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

    /// Checks that another configuration asks for nothing that takes privileges. Looks at the pins
    /// first, so that what `gateway xdp apply` has attached meanwhile counts.
    ///
    /// # Errors
    /// [`EdgeError::NewInterface`] for a configured interface that carries no program of ours,
    /// [`EdgeError::OtherMode`] for one that carries it in another mode than configured.
    pub fn require(&mut self, gateway: &Gateway) -> Result<(), EdgeError> {
        self.links.refresh(&self.pins)?;
        self.links
            .require(&gateway.edge.interfaces, gateway.edge.attach)
    }

    /// Puts the listeners and limits of another configuration in force, all at once, and detaches
    /// from the interfaces that it has ceased to name. Works without privileges.
    ///
    /// # Errors
    /// As [`EdgeHandle::require`]; nothing changed then. The failure of a map operation also
    /// leaves the old rules in force.
    pub fn apply(&mut self, gateway: &Gateway) -> Result<(), EdgeError> {
        self.apply_to(gateway, &gateway.edge.interfaces)
    }

    /// As [`EdgeHandle::apply`], for a configuration that names no interfaces and the ones that
    /// were chosen for it.
    ///
    /// # Errors
    /// As [`EdgeHandle::apply`].
    pub fn apply_to(&mut self, gateway: &Gateway, interfaces: &[String]) -> Result<(), EdgeError> {
        self.require(gateway)?;
        let local = interfaces::local_addresses()?;
        let table = self.scope(gateway).table(&local)?;
        let mut switch = lock(&self.switch);
        let rules = Rules::of(gateway, self.tick_ns, switch.seed());
        switch.publish(&rules, table)?;
        drop(switch);
        self.links.detach_unnamed(interfaces)?;
        self.vouched.follow(gateway.edge.under_attack.vouch_for);
        self.set_scope(gateway, &local)
    }

    /// What a configuration is about, on the interfaces that carry the program.
    fn scope(&self, gateway: &Gateway) -> Scope {
        Scope {
            listeners: gateway.listeners.clone(),
            guarded: self.links.guarded(),
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

    /// Ends this process's part: the programs stay and keep judging, or everything goes.
    ///
    /// # Errors
    /// What could not be pinned or removed; the path is in the error.
    pub fn shutdown(self, on_exit: OnExit) -> Result<(), EdgeError> {
        let Self { pins, links, .. } = self;
        match on_exit {
            OnExit::Keep => links.keep(&pins),
            OnExit::Detach => {
                links.detach()?;
                pins.remove()
            }
        }
    }
}
