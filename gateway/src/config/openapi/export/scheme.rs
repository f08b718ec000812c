//! Security schemes: the authorizers that routes name, as a definition has them.
//!
//! What a definition makes is called after its API and the scheme, so that the scheme's name is what is
//! left without the API's. Two authorizers never become one scheme, none takes a name that stands for
//! another in the configuration, and none one that names no authorizer: then the whole name stays.

use std::collections::BTreeSet;

use super::Surroundings;
use super::authorizer::{self, says_more};
use super::object::{Object, of_text};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::FileId;
use crate::config::lower::NONE;
use crate::model::ApiKind;

/// The names of the schemes for the authorizers that routes name.
#[derive(Debug)]
pub(super) struct Schemes<'a> {
    api: &'a str,
    /// Every authorizer that a route names.
    named: BTreeSet<&'a str>,
    /// Whether a route asks for an API key.
    asks_for_keys: bool,
    surroundings: &'a Surroundings<'a>,
}

impl<'a> Schemes<'a> {
    /// Of the API `api`, whose routes stand at `routes`.
    pub(super) fn new(
        api: &'a str,
        routes: &Cursor<'a>,
        surroundings: &'a Surroundings<'a>,
    ) -> Self {
        let asks_for_keys = routes.entries().any(|(_, route)| asks_for_key(&route));
        let routes = routes.entries();
        let named = routes.filter_map(|(_, route)| route.key("authorizer").scalar());
        Self {
            api,
            named: named.filter(|name| *name != NONE).collect(),
            asks_for_keys,
            surroundings,
        }
    }

    /// What the scheme for the authorizer `name` is called. One that is in the configuration no more
    /// is made by whoever reads the export, unless no definition could say all of it: that one is
    /// looked for in the configuration, by its own name.
    pub(super) fn name<'n>(&self, name: &'n str) -> &'n str {
        let Surroundings {
            frozen, configured, ..
        } = self.surroundings;
        let node = configured.key(name).node;
        let is_made = node.is_none_or(|node| node.place.file != FileId::FIRST)
            && !says_more(&frozen.key(name));
        let own = name.strip_prefix(self.api);
        let own = own.and_then(|rest| rest.strip_prefix('-'));
        let own = own.filter(|own| is_made && !own.is_empty() && *own != NONE);
        let is_free = |own: &str| !self.named.contains(own) && !configured.key(own).is_written();
        own.filter(|own| is_free(own)).unwrap_or(name)
    }

    /// Whether callers of the authorizer `name` sign.
    pub(super) fn is_of_signers(&self, name: &str) -> bool {
        authorizer::is_of_signers(&self.surroundings.frozen.key(name))
    }

    /// What the scheme of API keys is called: as the service does, unless an authorizer is called so.
    pub(super) fn key_name(&self) -> String {
        let mut name = "api_key".to_owned();
        while self.named.iter().any(|own| self.name(own) == name) {
            name.push('_');
        }
        name
    }

    /// A scheme for each, as in APIs of this type.
    pub(super) fn write(&self, kind: ApiKind) -> Object {
        let mut made = Object::new();
        for name in &self.named {
            let at = self.surroundings.frozen.key(name);
            made.object(self.name(name), authorizer::write(&at, kind));
        }
        if self.asks_for_keys {
            let mut scheme = of_text("type", "apiKey");
            scheme.text("name", "x-api-key");
            scheme.text("in", "header");
            made.object(&self.key_name(), scheme);
        }
        made
    }
}

/// Whether the route at `route` asks for an API key.
pub(super) fn asks_for_key(route: &Cursor<'_>) -> bool {
    route.key("api_key_required").scalar() == Some("true")
}
