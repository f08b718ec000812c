//! Tokens that the gateway gets for itself, to show them to servers that it asks.

use std::fmt;

use http::HeaderValue;

use super::{OAuthClientName, Remote, SecretText};

/// A client of an authorization server (RFC 6749): how the gateway gets tokens for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthClient {
    /// Its name here.
    pub name: OAuthClientName,
    /// The token endpoint.
    pub token_url: Remote,
    /// What the server calls the gateway.
    pub client_id: String,
    /// What proves that it is the gateway.
    pub secret: SecretText,
    /// What is asked for; empty for what the server gives by itself.
    pub scopes: Vec<String>,
    /// For whom the token is to be, where the server wants to know.
    pub audience: Option<String>,
    /// Where id and secret stand.
    pub authentication: ClientAuthentication,
}

/// How a client proves who it is (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// By `Authorization: Basic`.
    #[default]
    Basic,
    /// In the body.
    Post,
}

/// What a server is shown in `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// The token of a file.
    Fixed(BearerToken),
    /// The token that this client has just then.
    Client(OAuthClientName),
}

/// A token as it stands in `Authorization`, marked as sensitive.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(HeaderValue);

impl BearerToken {
    /// Longest token.
    pub const BYTES_MAX: usize = 16 * 1024;

    /// Of its bytes; `None` where they are not 1 to [`Self::BYTES_MAX`] visible ASCII characters.
    #[must_use]
    pub fn new(token: &[u8]) -> Option<Self> {
        let is_token =
            (1..=Self::BYTES_MAX).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic);
        let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
        let mut value = value.ok().filter(|_| is_token)?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// The value of the header.
    #[must_use]
    pub const fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_visible_and_never_shown() {
        let token = BearerToken::new(b"abc.d-e_f~+/=").unwrap();
        assert_eq!(token.value(), "Bearer abc.d-e_f~+/=");
        assert!(token.value().is_sensitive());
        assert_eq!(format!("{token:?}"), "BearerToken(..)");
        for none in ["", "a b", "a\n", "\u{e9}", "a\u{7f}"] {
            assert_eq!(BearerToken::new(none.as_bytes()), None, "{none:?}");
        }
        assert!(BearerToken::new(&[b'a'; BearerToken::BYTES_MAX]).is_some());
        assert!(BearerToken::new(&[b'a'; BearerToken::BYTES_MAX + 1]).is_none());
    }
}
