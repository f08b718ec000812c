//! The API key that a request is counted for.

use std::borrow::Cow;

use http::HeaderValue;

use super::Caller;
use crate::model::ApiKeyId;

/// An API key, as a request came with it.
#[derive(Debug)]
pub struct UsedKey {
    /// Which one it is.
    pub id: ApiKeyId,
    /// Its value where it stood in a header, marked as sensitive; else the authorizer named it.
    header: Option<HeaderValue>,
}

impl UsedKey {
    /// The key of this id, whose value stood in `header` if that is given.
    #[must_use]
    pub fn new(id: ApiKeyId, header: Option<&HeaderValue>) -> Self {
        let mut header = header.cloned();
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        Self { id, header }
    }

    /// Its value, for backends alone.
    #[must_use]
    pub fn value<'r>(&'r self, caller: Option<&'r Caller>) -> Option<Cow<'r, str>> {
        let value = match &self.header {
            Some(header) => header.to_str().ok(),
            None => caller.and_then(Caller::usage_key),
        };
        value.map(Cow::Borrowed)
    }
}
