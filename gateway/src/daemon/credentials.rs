//! The tasks that keep what others give the gateway fresh: credentials of AWS, and tokens.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::aws::credentials::Provider;
use crate::oauth::Client;
use crate::snapshot::Snapshot;

/// Running tasks with what they keep fresh: one of each, and while a reload is under way perhaps two.
#[derive(Debug, Default)]
pub(super) struct CredentialTasks(Vec<(Kept, JoinHandle<()>)>);

/// What a task keeps fresh.
#[derive(Clone, Debug)]
enum Kept {
    Aws(Arc<Provider>),
    OAuth(Arc<Client>),
}

impl CredentialTasks {
    /// Starts a task for whatever of `snapshot` has none, and waits until each of those has asked once,
    /// well or not: the first requests should find something.
    pub(super) async fn start(&mut self, snapshot: &Snapshot) {
        let mut fresh = Vec::new();
        for kept in kept(snapshot) {
            if self.0.iter().any(|(known, _)| known.is(&kept)) {
                continue;
            }
            let task = match &kept {
                Kept::Aws(provider) => tokio::task::spawn_local(Arc::clone(provider).refresh()),
                Kept::OAuth(client) => tokio::task::spawn_local(Arc::clone(client).refresh()),
            };
            self.0.push((kept.clone(), task));
            fresh.push(kept);
        }
        for kept in fresh {
            match kept {
                Kept::Aws(provider) => provider.first_answer().await,
                Kept::OAuth(client) => client.first_answer().await,
            }
        }
    }

    /// Ends the tasks of what `snapshot` does not use.
    pub(super) fn retain(&mut self, snapshot: &Snapshot) {
        self.0.retain(|(known, task)| {
            let is_used = kept(snapshot).any(|used| used.is(known));
            if !is_used {
                task.abort();
            }
            is_used
        });
    }
}

impl Kept {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Aws(one), Self::Aws(other)) => Arc::ptr_eq(one, other),
            (Self::OAuth(one), Self::OAuth(other)) => Arc::ptr_eq(one, other),
            (Self::Aws(_), Self::OAuth(_)) | (Self::OAuth(_), Self::Aws(_)) => false,
        }
    }
}

fn kept(snapshot: &Snapshot) -> impl Iterator<Item = Kept> {
    let credentials = snapshot.credentials.iter().map(Arc::clone).map(Kept::Aws);
    let clients = snapshot.oauth_clients.iter().map(Arc::clone);
    credentials.chain(clients.map(Kept::OAuth))
}
