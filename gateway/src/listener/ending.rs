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

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use tokio::time::Instant;

    use super::*;

    fn is_over(future: Pin<&mut impl Future<Output = ()>>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        future.poll(&mut context).is_ready()
    }

    /// Whether a connection that has served ends at once.
    fn ends(farewell: watch::Receiver<Farewell>, is_plaintext: bool) -> bool {
        let activity = Activity::new(Instant::now());
        drop(activity.begin());
        let mut ending = Ending {
            farewell,
            is_plaintext,
        };
        is_over(pin!(ending.comes(&activity)))
    }

    #[tokio::test]
    async fn who_is_bidden_farewell_ends_and_nobody_else() {
        for (farewell, of_tls, of_plaintext) in [
            (Farewell::Nobody, false, false),
            (Farewell::Plaintext, false, true),
            (Farewell::Everybody, true, true),
        ] {
            let (sender, receiver) = watch::channel(farewell);
            assert_eq!(ends(receiver.clone(), false), of_tls, "{farewell:?}");
            assert_eq!(ends(receiver.clone(), true), of_plaintext, "{farewell:?}");
            // What was said last holds, though nobody is left to say it.
            drop(sender);
            assert_eq!(ends(receiver.clone(), false), of_tls, "{farewell:?}");
            assert_eq!(ends(receiver, true), of_plaintext, "{farewell:?}");
        }
    }

    #[tokio::test]
    async fn a_first_request_is_waited_for_unless_it_would_come_in_plaintext_beside_tls() {
        for (farewell, waits) in [(Farewell::Plaintext, false), (Farewell::Everybody, true)] {
            let (_sender, receiver) = watch::channel(farewell);
            let activity = Activity::new(Instant::now());
            let mut ending = Ending {
                farewell: receiver,
                is_plaintext: true,
            };
            let mut comes = pin!(ending.comes(&activity));
            assert_eq!(is_over(comes.as_mut()), !waits, "{farewell:?}");
            if waits {
                drop(activity.begin());
                assert!(is_over(comes.as_mut()));
            }
        }
    }
}
