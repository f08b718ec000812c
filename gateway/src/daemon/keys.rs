//! The tasks that keep key sets fresh, one per set in use.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::snapshot::Snapshot;
use crate::step::authorize::jwt::KeySet;

/// Running refresh tasks, by the address of their set.
#[derive(Debug, Default)]
pub(super) struct KeyTasks(HashMap<usize, (Arc<KeySet>, JoinHandle<()>)>);

impl KeyTasks {
    /// Starts a task for every set of `snapshot` that has none, and waits until each of those has
    /// fetched once, well or not: the first requests should find keys.
    pub(super) async fn start(&mut self, snapshot: &Snapshot) {
        let mut fresh = Vec::new();
        for keys in key_sets(snapshot) {
            let address = Arc::as_ptr(keys).addr();
            if let Entry::Vacant(place) = self.0.entry(address) {
                let task = tokio::task::spawn_local(Arc::clone(keys).refresh());
                place.insert((Arc::clone(keys), task));
                fresh.push(keys);
            }
        }
        for keys in fresh {
            keys.first_fetch().await;
        }
    }

    /// Ends the tasks of sets that `snapshot` does not use.
    pub(super) fn retain(&mut self, snapshot: &Snapshot) {
        self.0.retain(|_, (keys, task)| {
            let used = key_sets(snapshot).any(|used| Arc::ptr_eq(used, keys));
            if !used {
                task.abort();
            }
            used
        });
    }
}

fn key_sets(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<KeySet>> {
    let authorizers = snapshot.authorizers.iter().filter_map(|it| it.jwt());
    authorizers.flat_map(|jwt| jwt.key_sets())
}
