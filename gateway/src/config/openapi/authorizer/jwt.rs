//! Authorizers of tokens of issuers.
//!
//! HTTP APIs of the service have one issuer with audiences, and take signatures with RSA. REST APIs
//! have several, and say which algorithms and claims they take. Either form is understood in either
//! type of API.

use super::counterpart::{Counterpart, sorted};
use super::issuers::{self, Claim, Issuer, Word};
use super::{judge_foreign, native_source};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::openapi::finding::Findings;
use crate::config::openapi::made::{Made, list, plain, text};
use crate::config::openapi::treatment::{self, Object};
use crate::config::tree::Node;
use crate::model::ApiKind;

/// What the definition says of tokens.
#[derive(Clone, Debug)]
pub(in crate::config::openapi) struct Jwt {
    issuers: Vec<Issuer>,
    /// Of what says them.
    issuers_place: Place,
    /// Whether they stand in a list, as REST APIs have them.
    is_list: bool,
    /// Of all issuers; empty where nothing is said of them.
    algorithms: Vec<Word>,
    /// Of all issuers.
    claims: Vec<Claim>,
    identity_source: Option<Word>,
    /// Of the key of the authorizer.
    place: Place,
}

/// Fields of other types, and why they are none here.
const FOREIGN: [(&str, &str); 6] = [
    (
        "authorizerUri",
        "a token decides who calls, and no function: take it out",
    ),
    (
        "authorizerPayloadFormatVersion",
        "a token decides who calls, and no function: take it out",
    ),
    (
        "enableSimpleResponses",
        "a token decides who calls, and no function: take it out",
    ),
    (
        "authorizerResultTtlInSeconds",
        "decisions on tokens are remembered as the configuration says: write `decision_ttl` there",
    ),
    (
        "identityValidationExpression",
        "audiences are compared as they are: name them in `jwtConfiguration`, and take this out",
    ),
    (
        "providerARNs",
        "user pools are those of authorizers of type `cognito_user_pools`: take this out",
    ),
];

impl Jwt {
    /// What the authorizer at `at` says; `None` where it cannot be had, which was reported.
    pub(super) fn judge(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Option<Self> {
        judge_foreign(at, &FOREIGN, findings);
        let configuration = at.key("jwtConfiguration");
        treatment::judge(&configuration, Object::JwtConfiguration, kind, findings);
        let is_list = configuration.key("issuers").is_written();
        let parts = if is_list {
            issuers::judge_list(at, &configuration, kind, findings)
        } else {
            issuers::judge_one(at, &configuration, findings)
        };
        let source_at = at.key("identitySource");
        let identity_source = judge_identity_source(&source_at, findings)?;
        let parts = parts?;
        Some(Self {
            issuers: parts.issuers,
            issuers_place: configuration.key("issuers").key_place,
            is_list,
            algorithms: parts.algorithms,
            claims: parts.claims,
            identity_source: identity_source.map(|text| (text, source_at.place)),
            place: at.key_place,
        })
    }

    /// An authorizer in the native form: as in the service its keys are found by discovery and, where
    /// nothing else is said, tokens are signed with RSA.
    pub(super) fn write(&self) -> Node {
        let mut made = Made::at(self.place);
        made.put("type", self.place, plain(self.place, "jwt"));
        match self.issuers.as_slice() {
            [one] => self.write_issuer(one, &mut made),
            several => {
                let issuers = several.iter().map(|issuer| {
                    let mut made = Made::at(issuer.place);
                    self.write_issuer(issuer, &mut made);
                    made.finish()
                });
                let place = self.issuers_place;
                made.put("issuers", place, list(place, issuers.collect()));
            }
        }
        if let Some((source, place)) = &self.identity_source {
            made.put("identity_source", *place, text(*place, source));
        }
        if let Some(first) = self.claims.first() {
            let mut claims = Made::at(first.place);
            for Claim {
                name,
                values,
                place,
            } in &self.claims
            {
                let values = values.iter().map(|value| text(*place, value));
                claims.put(name, *place, list(*place, values.collect()));
            }
            made.put("claims", first.place, claims.finish());
        }
        made.finish()
    }

    fn write_issuer(&self, issuer: &Issuer, made: &mut Made) {
        let words = |words: &[Word]| {
            words
                .iter()
                .map(|(word, place)| text(*place, word))
                .collect()
        };
        let (name, place) = &issuer.name;
        made.put("issuer", *place, text(*place, name));
        let place = issuer.audiences_place;
        made.put("audiences", place, list(place, words(&issuer.audiences)));
        if let Some((_, place)) = self.algorithms.first() {
            made.put("algorithms", *place, list(*place, words(&self.algorithms)));
        }
    }

    /// How what is made of it differs from what the service does; `None` where it does not.
    pub(super) fn approximation(&self, kind: ApiKind) -> Option<&'static str> {
        match kind {
            ApiKind::Http if self.is_list => {
                Some("in the service HTTP APIs have one issuer and take signatures with RSA alone")
            }
            ApiKind::Http => None,
            ApiKind::Rest if !self.is_list => Some(
                "tokens are checked as in HTTP APIs: one issuer, signatures with RSA, and no further \
                 claims that are required",
            ),
            ApiKind::Rest if !self.claims.is_empty() => {
                Some("a claim is one of the values or a list that holds one, whatever its format")
            }
            ApiKind::Rest => None,
        }
    }

    /// Holds what the definition says at `at` against the authorizer at `configured`.
    pub(super) fn compare(
        &self,
        at: &Cursor<'_>,
        configured: &Cursor<'_>,
        counterpart: &mut Counterpart<'_>,
    ) {
        let configuration = at.key("jwtConfiguration");
        let section = configured.key("issuers");
        let there: Vec<Cursor<'_>> = match section.is_written() {
            true => section.items().collect(),
            false => vec![configured.clone()],
        };
        let name = |at: &Cursor<'_>| at.key("issuer").scalar().map(str::to_owned);
        let names: Vec<String> = there.iter().filter_map(name).collect();
        let names = sorted(names.iter().map(String::as_str));
        let own = sorted(self.issuers.iter().map(|issuer| issuer.name.0.as_str()));
        if self.is_list {
            counterpart.compare("issuers", &own, &names, &configuration.key("issuers"));
        } else if !names.is_empty() {
            counterpart.compare("issuer", &own, &names, &configuration.key("issuer"));
        }
        for (index, issuer) in self.issuers.iter().enumerate() {
            let its = |at: &&Cursor<'_>| name(at).as_deref() == Some(issuer.name.0.as_str());
            let (key, found) = if self.is_list {
                let item = configuration.key("issuers").item(index);
                (item.key("audiences"), there.iter().find(its))
            } else {
                // One that is called otherwise was told, and is compared all the same.
                (configuration.key("audience"), there.first())
            };
            let Some(found) = found else {
                continue;
            };
            let audiences = found.key("audiences");
            let audiences = sorted(audiences.items().filter_map(|item| item.scalar()));
            let own = sorted(issuer.audiences.iter().map(|(name, _)| name.as_str()));
            counterpart.compare("audiences", &own, &audiences, &key);
            self.compare_algorithms(found, &configuration.key("defaultAlgorithms"), counterpart);
        }
        self.compare_claims(at, configured, counterpart);
        let source = self.identity_source.as_ref();
        let source = source.map(|(source, _)| source.as_str());
        counterpart.compare_sources(source, configured, &at.key("identitySource"));
    }

    fn compare_claims(
        &self,
        at: &Cursor<'_>,
        configured: &Cursor<'_>,
        counterpart: &mut Counterpart<'_>,
    ) {
        if self.claims.is_empty() {
            return;
        }
        let own = self.claims.iter();
        let own = own.map(|claim| shown(&claim.name, claim.values.iter().map(String::as_str)));
        let there = configured.key("claims");
        let there = there.entries().map(|(name, values)| {
            let values = values.items().filter_map(|item| item.scalar());
            shown(name, values)
        });
        let (own, there): (Vec<_>, Vec<_>) = (own.collect(), there.collect());
        let own = sorted(own.iter().map(String::as_str));
        let there = sorted(there.iter().map(String::as_str));
        let key = at.key("jwtConfiguration").key("issuers");
        counterpart.compare("claims", &own, &there, &key);
    }

    /// Where the definition says nothing of algorithms, the configuration may.
    fn compare_algorithms(
        &self,
        issuer: &Cursor<'_>,
        at: &Cursor<'_>,
        counterpart: &mut Counterpart<'_>,
    ) {
        if self.algorithms.is_empty() {
            return;
        }
        let there = issuer.key("algorithms");
        let there = if there.is_written() {
            sorted(there.items().filter_map(|item| item.scalar()))
        } else {
            DEFAULT_ALGORITHMS.join(", ")
        };
        let own = sorted(self.algorithms.iter().map(|(word, _)| word.as_str()));
        counterpart.compare("algorithms", &own, &there, at);
    }
}

/// Those of the service's HTTP APIs, and of authorizers that say nothing of them.
pub(in crate::config::openapi) const DEFAULT_ALGORITHMS: [&str; 3] = ["RS256", "RS384", "RS512"];

/// A claim, as it is compared and told.
fn shown<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> String {
    format!("{name}: [{}]", sorted(values))
}

/// Where the token stands, in the words of the configuration. `None` where that cannot be said.
fn judge_identity_source(at: &Cursor<'_>, findings: &mut Findings) -> Option<Option<String>> {
    if !at.is_written() {
        return Some(None);
    }
    let mut items = at.items();
    let text = match (at.scalar(), items.next(), items.next()) {
        (Some(text), ..) => Some(text),
        (None, Some(item), None) => item.scalar(),
        _ => None,
    };
    match text.filter(|text| !text.contains(',')) {
        Some(text) => Some(Some(native_source(text))),
        None => {
            let why = "a token stands in one place: write `$request.header.<name>` or \
                       `$request.querystring.<name>`";
            findings.refused(at, why);
            None
        }
    }
}
