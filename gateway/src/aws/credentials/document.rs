//! Credentials as the endpoints of hosts and containers give them out.

use serde::Deserialize;

use super::{Credentials, MalformedCredentials};
use crate::language::policy::Timestamp;

/// Largest document. Real ones have some two thousand bytes.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// A document that is no credentials. What it holds is never shown.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON object with the members of one.
    #[error("it is no JSON object with `AccessKeyId`, `SecretAccessKey` and `Token`")]
    Syntax,
    /// It says that there are none.
    #[error("it says `{0}` instead of success")]
    Code(String),
    /// Its end is no point in time.
    #[error("its `Expiration` is no point in time such as `2026-01-31T12:00:00Z`")]
    Expiration,
    /// A part of them cannot be used.
    #[error(transparent)]
    Malformed(#[from] MalformedCredentials),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

/// Reads the credentials in `document`.
pub(super) fn read(document: &[u8]) -> Result<Credentials, DocumentError> {
    let document: Document =
        serde_json::from_slice(document).map_err(|_may_quote_it| DocumentError::Syntax)?;
    if let Some(code) = document.code.filter(|code| code != "Success") {
        let shown = code.chars().filter(|character| !character.is_control());
        return Err(DocumentError::Code(shown.take(100).collect()));
    }
    let (Some(id), Some(secret)) = (document.access_key_id, document.secret_access_key) else {
        return Err(DocumentError::Syntax);
    };
    let expires_at = match document.expiration.as_deref() {
        None => None,
        Some(text) => {
            let time = text.parse::<Timestamp>().ok();
            let seconds = time.and_then(|time| u64::try_from(time.unix_seconds()).ok());
            Some(seconds.ok_or(DocumentError::Expiration)?)
        }
    };
    let token = document.token.as_deref();
    Ok(Credentials::new(&id, &secret, token, expires_at)?)
}
