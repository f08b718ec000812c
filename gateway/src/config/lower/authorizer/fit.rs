//! Whether routes can have the functions that they name as authorizers.

use std::collections::HashMap;

use crate::config::lower::Lowering;
use crate::model::{
    Api, Authorizer, AuthorizerName, CallerKey, CallerThrottle, FunctionSettings, Route,
};

/// Refuses routes whose authorizer asks a function that is for APIs of the other type, and what only a
/// token could answer.
pub(in crate::config::lower) fn check(
    apis: &[Api],
    authorizers: &[Authorizer],
    cx: &mut Lowering<'_>,
) {
    let functions = authorizers
        .iter()
        .filter_map(|it| Some((&it.name, it.function()?)));
    let functions: HashMap<&AuthorizerName, &FunctionSettings> = functions.collect();
    for api in apis {
        let section = cx.root.key("apis").key(api.name.as_str()).key("routes");
        for route in &api.definition.routes {
            let named = route.authorizer.as_ref();
            let Some(function) = named.and_then(|name| functions.get(name)) else {
                continue;
            };
            let at = section.key(route.key.as_str());
            if let Err(unfit) = function.fits(api.kind) {
                cx.error(&at.key("authorizer"), unfit.to_string());
            }
            for (key, message) in of_tokens(route) {
                cx.error_at_key(&at.key(key), message.to_owned());
            }
        }
    }
}

/// What a route asks of a token, by its keys.
fn of_tokens(route: &Route) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    if !route.scopes.is_empty() {
        let message = "the authorizer asks a function, and no token that could carry scopes: take \
                       them out, and have the function check what it is told";
        found.push(("scopes", message));
    }
    let is_claim = |throttle: &CallerThrottle| matches!(throttle.key, CallerKey::Claim(_));
    if route.caller_throttles.iter().any(is_claim) {
        let message = "the authorizer asks a function, and no token that could carry claims: write \
                       a header as its `key`";
        found.push(("caller_throttles", message));
    }
    let mut keys = route.caller_concurrency.iter().map(|limit| &limit.key);
    if keys.any(|key| matches!(key, CallerKey::Claim(_))) {
        let message = "the authorizer asks a function, and no token that could carry claims: write \
                       a header as its `key`";
        found.push(("caller_concurrency", message));
    }
    found
}
