//! Changing what is kept by hand: in the kernel, on disk and in memory.

use std::sync::{Arc, MutexGuard};

use super::by_hand::{ByHand, Kept};
use super::error::{ListError, SinkError};
use super::moment::Moment;
use super::picture::Picture;
use super::sink::{Generation, outermost};
use super::view::View;
use super::{Lists, Writer};
use crate::model::Prefix;
use crate::store::Backoff;

/// A change, assembled aside.
#[derive(Debug)]
struct Step {
    kept: Kept,
    old: Arc<View>,
    new: Picture,
    /// Where entries differ; none of them covers another.
    touched: Vec<Prefix>,
}

impl Lists {
    /// Changes kernel, disk and memory in this order; a failure takes the kernel back.
    pub(super) fn change<T>(
        &self,
        now: Moment,
        change: impl FnOnce(&mut Kept) -> Result<T, ListError>,
    ) -> Result<T, ListError> {
        let mut writer = self.writer();
        let (step, outcome) = self.step(&writer, now, change)?;
        writer.follow(&step)?;
        if let Err(error) = writer.save(&step.kept) {
            return Err(writer.go_back(&step, error));
        }
        self.put_in_force(&mut writer, step);
        Ok(outcome)
    }

    /// Changes kernel and memory, and then the disk: for what must happen even where nothing can
    /// be written. The second outcome is that of saving; what failed is owed then.
    pub(super) fn change_first<T>(
        &self,
        now: Moment,
        change: impl FnOnce(&mut Kept) -> T,
    ) -> Result<(T, Result<(), ListError>), ListError> {
        let mut writer = self.writer();
        let (step, outcome) = self.step(&writer, now, |kept| Ok(change(kept)))?;
        writer.follow(&step)?;
        let saved = writer.save(&step.kept);
        writer.debt.kept = saved.is_err();
        self.put_in_force(&mut writer, step);
        Ok((outcome, saved))
    }

    fn step<T>(
        &self,
        writer: &MutexGuard<'_, Writer>,
        now: Moment,
        change: impl FnOnce(&mut Kept) -> Result<T, ListError>,
    ) -> Result<(Step, T), ListError> {
        let mut kept = writer.kept.clone();
        let outcome = change(&mut kept)?;
        kept.sweep(now);
        let old = self.view();
        let mut new = old.picture.clone();
        let mut touched = Vec::new();
        for list in ByHand::ALL {
            let differing = kept.differing(&writer.kept, list);
            if !differing.is_empty() {
                new = new.with(list.number(), Arc::new(kept.table(list)));
                touched.extend(differing);
            }
        }
        self.0.limits.check(&new)?;
        let step = Step {
            kept,
            old,
            new,
            touched: outermost(touched),
        };
        Ok((step, outcome))
    }

    fn put_in_force(&self, writer: &mut Writer, step: Step) {
        writer.kept = step.kept;
        if let Some(journal) = &mut writer.journal {
            journal.extend(step.touched);
        }
        let view = View {
            picture: step.new,
            ..View::clone(&step.old)
        };
        self.show(writer, view);
    }
}

impl Writer {
    /// Makes the sink follow a change, or stay where it was.
    fn follow(&mut self, step: &Step) -> Result<(), ListError> {
        match step.tell(&step.old.picture, &step.new) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.go_back(step, ListError::Sink(error))),
        }
    }

    /// Takes the sink back from a change that failed with `error`; what is to be reported.
    fn go_back(&mut self, step: &Step, error: ListError) -> ListError {
        let Err(back) = step.tell(&step.new, &step.old.picture) else {
            return error;
        };
        self.debt.sink.get_or_insert_with(Backoff::default);
        let source = match error {
            ListError::Sink(source) => source,
            other => other.into(),
        };
        ListError::Torn { back, source }
    }

    /// Saves what is kept by hand; from then on nothing is owed.
    pub(super) fn save(&mut self, kept: &Kept) -> Result<(), ListError> {
        self.saved.save(kept)?;
        if std::mem::take(&mut self.debt.kept) {
            tracing::info!("lists: what is kept by hand is saved again");
        }
        Ok(())
    }
}

impl Step {
    /// Makes the sink follow from one picture to the other.
    fn tell(&self, from: &Picture, to: &Picture) -> Result<(), SinkError> {
        let Some(sink) = &self.old.sink else {
            return Ok(());
        };
        if self.touched.is_empty() {
            return Ok(());
        }
        sink.change(Generation::Active, from, to, &self.touched)
    }
}
