//! What the gateway signs its own calls with.

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

    /// Whether they are good at `now` (seconds since 1970).
    #[must_use]
    pub fn are_good(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_judged_and_never_shown() {
        let whole = Credentials::new("AKIDEXAMPLE", "hidden/+=", Some("hidden-too"), Some(10));
        let whole = whole.unwrap();
        assert!(!format!("{whole:?}").contains("hidden"));
        assert!(whole.session_token().unwrap().is_sensitive());
        assert!(whole.are_good(9) && !whole.are_good(10));
        for (id, secret, token, expected) in [
            ("", "s", None, MalformedCredentials::AccessKeyId),
            ("A/B", "s", None, MalformedCredentials::AccessKeyId),
            ("A, B", "s", None, MalformedCredentials::AccessKeyId),
            ("A", "", None, MalformedCredentials::Secret),
            ("A", "s\n", None, MalformedCredentials::Secret),
            ("A", "s", Some(""), MalformedCredentials::SessionToken),
            ("A", "s", Some("a\r\nb"), MalformedCredentials::SessionToken),
        ] {
            assert_eq!(Credentials::new(id, secret, token, None), Err(expected));
        }
    }
}
