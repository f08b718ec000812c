//! What became of each part of a definition.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, Diagnostic, Place};
use crate::config::tree::Value;

/// What became of one part of a definition.
///
/// `Display` prints one line without its end:
/// `pets.yaml:41:9: paths."/pets".get.security: refused: cause: fix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Where in the file.
    pub place: Place,
    /// Which part, as keys joined by dots.
    pub path: String,
    /// What became of it.
    pub treatment: Treatment,
}

/// What became of a part of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// It is served as the service would.
    Honoured,
    /// It is served otherwise: how.
    Approximated(String),
    /// It is not served: why, and what to do.
    Refused(String),
    /// It is somebody else's: extensions of other vendors.
    Ignored,
}

/// What is said of the fields of an integration that was refused as a whole.
pub(super) const CONSEQUENCE: &str = "goes with its integration: see `type` beside it";

impl Treatment {
    /// Why something was refused, unless that follows from another refusal.
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(why) => Some(why.as_str()).filter(|why| *why != CONSEQUENCE),
            Self::Honoured | Self::Approximated(_) | Self::Ignored => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column, .. } = self.place;
        write!(f, "{}:{line}:{column}: {}: ", self.file, self.path)?;
        match &self.treatment {
            Treatment::Honoured => f.write_str("honoured"),
            Treatment::Approximated(how) => write!(f, "approximated: {}", one_line(how)),
            Treatment::Refused(why) => write!(f, "refused: {}", one_line(why)),
            Treatment::Ignored => f.write_str("ignored"),
        }
    }
}

/// Findings quote what the user wrote, and one finding is one line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Collects findings, each part once however often it is referred to.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Found>,
    seen: HashSet<(Place, Treatment)>,
    /// Keys that were judged, so that a last look over the files finds those that were not.
    judged: HashSet<Place>,
    refused: HashSet<Place>,
    told: HashSet<Place>,
    refusals: usize,
}

#[derive(Debug)]
struct Found {
    key_place: Place,
    /// Of the value, where that is one word: what holds others begins where the first of them does.
    place: Option<Place>,
    path: String,
    treatment: Treatment,
}

impl Findings {
    pub(super) fn honoured(&mut self, at: &Cursor<'_>) {
        self.add(at, Treatment::Honoured);
    }

    pub(super) fn approximated(&mut self, at: &Cursor<'_>, how: impl Into<String>) {
        self.add(at, Treatment::Approximated(how.into()));
    }

    /// `why` is a cause, a colon and a fix.
    pub(super) fn refused(&mut self, at: &Cursor<'_>, why: impl Into<String>) {
        self.add(at, Treatment::Refused(why.into()));
    }

    /// Notes that something is refused for what was reported elsewhere.
    pub(super) const fn affected(&mut self) {
        self.refusals += 1;
    }

    pub(super) fn ignored(&mut self, at: &Cursor<'_>) {
        self.add(at, Treatment::Ignored);
    }

    /// Notes that the key of `at` is known here.
    pub(super) fn judged(&mut self, at: &Cursor<'_>) {
        self.judged.insert(at.key_place);
    }

    pub(super) fn is_judged(&self, at: &Cursor<'_>) -> bool {
        self.judged.contains(&at.key_place)
    }

    /// Whether `at` holds keys with values, or was left out; anything else is refused.
    pub(super) fn is_mapping(&mut self, at: &Cursor<'_>) -> bool {
        self.is_shaped(at, "keys with values", |value| {
            matches!(value, Value::Mapping(_))
        })
    }

    /// Whether `at` holds a list, or was left out; anything else is refused.
    pub(super) fn is_list(&mut self, at: &Cursor<'_>) -> bool {
        self.is_shaped(at, "a list", |value| matches!(value, Value::Sequence(_)))
    }

    /// Whether `at` holds text or a number, or was left out; anything else is refused.
    pub(super) fn is_text(&mut self, at: &Cursor<'_>) -> bool {
        self.is_shaped(at, "text or a number", |value| {
            matches!(value, Value::Scalar { .. })
        })
    }

    fn is_shaped(&mut self, at: &Cursor<'_>, form: &str, is_so: fn(&Value) -> bool) -> bool {
        let Some(node) = at.node.filter(|node| !is_so(&node.value)) else {
            return true;
        };
        let found = node.reading();
        self.refused(at, format!("found {found}: write {form}"));
        false
    }

    /// Whether anything was said of the key of `at`.
    pub(super) fn is_told(&self, at: &Cursor<'_>) -> bool {
        self.told.contains(&at.key_place)
    }

    /// Whether something was refused at the key of `at`.
    pub(super) fn is_refused(&self, at: &Cursor<'_>) -> bool {
        self.refused.contains(&at.key_place)
    }

    /// Grows with every refusal, also one that was listed before: what lies between two counts is
    /// affected by it.
    pub(super) const fn refusals(&self) -> usize {
        self.refusals
    }

    fn add(&mut self, at: &Cursor<'_>, treatment: Treatment) {
        self.judged(at);
        self.told.insert(at.key_place);
        if matches!(treatment, Treatment::Refused(_)) {
            self.refusals += 1;
            self.refused.insert(at.key_place);
        }
        if self.seen.insert((at.key_place, treatment.clone())) {
            self.found.push(Found {
                key_place: at.key_place,
                place: at.scalar().map(|_| at.place),
                path: at.path.to_string(),
                treatment,
            });
        }
    }

    /// Notes what is wrong with the translated form, at the part that it was made from.
    pub(super) fn wrong(&mut self, error: &Diagnostic) {
        let Some(place) = error.place else {
            return;
        };
        self.refusals += 1;
        let treatment = Treatment::Refused(error.message.clone());
        // What several parts were made from is told once.
        if !self.seen.insert((place, treatment.clone())) {
            return;
        }
        let is_there = |found: &&mut Found| {
            found.treatment == Treatment::Honoured
                && (found.key_place == place || found.place == Some(place))
        };
        match self.found.iter_mut().find(is_there) {
            Some(found) => found.treatment = treatment,
            None => self.found.push(Found {
                key_place: place,
                place: None,
                path: error.path.clone(),
                treatment,
            }),
        }
    }

    /// In the order of the files.
    pub(super) fn finish(self, diagnostics: &Collector) -> Vec<Finding> {
        let mut findings: Vec<_> = self
            .found
            .into_iter()
            .map(|found| Finding {
                file: diagnostics.file_name(found.key_place.file),
                place: found.key_place,
                path: found.path,
                treatment: found.treatment,
            })
            .collect();
        findings.sort_by_key(|finding| finding.place);
        findings
    }
}
