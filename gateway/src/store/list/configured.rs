//! The lists that the configuration names, as they are in force or about to be.

use std::sync::Arc;
use std::time::SystemTime;

use super::definitions::{Numbers, numbered};
use super::error::ListError;
use super::file::{FileError, Stamp, read};
use super::picture::Role;
use super::table::Table;
use crate::clock;
use crate::model::{ListAction, ListMode, Lists as Model, NamedList, Prefix};
use crate::telemetry::operator_log::explain;

/// One list from a file.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) definition: NamedList,
    pub(super) table: Arc<Table>,
    /// The state of the file that the table was read from.
    pub(super) stamp: Stamp,
    /// When it was read.
    pub(super) at: SystemTime,
    /// When reading it began, on the monotonic clock: what is read later is newer.
    pub(super) since_ns: u64,
    /// Why the file's present state is not in force.
    pub(super) error: Option<String>,
    /// How often a state of the file was refused since the gateway started.
    pub(super) failures: u64,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Configured {
    pub(super) model: Model,
    pub(super) management: Arc<Table>,
    pub(super) offloaded: Arc<Table>,
    pub(super) proxies: Arc<Table>,
    /// In the order of the configuration.
    pub(super) named: Vec<Loaded>,
    /// Every list's number, and those that lists of earlier configurations had.
    pub(super) numbers: Numbers,
}

/// Lists of a configuration whose files have been read, ready to be put in force.
#[derive(Debug)]
pub struct Prepared {
    pub(super) model: Model,
    pub(super) management: Arc<Table>,
    pub(super) offloaded: Arc<Table>,
    pub(super) proxies: Arc<Table>,
    pub(super) named: Vec<Loaded>,
    /// What was in force when reading began.
    before: Configured,
}

impl Loaded {
    /// Whether both are the list of one name, from one file.
    fn is_same_list(&self, definition: &NamedList) -> bool {
        let known = &self.definition;
        (&known.name, &known.file, known.format)
            == (&definition.name, &definition.file, definition.format)
    }

    pub(super) const fn role(&self) -> Role {
        match (self.definition.action, self.definition.mode) {
            (ListAction::Allow, _) => Role::Allow,
            (ListAction::Deny, ListMode::Enforce) => Role::Deny,
            (ListAction::Deny, ListMode::Monitor) => Role::Monitor,
        }
    }

    /// Reads the file of `definition`.
    pub(super) fn read(definition: &NamedList) -> Result<Self, FileError> {
        let since_ns = clock::monotonic_ns();
        let (prefixes, stamp) = read(&definition.file, definition.format)?;
        Ok(Self {
            definition: definition.clone(),
            table: Arc::new(Table::lasting(prefixes)),
            stamp,
            at: clock::wall(),
            since_ns,
            error: None,
            failures: 0,
        })
    }
}

impl Configured {
    /// Nothing yet, besides the numbers that lists had.
    pub(super) fn with_numbers(numbers: Numbers) -> Self {
        Self {
            numbers,
            ..Self::default()
        }
    }

    /// Reads the files that `model` names, except those that are in force in their present state.
    /// Where a file cannot be used and its list is in force from before, that stays and says so.
    pub(super) fn prepare(&self, model: &Model) -> Result<Prepared, ListError> {
        let mut named = Vec::with_capacity(model.named.len());
        for definition in &model.named {
            named.push(prepare(definition, self.of(definition))?);
        }
        let known = &self.model;
        Ok(Prepared {
            model: model.clone(),
            management: table(&model.management, &known.management, &self.management),
            offloaded: table(&model.offloaded, &known.offloaded, &self.offloaded),
            proxies: table(&model.proxies, &known.proxies, &self.proxies),
            named,
            before: self.clone(),
        })
    }

    /// A list as it is in force.
    fn of(&self, definition: &NamedList) -> Option<&Loaded> {
        let mut named = self.named.iter();
        named.find(|loaded| loaded.is_same_list(definition))
    }
}

impl Prepared {
    /// What becomes of `running` with it. A file that has been read again since this was prepared
    /// keeps its newer content, and nothing that was noted meanwhile is lost.
    pub(super) fn onto(self, running: &Configured) -> Configured {
        let Self {
            model,
            management,
            offloaded,
            proxies,
            mut named,
            before,
        } = self;
        for loaded in &mut named {
            let now = running.of(&loaded.definition);
            let then = before.of(&loaded.definition);
            if let (Some(now), Some(then)) = (now, then) {
                loaded.catch_up(now, then);
            }
        }
        let numbers = numbered(&model, &running.numbers);
        Configured {
            model,
            management,
            offloaded,
            proxies,
            named,
            numbers,
        }
    }
}

impl Loaded {
    /// Takes over what happened to the list between `then` and `now`.
    fn catch_up(&mut self, now: &Self, then: &Self) {
        let noted = now.failures.saturating_sub(then.failures);
        let failures = self.failures + noted;
        if now.since_ns > self.since_ns {
            let definition = self.definition.clone();
            *self = Self {
                definition,
                ..now.clone()
            };
        } else if now.since_ns == self.since_ns && (noted > 0 || now.error != then.error) {
            self.error.clone_from(&now.error);
        }
        self.failures = failures;
    }
}

/// The table of `wanted`: the one in force where that is the same.
fn table(wanted: &[Prefix], known: &[Prefix], in_force: &Arc<Table>) -> Arc<Table> {
    if wanted == known {
        Arc::clone(in_force)
    } else {
        Arc::new(Table::lasting(wanted.to_vec()))
    }
}

fn prepare(definition: &NamedList, running: Option<&Loaded>) -> Result<Loaded, ListError> {
    if let Some(running) = running
        && Stamp::now(&definition.file).is_ok_and(|stamp| stamp == running.stamp)
    {
        return Ok(Loaded {
            definition: definition.clone(),
            error: None,
            ..running.clone()
        });
    }
    match (Loaded::read(definition), running) {
        (Ok(read), None) => Ok(read),
        (Ok(read), Some(running)) => Ok(Loaded {
            failures: running.failures,
            ..read
        }),
        (Err(error), Some(running)) => {
            let error = explain(&error);
            tracing::error!(list = %definition.name, error, "the list stays as it was");
            Ok(Loaded {
                definition: definition.clone(),
                error: Some(error),
                failures: running.failures + 1,
                ..running.clone()
            })
        }
        (Err(source), None) => Err(ListError::File {
            name: definition.name.clone(),
            source,
        }),
    }
}
