//! Authorizers of JSON Web Tokens.

use std::time::Duration;

use http::header::AUTHORIZATION;

use super::{jwks, lower_identity_source};
use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::quantity::s;
use crate::config::written;
use crate::model::{
    Algorithm, IdentitySource, Issuer, Jwks, JwksSource, JwtSettings, RequiredClaim, TokenRules,
};

/// Most claims that an authorizer asks for.
const CLAIMS_MAX: usize = 16;

/// The keys that say of one issuer what `issuers` says of each.
const OF_ONE: [&str; 4] = ["issuer", "audiences", "algorithms", "jwks"];

/// Lowers the authorizer at `at`; `None` where it has mistakes, which are reported.
pub(super) fn lower(
    written: &written::JwtAuthorizer,
    at: &Cursor<'_>,
    is_frozen: bool,
    cx: &mut Lowering<'_>,
) -> Option<JwtSettings> {
    let identity_source = match &written.identity_source {
        None => Some(IdentitySource::Header(AUTHORIZATION)),
        Some(text) => lower_identity_source(text, &at.key("identity_source"), cx),
    };
    let issuers = lower_issuers(written, at, is_frozen, cx);
    let claims = lower_claims(&written.claims, &at.key("claims"), cx);
    let times = [&written.leeway, &written.decision_ttl, &written.refusal_ttl];
    let [leeway, decision_ttl, refusal_ttl] = lower_times(times.map(Option::as_ref), at, cx);
    Some(JwtSettings {
        identity_source: identity_source?,
        issuers: issuers?,
        claims,
        tokens: TokenRules::Audience,
        leeway,
        decision_ttl,
        refusal_ttl,
    })
}

/// Of times that are written, in the order of [`JwtSettings`]: `leeway`, `decision_ttl` and
/// `refusal_ttl`.
pub(super) fn lower_times(
    [leeway, decision_ttl, refusal_ttl]: [Option<&written::DurationText>; 3],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> [Duration; 3] {
    let mut time = |written, key, longest, default| {
        cx.duration(written, &at.key(key), s(0)..=s(longest), s(default))
    };
    [
        time(leeway, "leeway", 300, 0),
        time(decision_ttl, "decision_ttl", 3600, 300),
        time(refusal_ttl, "refusal_ttl", 10, 5),
    ]
}

fn lower_issuers(
    written: &written::JwtAuthorizer,
    at: &Cursor<'_>,
    is_frozen: bool,
    cx: &mut Lowering<'_>,
) -> Option<Vec<Issuer>> {
    let section = at.key("issuers");
    if !section.is_written() {
        return Some(vec![lower_one(written, at, is_frozen, cx)?]);
    }
    for key in OF_ONE {
        if at.key(key).is_written() {
            let message = format!("`issuers` says this of each: move `{key}` into an item of it");
            cx.error_at_key(&at.key(key), message);
        }
    }
    let mut issuers: Vec<Issuer> = Vec::new();
    for (index, one) in written.issuers.iter().flatten().enumerate() {
        let at = section.item(index);
        if issuers.iter().any(|other| other.name == one.issuer) {
            let message = "this issuer stands in the list already: put its audiences into one item";
            cx.error(&at.key("issuer"), message);
        }
        let parts = Parts {
            issuer: &one.issuer,
            audiences: &one.audiences,
            algorithms: one.algorithms.as_deref(),
            jwks: one.jwks.as_ref(),
        };
        issuers.extend(parts.lower(&at, is_frozen, cx));
    }
    (!issuers.is_empty()).then_some(issuers)
}

/// The one issuer of an authorizer that has no list of them.
fn lower_one(
    written: &written::JwtAuthorizer,
    at: &Cursor<'_>,
    is_frozen: bool,
    cx: &mut Lowering<'_>,
) -> Option<Issuer> {
    for (key, fix) in [
        ("issuer", "write the `iss` of the tokens, or `issuers`"),
        ("audiences", "write the `aud` of the tokens in a list"),
    ] {
        if !at.key(key).is_written() {
            cx.error_at_key(at, format!("`{key}` is missing: {fix}"));
        }
    }
    let parts = Parts {
        issuer: written.issuer.as_deref()?,
        audiences: written.audiences.as_deref()?,
        algorithms: written.algorithms.as_deref(),
        jwks: written.jwks.as_ref(),
    };
    parts.lower(at, is_frozen, cx)
}

/// What is written of one issuer.
struct Parts<'a> {
    issuer: &'a str,
    audiences: &'a [String],
    algorithms: Option<&'a [written::Algorithm]>,
    jwks: Option<&'a written::Jwks>,
}

impl Parts<'_> {
    fn lower(&self, at: &Cursor<'_>, is_frozen: bool, cx: &mut Lowering<'_>) -> Option<Issuer> {
        if self.issuer.is_empty() {
            cx.error(
                &at.key("issuer"),
                "an empty issuer would match no token: write the `iss` of the tokens",
            );
        }
        for (index, audience) in self.audiences.iter().enumerate() {
            if audience.is_empty() {
                cx.error(
                    &at.key("audiences").item(index),
                    "an empty audience would match no token: write the `aud` of the tokens",
                );
            }
        }
        let jwks = jwks::lower(self.jwks, self.issuer, at, is_frozen, cx);
        let algorithms = lower_algorithms(self.algorithms, jwks.as_ref(), at, cx);
        Some(Issuer {
            name: self.issuer.to_owned(),
            audiences: self.audiences.to_vec(),
            algorithms,
            jwks: jwks?,
        })
    }
}

fn lower_claims(
    written: &written::Named<written::ClaimValues>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<RequiredClaim> {
    let found = written.0.len();
    if found > CLAIMS_MAX {
        let message = format!("{found} claims are too many: ask for at most {CLAIMS_MAX}");
        cx.error_at_key(at, message);
    }
    let claims = written.0.iter();
    let claims = claims.map(|(name, values)| RequiredClaim {
        name: name.clone(),
        values: values.0.clone(),
    });
    claims.collect()
}

/// Those that are written. Where none are, and the issuer is asked for its keys as the service does
/// it, those that the service accepts.
fn lower_algorithms(
    written: Option<&[written::Algorithm]>,
    jwks: Option<&Jwks>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<Algorithm> {
    if let Some(written) = written {
        return written.iter().copied().map(algorithm).collect();
    }
    let is_discovered =
        jwks.is_some_and(|jwks| matches!(jwks.source, JwksSource::Discovery { .. }));
    if jwks.is_some() && !is_discovered && !at.key("algorithms").is_written() {
        let fix = "name those that the issuer signs with, such as `[RS256]`";
        cx.error_at_key(
            at,
            format!("`algorithms` is missing, and `jwks` says where the keys are: {fix}"),
        );
    }
    vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512]
}

const fn algorithm(written: written::Algorithm) -> Algorithm {
    match written {
        written::Algorithm::RS256 => Algorithm::RS256,
        written::Algorithm::RS384 => Algorithm::RS384,
        written::Algorithm::RS512 => Algorithm::RS512,
        written::Algorithm::PS256 => Algorithm::PS256,
        written::Algorithm::PS384 => Algorithm::PS384,
        written::Algorithm::PS512 => Algorithm::PS512,
        written::Algorithm::ES256 => Algorithm::ES256,
        written::Algorithm::ES384 => Algorithm::ES384,
        written::Algorithm::ES512 => Algorithm::ES512,
        written::Algorithm::EdDSA => Algorithm::EdDSA,
    }
}
