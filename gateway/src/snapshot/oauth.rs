//! The tokens of a snapshot.

use std::sync::Arc;

use super::{CompileError, Compiler, Snapshot};
use crate::clock::Clock;
use crate::model::{Authorization, Gateway, OAuthClient, Upstream};
use crate::oauth::{Client, Shown, TIMEOUT};

impl Compiler {
    /// The clients of `model`. One with the settings that it has in `previous`, its secret among them, goes
    /// on with its token.
    pub(super) fn oauth_clients(
        &self,
        model: &Gateway,
        previous: Option<&Snapshot>,
    ) -> Result<Vec<Arc<Client>>, CompileError> {
        let build = |settings: &OAuthClient| {
            let mut running = previous.into_iter().flat_map(|it| &it.oauth_clients);
            if let Some(running) = running.find(|running| running.settings() == settings) {
                return Ok(Arc::clone(running));
            }
            let upstream = Upstream {
                connect_timeout: TIMEOUT,
                ..Upstream::of_origin(&settings.token_url.origin)
            };
            let plan = self.upstream(&upstream, None)?;
            let client = Client::new(settings.clone(), plan, Clock::system());
            Ok(Arc::new(client))
        };
        model.oauth_clients.iter().map(build).collect()
    }
}

/// What a server is shown that `whom` asks.
///
/// # Errors
/// It names a client that there is not.
pub(super) fn shown(
    authorization: &Authorization,
    clients: &[Arc<Client>],
    whom: &str,
) -> Result<Shown, CompileError> {
    match authorization {
        Authorization::Fixed(token) => Ok(Shown::Fixed(token.clone())),
        Authorization::Client(name) => {
            let mut named = clients.iter();
            let named = named.find(|client| client.settings().name == *name);
            let client = named.ok_or_else(|| CompileError::Dangling {
                route: whom.to_owned(),
                missing: name.to_string(),
            })?;
            Ok(Shown::Client(Arc::clone(client)))
        }
    }
}
