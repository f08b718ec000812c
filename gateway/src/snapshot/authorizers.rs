//! The authorizers of a snapshot. One without keys that a deployment has kept is refused while it would
//! take away what is served, and otherwise refuses every token.

use std::sync::Arc;

use gateway_common::limit::Limit;

use super::aws::Services;
use super::backends::Backends;
use super::slot::{Place, Whom};
use super::{CompileError, Compiler, Snapshot};
use crate::model::{
    self, Api, AuthorizerKind, AuthorizerName, CallerKey, Credentials, Definition,
    DeploymentNumber, Function, Gateway, IamSettings, Issuer, JwtSettings, Share, Throttle, Track,
    Variant,
};
use crate::step::authorize::function::{FunctionAuthorizer, Way};
use crate::step::authorize::iam::IamAuthorizer;
use crate::step::authorize::jwt::{JwtAuthorizer, KeySet, KeySetError};
use crate::step::authorize::{Authorizer, GuardPlan, Judge};
use crate::telemetry::operator_log::explain;

impl Compiler {
    pub(super) fn authorizers(
        &self,
        model: &Gateway,
        previous: Option<&Snapshot>,
        backends: &Backends<'_>,
        services: Services<'_>,
    ) -> Result<Vec<Arc<Authorizer>>, CompileError> {
        let build = |authorizer: &model::Authorizer| {
            let judge = match &authorizer.kind {
                AuthorizerKind::Jwt(settings) => {
                    Judge::Jwt(self.jwt(authorizer, settings, model, previous)?)
                }
                AuthorizerKind::Function(settings) => {
                    let running = running(&authorizer.name, previous);
                    let running = running.and_then(|running| running.function());
                    let name = &authorizer.name;
                    let way = match &settings.function {
                        Function::Url(remote) => Way::Url {
                            upstream: Arc::clone(backends.remote(name, remote)?),
                            path: remote.path.clone(),
                        },
                        Function::Lambda {
                            name: function,
                            target,
                        } => Way::Lambda {
                            client: services.client(name.as_str(), target)?,
                            function: function.clone(),
                        },
                    };
                    Judge::Function(FunctionAuthorizer::build(
                        name,
                        settings,
                        way,
                        self.decisions(),
                        running,
                    ))
                }
                AuthorizerKind::Iam(settings) => {
                    let credentials = credentials(authorizer, settings, model, previous)?;
                    let region = &model.identity.region;
                    Judge::Iam(IamAuthorizer::new(settings, credentials, region))
                }
            };
            Ok(Arc::new(Authorizer {
                model: authorizer.clone(),
                judge,
                guard: self.guard(authorizer)?,
                watched: running(&authorizer.name, previous)
                    .map(|running| Arc::clone(&running.watched))
                    .unwrap_or_default(),
            }))
        };
        model.authorizers.iter().map(build).collect()
    }

    fn guard(&self, authorizer: &model::Authorizer) -> Result<GuardPlan, CompileError> {
        let bucket = |limit: Option<Limit>, whom| {
            let Some(limit) = limit else {
                return Ok::<_, CompileError>(None);
            };
            let tag = Place::Guard(&authorizer.name).tag(whom);
            let lease = self.slots().lease(tag).map_err(CompileError::Slots)?;
            let throttle = Throttle {
                limit,
                share: None,
                is_monitored: false,
            };
            Ok(Some((lease, throttle)))
        };
        Ok(GuardPlan {
            source: bucket(authorizer.guard.source, Whom::Each(&CallerKey::Source))?,
            total: bucket(authorizer.guard.total, Whom::All)?,
        })
    }

    fn jwt(
        &self,
        authorizer: &model::Authorizer,
        settings: &JwtSettings,
        model: &Gateway,
        previous: Option<&Snapshot>,
    ) -> Result<Arc<JwtAuthorizer>, CompileError> {
        let named = running(&authorizer.name, previous).and_then(|named| named.jwt());
        let open = |issuer: &Issuer| self.keys(authorizer, issuer, model, previous);
        JwtAuthorizer::build(&authorizer.name, settings, self.decisions(), named, open)
    }

    /// The keys of an issuer. As long as their settings stand they go over from what runs, with the last
    /// good ones, whatever authorizer had them: one that a deployment has frozen goes on with the keys
    /// that it had under the name of the file, and its issuer need not be within reach just now.
    fn keys(
        &self,
        authorizer: &model::Authorizer,
        issuer: &Issuer,
        model: &Gateway,
        previous: Option<&Snapshot>,
    ) -> Result<Arc<KeySet>, CompileError> {
        let running = previous.into_iter().flat_map(|it| &it.authorizers);
        let known = running.filter_map(|running| running.jwt()?.keys_of(&issuer.jwks));
        // A set without keys has none to hand on.
        let mut known = known.filter(|keys| !keys.never_has_keys());
        if let Some(keys) = known.next() {
            return Ok(Arc::clone(keys));
        }
        let name = authorizer.name.clone();
        match KeySet::open(&issuer.jwks, self.clients()?.issuers()) {
            Ok(keys) => Ok(keys),
            Err(source) if !authorizer.is_frozen => Err(CompileError::Authorizer { name, source }),
            // Nobody may have looked after that file for long, and what else the gateway has to serve
            // does not need it. Only a change that takes keys away is refused.
            Err(source)
                if previous.is_none_or(|previous| has_none(&name, issuer, model, previous)) =>
            {
                warn(&name, &source, model);
                Ok(KeySet::without_keys(&issuer.jwks))
            }
            Err(source) => Err(CompileError::FrozenAuthorizer {
                ways_out: ways_out(&name, model),
                name,
                source,
            }),
        }
    }
}

/// The authorizer `name` as it runs.
fn running<'s>(
    name: &AuthorizerName,
    previous: Option<&'s Snapshot>,
) -> Option<&'s Arc<Authorizer>> {
    let mut running = previous.into_iter().flat_map(|it| &it.authorizers);
    running.find(|running| running.model.name == *name)
}

/// Whether the authorizer `name` has no keys of this issuer already, and whatever needs it did before.
fn has_none(name: &AuthorizerName, issuer: &Issuer, model: &Gateway, previous: &Snapshot) -> bool {
    let named = running(name, Some(previous));
    let keys = named.and_then(|named| named.jwt()?.keys_of_issuer(&issuer.name));
    keys.is_some_and(|keys| keys.never_has_keys())
        && users(name, model).all(|user| user.goes_on(previous))
}

/// The access keys of an authorizer. One that a deployment has frozen starts without any where its file
/// cannot be used, and nothing that is served then loses some.
fn credentials(
    authorizer: &model::Authorizer,
    settings: &IamSettings,
    model: &Gateway,
    previous: Option<&Snapshot>,
) -> Result<Arc<Credentials>, CompileError> {
    let why = match &settings.credentials.held {
        Ok(held) => return Ok(Arc::clone(held)),
        Err(why) => why.clone(),
    };
    let name = &authorizer.name;
    let has_none = |previous: &Snapshot| {
        let mut running = previous.authorizers.iter();
        let named = running.find(|running| running.model.name == *name);
        let keys = named.and_then(|named| named.iam());
        keys.is_some_and(|iam| iam.credentials().is_empty())
            && users(name, model).all(|user| user.goes_on(previous))
    };
    // Of a file that could not be used the configuration has said so.
    if authorizer.is_frozen && previous.is_none_or(has_none) {
        return Ok(Arc::default());
    }
    Err(CompileError::AccessKeys {
        name: name.clone(),
        ways_out: ways_out(name, model),
        why,
    })
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
    let ways = users(name, model);
    let ways = ways.map(|user| format!("`{}`", user.variant.way_out(&user.api.name)));
    ways.collect::<Vec<_>>().join(", ")
}

/// A track of a stage that needs an authorizer.
struct User<'a> {
    api: &'a Api,
    variant: Variant,
    deployment: Option<DeploymentNumber>,
    /// Of a canary, how many requests it gets.
    share: Option<Share>,
}

impl User<'_> {
    /// Whether it served the same before, with that authorizer, and to as many at least.
    fn goes_on(&self, previous: &Snapshot) -> bool {
        let Some(tracks) = previous.tracks(self.api, &self.variant.stage) else {
            return false;
        };
        let plan = match (self.share, &tracks.canary) {
            (None, _) => Some(&tracks.base),
            (Some(share), Some((before, canary))) if share <= *before => Some(canary),
            (Some(_), Some(_) | None) => None,
        };
        plan.is_some_and(|plan| plan.deployed.deployment == self.deployment)
    }
}

/// What needs the authorizer `name`.
fn users<'a>(name: &AuthorizerName, model: &'a Gateway) -> impl Iterator<Item = User<'a>> {
    let needs = |definition: &Definition| {
        let mut routes = definition.routes.iter();
        routes.any(|route| route.authorizer.as_ref() == Some(name))
    };
    let stages = model.apis.iter();
    let stages = stages.flat_map(|api| api.stages.iter().map(move |stage| (api, stage)));
    let tracks = stages.flat_map(|(api, stage)| {
        let base = (Track::Base, &stage.definition, stage.deployment, None);
        let canary = stage.canary.as_ref().map(|it| {
            let number = Some(it.deployment);
            (Track::Canary, &it.definition, number, Some(it.share))
        });
        let tracks = [Some(base), canary].into_iter().flatten();
        tracks.map(move |track| (api, stage, track))
    });
    tracks.filter_map(
        move |(api, stage, (track, definition, deployment, share))| {
            let stage = stage.name.clone();
            needs(definition).then_some(User {
                api,
                variant: Variant { stage, track },
                deployment,
                share,
            })
        },
    )
}
