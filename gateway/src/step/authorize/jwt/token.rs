//! A JWT in compact form, taken apart but not believed.
//!
//! Three base64url parts without padding (RFC 7515 section 7.1), of which header and claims are
//! JSON objects. A member that appears twice makes the token malformed: RFC 7519 section 4 permits
//! that or taking the last one, and a backend that reads the same token may take the first.
//! Members inside nested objects are not judged here and keep the last value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Refusal;
use crate::language::Members;
use crate::model::Algorithm;

/// A token whose header was read.
#[derive(Debug)]
pub(super) struct Token<'t> {
    /// What the signature covers: `header.payload`, encoded.
    pub(super) message: &'t str,
    /// The signature, decoded. It has one spelling: no padding, and no bits that mean nothing.
    pub(super) signature: Vec<u8>,
    /// The algorithm the token claims.
    pub(super) algorithm: Algorithm,
    /// The key the token claims; `None` if it names none.
    pub(super) key_id: Option<String>,
    payload: &'t str,
}

impl<'t> Token<'t> {
    /// Splits `text` and reads its header.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::CriticalHeader`], and [`Refusal::AlgorithmNotAllowed`]
    /// for an `alg` that no authorizer can be configured to accept, `none` and HMAC among them.
    pub(super) fn parse(text: &'t str) -> Result<Self, Refusal> {
        let (message, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Refusal::Malformed)?;
        let (false, Ok(signature)) = (payload.contains('.'), URL_SAFE_NO_PAD.decode(signature))
        else {
            return Err(Refusal::Malformed);
        };
        let header = object(header)?;
        let algorithm = header.text("alg").ok_or(Refusal::Malformed)?;
        let algorithm = algorithm_named(algorithm).ok_or(Refusal::AlgorithmNotAllowed)?;
        // RFC 7515 section 4.1.11: what is listed must be understood, or the token refused.
        if header.contains("crit") {
            return Err(Refusal::CriticalHeader);
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(key_id)) => Some(key_id),
            Some(_) => return Err(Refusal::Malformed),
        };
        Ok(Self {
            message,
            signature,
            algorithm,
            key_id,
            payload,
        })
    }

    /// The claims. Believe them only after the signature.
    pub(super) fn claims(&self) -> Result<Members, Refusal> {
        object(self.payload)
    }
}

/// The token in the value of an identity source: the value itself, or what follows `Bearer` in any
/// case.
///
/// # Errors
/// [`Refusal::Missing`] if nothing is left, [`Refusal::TooLarge`] beyond
/// [`super::TOKEN_BYTES_MAX`].
pub(in crate::step::authorize) fn token_of(credential: Option<&str>) -> Result<&str, Refusal> {
    let value = credential.unwrap_or_default().trim_matches(' ');
    let token = match value.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => {
            rest.trim_start_matches(' ')
        }
        None if value.eq_ignore_ascii_case("bearer") => "",
        _ => value,
    };
    if token.is_empty() {
        return Err(Refusal::Missing);
    }
    if token.len() > super::TOKEN_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    Ok(token)
}

/// The algorithm that RFC 7518 or RFC 8037 calls `name`, if it can be configured.
pub(super) fn algorithm_named(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "ES512" => Algorithm::ES512,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

fn object(part: &str) -> Result<Members, Refusal> {
    // What is wrong with a hostile token helps nobody; the log has the reason.
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(part) else {
        return Err(Refusal::Malformed);
    };
    Members::parse(&bytes).map_err(|_error| Refusal::Malformed)
}
