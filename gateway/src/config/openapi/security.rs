//! Who may call an operation.
//!
//! An operation secured by the scheme `X` is authorized by the authorizer `X` of the configuration or,
//! where that has none, by one that the definition makes. What a definition asks for and cannot be
//! had makes a route that is refused, never one that is open.

use std::collections::{BTreeMap, BTreeSet};

use super::authorizer::{AUTHORIZER, Authorizers, Described, Found};
use super::document::Document;
use super::finding::Findings;
use super::made::{Made, list, plain, text};
use super::signers::{self, Signers};
use super::treatment::{self, Object};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::near_miss::suggestion;
use crate::config::tree::{Node, shortened};
use crate::model::ApiKind;

const AUTHTYPE: &str = "x-amazon-apigateway-authtype";
const AUTH: &str = "x-amazon-apigateway-auth";

/// Who may call an operation.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Everybody.
    Anyone(Place),
    /// Who an authorizer lets pass.
    Authorized {
        /// The requirement.
        place: Place,
        name: String,
        scopes: Vec<(String, Place)>,
    },
    /// Nobody, because what is asked for cannot be had.
    Nobody,
}

impl Caller {
    /// Whether it is the authorizer `name` that lets them pass.
    pub(super) fn is_authorized_by(&self, name: &str) -> bool {
        matches!(self, Self::Authorized { name: own, .. } if own == name)
    }

    /// Says so in a route.
    pub(super) fn write(&self, route: &mut Made, place: Place) {
        match self {
            Self::Anyone(place) => route.put("authorizer", *place, text(*place, "none")),
            // The route answers 500.
            Self::Nobody => route.put("authorizer", place, text(place, "none")),
            Self::Authorized {
                place,
                name,
                scopes,
            } => {
                route.put("authorizer", *place, text(*place, name));
                if !scopes.is_empty() {
                    let items = scopes.iter().map(|(scope, place)| text(*place, scope));
                    route.put("scopes", *place, list(*place, items.collect()));
                }
            }
        }
    }
}

impl Required {
    /// Says so in a route.
    pub(super) fn write(&self, route: &mut Made, place: Place) {
        self.caller.write(route, place);
        if let Some(place) = self.key {
            route.put("api_key_required", place, plain(place, "true"));
        }
    }
}

/// The security schemes of a definition, judged.
#[derive(Debug, Default)]
pub(super) struct Schemes {
    /// The authorizer of each; `None` where there can be none.
    authorizers: BTreeMap<String, Option<String>>,
    /// Authorizers that the definition itself makes, in its order.
    made: Vec<(String, Described)>,
    /// Authorizers of the configuration that know callers by their signatures.
    signers: Signers,
    /// Schemes that ask for an API key.
    keys: BTreeSet<String>,
}

/// What an operation asks of whoever calls it.
#[derive(Clone, Debug)]
pub(super) struct Required {
    /// Who may call it.
    pub(super) caller: Caller,
    /// Where an API key is asked for.
    pub(super) key: Option<Place>,
}

impl Schemes {
    /// Judges the schemes at `section`.
    pub(super) fn judge(
        section: &Cursor<'_>,
        document: &Document,
        kind: ApiKind,
        authorizers: &Authorizers<'_>,
        findings: &mut Findings,
    ) -> Self {
        let mut schemes = Self {
            signers: signers::of(authorizers),
            ..Self::default()
        };
        findings.is_mapping(section);
        for (name, at) in section.entries() {
            let Some(at) = document.follow(&at, findings) else {
                schemes.authorizers.insert(name.to_owned(), None);
                continue;
            };
            let before = findings.refusals();
            treatment::judge(&at, Object::SecurityScheme, kind, findings);
            if at.key(AUTHTYPE).scalar() == Some(signers::AUTHTYPE) {
                let signers = &schemes.signers;
                let named = signers.named(name, &at.key(AUTHTYPE), &at.key(AUTHORIZER), findings);
                schemes.authorizers.insert(name.to_owned(), named);
                continue;
            }
            if is_of_keys(&at) {
                match kind {
                    ApiKind::Rest => drop(schemes.keys.insert(name.to_owned())),
                    ApiKind::Http => {
                        let why =
                            "only REST APIs ask for API keys: take it out, and what asks for it";
                        findings.refused(&at, why);
                        schemes.authorizers.insert(name.to_owned(), None);
                    }
                }
                continue;
            }
            let described = judge_scheme(&at, kind, findings);
            let authorizer = described.and_then(|described| {
                judge_name(name, &at, findings);
                let found =
                    authorizers.of(name, &described, &at.key(AUTHORIZER), kind, findings)?;
                (findings.refusals() == before).then_some((found, described))
            });
            let named = authorizer.map(|(found, described)| match found {
                Found::Configured => name.to_owned(),
                Found::Made(name) => {
                    schemes.made.push((name.clone(), described));
                    name
                }
            });
            schemes.authorizers.insert(name.to_owned(), named);
        }
        schemes
    }

    /// The authorizers that the definition makes, in the native form.
    pub(super) fn made(&self) -> impl Iterator<Item = (String, Node)> {
        let made = self.made.iter();
        made.map(|(name, described)| (name.clone(), described.write()))
    }

    /// Takes out the first authorizer of its own that is meant, and returns its name.
    pub(super) fn remove_made(&mut self, is_meant: impl Fn(&str) -> bool) -> Option<String> {
        let index = self.made.iter().position(|(name, _)| is_meant(name))?;
        Some(self.made.remove(index).0)
    }

    /// What the operation at `at` asks of whoever calls it.
    pub(super) fn required(&self, at: &Cursor<'_>, findings: &mut Findings) -> Required {
        let mut key = None;
        let caller = self.caller(at, &mut key, findings);
        Required { caller, key }
    }

    fn caller(&self, at: &Cursor<'_>, key: &mut Option<Place>, findings: &mut Findings) -> Caller {
        let before = findings.refusals();
        let auth = at.key(AUTH);
        let signs = judge_auth(&auth, findings);
        let security = at.key("security");
        let caller = match self.scheme(&security, key, findings) {
            Some(caller) if signs => self.signers.agree(caller, &auth, findings),
            Some(caller) => caller,
            None if signs => self.signers.only(&auth, findings),
            None => Caller::Anyone(if security.is_written() {
                security.key_place
            } else {
                at.key_place
            }),
        };
        if findings.refusals() != before || matches!(caller, Caller::Nobody) {
            return Caller::Nobody;
        }
        if security.is_written() {
            findings.honoured(&security);
        }
        caller
    }

    /// Who the schemes at `at` let pass, beside whom API keys are asked for; `None` where that is everybody.
    fn scheme(
        &self,
        at: &Cursor<'_>,
        key: &mut Option<Place>,
        findings: &mut Findings,
    ) -> Option<Caller> {
        if !at.is_written() {
            return None;
        }
        let requirements: Vec<Cursor<'_>> = at.items().collect();
        if requirements.is_empty() && !is_empty_list(at) {
            findings.refused(
                at,
                "security is a list: write `[{scheme: []}]`, or `[]` for none",
            );
            return Some(Caller::Nobody);
        }
        let (mut schemes, mut asks_nothing) = (Vec::new(), false);
        for requirement in &requirements {
            // Only a written `{}` asks for nothing: what has no keys for another reason was meant to.
            if !findings.is_mapping(requirement) {
                return Some(Caller::Nobody);
            }
            asks_nothing |= requirement.names().next().is_none();
            for (name, scopes) in requirement.entries() {
                if self.keys.contains(name) {
                    *key = Some(scopes.key_place);
                } else {
                    schemes.push((name, scopes));
                }
            }
        }
        // The service asks for an API key beside the authorizer, in one requirement or in two.
        match schemes.as_slice() {
            [] if !asks_nothing || requirements.len() == 1 => None,
            [(name, scopes)] if !asks_nothing => Some(self.authorized(name, scopes, at, findings)),
            _ => {
                let why = "a route has one authorizer: keep one scheme, and make it check what all \
                           of them would";
                findings.refused(at, why);
                Some(Caller::Nobody)
            }
        }
    }

    fn authorized(
        &self,
        name: &str,
        scopes_at: &Cursor<'_>,
        at: &Cursor<'_>,
        findings: &mut Findings,
    ) -> Caller {
        let Some(authorizer) = self.authorizers.get(name) else {
            let fix = suggestion(
                name,
                self.authorizers.keys().map(String::as_str),
                "add it to the security schemes",
            );
            let why = format!("there is no security scheme `{}`{fix}", shortened(name));
            findings.refused(scopes_at, why);
            return Caller::Nobody;
        };
        let Some(authorizer) = authorizer else {
            // Why was said of the scheme, once for all that use it.
            return Caller::Nobody;
        };
        let mut scopes = Vec::new();
        for scope in scopes_at.items() {
            match scope.scalar() {
                Some(text) => scopes.push((text.to_owned(), scope.place)),
                None => {
                    findings.refused(&scope, "a scope is text: write its name");
                    return Caller::Nobody;
                }
            }
        }
        if scopes.is_empty() && !is_empty_list(scopes_at) {
            findings.refused(scopes_at, "scopes are a list: write `[]` for none");
            return Caller::Nobody;
        }
        Caller::Authorized {
            place: at.key_place,
            name: authorizer.clone(),
            scopes,
        }
    }
}

/// The name becomes that of an authorizer, and `none` is what public routes say there.
fn judge_name(name: &str, at: &Cursor<'_>, findings: &mut Findings) {
    const CHARACTERS_MAX: usize = 64;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let is_name = (1..=CHARACTERS_MAX).contains(&name.len()) && name.bytes().all(allowed);
    if !is_name || name == "none" {
        let why = format!(
            "an authorizer cannot have the name `{}`: rename the scheme, to 1 to {CHARACTERS_MAX} \
             letters, digits, `_` and `-`",
            shortened(name)
        );
        findings.refused(at, why);
    }
}

fn is_empty_list(at: &Cursor<'_>) -> bool {
    use crate::config::tree::Value;
    matches!(at.node.map(|node| &node.value), Some(Value::Sequence(items)) if items.is_empty())
}

/// Whether an operation asks its callers to sign.
fn judge_auth(at: &Cursor<'_>, findings: &mut Findings) -> bool {
    if !at.is_written() {
        return false;
    }
    // Both kinds of APIs have it.
    treatment::judge(at, Object::Auth, ApiKind::Rest, findings);
    let kind = at.key("type");
    match kind.scalar().map(str::to_ascii_uppercase).as_deref() {
        Some("NONE") => findings.honoured(at),
        Some("AWS_IAM") => return true,
        Some(_) | None => findings.refused(at, "the type is `NONE` or `AWS_IAM`: write one"),
    }
    false
}

/// Whether the scheme at `at` asks for API keys, where the service has them.
fn is_of_keys(at: &Cursor<'_>) -> bool {
    let is_header = |name: &str| name.eq_ignore_ascii_case("x-api-key");
    at.key("type").scalar() == Some("apiKey")
        && at.key("in").scalar() == Some("header")
        && at.key("name").scalar().is_some_and(is_header)
        && !at.key(AUTHORIZER).is_written()
        && !at.key(AUTHTYPE).is_written()
}

/// What the scheme says of callers; `None` where no authorizer can stand for it, which was reported.
fn judge_scheme(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Option<Described> {
    let authtype = at.key(AUTHTYPE);
    if authtype.is_written() {
        findings.honoured(&authtype);
    }
    let authorizer = at.key(AUTHORIZER);
    if !authorizer.is_written() {
        findings.refused(
            at,
            "nothing checks this scheme, and the service leaves such routes open: add \
             `x-amazon-apigateway-authorizer`, or take it out",
        );
        return None;
    }
    Described::judge(at, kind, findings)
}
