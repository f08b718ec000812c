//! Following the files of the lists.
//!
//! Once per call every file's state is looked at. One that is not the state in force is read when
//! two calls have seen it unchanged, so that a file that is being written is left alone; one that
//! was refused is not tried again before it changes.

use std::collections::BTreeMap;

use super::Lists;
use super::error::ListError;
use super::file::{FileError, Stamp};
use crate::model::ListName;
use crate::telemetry::operator_log::explain;

/// What follows the files; one per process.
#[derive(Debug)]
pub struct Watch {
    lists: Lists,
    /// States that are not in force, by list.
    seen: BTreeMap<ListName, Seen>,
}

/// A state of a file: none where it cannot be looked at.
#[derive(Debug)]
struct Seen {
    stamp: Option<Stamp>,
    is_refused: bool,
}

impl Watch {
    /// Follows the files of `lists`, also those that later configurations name.
    #[must_use]
    pub const fn new(lists: Lists) -> Self {
        Self {
            lists,
            seen: BTreeMap::new(),
        }
    }

    /// Looks at every file once and puts in force what has settled. Blocks as long as reading
    /// takes; to be called about once per second.
    pub fn look(&mut self) {
        let followed = self.lists.followed();
        self.seen
            .retain(|name, _| followed.iter().any(|(known, ..)| known == name));
        for (name, file, in_force) in followed {
            let found = Stamp::now(&file);
            let stamp = found.as_ref().ok().copied();
            if stamp == Some(in_force) {
                if self.seen.remove(&name).is_some() {
                    self.lists.note(&name, None);
                }
                continue;
            }
            let seen = self.seen.get(&name);
            let is_settled = seen.is_some_and(|seen| seen.stamp == stamp);
            let is_refused = is_settled && seen.is_some_and(|seen| seen.is_refused);
            let is_refused = is_refused || (is_settled && self.refuses(&name, found.err()));
            self.seen.insert(name, Seen { stamp, is_refused });
        }
    }

    /// Reads a file that has settled, and says whether its state is refused.
    fn refuses(&self, name: &ListName, missing: Option<FileError>) -> bool {
        let outcome = match missing {
            Some(source) => Err(ListError::File {
                name: name.clone(),
                source,
            }),
            None => self.lists.reread(name),
        };
        match outcome {
            Ok(()) => {
                tracing::info!(list = %name, "list replaced from its file");
                false
            }
            Err(ListError::File {
                source: FileError::Changing(_),
                ..
            }) => false,
            Err(error) => {
                let error = explain(&error);
                tracing::error!(error, "the list stays as it was");
                self.lists.note(name, Some(error));
                true
            }
        }
    }
}

impl Lists {
    /// Every list from a file: its name, the file, and the state of it that is in force.
    fn followed(&self) -> Vec<(ListName, std::path::PathBuf, Stamp)> {
        let writer = self.writer();
        let named = writer.configured.named.iter();
        let followed = named.map(|loaded| {
            let definition = &loaded.definition;
            (
                definition.name.clone(),
                definition.file.clone(),
                loaded.stamp,
            )
        });
        followed.collect()
    }

    /// Notes why the present state of a list's file is not in force, or that it is again.
    fn note(&self, name: &ListName, error: Option<String>) {
        let mut writer = self.writer();
        let mut named = writer.configured.named.iter_mut();
        if let Some(loaded) = named.find(|loaded| &loaded.definition.name == name) {
            loaded.failures += u64::from(error.is_some());
            loaded.error = error;
        }
    }
}
