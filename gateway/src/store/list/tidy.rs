//! What becomes of the lists by itself: ends come, and changes are not confirmed.

use super::Lists;
use super::by_hand::ByHand;
use super::error::ListError;
use super::moment::Moment;
use crate::model::Prefix;
use crate::telemetry::operator_log::explain;

impl Lists {
    /// Takes back what was not confirmed in time, and forgets what has ended. The latter only
    /// frees space: what has ended means nothing. Returns what was taken back, also where that
    /// could not be saved: it is in force, and saved with a later call. To be called about once per
    /// second; each call makes good what could not be written before.
    ///
    /// # Errors
    /// See [`ListError`]: the kernel edge did not take it.
    pub fn tidy(&self, now: Moment) -> Result<Vec<(ByHand, Prefix)>, ListError> {
        self.make_good();
        let is_said = {
            let writer = self.writer();
            if !writer.kept.is_due(now) {
                return Ok(Vec::new());
            }
            writer.debt.kept
        };
        let (taken_back, saved) = self.change_first(now, |kept| kept.take_back(now))?;
        if let Err(error) = saved
            && !is_said
        {
            let error = explain(&error);
            tracing::error!(
                error,
                "lists: what was taken back or has ended is in force and not saved: tried again \
                 until it is"
            );
        }
        let pairs = taken_back.iter().map(|it| (it.list, it.prefix));
        Ok(pairs.collect())
    }

    /// Takes back every change that waits to be confirmed, whatever time is left.
    ///
    /// # Errors
    /// [`ListError::Unsaved`] where they are taken back and only that is not saved; with any other
    /// one nothing changed.
    pub fn take_back(&self) -> Result<(), ListError> {
        let now = Moment::now();
        let forever = Moment {
            monotonic_ns: u64::MAX,
            ..now
        };
        let ((), saved) = self.change_first(now, |kept| drop(kept.take_back(forever)))?;
        saved.map_err(|error| ListError::Unsaved {
            what: "the change is taken back, but a gateway that starts before its time is over makes \
                   it again until then: the lists could not be saved",
            source: Box::new(error),
        })
    }
}
