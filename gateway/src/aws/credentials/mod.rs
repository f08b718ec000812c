//! What the gateway signs its own calls with.
//!
//! [`Source::find`] asks configuration and environment where credentials are, and a [`Provider`] has
//! them at hand from then on. Roles that would have to be assumed, single sign-on and web identities are
//! refused by name. No part of a secret is in any message or `Debug` form.

mod environment;
mod profile;
mod source;
mod document;
mod server;
mod provider;
#[cfg(test)]
mod tests;

pub use document::DocumentError;
pub use environment::{Environment, NoText};
pub use profile::{FILE_BYTES_MAX, ProfileError};
pub use provider::{NoCredentials, Provider, REFRESH_MAX};
pub use server::{ServerError, TIMEOUT};
pub use source::{Authorization, Server, Source, SourceError};

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use http::HeaderValue;

use super::sigv4::Secret;

/// Longest part of credentials. Session tokens are the longest, of some thousand bytes.
pub const PART_BYTES_MAX: usize = 16 * 1024;

/// An access key, with the session token that a temporary one has.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: String,
    secret: Secret,
    /// Marked as sensitive.
    session_token: Option<HeaderValue>,
    expires_at: Option<u64>,
}

/// A part of credentials that cannot be used. It never shows the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredentials {
    /// The id of the access key.
    #[error("the access key id is not 1 to 128 letters, digits and `_`")]
    AccessKeyId,
    /// Its secret.
    #[error("the secret access key is empty, too long, or not of visible ASCII characters")]
    Secret,
    /// The session token.
    #[error("the session token is empty, too long, or not of visible ASCII characters")]
    SessionToken,
}

impl Credentials {
    /// Credentials that end at `expires_at` (seconds since 1970), or never.
    ///
    /// # Errors
    /// A part is malformed.
    pub fn new(
        access_key_id: &str,
        secret: &str,
        session_token: Option<&str>,
        expires_at: Option<u64>,
    ) -> Result<Self, MalformedCredentials> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=128).contains(&access_key_id.len()) || !access_key_id.bytes().all(is_id) {
            return Err(MalformedCredentials::AccessKeyId);
        }
        let is_part = |text: &str| {
            (1..=PART_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !is_part(secret) {
            return Err(MalformedCredentials::Secret);
        }
        let session_token = match session_token {
            None => None,
            Some(token) => {
                let value = HeaderValue::from_str(token).ok();
                let value = value.filter(|_| is_part(token));
                let mut value = value.ok_or(MalformedCredentials::SessionToken)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            secret: Secret::new(secret.to_owned()),
            session_token,
            expires_at,
        })
    }

    /// Whose secret it is.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// What signs.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What goes with the signature of a temporary key; a sensitive value.
    #[must_use]
    pub const fn session_token(&self) -> Option<&HeaderValue> {
        self.session_token.as_ref()
    }

    /// When they end, in seconds since 1970; `None` for never.
    #[must_use]
    pub const fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }
}

// The id is no secret: it is in every request, and tells which key has to be looked at.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What a file of at most `bytes_max` bytes holds.
fn text_of(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(bytes_max.saturating_add(1));
    if file.read_to_string(&mut text)? as u64 > bytes_max {
        return Err(io::Error::other(format!(
            "it has more than {bytes_max} bytes"
        )));
    }
    Ok(text)
}
