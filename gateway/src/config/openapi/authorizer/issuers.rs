//! `jwtConfiguration`: the issuers of tokens, in either form of the service.

use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::openapi::carried;
use crate::config::openapi::finding::Findings;
use crate::config::openapi::treatment::{self, Object};
use crate::config::tree::{Node, Reading};
use crate::model::ApiKind;

/// A text, and where it stands.
pub(super) type Word = (String, Place);

#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) name: Word,
    pub(super) audiences: Vec<Word>,
    /// Of the issuer and of its audiences.
    pub(super) place: Place,
    pub(super) audiences_place: Place,
}

/// A claim that tokens have besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) values: Vec<String>,
    pub(super) place: Place,
}

/// What a definition says under `jwtConfiguration`.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) issuers: Vec<Issuer>,
    pub(super) algorithms: Vec<Word>,
    pub(super) claims: Vec<Claim>,
}

/// What either form of `jwtConfiguration` says at least.
const FORM: &str = "tokens are checked against an issuer and audiences: write \
                    `jwtConfiguration: {issuer: .., audience: [..]}`";

/// A text at `at`.
fn word(at: &Cursor<'_>) -> Option<Word> {
    Some((at.scalar()?.to_owned(), at.place))
}

/// A list of texts that is not empty.
fn words(at: &Cursor<'_>) -> Option<Vec<Word>> {
    let words: Option<Vec<_>> = at.items().map(|item| word(&item)).collect();
    words.filter(|words| !words.is_empty())
}

/// One issuer, as HTTP APIs have it.
pub(super) fn judge_one(
    authorizer: &Cursor<'_>,
    at: &Cursor<'_>,
    findings: &mut Findings,
) -> Option<Parts> {
    let audience = at.key("audience");
    let audiences = word(&audience)
        .map(|one| vec![one])
        .or_else(|| words(&audience));
    let (Some(name), Some(audiences)) = (word(&at.key("issuer")), audiences) else {
        findings.refused(if at.is_written() { at } else { authorizer }, FORM);
        return None;
    };
    let algorithms = at.key("defaultAlgorithms");
    if algorithms.is_written() {
        let why = "it says what `issuers` have in common: write `issuers: [{issuer: .., audiences: \
                   [..]}]` beside it";
        findings.refused(&algorithms, why);
        return None;
    }
    let place = authorizer.key_place;
    Some(Parts {
        issuers: vec![Issuer {
            name,
            audiences,
            place,
            audiences_place: place,
        }],
        algorithms: Vec::new(),
        claims: Vec::new(),
    })
}

/// Several issuers, as REST APIs have them.
pub(super) fn judge_list(
    authorizer: &Cursor<'_>,
    at: &Cursor<'_>,
    kind: ApiKind,
    findings: &mut Findings,
) -> Option<Parts> {
    for key in ["issuer", "audience"] {
        let at = at.key(key);
        if at.is_written() {
            findings.refused(&at, "`issuers` says this of each: take it out");
        }
    }
    let before = findings.refusals();
    let algorithms_at = at.key("defaultAlgorithms");
    let algorithms = words(&algorithms_at);
    // What the configuration says of each issuer was exported so.
    let is_left = authorizer.key(carried::CONFIGURED).is_true() && !algorithms_at.is_written();
    if algorithms.is_none() && !is_left {
        let why = "`issuers` have algorithms in common: write `defaultAlgorithms: [RS256]`, or others \
                   that they sign with";
        findings.refused(&algorithms_at, why);
    }
    let section = at.key("issuers");
    let mut issuers = Vec::new();
    let mut claims: Option<Vec<Claim>> = None;
    for at in section.items() {
        treatment::judge(&at, Object::JwtIssuer, kind, findings);
        let audiences = at.key("audiences");
        let (Some(name), Some(audiences)) = (word(&at.key("issuer")), words(&audiences)) else {
            let why = "tokens are checked against an issuer and audiences: write `issuer` and \
                       `audiences: [..]`";
            findings.refused(&at, why);
            continue;
        };
        let own = judge_claims(&at.key("additionalClaims"), kind, findings);
        let is_other = |others: &[Claim]| {
            let pair = |claim: &Claim| (claim.name.clone(), claim.values.clone());
            let others = others.iter().map(pair);
            !others.eq(own.iter().map(pair))
        };
        if claims.as_deref().is_some_and(is_other) {
            let why = "an authorizer asks the same claims of all issuers: write those of the first, or \
                       make two schemes";
            findings.refused(&at, why);
        }
        claims.get_or_insert(own);
        issuers.push(Issuer {
            name,
            audiences,
            place: at.place,
            audiences_place: at.key("audiences").key_place,
        });
    }
    if issuers.is_empty() && findings.refusals() == before {
        findings.refused(
            &section,
            "there is no issuer: write `issuers: [{issuer: .., audiences: [..]}]`",
        );
    }
    (findings.refusals() == before).then_some(Parts {
        issuers,
        algorithms: algorithms.unwrap_or_default(),
        claims: claims.unwrap_or_default(),
    })
}

/// The claims that tokens have to have besides.
fn judge_claims(section: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Vec<Claim> {
    let mut claims = Vec::new();
    findings.is_list(section);
    for at in section.items() {
        treatment::judge(&at, Object::JwtClaim, kind, findings);
        let values = words(&at.key("expectedValues"));
        let (Some((name, _)), Some(values)) = (word(&at.key("claimName")), values) else {
            let why =
                "a claim is held against values: write `claimName` and `expectedValues: [..]`";
            findings.refused(&at, why);
            continue;
        };
        let required = at.key("required");
        if required.node.map(Node::reading) == Some(Reading::Boolean(false)) {
            let why = "a token without the claim would be refused all the same: write `required: \
                       true`, or take the claim out";
            findings.refused(&required, why);
        }
        if claims.iter().any(|other: &Claim| other.name == name) {
            let why = "this claim stands in the list already: put its values into one item";
            findings.refused(&at, why);
        }
        claims.push(Claim {
            name,
            values: values.into_iter().map(|(value, _)| value).collect(),
            place: at.place,
        });
    }
    claims
}
