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
    /// All: the listener is gone or has another address and plan, or the gateway stops.
    Everybody,
}

/// What ends one connection.
#[derive(Debug)]
pub(super) struct Ending {
    /// Whom its listener bids farewell. Polled whenever the connection is, so it is the only thing
    /// that says so.
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
        let farewell = self.farewell.wait_for(is_left).await;
        match farewell.map(|farewell| *farewell) {
            Ok(Farewell::Plaintext) => {}
            Ok(Farewell::Nobody | Farewell::Everybody) => {
                match timeout(LAST_CALL, activity.first_request()).await {
                    Ok(()) | Err(_) => {}
                }
            }
            // Nobody can say it any more.
            Err(_gone) => pending().await,
        }
    }
}
