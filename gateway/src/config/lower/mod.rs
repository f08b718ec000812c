//! From what the user wrote to what it means.
//!
//! A setting with a mistake is reported and its default stands in, so that everything else is
//! judged too; what was lowered counts only where nothing was reported.

mod quantity;
mod limit;
mod source_rate;
mod file;
mod host;
mod route_key;
mod path_template;
mod certificate;
mod endpoint_tls;
mod truststore;
mod mutual_tls;
mod private;
mod listener;
mod edge;
mod lists;
mod rules;
mod authorizer;
mod aws;
mod oauth;
mod fleet;
mod backend_tls;
mod upstream;
mod endpoint;
mod lookups;
mod identity;
mod quotas;
mod log_format;
mod method_settings;
mod stage;
mod stage_throttles;
mod response;
mod gateway_response;
mod policies;
mod policy;
mod integration;
mod method_response;
mod non_proxy;
mod models;
mod cors;
mod parameters;
mod validation;
mod definition;
mod deployed;
mod api;
mod api_keys;
mod buckets;
mod domain;
mod usage_plan;
mod routing_rule;
mod route;
mod throttle;
mod concurrency;
mod process;
mod whereabouts;

use std::num::NonZeroU32;
use std::path::Path;

use super::cursor::Cursor;
use super::diagnostic::Collector;
use super::files::Files;
use super::frozen::{AUTHORIZERS, is_same, parse as read_definition};
use super::near_miss::suggestion;
use super::tree::shortened;
use super::written::File;
use crate::language::media_type::MediaType;
use crate::model::{Authorizer, Aws, Gateway, Placements, Whereabouts};

pub(super) use authorizer::{CREDENTIALS_BYTES_MAX, NONE};
pub(super) use identity::derived_id;
pub use identity::parse_id;
pub use limit::{request_rate, shown_rate};
pub(super) use policy::FILE_BYTES_MAX as POLICY_BYTES_MAX;
pub(super) use quantity::{parse_duration, parse_size};
pub(super) use quotas::{definition_refusal, hold as quotas_hold};
pub(super) use stage::check_variables;

/// Lowers `file`, which was read from `tree`. Relative paths start at `base`.
///
/// The tree is the whole one, mistakes included: it tells where settings stand, and a name that
/// was written is known even where what stands under it was refused.
pub(super) fn lower(
    file: &File,
    tree: &Cursor<'_>,
    base: &Path,
    files: &Files,
    diagnostics: &mut Collector,
) -> Gateway {
    lower_placed(file, tree, base, files, &Placements::new(), diagnostics)
}

/// As [`lower`], with stages that serve what `placements` say.
pub(super) fn lower_placed(
    file: &File,
    tree: &Cursor<'_>,
    base: &Path,
    files: &Files,
    placements: &Placements,
    diagnostics: &mut Collector,
) -> Gateway {
    let mut lowering = Lowering {
        root: tree,
        base,
        files,
        placements,
        aws: None,
        gateways: None,
        thawed: Vec::new(),
        diagnostics,
    };
    process::lower(file, &mut lowering)
}

/// Lowers of `tree`, whose shape is sound, only where the gateway keeps what belongs to it.
pub(super) fn lower_whereabouts(
    tree: &Cursor<'_>,
    base: &Path,
    diagnostics: &mut Collector,
) -> Whereabouts {
    let mut lowering = Lowering {
        root: tree,
        base,
        files: &Files::Named,
        placements: &Placements::new(),
        aws: None,
        gateways: None,
        thawed: Vec::new(),
        diagnostics,
    };
    whereabouts::lower(whereabouts::Written::of(tree), &mut lowering)
}

/// What lowering needs everywhere.
struct Lowering<'a> {
    root: &'a Cursor<'a>,
    base: &'a Path,
    files: &'a Files,
    placements: &'a Placements,
    /// How services of AWS are called, as soon as that was lowered.
    aws: Option<Aws>,
    /// How many gateways share what holds across them, as soon as that was lowered.
    gateways: Option<NonZeroU32>,
    /// Authorizers of deployments that are not those of the file.
    thawed: Vec<Authorizer>,
    diagnostics: &'a mut Collector,
}

impl Lowering<'_> {
    /// Reports a mistake in the value at `at`.
    fn error(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        self.diagnostics
            .error(Some(at.place), at.path.to_string(), message);
    }

    /// Reports a mistake in the key of `at`, or in what stands under it as a whole.
    fn error_at_key(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        self.diagnostics
            .error(Some(at.key_place), at.path.to_string(), message);
    }

    /// Reports something that works and is probably not meant.
    fn warning(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        self.diagnostics
            .warning(Some(at.key_place), at.path.to_string(), message);
    }

    /// Checks that `name` was written under the top-level key `section`. `word` is what may stand
    /// there instead of a name.
    fn reference(
        &mut self,
        section: &str,
        what: &str,
        word: Option<&str>,
        name: &str,
        at: &Cursor<'_>,
    ) -> bool {
        let section = self.root.key(section);
        if section.key(name).is_written() {
            return true;
        }
        let known: Vec<&str> = section.names().chain(word).collect();
        let otherwise = "add it, or write one that there is";
        let fix = suggestion(name, known.into_iter(), otherwise);
        self.error(at, format!("there is no {what} `{}`{fix}", shortened(name)));
        false
    }

    /// Checks that `text`, the key of `at`, is a media type such as `application/json`.
    fn media_type(&mut self, text: &str, at: &Cursor<'_>) {
        // Bodies are looked up by the type that they have, which no range is: they would pass.
        if text.contains('*') {
            let shown = shortened(text);
            let message = format!(
                "`{shown}` is a range, which no body has for its type: name each media type"
            );
            self.error_at_key(at, message);
        } else if MediaType::first(text).is_none_or(|parsed| parsed.to_string().len() != text.len())
        {
            let shown = shortened(text);
            let message =
                format!("`{shown}` is not a media type: write one such as `application/json`");
            self.error_at_key(at, message);
        }
    }

    /// Checks a name that the user chose: it appears in logs, metrics and messages.
    fn name(&mut self, name: &str, at: &Cursor<'_>) {
        const CHARACTERS_MAX: usize = 64;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if name.is_empty() || name.len() > CHARACTERS_MAX || !name.bytes().all(allowed) {
            self.error_at_key(
                at,
                format!(
                    "names are 1 to {CHARACTERS_MAX} letters, digits, `_` and `-`: write such a one"
                ),
            );
        }
    }
}
