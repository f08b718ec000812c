//! The attached kernel edge, as the daemon holds it.

use std::sync::{Arc, Mutex};

use gateway_common::name::MAP_FLOWS;

use super::endpoints::{EndpointTable, treating};
use super::error::EdgeError;
use super::flows::KernelFlows;
use super::follow::{AddressFollower, Scope};
use super::interfaces::LocalAddress;
use super::links::{self, Links};
use super::lists::KernelLists;
use super::maps::{self, ListTables, SwitchMaps};
use super::object::Object;
use super::pins::Pins;
use super::resize::{self, SetAside};
use super::rules::Rules;
use super::stats::StatisticsReader;
use super::switch::Switch;
use super::syns::SynReader;
use super::{Attachment, Unguarded, interfaces, lock};
use crate::model::{BucketTables, Gateway, OnExit};
use crate::store::bucket::Buckets;
use crate::store::control::ControlWords;
use crate::store::coverage::Coverage;
use crate::store::list::{ListError, ListSink};
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
    lists: Arc<KernelLists>,
    tick_ns: u64,
    /// Nothing was pinned before.
    is_fresh: bool,
}

impl EdgeHandle {
    /// Loads, tells the program the rules and the lists, attaches. `fill` puts the lists into the
    /// kernel's tables. What fails undoes what this call has attached.
    pub(super) fn start(
        gateway: &Gateway,
        user: Option<u32>,
        fill: impl FnOnce(Arc<dyn ListSink>) -> Result<(), ListError>,
    ) -> Result<Self, EdgeError> {
        let local = interfaces::local_addresses()?;
        let chosen = interfaces::chosen(&gateway.edge.interfaces, &gateway.listeners, &local)?;
        let indexed = chosen.iter().map(|(name, index)| (name.as_str(), *index));
        let treating = treating(&gateway.edge.other_traffic, indexed);
        let table = EndpointTable::build(&gateway.listeners, &local, &treating)?;
        let pins = Pins::create(&gateway.instance, user)?;
        let mut notes = notes(&pins, gateway, &chosen)?;
        let (mut object, left) = load(&pins, gateway.buckets)?;
        let tick_ns = object.tick_ns()?;
        let (mut switch, is_fresh) = Switch::open(SwitchMaps::open(&pins)?)?;
        let seed = switch.seed();
        let control = switch.control();
        let buckets = taken_over(&pins, seed, left, &mut notes)?;
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
        // The program learns rules and lists before it sees its first packet.
        let rules = Rules::of(gateway, tick_ns, seed);
        switch.publish(&rules, table)?;
        let switch = Arc::new(Mutex::new(switch));
        let lists = Arc::new(KernelLists::new(
            Arc::clone(&switch),
            ListTables::open(&pins)?,
            is_fresh,
            None,
        ));
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
            lists,
            tick_ns,
            is_fresh,
        };
        let attached = fill(edge.list_sink())
            .map_err(|source| EdgeError::Lists { source })
            .and_then(|()| links::detach_left(&edge.pins, &chosen))
            .and_then(|()| {
                let Self { links, pins, .. } = &mut edge;
                links.attach(pins, &mut object, &gateway.edge, chosen)
            })
            .and_then(|notes| {
                edge.notes.extend(notes);
                edge.set_scope(gateway, &local)
            });
        match attached {
            Ok(()) => Ok(edge),
            Err(error) => {
                edge.undo()?;
                Err(error)
            }
        }
    }

    /// Takes back what starting has attached, for a gateway that does not start after all. What an
    /// earlier run left goes on judging.
    ///
    /// # Errors
    /// What could not be removed; the path is in the error.
    pub fn undo(self) -> Result<(), EdgeError> {
        self.links.undo()?;
        // Fresh maps that no program feeds would pass for a kernel edge.
        if self.is_fresh {
            self.pins.remove()?;
        }
        Ok(())
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

    /// The kernel's tables, for [`crate::store::list::Lists::attach`].
    #[must_use]
    pub fn list_sink(&self) -> Arc<dyn ListSink> {
        Arc::clone(&self.lists) as Arc<dyn ListSink>
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

/// Loads the object with so many buckets; also gives the arrays of another size that were in their place.
fn load(pins: &Pins, buckets: BucketTables) -> Result<(Object, Option<SetAside>), EdgeError> {
    let left = resize::set_aside(pins, buckets)?;
    match (Object::load(pins, buckets), left) {
        (Ok(object), left) => Ok((object, left)),
        (Err(error), Some(left)) => {
            left.put_back()?;
            Err(error)
        }
        (Err(error), None) => Err(error),
    }
}

/// The words shared with the program, with what was owed in arrays of another size.
fn taken_over(
    pins: &Pins,
    seed: u64,
    left: Option<SetAside>,
    notes: &mut Vec<String>,
) -> Result<Buckets, EdgeError> {
    let buckets = maps::buckets(pins, seed)?;
    if let Some(left) = left {
        notes.push(left.hand_over(&buckets)?.to_string());
    }
    Ok(buckets)
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
