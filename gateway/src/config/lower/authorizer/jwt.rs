//! Authorizers of JSON Web Tokens.

use http::header::AUTHORIZATION;

use super::{jwks, lower_identity_source};
use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::quantity::s;
use crate::config::written;
use crate::model::{Algorithm, IdentitySource, Jwks, JwksSource, JwtSettings};

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
    if written.issuer.is_empty() {
        cx.error(
            &at.key("issuer"),
            "an empty issuer would match no token: write the `iss` of the tokens",
        );
    }
    for (index, audience) in written.audiences.iter().enumerate() {
        if audience.is_empty() {
            cx.error(
                &at.key("audiences").item(index),
                "an empty audience would match no token: write the `aud` of the tokens",
            );
        }
    }
    let jwks = jwks::lower(written.jwks.as_ref(), &written.issuer, at, is_frozen, cx);
    let algorithms = lower_algorithms(written.algorithms.as_deref(), jwks.as_ref(), at, cx);
    let leeway = written.leeway.as_ref();
    let decision_ttl = written.decision_ttl.as_ref();
    let leeway = cx.duration(leeway, &at.key("leeway"), s(0)..=s(300), s(0));
    let decision_ttl = cx.duration(
        decision_ttl,
        &at.key("decision_ttl"),
        s(0)..=s(3600),
        s(300),
    );
    Some(JwtSettings {
        identity_source: identity_source?,
        issuer: written.issuer.clone(),
        audiences: written.audiences.clone(),
        algorithms,
        jwks: jwks?,
        leeway,
        decision_ttl,
    })
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
