//! What is behind memory because writing it failed, and how it is made good.

use super::Lists;
use super::error::ListError;
use super::swap::Extent;
use crate::model::Lists as Model;
use crate::store::Backoff;
use crate::telemetry::operator_log::explain;

/// What is behind. That it is was said when writing it failed first.
#[derive(Debug, Default)]
pub(super) struct Debt {
    /// The file of the lists kept by hand.
    pub(super) kept: bool,
    /// The file of what the configuration says.
    pub(super) definitions: bool,
    /// The tables of the sink, in part: with when to write them anew.
    pub(super) sink: Option<Backoff>,
    /// What a configuration in force asks for.
    pub(super) asked: Option<Asked>,
}

/// Lists of a configuration that could not be put in force, with when to try again.
#[derive(Debug)]
pub(super) struct Asked {
    model: Model,
    backoff: Backoff,
}

impl Asked {
    pub(super) fn new(model: Model) -> Self {
        Self {
            model,
            backoff: Backoff::default(),
        }
    }
}

impl Debt {
    const fn is_none(&self) -> bool {
        !self.kept && !self.definitions && self.sink.is_none() && self.asked.is_none()
    }
}

impl Lists {
    /// Whether commands would find earlier lists than those of the configuration, because these could
    /// not be saved.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.writer().debt.definitions
    }

    /// Writes what could not be written before, as far as that is possible now.
    pub(super) fn make_good(&self) {
        if self.writer().debt.is_none() {
            return;
        }
        if let Err(error) = self.rewrite_sink() {
            let error = explain(&error);
            tracing::error!(
                error,
                "lists: the kernel edge differs from them, and its tables cannot be written anew: \
                 tried again until they are"
            );
        }
        if let Err(error) = self.repeat_install() {
            let error = explain(&error);
            tracing::error!(
                error,
                "lists: those that the configuration asks for are still not in force: tried again \
                 until they are"
            );
        }
        self.save_kept();
        self.repeat_definitions();
    }

    /// Puts in force what the configuration asks for, where that could not be done before.
    fn repeat_install(&self) -> Result<(), ListError> {
        let model = {
            let mut writer = self.writer();
            let Some(asked) = &mut writer.debt.asked else {
                return Ok(());
            };
            if !asked.backoff.is_due() {
                return Ok(());
            }
            // Until it has succeeded.
            asked.backoff.failed();
            asked.model.clone()
        };
        let prepared = self.prepare(&model)?;
        let _one_at_a_time = self.swapping();
        let is_asked = |asked: &Asked| asked.model == model;
        // Another configuration may have come meanwhile.
        if !self.writer().debt.asked.as_ref().is_some_and(is_asked) {
            return Ok(());
        }
        self.put_configured_in_force(prepared)?;
        let named = model.named.iter().map(|list| list.name.as_str());
        let named: Vec<&str> = named.collect();
        tracing::info!(
            ?named,
            "lists: those that the configuration asks for are in force now"
        );
        // What fails here is no failure of that, and is tried again as a debt of its own.
        if let Err(error) = self.save_definitions() {
            tracing::error!(
                error = explain(&error),
                "lists: what the configuration says is tried again until it is saved"
            );
        }
        Ok(())
    }

    /// Writes the tables of the sink anew where they are not known to hold what is in force.
    fn rewrite_sink(&self) -> Result<(), ListError> {
        let _one_at_a_time = self.swapping();
        {
            let mut writer = self.writer();
            let Some(backoff) = &mut writer.debt.sink else {
                return Ok(());
            };
            if !backoff.is_due() {
                return Ok(());
            }
            // Until it has succeeded.
            backoff.failed();
        }
        let same = self.view().configured.as_ref().clone();
        self.swap(same, &[], Extent::Everything)?;
        tracing::info!("lists: the tables of the kernel edge are written anew");
        Ok(())
    }

    fn save_kept(&self) {
        let mut writer = self.writer();
        if writer.debt.kept {
            let kept = writer.kept.clone();
            if let Err(error) = writer.save(&kept) {
                tracing::debug!(error = explain(&error), "lists: still not saved");
            }
        }
    }

    fn repeat_definitions(&self) {
        let _one_at_a_time = self.swapping();
        if !self.writer().debt.definitions {
            return;
        }
        match self.save_definitions() {
            Ok(()) => tracing::info!("lists: what the configuration says is saved now"),
            Err(error) => tracing::debug!(error = explain(&error), "lists: still not saved"),
        }
    }
}
