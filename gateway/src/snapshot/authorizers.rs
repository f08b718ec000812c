//! The authorizers of a snapshot. One without keys that a deployment has kept is refused while it would
//! take away what is served, and otherwise refuses every token.

use std::sync::Arc;

use super::{CompileError, Compiler, Snapshot};
use crate::model::{Authorizer, AuthorizerName, Definition, Gateway, Track, Variant};
use crate::step::authorize::{JwtAuthorizer, KeySet, KeySetError};
use crate::telemetry::operator_log::explain;

impl Compiler {
    pub(super) fn authorizers(
        &self,
        model: &Gateway,
        previous: Option<&Snapshot>,
    ) -> Result<Vec<Arc<JwtAuthorizer>>, CompileError> {
        let build = |authorizer| self.authorizer(authorizer, model, previous);
        model.authorizers.iter().map(build).collect()
    }

    fn authorizer(
        &self,
        authorizer: &Authorizer,
        model: &Gateway,
        previous: Option<&Snapshot>,
    ) -> Result<Arc<JwtAuthorizer>, CompileError> {
        let running = || previous.into_iter().flat_map(|it| &it.authorizers);
        let named = running().find(|running| running.model().name == authorizer.name);
        // One that has no keys has none to hand on.
        let has_keys = |running: &&Arc<JwtAuthorizer>| !running.key_set().never_has_keys();
        let same_keys = |running: &&Arc<JwtAuthorizer>| running.model().jwks == authorizer.jwks;
        // One that a deployment has frozen goes on with the keys that it had under the name of the
        // file: its issuer need not be within reach just now.
        let predecessor = named
            .filter(same_keys)
            .filter(has_keys)
            .or_else(|| running().filter(has_keys).find(same_keys))
            .or_else(|| named.filter(has_keys));
        let issuers = self.clients()?.issuers();
        let built = JwtAuthorizer::build(authorizer, self.decisions(), issuers, predecessor);
        let name = authorizer.name.clone();
        match built {
            Ok(built) => Ok(built),
            Err(source) if !authorizer.is_frozen => Err(CompileError::Authorizer { name, source }),
            // Nobody may have looked after that file for long, and what else the gateway has to serve
            // does not need it. Only a change that takes keys away is refused.
            Err(source) if previous.is_none() || named.is_some_and(|named| !has_keys(&named)) => {
                warn(&name, &source, model);
                let keys = KeySet::without_keys(&authorizer.jwks);
                let decisions = Arc::clone(self.decisions());
                Ok(Arc::new(JwtAuthorizer::new(authorizer, keys, decisions)))
            }
            Err(source) => Err(CompileError::FrozenAuthorizer {
                ways_out: ways_out(&name, model),
                name,
                source,
            }),
        }
    }
}

/// Says that no token is let in. Of a file that could not be used the configuration has said so.
fn warn(name: &AuthorizerName, error: &KeySetError, model: &Gateway) {
    if !matches!(error, KeySetError::Unopened { .. }) {
        tracing::warn!(
            "authorizer `{name}`, which a deployment has kept: {}: every token is refused until a \
             reload finds its keys, or another deployment is served: {}",
            explain(error),
            ways_out(name, model)
        );
    }
}

/// The commands that have nothing served which needs the authorizer `name`.
fn ways_out(name: &AuthorizerName, model: &Gateway) -> String {
    let needs = |definition: &Definition| {
        let mut routes = definition.routes.iter();
        routes.any(|route| route.authorizer.as_ref() == Some(name))
    };
    let mut ways = Vec::new();
    for api in &model.apis {
        for stage in &api.stages {
            let canary = stage.canary.as_ref();
            let tracks = [
                (Track::Base, Some(&stage.definition)),
                (Track::Canary, canary.map(|canary| &canary.definition)),
            ];
            for (track, definition) in tracks {
                if definition.is_some_and(|definition| needs(definition)) {
                    let stage = stage.name.clone();
                    let variant = Variant { stage, track };
                    ways.push(format!("`{}`", variant.way_out(&api.name)));
                }
            }
        }
    }
    ways.join(", ")
}
