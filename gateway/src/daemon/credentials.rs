//! The task that keeps the credentials of AWS fresh.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::aws::credentials::Provider;
use crate::snapshot::Snapshot;

/// Running tasks with what they keep fresh: one, and while a reload is under way perhaps two.
#[derive(Debug, Default)]
pub(super) struct CredentialTasks(Vec<(Arc<Provider>, JoinHandle<()>)>);

impl CredentialTasks {
    /// Starts the task for the credentials of `snapshot`, if they have none, and waits until it has asked
    /// for them once, well or not: the first requests should find some.
    pub(super) async fn start(&mut self, snapshot: &Snapshot) {
        let Some(provider) = &snapshot.credentials else {
            return;
        };
        if self.0.iter().any(|(known, _)| Arc::ptr_eq(known, provider)) {
            return;
        }
        let task = tokio::task::spawn_local(Arc::clone(provider).refresh());
        self.0.push((Arc::clone(provider), task));
        provider.first_answer().await;
    }

    /// Ends the tasks of credentials that `snapshot` does not use.
    pub(super) fn retain(&mut self, snapshot: &Snapshot) {
        self.0.retain(|(provider, task)| {
            let used = snapshot.credentials.as_ref();
            let is_used = used.is_some_and(|used| Arc::ptr_eq(used, provider));
            if !is_used {
                task.abort();
            }
            is_used
        });
    }
}
