//! Following the files of the lists.
//!
//! Once per call every file's state is looked at. One that is not the state in force is read when
//! two calls have seen it unchanged, so that a file that is being written is left alone. One whose
//! content was refused is not tried again before it changes; whatever else went wrong may go right
//! next time, so that is tried again, ever more rarely.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Lists;
use super::error::ListError;
use super::file::{FileError, Stamp};
use super::view::View;
use crate::model::ListName;
use crate::store::Backoff;
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
    next: Next,
    /// Why it is not in force, as it was said and counted.
    said: Option<String>,
}

/// What is to be done with a state.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// Read it, if it is still the same.
    Read(Backoff),
    /// Nothing: it says something that is no list.
    Nothing,
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
            match self.seen.get_mut(&name) {
                Some(seen) if seen.stamp == stamp => seen.turn(&self.lists, &name, found.err()),
                Some(_) | None => {
                    let seen = Seen {
                        stamp,
                        next: Next::Read(Backoff::default()),
                        said: None,
                    };
                    self.seen.insert(name, seen);
                }
            }
        }
    }
}

impl Seen {
    /// Reads a file that has settled, if it is time.
    fn turn(&mut self, lists: &Lists, name: &ListName, missing: Option<FileError>) {
        let Next::Read(backoff) = &mut self.next else {
            return;
        };
        if !backoff.is_due() {
            return;
        }
        let outcome = match missing {
            Some(source) => Err(ListError::File {
                name: name.clone(),
                source,
            }),
            None => lists.reread(name),
        };
        let error = match outcome {
            Ok(()) => {
                tracing::info!(list = %name, "list replaced from its file");
                return;
            }
            // It will have another state at the next look.
            Err(ListError::File {
                source: FileError::Changing(_),
                ..
            }) => return,
            Err(error) => error,
        };
        if is_about_content(&error) {
            self.next = Next::Nothing;
        } else {
            backoff.failed();
        }
        let error = explain(&error);
        // Said and counted once per state and cause, however often it is tried.
        if self.said.as_ref() != Some(&error) {
            tracing::error!(error, "the list stays as it was");
            lists.note(name, Some(error.clone()));
            self.said = Some(error);
        }
    }
}

/// Whether reading the same file again would end the same way.
const fn is_about_content(error: &ListError) -> bool {
    let ListError::File { source, .. } = error else {
        return false;
    };
    match source {
        FileError::NotRegular(_)
        | FileError::TooLarge(_)
        | FileError::TooMany { .. }
        | FileError::Line { .. }
        | FileError::Json { .. } => true,
        FileError::Io { .. } | FileError::Changing(_) => false,
    }
}

impl Lists {
    /// Every list from a file: its name, the file, and the state of it that is in force.
    fn followed(&self) -> Vec<(ListName, std::path::PathBuf, Stamp)> {
        let view = self.view();
        let named = view.configured.named.iter();
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
    pub(super) fn note(&self, name: &ListName, error: Option<String>) {
        // What is being put in force was assembled without the note.
        let _one_at_a_time = self.swapping();
        let mut writer = self.writer();
        let mut view = View::clone(&self.view());
        let mut named = Arc::make_mut(&mut view.configured).named.iter_mut();
        if let Some(loaded) = named.find(|loaded| &loaded.definition.name == name) {
            loaded.failures += u64::from(error.is_some());
            loaded.error = error;
            self.show(&mut writer, view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ListAction, ListFormat, ListMode, Lists as Model, NamedList};
    use crate::store::list::Moment;

    #[test]
    fn a_content_that_is_no_list_is_read_once_per_state_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let lists = Lists::open(directory.path(), Moment::now()).unwrap();
        let feed = directory.path().join("feed");
        std::fs::write(&feed, "").unwrap();
        let definition = NamedList {
            name: ListName::new("feed"),
            action: ListAction::Deny,
            mode: ListMode::Enforce,
            file: feed.clone(),
            format: ListFormat::Auto,
        };
        let model = Model {
            offloaded: Vec::new(),
            proxies: Vec::new(),
            management: Vec::new(),
            named: vec![definition],
        };
        lists.install(lists.prepare(&model).unwrap()).unwrap();
        let mut watch = Watch::new(lists.clone());
        let mut rests = || {
            watch.look();
            watch.look();
            let seen = watch.seen.values().next().unwrap();
            matches!(seen.next, Next::Nothing)
        };
        std::fs::write(&feed, "nonsense\n").unwrap();
        assert!(rests());
        std::fs::write(&feed, "other nonsense\n").unwrap();
        assert!(rests());
        assert_eq!(lists.status().unwrap().pop().unwrap().failures, 2);
        // Whether a file can be found is no matter of its content.
        std::fs::remove_file(&feed).unwrap();
        assert!(!rests());
    }
}
