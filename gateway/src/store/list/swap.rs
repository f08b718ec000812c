//! Putting lists of the configuration in force, whole.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use gateway_common::list::LIST_MANAGEMENT;

use super::by_hand::{ByHand, Kept};
use super::configured::{Configured, Loaded, Prepared};
use super::debt::Asked;
use super::definitions::{self, Numbers, OFFLOADED, PROXIES};
use super::error::ListError;
use super::picture::{Part, Picture, Role};
use super::sink::{Generation, ListSink, outermost};
use super::table::Table;
use super::view::View;
use super::{Lists, Writer};
use crate::model::{ListName, Lists as Model, Prefix};

/// What of the sink is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its tables, if they are to hold anything else than now.
    WhatDiffers,
    /// Its tables, whatever they hold.
    Everything,
}

/// The lists of a picture, in the order of their numbers.
pub(super) fn parts(kept: &Kept, configured: &Configured) -> Vec<Part> {
    let part = |number: u16, role: Role, table: Arc<Table>| Part {
        number,
        role,
        table,
    };
    let by_hand = |list: ByHand, role| part(list.number(), role, Arc::new(kept.table(list)));
    let mut parts = vec![
        by_hand(ByHand::Deny, Role::Deny),
        by_hand(ByHand::Allow, Role::Allow),
        part(
            LIST_MANAGEMENT,
            Role::Management,
            Arc::clone(&configured.management),
        ),
    ];
    parts.extend(configured.named.iter().filter_map(|loaded| {
        let number = *configured.numbers.get(&loaded.definition.name)?;
        Some(part(number, loaded.role(), Arc::clone(&loaded.table)))
    }));
    if let Some(number) = configured.numbers.get(&ListName::new(OFFLOADED)) {
        let table = Arc::clone(&configured.offloaded);
        parts.push(part(*number, Role::Deny, table));
    }
    if let Some(number) = configured.numbers.get(&ListName::new(PROXIES)) {
        let table = Arc::clone(&configured.proxies);
        parts.push(part(*number, Role::Proxy, table));
    }
    parts.sort_by_key(|part| part.number);
    parts
}

impl Lists {
    /// Reads the files that `model` names, beside what is in force. Blocks as long as that takes.
    ///
    /// # Errors
    /// [`ListError::File`] for a file that cannot be used, unless its list is in force from before.
    pub fn prepare(&self, model: &Model) -> Result<Prepared, ListError> {
        self.view().configured.prepare(model)
    }

    /// As [`Self::prepare`], of what the last gateway of this state directory was told.
    ///
    /// # Errors
    /// As there, and where that was not saved well.
    pub fn prepare_saved(&self) -> Result<Prepared, ListError> {
        let directory = self.writer().saved.directory().to_owned();
        let (model, _) = definitions::load(&directory)?;
        self.prepare(&model)
    }

    /// Puts lists in force: for every packet and every connection from one moment on. Changes by
    /// hand go on meanwhile. Blocks for seconds where a million entries change.
    ///
    /// # Errors
    /// [`ListError::Unsaved`] where they are in force and only that is not saved; with any other one
    /// the old lists are in force, and saved. Either is tried again by [`Self::tidy`].
    pub fn install(&self, prepared: Prepared) -> Result<(), ListError> {
        let _one_at_a_time = self.swapping();
        let model = prepared.model.clone();
        if let Err(error) = self.put_configured_in_force(prepared) {
            self.writer().debt.asked = Some(Asked::new(model));
            return Err(error);
        }
        self.save_definitions()
    }

    /// As [`Self::install`], for whom lists in force are enough. Returns that they are not saved.
    ///
    /// # Errors
    /// The old lists are in force.
    pub fn install_or_owe(&self, prepared: Prepared) -> Result<Option<ListError>, ListError> {
        match self.install(prepared) {
            Err(unsaved @ ListError::Unsaved { .. }) => Ok(Some(unsaved)),
            outcome => outcome.map(|()| None),
        }
    }

    /// As [`Self::install`], without saving it. The caller holds [`Self::swapping`].
    pub(super) fn put_configured_in_force(&self, prepared: Prepared) -> Result<(), ListError> {
        let next = prepared.onto(&self.view().configured);
        let new = self.new_numbers(&next);
        self.swap(next, &new, Extent::WhatDiffers)?;
        self.writer().debt.asked = None;
        Ok(())
    }

    /// Saves what the configuration in force says, unless that is what is saved.
    pub(super) fn save_definitions(&self) -> Result<(), ListError> {
        let directory = self.writer().saved.directory().to_owned();
        let configured = &self.view().configured;
        let (model, numbers) = (&configured.model, &configured.numbers);
        let saved = definitions::load(&directory);
        let outcome = if saved.is_ok_and(|saved| (&saved.0, &saved.1) == (model, numbers)) {
            Ok(())
        } else {
            definitions::save(&directory, model, numbers)
        };
        self.writer().debt.definitions = outcome.is_err();
        outcome.map_err(|error| ListError::Unsaved {
            what: "commands without a running gateway know the earlier lists: what the configuration \
                   says of them could not be saved",
            source: Box::new(error),
        })
    }

    /// Reads the file of one list again and puts it in force.
    ///
    /// # Errors
    /// See [`ListError`]; the old list is still in force then.
    pub(super) fn reread(&self, name: &ListName) -> Result<(), ListError> {
        let _one_at_a_time = self.swapping();
        let mut next = self.view().configured.as_ref().clone();
        if let Some(loaded) = next.named.iter_mut().find(|it| &it.definition.name == name) {
            let read = Loaded::read(&loaded.definition).map_err(|source| ListError::File {
                name: name.clone(),
                source,
            })?;
            *loaded = Loaded {
                failures: loaded.failures,
                ..read
            };
        }
        self.swap(next, &[], Extent::WhatDiffers)
    }

    /// Hands all lists to `sink`, and every later change as well. What the sink held before is
    /// left to [`Self::retire`].
    ///
    /// # Errors
    /// [`ListError::Sink`]; the sink is not kept then.
    pub fn attach(&self, sink: Arc<dyn ListSink>) -> Result<(), ListError> {
        let _one_at_a_time = self.swapping();
        let mut writer = self.writer();
        let view = self.view();
        sink.stage(&view.picture).map_err(ListError::Sink)?;
        sink.activate(&view.picture, &by_hand(&writer.kept))
            .map_err(ListError::Sink)?;
        self.show_through(&mut writer, Some(sink));
        Ok(())
    }

    /// Forgets the sink.
    pub fn detach(&self) {
        let _one_at_a_time = self.swapping();
        let mut writer = self.writer();
        self.show_through(&mut writer, None);
    }

    fn show_through(&self, writer: &mut Writer, sink: Option<Arc<dyn ListSink>>) {
        let view = View::clone(&self.view());
        self.show(writer, View { sink, ..view });
    }

    /// Empties what the sink held before [`Self::attach`].
    ///
    /// # Errors
    /// [`ListError::Sink`]; it is emptied before it is used again.
    pub fn retire(&self) -> Result<(), ListError> {
        let _one_at_a_time = self.swapping();
        let view = self.view();
        let sink = view.sink.as_ref();
        sink.map_or(Ok(()), |sink| sink.retire().map_err(ListError::Sink))
    }

    /// Stages `next`, then puts it in force together with what was changed by hand meanwhile.
    pub(super) fn swap(
        &self,
        next: Configured,
        new_numbers: &[u16],
        extent: Extent,
    ) -> Result<(), ListError> {
        let (staged, sink) = {
            let mut writer = self.writer();
            let picture = Picture::new(parts(&writer.kept, &next));
            self.0.limits.check(&picture)?;
            let view = self.view();
            let is_needed = extent == Extent::Everything || !is_same(&view.configured, &next);
            let sink = view.sink.clone().filter(|_| is_needed);
            writer.journal = sink.is_some().then(Vec::new);
            (picture, sink)
        };
        let staging = sink.as_ref().map_or(Ok(()), |sink| sink.stage(&staged));
        let mut writer = self.writer();
        let journal = writer.journal.take().unwrap_or_default();
        staging.map_err(ListError::Sink)?;
        let picture = Picture::new(parts(&writer.kept, &next));
        // What was added by hand meanwhile had room beside the old lists only.
        self.0.limits.check(&picture)?;
        if let Some(sink) = &sink {
            if !journal.is_empty() {
                sink.change(Generation::Staged, &staged, &picture, &outermost(journal))
                    .map_err(ListError::Sink)?;
            }
            sink.activate(&picture, &by_hand(&writer.kept))
                .map_err(ListError::Sink)?;
            writer.debt.sink = None;
        }
        let view = View {
            picture,
            configured: Arc::new(next),
            sink: self.view().sink.clone(),
        };
        self.show(&mut writer, view);
        for number in new_numbers {
            if let Some(count) = self.0.decided.get(usize::from(*number)) {
                count.store(0, std::sync::atomic::Ordering::Relaxed);
            }
        }
        drop(writer);
        let Some(sink) = sink else {
            return Ok(());
        };
        // In force it is; what the sink keeps of the old lists costs memory and is tried again.
        if let Err(error) = sink.retire() {
            tracing::warn!(error, "lists: the tables of the old ones are not empty yet");
        }
        Ok(())
    }

    /// Numbers in `next` that have another name now, or had none.
    fn new_numbers(&self, next: &Configured) -> Vec<u16> {
        let held: BTreeSet<(ListName, u16)> =
            self.view().configured.numbers.clone().into_iter().collect();
        let numbers: &Numbers = &next.numbers;
        let pairs = numbers.iter().map(|(name, number)| (name.clone(), *number));
        pairs
            .filter(|pair| !held.contains(pair))
            .map(|(_, number)| number)
            .collect()
    }

    pub(super) fn swapping(&self) -> MutexGuard<'_, ()> {
        let swapping = &self.0.swapping;
        swapping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every prefix that is kept by hand: their hits are worth keeping.
fn by_hand(kept: &Kept) -> Vec<Prefix> {
    kept.deny.keys().chain(kept.allow.keys()).copied().collect()
}

/// Whether two configurations come to the same tables.
fn is_same(old: &Configured, new: &Configured) -> bool {
    let same_list = |(old, new): (&Loaded, &Loaded)| {
        old.definition.name == new.definition.name
            && old.role() == new.role()
            && Arc::ptr_eq(&old.table, &new.table)
    };
    Arc::ptr_eq(&old.management, &new.management)
        && Arc::ptr_eq(&old.offloaded, &new.offloaded)
        && Arc::ptr_eq(&old.proxies, &new.proxies)
        && old.numbers == new.numbers
        && old.named.len() == new.named.len()
        && old.named.iter().zip(&new.named).all(same_list)
}
