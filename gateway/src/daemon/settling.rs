//! Undoing what the disk did not take for certain, for as long as the gateway runs: the next one does
//! not know of it.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::store::Backoff;
use crate::store::api_key::ApiKeyStore;
use crate::store::deployment::DeploymentStore;
use crate::telemetry::operator_log::explain;

/// Undoes writes that failed where that could not be done at once. Looks for them once per `period`,
/// and more rarely while undoing fails, which is in the log.
///
/// # Cancel safety
/// Safe: what is being tried then ends on its own.
pub(super) async fn keep_settled(store: impl Settles, period: Duration) {
    let mut backoff = Backoff::default();
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if !backoff.is_due() {
            continue;
        }
        match settled(store.clone()).await {
            Ok(()) => backoff = Backoff::default(),
            Err(error) => {
                backoff.failed();
                tracing::debug!(error, "a write that failed: tried again");
            }
        }
    }
}

/// Longest time that a stop waits for the last attempt: a disk that stalls must not keep the process.
const LAST_ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// The last attempt.
pub(super) async fn settle_before_the_end<S: Settles>(store: S) {
    let attempt = settled(store);
    let outcome = match timeout(LAST_ATTEMPT_MAX, attempt).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(format!(
            "the disk did not answer within {LAST_ATTEMPT_MAX:?}"
        )),
    };
    if let Err(error) = outcome {
        tracing::error!(error, "{}", S::LEFT);
    }
}

/// What may have to put back what it said before a write that failed.
pub(super) trait Settles: Clone + Send + 'static {
    /// What is said where that could not be done to the end.
    const LEFT: &'static str;

    /// Does it, on a thread that may block.
    ///
    /// # Errors
    /// Why it cannot be done now.
    fn settle(&self) -> Result<(), String>;
}

impl Settles for DeploymentStore {
    const LEFT: &'static str = "deployments: the next gateway may serve what this one refused: look with \
         `gateway deployments` once the disk is sound, before it starts";

    fn settle(&self) -> Result<(), String> {
        Self::settle(self).map_err(|error| explain(&error))
    }
}

impl Settles for ApiKeyStore {
    const LEFT: &'static str = "API keys: the next gateway may know what this one refused: look with \
         `gateway keys list` once the disk is sound, before it starts";

    fn settle(&self) -> Result<(), String> {
        Self::settle(self).map_err(|error| explain(&error))
    }
}

async fn settled(store: impl Settles) -> Result<(), String> {
    match tokio::task::spawn_blocking(move || store.settle()).await {
        Ok(outcome) => outcome,
        Err(died) => Err(died.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::api_key;
    use crate::store::deployment::disk_tests::Refused;

    #[tokio::test]
    async fn a_write_in_doubt_is_undone_while_nobody_uses_deployments() {
        let refused = Refused::new(3);
        let often = Duration::from_millis(10);
        let undone = async {
            let mut looks = interval(often);
            while !refused.is_undone() {
                looks.tick().await;
            }
        };
        let undone = timeout(Duration::from_secs(60), undone);
        tokio::select! {
            () = keep_settled(refused.store.clone(), often) => panic!("it has ended"),
            undone = undone => undone.unwrap(),
        }
    }

    #[tokio::test]
    async fn an_order_about_keys_in_doubt_is_undone_as_well() {
        for failures in [0, 1] {
            let refused = api_key::disk_tests::Refused::new(failures);
            settle_before_the_end(refused.store.clone()).await;
            assert_eq!(refused.is_undone(), failures == 0);
        }
    }

    #[tokio::test]
    async fn a_write_in_doubt_is_undone_by_a_gateway_that_stops() {
        for failures in [0, 1] {
            let refused = Refused::new(failures);
            settle_before_the_end(refused.store.clone()).await;
            assert_eq!(refused.is_undone(), failures == 0);
        }
    }
}
