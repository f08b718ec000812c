//! Policy sets, and the stores that they ask.

mod http;
mod question;
mod store;
mod verified_permissions;

pub(super) use question::lower_text;

use super::authorizer::NONE;
use super::{Lowering, lookups};
use crate::config::cursor::Cursor;
use crate::config::written;
use crate::language::cedar::{EntityName, Store};
use crate::language::variable::{ApiType, Variable};
use crate::model::{
    Api, ApiKind, Authorizer, AuthorizerKind, PolicyEngine, PolicySet, PolicySetName, PolicySource,
    PolicyStore, PolicyStoreName, Route, StoreChoice,
};

/// Where policy sets stand.
pub(super) const POLICIES: &str = "policies";

/// Where policy stores stand.
pub(super) const STORES: &str = "policy_stores";

/// Lowers every policy store.
pub(super) fn lower_stores(
    written: &written::Named<written::PolicyStore>,
    cx: &mut Lowering<'_>,
) -> Vec<PolicyStore> {
    let section = cx.root.key(STORES);
    let lower = |(name, store): &(String, written::PolicyStore)| {
        let at = section.key(name);
        cx.name(name, &at);
        let source = match store {
            written::PolicyStore::Files(files) => PolicySource::Files(store::lower(files, &at, cx)),
        };
        PolicyStore {
            name: PolicyStoreName::new(name),
            source,
        }
    };
    written.0.iter().map(lower).collect()
}

/// Lowers every policy set.
pub(super) fn lower_sets(
    written: &written::Named<written::PolicySet>,
    stores: &[PolicyStore],
    cx: &mut Lowering<'_>,
) -> Vec<PolicySet> {
    let section = cx.root.key(POLICIES);
    for name in section.names() {
        let at = section.key(name);
        cx.name(name, &at);
        if name == NONE {
            let message = "`none` is what routes without policies say: choose another name";
            cx.error_at_key(&at, message);
        }
    }
    let lower = |(name, set): &(String, written::PolicySet)| {
        let at = section.key(name);
        let (engine, lookups, monitor) = match set {
            written::PolicySet::Cedar(cedar) => (
                lower_cedar(cedar, stores, &at, cx),
                &cedar.lookups,
                cedar.monitor,
            ),
            written::PolicySet::Http(http) => {
                let engine = http::lower(http, &at, cx);
                let engine = engine.map(|engine| PolicyEngine::Http(Box::new(engine)));
                (engine, &http.lookups, http.monitor)
            }
            written::PolicySet::VerifiedPermissions(verified) => {
                let store = verified_permissions::lower(verified, &at, cx);
                let engine = store.map(|store| PolicyEngine::VerifiedPermissions(Box::new(store)));
                (engine, &verified.lookups, verified.monitor)
            }
        };
        let lookups = lookups::lower_enrichments(lookups, &at, cx);
        let set = PolicySet {
            name: PolicySetName::new(name),
            lookups: lookups?,
            engine: engine?,
            is_monitor: monitor == Some(true),
        };
        lookups::warn_of_unread(&set, &at, cx);
        Some(set)
    };
    written.0.iter().filter_map(lower).collect()
}

fn lower_cedar(
    cedar: &written::CedarPolicies,
    stores: &[PolicyStore],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<PolicyEngine> {
    let store = lower_choice(&cedar.store, &at.key("store"), cx);
    let question = question::lower(cedar, at, cx)?;
    let store = store?;
    if let Some(known) = known_store(&store, stores) {
        question::check(&question, known, at, cx);
    }
    Some(PolicyEngine::Cedar {
        store,
        question: Box::new(question),
    })
}

fn lower_choice(
    written: &written::StoreChoice,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<StoreChoice> {
    match written {
        written::StoreChoice::Named(name) => {
            cx.reference(STORES, "policy store", None, name, at);
            Some(StoreChoice::Fixed(PolicyStoreName::new(name)))
        }
        written::StoreChoice::Found(found) => {
            let frame = store::lower_frame(found, at, cx);
            let written::FoundStore {
                lookup,
                key,
                at: path,
                ..
            } = found;
            let found = lookups::lower_found(lookup, key, path, at, cx);
            found.map(|found| StoreChoice::Found { found, frame })
        }
    }
}

/// The store whose schema questions are known to be held against.
fn known_store<'s>(choice: &'s StoreChoice, stores: &'s [PolicyStore]) -> Option<&'s Store> {
    match choice {
        StoreChoice::Fixed(name) => {
            let PolicySource::Files(store) = &stores.iter().find(|it| it.name == *name)?.source;
            Some(store)
        }
        StoreChoice::Found { frame, .. } => Some(frame),
    }
}

/// The policy set that is named at `at`, which has to be there.
pub(super) fn lower_name(
    name: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<PolicySetName> {
    if name == NONE {
        return None;
    }
    cx.reference(POLICIES, "policy set", Some(NONE), name, at);
    Some(PolicySetName::new(name))
}

/// Whether routes have what their policy sets read of them.
pub(super) fn check_uses(
    apis: &[Api],
    authorizers: &[Authorizer],
    (sets, stores): (&[PolicySet], &[PolicyStore]),
    cx: &mut Lowering<'_>,
) {
    let section = cx.root.key("apis");
    for api in apis {
        let routes = section.key(api.name.as_str()).key("routes");
        for route in &api.definition.routes {
            let named = route.policies.as_ref();
            let Some(set) = sets.iter().find(|set| Some(&set.name) == named) else {
                continue;
            };
            let at = routes.key(route.key.as_str()).key("policies");
            check_variables(set, api.kind, route, &at, cx);
            check_token(set, authorizers, route, &at, cx);
            check_action(set, stores, route, &at, cx);
        }
    }
}

fn check_variables(
    set: &PolicySet,
    kind: ApiKind,
    route: &Route,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let (api_type, apis) = match kind {
        ApiKind::Rest => (ApiType::Rest, "REST"),
        ApiKind::Http => (ApiType::Http, "HTTP"),
    };
    let variables = set.variables();
    let foreign = variables.iter().find(|it| !it.is_of(api_type));
    if let Some(variable) = foreign {
        let message = format!(
            "the policy set `{}` reads `$context.{}`, which {apis} APIs do not have: name another",
            set.name,
            variable.row().name
        );
        cx.error_at_key(at, message);
    }
    let of_caller =
        |it: &&Variable| matches!(it, Variable::Claim(_) | Variable::AuthorizerProperty(_));
    if route.authorizer.is_none() && variables.iter().any(of_caller) {
        let message = format!(
            "the policy set `{}` asks who calls, and this route is public: name an authorizer, or \
             write `policies: none`",
            set.name
        );
        cx.error_at_key(at, message);
    }
}

/// A set that asks about a token is of no use where none is accepted.
fn check_token(
    set: &PolicySet,
    authorizers: &[Authorizer],
    route: &Route,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let named = route.authorizer.as_ref();
    let authorizer = authorizers.iter().find(|it| Some(&it.name) == named);
    // One that was refused is reported where it stands.
    let is_of_tokens = match (named, authorizer) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(_), Some(authorizer)) => match authorizer.kind {
            AuthorizerKind::Jwt(_) => true,
            AuthorizerKind::Function(_) | AuthorizerKind::Iam(_) => false,
        },
    };
    if set.wants_token() && !is_of_tokens {
        let message = format!(
            "the policy set `{}` asks about the caller's token, and the authorizer of this route accepts \
             none: name one of type `jwt` or `cognito`, or let the policy set say who calls by `principal`",
            set.name
        );
        cx.error_at_key(at, message);
    }
}

/// An action that the schema does not have is refused whoever asks.
fn check_action(
    set: &PolicySet,
    stores: &[PolicyStore],
    route: &Route,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let PolicyEngine::Cedar { store, question } = &set.engine else {
        return;
    };
    let Some(store) = known_store(store, stores) else {
        return;
    };
    let id = match &question.call.action_id {
        None => route.key.as_str(),
        Some(text) => match text.fixed() {
            Some(text) => text,
            None => return,
        },
    };
    let action = EntityName {
        kind: question.call.action_kind.clone(),
        id: id.to_owned(),
    };
    if !store.has_action(&action) {
        let message = format!(
            "the schema of the policy set `{}` has no action `{action}`, so that it refuses every \
             request: add the action, or name another policy set",
            set.name
        );
        cx.error_at_key(at, message);
    }
}
