//! What a server is shown in `Authorization`.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use super::client::Token;
use super::{Client, NoToken};
use crate::model::BearerToken;

/// What a server is shown.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Always the same.
    Fixed(BearerToken),
    /// The token that a client has just then.
    Client(Arc<Client>),
}

/// What was shown, to be told what became of it.
#[derive(Debug)]
pub struct Presented<'s>(Option<(&'s Client, Arc<Token>)>);

impl Shown {
    /// Puts it into the headers of a request that is sent at `now` (seconds since 1970).
    ///
    /// # Errors
    /// There is no token, and so nobody is to be asked.
    pub fn put(&self, headers: &mut HeaderMap, now: u64) -> Result<Presented<'_>, NoToken> {
        let (value, client) = match self {
            Self::Fixed(token) => (token.value().clone(), None),
            Self::Client(client) => {
                let token = client.current(now)?;
                (token.bearer.value().clone(), Some((&**client, token)))
            }
        };
        headers.insert(AUTHORIZATION, value);
        Ok(Presented(client))
    }
}

impl Presented<'_> {
    /// Takes notice of how the server answered: of 401, that the token is worth nothing any more. Another
    /// is asked for then, and who asks next is shown it.
    pub fn answered(&self, status: StatusCode) {
        if let Some((client, token)) = &self.0
            && status == StatusCode::UNAUTHORIZED
        {
            client.unwanted(token);
        }
    }
}
