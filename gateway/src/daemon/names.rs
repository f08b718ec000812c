//! What the numbers in the kernel's maps stand for.
//!
//! The maps know listeners by their position in the configuration, lists by the numbers they were
//! given, and slots by a tag. The daemon writes the names beside its other runtime files with every
//! configuration that takes effect, and when lists of one do so later, so that whoever reads the maps
//! can name what it finds, also while no gateway runs.
//! Nothing is decided by this file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use gateway_common::list::{LIST_ALLOW, LIST_MANAGEMENT, LIST_OPERATOR};
use serde::{Deserialize, Serialize};

use crate::model::Gateway;
use crate::snapshot::slot_names;
use crate::store::key_ring::{KeyRing, KeyRings};
use crate::store::list::Lists;
use crate::telemetry::operator_log::explain;
use crate::xdp::EdgeError;
use crate::xdp::stats::StatisticsReader;

/// Name of the file in the runtime directory.
const FILE_NAME: &str = "names.json";

/// The lists that there always are, by number.
const FIXED_LISTS: [(u16, &str); 3] = [
    (LIST_OPERATOR, "operator"),
    (LIST_ALLOW, "allow"),
    (LIST_MANAGEMENT, "management"),
];

/// The names in force. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct CurrentNames(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    names: ArcSwap<Names>,
    rings: KeyRings,
    runtime_directory: Box<Path>,
    /// Held while they are replaced: a reload does that, and who keeps the lists.
    replacing: Mutex<Replacing>,
}

/// What is known of the names in force.
#[derive(Debug)]
struct Replacing {
    written: Written,
    /// Whose keys they name.
    ring: Arc<KeyRing>,
}

/// Whether the names in force are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Yes,
    /// It could not be written, which was said.
    NotYet,
}

impl CurrentNames {
    /// Those of the run before, until [`Self::replace`].
    pub(super) fn of_last_run(runtime_directory: &Path, rings: KeyRings) -> Self {
        let names = Names::read(runtime_directory).unwrap_or_else(|error| {
            tracing::warn!(%error, "the names of the last run cannot be read: counters of listeners and lists start at zero");
            Names::default()
        });
        Self(Arc::new(Shared {
            names: ArcSwap::from_pointee(names),
            runtime_directory: runtime_directory.into(),
            replacing: Mutex::new(Replacing {
                written: Written::Yes,
                ring: Arc::clone(&rings.current()),
            }),
            rings,
        }))
    }

    pub(super) fn load(&self) -> Arc<Names> {
        self.0.names.load_full()
    }

    /// Takes over the names of a configuration that has taken effect. What goes wrong is reported
    /// and concerns statistics only.
    pub(super) fn replace(
        &self,
        model: &Gateway,
        lists: &Lists,
        statistics: Option<&StatisticsReader>,
    ) {
        let mut replacing = self.replacing();
        replacing.ring = Arc::clone(&self.0.rings.current());
        let names = Names::of(model, lists.names(), replacing.ring.slot_names());
        replacing.written = self.put(names, statistics);
    }

    /// Takes over the names of lists and API keys that were put in force since, where there are such, and
    /// writes what could not be written before.
    pub(super) fn follow(&self, lists: &Lists, statistics: Option<&StatisticsReader>) {
        let mut replacing = self.replacing();
        let known = self.load();
        let lists = by_number(lists.names());
        let ring = Arc::clone(&self.0.rings.current());
        if lists != known.lists || !Arc::ptr_eq(&ring, &replacing.ring) {
            let names = Names {
                lists,
                keys: by_tag(ring.slot_names()),
                ..Names::clone(&known)
            };
            replacing.ring = ring;
            replacing.written = self.put(names, statistics);
        } else if replacing.written == Written::NotYet
            && known.write(&self.0.runtime_directory).is_ok()
        {
            tracing::info!("`gateway stats` knows names again");
            replacing.written = Written::Yes;
        }
    }

    fn put(&self, names: Names, statistics: Option<&StatisticsReader>) -> Written {
        if let Some(statistics) = statistics
            && let Err(error) = names.take_over(&self.load(), statistics)
        {
            tracing::warn!(
                error = explain(&error),
                "counters of listeners and lists that have changed places are not reset"
            );
        }
        let written = match names.write(&self.0.runtime_directory) {
            Ok(()) => Written::Yes,
            Err(error) => {
                tracing::warn!(
                    %error,
                    "`gateway stats` does not know names: writing them failed, and is tried again"
                );
                Written::NotYet
            }
        };
        self.0.names.store(Arc::new(names));
        written
    }

    fn replacing(&self) -> MutexGuard<'_, Replacing> {
        let replacing = &self.0.replacing;
        replacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names by number and tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Listeners in the configuration's order; the first has number 1.
    listeners: Vec<String>,
    /// Lists by number.
    lists: BTreeMap<u32, String>,
    /// What throttles of the configuration are called, by the tag of their slot in hexadecimal.
    slots: BTreeMap<String, String>,
    /// As above, of those of API keys.
    keys: BTreeMap<String, String>,
}

impl Names {
    /// The names of a configuration and of the lists by the numbers they have.
    #[must_use]
    pub fn of(model: &Gateway, lists: Vec<(u16, String)>, keys: Vec<(u64, String)>) -> Self {
        let listeners = model.listeners.iter();
        Self {
            listeners: listeners
                .map(|listener| listener.name.to_string())
                .collect(),
            lists: by_number(lists),
            slots: by_tag(slot_names(model)),
            keys: by_tag(keys),
        }
    }

    /// What was written last; no names where nothing was.
    ///
    /// # Errors
    /// As reading does; `InvalidData` for a file of another version of the gateway.
    pub fn read(runtime_directory: &Path) -> io::Result<Self> {
        match std::fs::read(runtime_directory.join(FILE_NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces what was written before. Readable for the gateway's user and group.
    ///
    /// # Errors
    /// As writing does; the old file is whole then.
    fn write(&self, runtime_directory: &Path) -> io::Result<()> {
        let path = runtime_directory.join(FILE_NAME);
        let draft = path.with_extension("new");
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o640);
        serde_json::to_writer(file.open(&draft)?, self)?;
        std::fs::rename(&draft, &path)
    }

    /// Starts the counters at zero whose number stands for something else under these names than
    /// under `before`: nobody is to be charged with what another one caused.
    ///
    /// # Errors
    /// A map operation's.
    fn take_over(&self, before: &Self, statistics: &StatisticsReader) -> Result<(), EdgeError> {
        for count in statistics.listeners()? {
            let listener = count.listener;
            if self.listener(listener) != before.listener(listener) {
                statistics.forget_listener(listener)?;
            }
        }
        for count in statistics.lists()? {
            if self.list(count.list) != before.list(count.list) {
                statistics.forget_list(count.list)?;
            }
        }
        Ok(())
    }

    /// The listener of a number as the maps count them, from one; `#7` for one without a name.
    #[must_use]
    pub fn listener(&self, number: u32) -> Cow<'_, str> {
        // Zero is no listener and has no name.
        let position = number.checked_sub(1).unwrap_or(u32::MAX);
        named(&self.listeners, position, number)
    }

    /// The list of a number; `#7` for one without a name.
    #[must_use]
    pub fn list(&self, number: u32) -> Cow<'_, str> {
        let is_this = |(fixed, _): &&(u16, &str)| u32::from(*fixed) == number;
        match FIXED_LISTS.iter().find(is_this) {
            Some((_, name)) => Cow::Borrowed(name),
            None => match self.lists.get(&number) {
                Some(name) => Cow::Borrowed(name.as_str()),
                None => Cow::Owned(format!("#{number}")),
            },
        }
    }

    /// What the slot of a tag throttles, such as `pets GET /pets`.
    #[must_use]
    pub fn slot(&self, tag: u64) -> Option<&str> {
        let tag = hexadecimal(tag);
        let found = self.slots.get(&tag).or_else(|| self.keys.get(&tag));
        found.map(String::as_str)
    }
}

fn by_number(lists: Vec<(u16, String)>) -> BTreeMap<u32, String> {
    let lists = lists.into_iter();
    lists.map(|(number, name)| (number.into(), name)).collect()
}

fn by_tag(names: Vec<(u64, String)>) -> BTreeMap<String, String> {
    let names = names.into_iter();
    names.map(|(tag, name)| (hexadecimal(tag), name)).collect()
}

fn hexadecimal(tag: u64) -> String {
    format!("{tag:016x}")
}

fn named(names: &[String], position: u32, number: u32) -> Cow<'_, str> {
    match names.get(position as usize) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("#{number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ListAction, ListFormat, ListMode, ListName, NamedList};
    use crate::store::key_ring::tests::{Bench, plan, value};
    use crate::store::list::Moment;

    fn names(listeners: &[&str]) -> Names {
        Names {
            listeners: listeners.iter().map(|name| (*name).to_owned()).collect(),
            lists: BTreeMap::from([(5, "drop".to_owned())]),
            slots: BTreeMap::from([(hexadecimal(7), "pets GET /pets".to_owned())]),
            keys: BTreeMap::new(),
        }
    }

    #[test]
    fn what_was_written_is_read_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Names::read(directory.path()).unwrap(), Names::default());
        for listeners in [&["a", "b"][..], &["c"]] {
            let names = names(listeners);
            names.write(directory.path()).unwrap();
            assert_eq!(Names::read(directory.path()).unwrap(), names);
        }
        std::fs::write(directory.path().join(FILE_NAME), "{\"other\": 1}").unwrap();
        let refused = Names::read(directory.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn names_that_could_not_be_written_are_written_later() {
        let state = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let keys = Bench::new();
        let lists = Lists::open(state.path(), Moment::now()).unwrap();
        let current = CurrentNames::of_last_run(directory.path(), keys.rings.clone());
        // Keeps the file from being replaced, also by root.
        let draft = directory.path().join(FILE_NAME).with_extension("new");
        std::fs::create_dir(&draft).unwrap();
        let others = Names {
            lists: by_number(lists.names()),
            ..names(&["a", "b"])
        };
        let written = current.put(others.clone(), None);
        current.replacing().written = written;
        let read = || Names::read(directory.path()).unwrap();
        current.follow(&lists, None);
        assert_eq!(read(), Names::default());
        std::fs::remove_dir(&draft).unwrap();
        current.follow(&lists, None);
        assert_eq!(read(), others);
        // Once is enough.
        std::fs::remove_file(directory.path().join(FILE_NAME)).unwrap();
        current.follow(&lists, None);
        assert_eq!(read(), Names::default());
    }

    #[test]
    fn a_list_that_comes_in_force_later_gets_its_name_and_nothing_else_loses_one() {
        let state = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let keys = Bench::new();
        names(&["a", "b"]).write(directory.path()).unwrap();
        let current = CurrentNames::of_last_run(directory.path(), keys.rings.clone());
        let lists = Lists::open(state.path(), Moment::now()).unwrap();
        let feed = state.path().join("feed");
        std::fs::write(&feed, "").unwrap();
        let model = crate::model::Lists {
            offloaded: Vec::new(),
            proxies: Vec::new(),
            management: Vec::new(),
            named: vec![NamedList {
                name: ListName::new("later"),
                action: ListAction::Deny,
                mode: ListMode::Enforce,
                file: feed,
                format: ListFormat::Auto,
            }],
        };
        lists.install(lists.prepare(&model).unwrap()).unwrap();
        let numbers = lists.names().into_iter();
        let mut numbers = numbers.filter(|(_, name)| name == "later");
        let (number, _) = numbers.next().unwrap();
        assert_ne!(current.load().list(number.into()), "later");
        current.follow(&lists, None);
        let written = Names::read(directory.path()).unwrap();
        assert_eq!(written, *current.load());
        assert_eq!(written.list(number.into()), "later");
        assert_eq!(written.listener(2), "b");
        assert_eq!(written.slot(7), Some("pets GET /pets"));

        // Nothing is written while nothing changes.
        std::fs::remove_file(directory.path().join(FILE_NAME)).unwrap();
        current.follow(&lists, None);
        assert_eq!(Names::read(directory.path()).unwrap(), Names::default());
    }

    #[test]
    fn a_key_that_is_made_later_gets_its_name() {
        let (state, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let keys = Bench::new();
        keys.install(&[plan("gold", &["prod"])]);
        names(&["a"]).write(directory.path()).unwrap();
        let lists = Lists::open(state.path(), Moment::now()).unwrap();
        let current = CurrentNames::of_last_run(directory.path(), keys.rings.clone());
        let id = keys.key(&value(1), &["gold"], None);
        keys.install_keys();
        current.follow(&lists, None);
        let written = Names::read(directory.path()).unwrap();
        let (tag, name) = keys.rings.current().slot_names().remove(0);
        assert!(name.starts_with(&format!("key {id} gold")), "{name}");
        assert_eq!(written.slot(tag), Some(name.as_str()));
        assert_eq!(written.slot(7), Some("pets GET /pets"));
    }

    #[test]
    fn what_has_no_name_is_called_by_its_number() {
        let names = names(&["a", "b"]);
        assert_eq!(names.listener(0), "#0");
        assert_eq!(names.listener(2), "b");
        assert_eq!(names.listener(3), "#3");
        assert_eq!(names.list(0), "operator");
        assert_eq!(names.list(5), "drop");
        assert_eq!(names.list(9), "#9");
        assert_eq!(names.slot(7), Some("pets GET /pets"));
        assert_eq!(names.slot(8), None);
    }
}
