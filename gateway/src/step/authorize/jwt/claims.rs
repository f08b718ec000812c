//! Whether signed claims permit the call now.

use std::time::Duration;

use serde_json::Value;

use super::Refusal;
use crate::language::Members;
use crate::model::{Issuer, JwtSettings, RequiredClaim, TokenRules};

/// Judges the claims of a token by `issuer` at `now` (seconds since 1970) in the documented order:
/// `iss`, `aud` or `client_id`, `exp`, `nbf`, `iat`; then those that the authorizer asks for. Returns
/// `exp`.
///
/// Times may have a fraction (RFC 7519 section 2, NumericDate); each is rounded to the stricter
/// side.
///
/// # Errors
/// The refusal that the first failed check gives.
pub(super) fn judge(
    claims: &Members,
    issuer: &Issuer,
    settings: &JwtSettings,
    now: u64,
) -> Result<u64, Refusal> {
    if !is_of(claims, issuer) {
        return Err(Refusal::WrongIssuer);
    }
    let is_free = matches!(settings.tokens, TokenRules::Cognito { .. });
    if !is_free && !names_audience(claims, &issuer.audiences) {
        return Err(Refusal::WrongAudience);
    }
    let expires_at = seconds(claims, "exp", Round::Down)?.ok_or(Refusal::NoExpiry)?;
    if is_over(expires_at, settings, now) {
        return Err(Refusal::Expired);
    }
    let latest = now.saturating_add(settings.leeway.as_secs());
    if seconds(claims, "nbf", Round::Up)?.is_some_and(|from| from > latest) {
        return Err(Refusal::NotYetValid);
    }
    if seconds(claims, "iat", Round::Up)?.is_some_and(|at| at > latest) {
        return Err(Refusal::IssuedInFuture);
    }
    let mut required = settings.claims.iter();
    if !required.all(|required| has(claims, required)) {
        return Err(Refusal::ClaimNotAccepted);
    }
    Ok(expires_at)
}

/// Whether a token says itself that it has expired at `now` (seconds since 1970). Who has not signed it may
/// say so too: that lets nobody in.
pub(super) fn say_expired(claims: &Members, settings: &JwtSettings, now: u64) -> bool {
    let expires_at = seconds(claims, "exp", Round::Down);
    matches!(expires_at, Ok(Some(expires_at)) if is_over(expires_at, settings, now))
}

fn is_over(expires_at: u64, settings: &JwtSettings, now: u64) -> bool {
    expires_at.saturating_add(settings.leeway.as_secs()) <= now
}

/// Whether a token says that it is of this issuer.
pub(super) fn is_of(claims: &Members, issuer: &Issuer) -> bool {
    claims.text("iss") == Some(&issuer.name)
}

/// Whether the claim is one of the values, or a list with one of them. Numbers and truth values are
/// compared as JSON writes them.
fn has(claims: &Members, required: &RequiredClaim) -> bool {
    let accepts = |value: &Value| match value {
        Value::String(text) => required.values.contains(text),
        Value::Number(_) | Value::Bool(_) => required.values.contains(&value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    match claims.get(&required.name) {
        Some(Value::Array(several)) => several.iter().any(accepts),
        Some(one) => accepts(&one),
        None => false,
    }
}

/// `client_id` speaks only where `aud` is absent: one that is present and wrong decides.
fn names_audience(claims: &Members, audiences: &[String]) -> bool {
    let accepts = |name: &str| audiences.iter().any(|audience| audience == name);
    let claim = if claims.contains("aud") {
        "aud"
    } else {
        "client_id"
    };
    if let Some(name) = claims.text(claim) {
        return accepts(name);
    }
    let Some(Value::Array(several)) = claims.get("aud") else {
        return false;
    };
    several.iter().filter_map(Value::as_str).any(accepts)
}

#[derive(Clone, Copy)]
enum Round {
    Down,
    Up,
}

/// The time in claim `name`; times before 1970 are 0. Not a number, or one no time can be, is
/// malformed.
fn seconds(claims: &Members, name: &str, round: Round) -> Result<Option<u64>, Refusal> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    if let Some(whole) = value.as_u64() {
        return Ok(Some(whole));
    }
    let number = value.as_f64().ok_or(Refusal::Malformed)?;
    let Ok(time) = Duration::try_from_secs_f64(number.max(0.0)) else {
        return Err(Refusal::Malformed);
    };
    let fraction = match round {
        Round::Down => 0,
        Round::Up => u64::from(time.subsec_nanos() > 0),
    };
    Ok(Some(time.as_secs().saturating_add(fraction)))
}
