//! Callers that sign, as definitions ask for them: by a scheme of type `awsSigv4`, or by
//! `x-amazon-apigateway-auth` at an operation.
//!
//! Who may sign with which secret is no part of a definition, so that an authorizer of type `iam` in the
//! configuration stands for it: the one that has the scheme's name, or the only one there is.

use super::authorizer::Authorizers;
use super::finding::Findings;
use super::security::Caller;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;

/// What a scheme says of signatures under `x-amazon-apigateway-authtype`.
pub(super) const AUTHTYPE: &str = "awsSigv4";

/// Names of the authorizers of the configuration that know callers by their signatures.
#[derive(Debug, Default)]
pub(super) struct Signers {
    names: Vec<String>,
    /// Whether there is a configuration around the definition.
    is_configured: bool,
}

/// Those around a definition.
pub(super) fn of(authorizers: &Authorizers<'_>) -> Signers {
    let section = authorizers.configured.iter();
    let entries = section.flat_map(Cursor::entries);
    let signing = entries.filter(|(_, at)| at.key("type").scalar() == Some("iam"));
    Signers {
        names: signing.map(|(name, _)| name.to_owned()).collect(),
        is_configured: authorizers.configured.is_some(),
    }
}

impl Signers {
    /// The authorizer for the scheme `name`, which says so at `at`. `None` where there is none, which
    /// was reported.
    pub(super) fn named(
        &self,
        name: &str,
        at: &Cursor<'_>,
        authorizer: &Cursor<'_>,
        findings: &mut Findings,
    ) -> Option<String> {
        if authorizer.is_written() {
            findings.refused(
                authorizer,
                "signatures are verified without it: take it out",
            );
            return None;
        }
        let found = self.names.iter().find(|own| *own == name);
        match found {
            Some(name) => self.stands_for(at, name, findings),
            None => self.missing(at, &format!("one called `{}`", shortened(name)), findings),
        }
        found.cloned()
    }

    /// Who may call an operation that asks for signatures at `auth`, and has no scheme for them.
    pub(super) fn only(&self, auth: &Cursor<'_>, findings: &mut Findings) -> Caller {
        match self.names.as_slice() {
            [name] => {
                self.stands_for(auth, name, findings);
                Caller::Authorized {
                    place: auth.key_place,
                    name: name.clone(),
                    scopes: Vec::new(),
                }
            }
            [] => {
                self.missing(auth, "one", findings);
                Caller::Nobody
            }
            [_, _, ..] => {
                let why = "the configuration has several authorizers of type `iam`: add a security \
                           scheme with `x-amazon-apigateway-authtype: awsSigv4` that has the name of \
                           one, and name it under `security`";
                findings.refused(auth, why);
                Caller::Nobody
            }
        }
    }

    /// `caller`, whom `security` names, where that is somebody who signs, as `auth` asks.
    pub(super) fn agree(
        &self,
        caller: Caller,
        auth: &Cursor<'_>,
        findings: &mut Findings,
    ) -> Caller {
        match caller {
            Caller::Authorized { ref name, .. } if self.names.contains(name) => {
                findings.honoured(auth);
                caller
            }
            // Why was said of the scheme.
            Caller::Nobody => {
                findings.honoured(auth);
                Caller::Nobody
            }
            Caller::Authorized { .. } | Caller::Anyone(_) => {
                let why = "this asks for a signature, and `security` for something else: keep one of \
                           them";
                findings.refused(auth, why);
                Caller::Nobody
            }
        }
    }

    fn stands_for(&self, at: &Cursor<'_>, name: &str, findings: &mut Findings) {
        let shown = shortened(name);
        let how = format!("the authorizer `{shown}` of the configuration verifies signatures");
        findings.approximated(at, how);
    }

    fn missing(&self, at: &Cursor<'_>, which: &str, findings: &mut Findings) {
        let fix = if self.is_configured {
            format!("add {which} to `authorizers` of the configuration")
        } else {
            format!(
                "name this file as `definition` in a configuration that has {which} under \
                 `authorizers`"
            )
        };
        let why = format!(
            "who signs is no part of a definition, and an authorizer of type `iam` has to know it: {fix}"
        );
        findings.refused(at, why);
    }
}
