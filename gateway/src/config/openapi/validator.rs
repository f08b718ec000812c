//! `x-amazon-apigateway-request-validators`, and who names them.
//!
//! A validator that cannot be found refuses the operations that name it: one that is misspelt must
//! not leave an operation unchecked.

use std::collections::BTreeMap;

use super::finding::Findings;
use super::treatment::{self, Object};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::{Node, Reading, shortened};
use crate::model::ApiKind;

const SECTION: &str = "x-amazon-apigateway-request-validators";
const NAMED: &str = "x-amazon-apigateway-request-validator";

/// What of a request is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    pub(super) parameters: bool,
    pub(super) body: bool,
}

/// The validators of a definition.
#[derive(Debug, Default)]
pub(super) struct Validators {
    /// `None` for those that were refused.
    known: BTreeMap<String, Option<Checks>>,
    /// What is checked where an operation names none.
    default: Option<Checks>,
}

impl Validators {
    /// Judges the validators of the definition with this root.
    pub(super) fn judge(root: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Self {
        let mut validators = Self {
            known: BTreeMap::new(),
            default: Some(Checks::default()),
        };
        // Of HTTP APIs both are refused by the table.
        if kind == ApiKind::Http {
            return validators;
        }
        let section = root.key(SECTION);
        findings.is_mapping(&section);
        let before = findings.refusals();
        for (name, at) in section.entries() {
            let checks = judge_one(&at, findings);
            validators.known.insert(name.to_owned(), checks);
        }
        if section.is_written() && findings.refusals() == before {
            findings.honoured(&section);
        }
        validators.default = validators.named(&root.key(NAMED), findings);
        validators
    }

    /// What the validator of the operation at `at` checks; `None` where it cannot be had, which was
    /// reported.
    pub(super) fn of(&self, at: &Cursor<'_>, findings: &mut Findings) -> Option<Checks> {
        let own = at.key(NAMED);
        if own.is_written() {
            self.named(&own, findings)
        } else {
            self.default
        }
    }

    fn named(&self, at: &Cursor<'_>, findings: &mut Findings) -> Option<Checks> {
        if !at.is_written() {
            return Some(Checks::default());
        }
        let name = at.scalar().unwrap_or_default();
        match self.known.get(name) {
            // Why was said of the validator, once for all that name it.
            Some(None) => None,
            Some(Some(checks)) => {
                findings.honoured(at);
                Some(*checks)
            }
            None => {
                let fix = suggestion(
                    name,
                    self.known.keys().map(String::as_str),
                    &format!("add it to `{SECTION}`"),
                );
                let why = format!("there is no request validator `{}`{fix}", shortened(name));
                findings.refused(at, why);
                None
            }
        }
    }
}

fn judge_one(at: &Cursor<'_>, findings: &mut Findings) -> Option<Checks> {
    let before = findings.refusals();
    treatment::judge(at, Object::Validator, ApiKind::Rest, findings);
    let checks = Checks {
        parameters: flag(&at.key("validateRequestParameters"), findings),
        body: flag(&at.key("validateRequestBody"), findings),
    };
    (findings.refusals() == before).then_some(checks)
}

/// A word that is `true` or `false`; anything else is refused.
pub(super) fn flag(at: &Cursor<'_>, findings: &mut Findings) -> bool {
    match at.node.map(Node::reading) {
        None => false,
        Some(Reading::Boolean(is_so)) => is_so,
        Some(found) => {
            let why = format!("found {found}: write `true` or `false` without quotes");
            findings.refused(at, why);
            false
        }
    }
}
