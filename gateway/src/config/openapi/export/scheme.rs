//! Security schemes: the authorizers that routes name, as a definition has them.
//!
//! What a definition makes is called after its API and the scheme, so that the scheme's name is what is
//! left without the API's. Two authorizers never become one scheme, none takes a name that stands for
//! another in the configuration, and none one that names no authorizer: then the whole name stays.

use std::collections::BTreeSet;

use super::Surroundings;
use super::object::{Object, of_text};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::FileId;
use crate::config::lower::NONE;
use crate::config::openapi::carried;

/// The names of the schemes for the authorizers that routes name.
#[derive(Debug)]
pub(super) struct Schemes<'a> {
    api: &'a str,
    /// Every authorizer that a route names.
    named: BTreeSet<&'a str>,
    surroundings: &'a Surroundings<'a>,
}

impl<'a> Schemes<'a> {
    /// Of the API `api`, whose routes stand at `routes`.
    pub(super) fn new(
        api: &'a str,
        routes: &Cursor<'a>,
        surroundings: &'a Surroundings<'a>,
    ) -> Self {
        let routes = routes.entries();
        let named = routes.filter_map(|(_, route)| route.key("authorizer").scalar());
        Self {
            api,
            named: named.filter(|name| *name != NONE).collect(),
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

    /// A scheme for each.
    pub(super) fn write(&self) -> Object {
        let mut made = Object::new();
        for name in &self.named {
            let at = self.surroundings.frozen.key(name);
            made.object(self.name(name), scheme(&at));
        }
        made
    }
}

/// Where a token stands.
const SOURCE: &str = "identity_source";

/// Whether the authorizer at `at` has settings that a definition has no place for.
pub(super) fn says_more(at: &Cursor<'_>) -> bool {
    const KNOWN: [&str; 4] = ["type", "issuer", "audiences", SOURCE];
    at.names().any(|key| !KNOWN.contains(&key))
}

/// The scheme of the authorizer at `at`.
fn scheme(at: &Cursor<'_>) -> Object {
    let mut jwt = Object::new();
    jwt.copy("issuer", &at.key("issuer"));
    jwt.copy("audience", &at.key("audiences"));
    let mut authorizer = of_text("type", "jwt");
    authorizer.object("jwtConfiguration", jwt);
    let source = at.key(SOURCE).scalar();
    let source = source.unwrap_or("$request.header.Authorization");
    authorizer.text("identitySource", source);
    if says_more(at) {
        // Made from the rest alone it could let callers pass whom this one refuses.
        authorizer.word(carried::CONFIGURED, true);
    }
    let mut made = of_text("type", "oauth2");
    made.object("x-amazon-apigateway-authorizer", authorizer);
    made
}
