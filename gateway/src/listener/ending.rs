//! When the gateway ends an open connection in order: it answers what was asked and closes.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::watched::Activity;

/// How long a stopping gateway waits for the first request of a connection that it has accepted.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What ends one connection.
#[derive(Debug)]
pub(super) struct Ending {
    /// Turns true when the gateway stops.
    pub(super) draining: watch::Receiver<bool>,
    /// Of a connection in plaintext: turns true when its listener begins to terminate TLS.
    pub(super) secured: Option<watch::Receiver<bool>>,
}

impl Ending {
    /// Waits until the connection has to end.
    pub(super) async fn comes(&mut self, activity: &Activity) {
        tokio::select! {
            () = last_call(&mut self.draining, activity) => {}
            () = turned(self.secured.as_mut()) => {}
        }
    }
}

/// Waits until the gateway stops, and then, on a connection that has asked for nothing yet, a moment
/// longer: its first request may be on its way.
async fn last_call(draining: &mut watch::Receiver<bool>, activity: &Activity) {
    turned(Some(draining)).await;
    match timeout(LAST_CALL, activity.first_request()).await {
        Ok(()) | Err(_) => {}
    }
}

/// Waits until `flag` is true; where there is none, or nobody can turn it any more, for ever.
async fn turned(flag: Option<&mut watch::Receiver<bool>>) {
    let is_on = match flag {
        Some(flag) => flag.wait_for(|&is_on| is_on).await.is_ok(),
        None => false,
    };
    if !is_on {
        pending::<()>().await;
    }
}
