//! When the gateway ends an open connection in order: it answers what was asked and closes.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::watched::Activity;

/// How long the end of a connection waits for its first request.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Which open connections a listener bids farewell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// None.
    Nobody,
    /// Those in plaintext: the listener terminates TLS.
    Plaintext,
    /// All: the listener is gone, or has another address and plan.
    Everybody,
}

/// What ends one connection.
#[derive(Debug)]
pub(super) struct Ending {
    /// Turns true when the gateway stops.
    pub(super) draining: watch::Receiver<bool>,
    /// Whom its listener bids farewell.
    pub(super) farewell: watch::Receiver<Farewell>,
    /// Whether the connection is in plaintext.
    pub(super) is_plaintext: bool,
}

impl Ending {
    /// Waits until the connection has to end. One that has asked for nothing yet is given a moment
    /// longer, because its first request may be on its way; in plaintext that is answered no more once
    /// there is TLS.
    pub(super) async fn comes(&mut self, activity: &Activity) {
        let is_plaintext = self.is_plaintext;
        let is_left = |farewell: &Farewell| match farewell {
            Farewell::Nobody => false,
            Farewell::Plaintext => is_plaintext,
            Farewell::Everybody => true,
        };
        tokio::select! {
            () = turned(&mut self.draining, |is_on| *is_on) => {}
            () = turned(&mut self.farewell, is_left) => {
                if *self.farewell.borrow() == Farewell::Plaintext {
                    return;
                }
            }
        }
        match timeout(LAST_CALL, activity.first_request()).await {
            Ok(()) | Err(_) => {}
        }
    }
}

/// Waits until a value is as wanted; where nobody can change it any more, for ever.
async fn turned<T>(value: &mut watch::Receiver<T>, is_wanted: impl FnMut(&T) -> bool) {
    let has_turned = value.wait_for(is_wanted).await.is_ok();
    if !has_turned {
        pending::<()>().await;
    }
}
