//! What the stages of an API serve: the definition in its file, or one that was frozen earlier.
//!
//! A frozen definition is text of the native form. It is read and judged like the file itself, with
//! the authorizers that were frozen with it and the upstreams and limits of today; what it names and
//! the configuration no longer has refuses the configuration, because a stage must never serve less
//! than its deployment says.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::definition;
use super::route::{Around, Thawed as Authorizers};
use super::stage::{Environment, Lowered};
use super::{AUTHORIZERS, Lowering, authorizer, is_same, read_definition};
use crate::config::cursor::Cursor;
use crate::config::written;
use crate::model::{
    ApiId, ApiKind, ApiName, AuthorizerName, Canary, Definition, DeploymentNumber, Identity,
    Placement, Serving, Stage, StageThrottles, Track, Variant,
};

/// What every definition of one API has around it.
pub(super) struct Host<'a> {
    pub(super) name: ApiName,
    pub(super) id: &'a ApiId,
    pub(super) kind: ApiKind,
    /// Where the API stands in the file.
    pub(super) at: &'a Cursor<'a>,
    pub(super) identity: &'a Identity,
    /// Bounds what a route may buffer.
    pub(super) body_memory_max: u64,
}

/// Definitions that were frozen, by the number of their deployment.
type Thawed = BTreeMap<DeploymentNumber, Arc<Definition>>;

/// Lowers the definition of an API, and what its stages serve instead.
pub(super) fn lower(
    written: &written::Api,
    stages: Vec<Lowered>,
    host: &Host<'_>,
    cx: &mut Lowering<'_>,
) -> (Arc<Definition>, Vec<Stage>) {
    let placed: Vec<Placed<'_>> = stages
        .into_iter()
        .map(|stage| Placed::new(stage, host, cx))
        .collect();
    let own: Vec<Environment> = placed.iter().flat_map(Placed::own).collect();
    let definition = definition::lower(written, &host.around(host.at, &own), host, cx);
    let definition = Arc::new(definition);
    let mut frozen: BTreeMap<DeploymentNumber, (&str, Vec<Environment>)> = BTreeMap::new();
    for (serving, environment) in placed.iter().flat_map(Placed::served) {
        if let Some(text) = &serving.text {
            let users = frozen.entry(serving.number).or_insert((text, Vec::new()));
            users.1.push(environment);
        }
    }
    let thaw = |(number, (text, users)): (_, (&str, Vec<_>))| {
        Some((number, Arc::new(thaw(number, text, &users, host, cx)?)))
    };
    let thawed: Thawed = frozen.into_iter().filter_map(thaw).collect();
    let stages = placed.into_iter();
    let stages = stages.filter_map(|placed| placed.finish(&definition, &thawed));
    let stages = stages.collect();
    (definition, stages)
}

/// A stage and what it serves; without a placement, what the file says.
struct Placed<'a> {
    stage: Lowered,
    placement: Option<&'a Placement>,
}

impl<'a> Placed<'a> {
    fn new(mut stage: Lowered, host: &Host<'_>, cx: &Lowering<'a>) -> Self {
        let key = (host.name.clone(), stage.name.clone());
        let placement = cx.placements.get(&key);
        if let Some(placement) = placement {
            stage.variables.extend(placement.promoted.clone());
        }
        Self { stage, placement }
    }

    fn base(&self) -> Environment {
        Environment {
            variant: Variant {
                stage: self.stage.name.clone(),
                track: Track::Base,
            },
            variables: self.stage.variables.clone(),
        }
    }

    fn canary(&self) -> Option<(&'a Serving, Environment)> {
        let canary = self.placement?.canary.as_ref()?;
        let mut environment = self.base();
        environment.variant.track = Track::Canary;
        environment.variables.extend(canary.overrides.clone());
        Some((&canary.serving, environment))
    }

    /// Where the file's definition has to work: in every stage, also in one that does not serve it
    /// yet, and in the canaries that it is.
    fn own(&self) -> impl Iterator<Item = Environment> {
        let canary = self.canary().filter(|(serving, _)| serving.text.is_none());
        [self.base()]
            .into_iter()
            .chain(canary.map(|(_, environment)| environment))
    }

    fn served(&self) -> impl Iterator<Item = (&'a Serving, Environment)> {
        let base = self.placement.map(|placed| (&placed.base, self.base()));
        base.into_iter().chain(self.canary())
    }

    /// `None` where what it serves could not be lowered, which was reported.
    fn finish(self, own: &Arc<Definition>, thawed: &Thawed) -> Option<Stage> {
        let definition = |serving: &Serving| match serving.text {
            None => Some(Arc::clone(own)),
            Some(_) => thawed.get(&serving.number).map(Arc::clone),
        };
        let canary = match self.placement.and_then(|placed| placed.canary.as_ref()) {
            None => None,
            Some(canary) => {
                let mut variables = self.stage.variables.clone();
                variables.extend(canary.overrides.clone());
                Some(Canary {
                    share: canary.share,
                    variables,
                    definition: definition(&canary.serving)?,
                    deployment: canary.serving.number,
                })
            }
        };
        Some(Stage {
            definition: match self.placement {
                None => Arc::clone(own),
                Some(placed) => definition(&placed.base)?,
            },
            deployment: self.placement.map(|placed| placed.base.number),
            canary,
            name: self.stage.name,
            auto_deploy: self.stage.auto_deploy,
            variables: self.stage.variables,
            throttles: StageThrottles::default(),
            log_format: self.stage.log_format,
            client_certificate: self.stage.client_certificate,
            settings: self.stage.settings,
        })
    }
}

impl Host<'_> {
    fn around<'a>(&self, at: &'a Cursor<'a>, environments: &'a [Environment]) -> Around<'a> {
        Around {
            at,
            kind: self.kind,
            environments,
            body_memory_max: self.body_memory_max,
            authorizers: None,
        }
    }
}

/// Lowers what deployment `number` froze, for those that serve it.
fn thaw(
    number: DeploymentNumber,
    text: &str,
    users: &[Environment],
    host: &Host<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Definition> {
    let errors = cx.diagnostics.error_count();
    let definition = thaw_text(number, text, users, host, cx);
    if cx.diagnostics.error_count() > errors {
        let api = &host.name;
        for user in users {
            let (stage, fix) = (&user.variant.stage, user.variant.way_out(api));
            let message = format!(
                "it serves deployment {number}, which this configuration does not fit: put back \
                 what that needs, or have it serve another one with `{fix}`"
            );
            let at = host.at.key("stages").key(stage.as_str());
            cx.error_at_key(&at, message);
        }
        return None;
    }
    definition
}

fn thaw_text(
    number: DeploymentNumber,
    text: &str,
    users: &[Environment],
    host: &Host<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Definition> {
    let name = format!("deployment {number} of `{}`", host.name);
    let frozen = read_definition(&name, text, cx.diagnostics)?;
    let (at, written) = (Cursor::root(&frozen.tree), frozen.api);
    let kind = definition::lower_kind(&written, &at, cx);
    if kind != host.kind {
        let message = "this is another type than that of the API now: one that serves both needs \
                       two APIs, each with a name and an `id` of its own";
        cx.error(&at.key("type"), message);
        return None;
    }
    let authorizers = thaw_authorizers(number, &frozen.authorizers, &at, host, cx);
    let around = Around {
        authorizers: Some(&authorizers),
        ..host.around(&at, users)
    };
    Some(definition::lower(&written, &around, host, cx))
}

/// What the authorizers of a deployment are: those of the file, where they say the same, so that they
/// share their decisions; else others beside them.
fn thaw_authorizers(
    number: DeploymentNumber,
    frozen: &written::Named<written::Authorizer>,
    at: &Cursor<'_>,
    host: &Host<'_>,
    cx: &mut Lowering<'_>,
) -> Authorizers {
    let section = at.key(AUTHORIZERS);
    let mut thawed = Authorizers::new();
    for (name, written) in &frozen.0 {
        let at = section.key(name);
        let of_file = cx.root.key(AUTHORIZERS).key(name);
        let is_same = match (of_file.node, at.node) {
            (Some(of_file), Some(frozen)) => is_same(of_file, frozen),
            (None, _) | (_, None) => false,
        };
        let shown = if is_same {
            name.clone()
        } else {
            // No name in a file has such characters.
            format!("{name}@{}.{number}", host.name)
        };
        if !is_same {
            let lowered = authorizer::lower_one(&shown, written, &at, true, cx);
            cx.thawed.extend(lowered);
        }
        thawed.insert(name.clone(), AuthorizerName::new(&shown));
    }
    thawed
}
