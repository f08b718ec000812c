//! A gateway whose callers show tokens of an issuer that it trusts.

use serde_json::Value;

use crate::client::{Answer, Client};
use crate::gateway::Gateway;
use crate::issuer::{Key, authorize};
use crate::setup::Setup;
use crate::upstream::Upstream;

/// A running gateway, somebody to ask it, and the key that makes tokens of them.
#[derive(Debug)]
pub struct Site {
    /// What is asked.
    pub gateway: Gateway,
    /// One connection to it.
    pub client: Client,
    /// The key that its authorizer `main` trusts.
    pub key: Key,
    _backend: Upstream,
}

impl Site {
    /// Starts what `further` makes of a configuration that has an authorizer `main`, and an upstream
    /// `main` that says what it was sent.
    pub async fn start(further: impl FnOnce(Setup) -> Setup) -> Self {
        let (backend, key) = (Upstream::echo().await, Key::ec("ec"));
        let setup = authorize(Setup::new().upstream("main", backend.address), &[&key]);
        let gateway = Gateway::start(further(setup)).await;
        let client = Client::http1(gateway.address().await).await;
        Self {
            gateway,
            client,
            key,
            _backend: backend,
        }
    }

    /// What the caller with these claims, beside the usual ones, shows in `Authorization`.
    #[must_use]
    pub fn bearer(&self, caller: Value) -> String {
        self.key.bearer(caller)
    }

    /// What becomes of a request of whoever shows this.
    pub async fn get(&self, path: &str, bearer: &str) -> Answer {
        let headers = [("authorization", bearer)];
        self.client.get_with(path, &headers).await
    }
}
