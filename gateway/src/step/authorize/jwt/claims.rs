//! Whether signed claims permit the call now.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Refusal;
use crate::model::JwtSettings;

/// Judges `claims` at `now` (seconds since 1970) in the documented order: `iss`, `aud` or
/// `client_id`, `exp`, `nbf`, `iat`. Returns `exp`.
///
/// Times may have a fraction (RFC 7519 section 2, NumericDate); each is rounded to the stricter
/// side.
///
/// # Errors
/// The refusal that the first failed check gives.
pub(super) fn judge(
    claims: &Map<String, Value>,
    settings: &JwtSettings,
    now: u64,
) -> Result<u64, Refusal> {
    if claims.get("iss").and_then(Value::as_str) != Some(settings.issuer.as_str()) {
        return Err(Refusal::WrongIssuer);
    }
    if !names_audience(claims, &settings.audiences) {
        return Err(Refusal::WrongAudience);
    }
    let leeway = settings.leeway.as_secs();
    let expires_at = seconds(claims, "exp", Round::Down)?.ok_or(Refusal::NoExpiry)?;
    if expires_at.saturating_add(leeway) <= now {
        return Err(Refusal::Expired);
    }
    let latest = now.saturating_add(leeway);
    if seconds(claims, "nbf", Round::Up)?.is_some_and(|from| from > latest) {
        return Err(Refusal::NotYetValid);
    }
    if seconds(claims, "iat", Round::Up)?.is_some_and(|at| at > latest) {
        return Err(Refusal::IssuedInFuture);
    }
    Ok(expires_at)
}

/// `client_id` speaks only where `aud` is absent: one that is present and wrong decides.
fn names_audience(claims: &Map<String, Value>, audiences: &[String]) -> bool {
    let accepts = |value: &Value| {
        value
            .as_str()
            .is_some_and(|name| audiences.iter().any(|audience| audience == name))
    };
    match claims.get("aud") {
        Some(Value::Array(names)) => names.iter().any(accepts),
        Some(name) => accepts(name),
        None => claims.get("client_id").is_some_and(accepts),
    }
}

#[derive(Clone, Copy)]
enum Round {
    Down,
    Up,
}

/// The time in claim `name`; times before 1970 are 0. Not a number, or one no time can be, is
/// malformed.
fn seconds(claims: &Map<String, Value>, name: &str, round: Round) -> Result<Option<u64>, Refusal> {
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
