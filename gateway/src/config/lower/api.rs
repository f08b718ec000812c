//! APIs: who answers for which host on which listener.

use std::collections::HashMap;

use super::Lowering;
use super::host::parse_host;
use super::route::{self, Around};
use super::{gateway_response, identity, stage};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{Api, ApiKind, ApiName, Identity, ListenerName, Route};

/// Lowers every API. `body_memory_max` bounds what a route may buffer.
pub(super) fn lower(
    written: &written::Named<written::Api>,
    identity: &Identity,
    body_memory_max: u64,
    cx: &mut Lowering<'_>,
) -> Vec<Api> {
    let section = cx.root.key("apis");
    let mut claims = Claims::default();
    let mut apis: Vec<Api> = Vec::new();
    for (name, api) in &written.0 {
        let at = section.key(name);
        cx.name(name, &at);
        let kind = lower_kind(api, &at, cx);
        let id = identity::lower_id(name, api.id.as_deref(), &at.key("id"), cx);
        if let Some(other) = apis.iter().find(|other| other.id == id) {
            let message = format!(
                "the API `{}` has the id `{id}` too: write another",
                other.name
            );
            cx.error_at_key(&at.key("id"), message);
        }
        let listeners = lower_listeners(api, &at, cx);
        let hosts = lower_hosts(api, &at.key("hosts"), cx);
        claims.add(name, &listeners, &hosts, &at, cx);
        let own = (api.default_endpoint != Some(false)).then(|| identity.endpoint_host(&id));
        let stages = stage::lower(api.stages.as_ref(), kind, &at, cx);
        let around = Around {
            kind,
            stages: &stages,
            body_memory_max,
        };
        let routes_at = at.key("routes");
        if !routes_at.is_written() {
            cx.error_at_key(&at, "`routes` is missing");
        }
        let none = written::Named::default();
        let routes = api.routes.as_ref().unwrap_or(&none);
        let routes = route::lower(routes, &routes_at, &around, cx);
        apis.push(Api {
            name: ApiName::new(name),
            id,
            kind,
            listeners,
            hosts: hosts.into_iter().map(|(_, host)| host).chain(own).collect(),
            other_hosts: api.hosts.is_none(),
            stages,
            gateway_responses: gateway_response::lower(
                &api.gateway_responses,
                kind,
                &at.key("gateway_responses"),
                cx,
            ),
            routes,
        });
    }
    check_slots(&apis, &section, cx);
    apis
}

/// Nothing stands for what kind of API it is where the definition could not say so either.
fn lower_kind(api: &written::Api, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> ApiKind {
    if !at.key("type").is_written() {
        cx.error_at_key(at, "`type` is missing");
    }
    match api.kind {
        Some(written::ApiType::Rest) => ApiKind::Rest,
        Some(written::ApiType::Http) | None => ApiKind::Http,
    }
}

fn lower_listeners(
    api: &written::Api,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<ListenerName> {
    let Some(names) = &api.listeners else {
        return cx
            .root
            .key("listeners")
            .names()
            .map(ListenerName::new)
            .collect();
    };
    let list = at.key("listeners");
    let mut listeners: Vec<ListenerName> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let at = list.item(index);
        if !cx.reference("listeners", "listener", None, name, &at) {
            continue;
        }
        if listeners.iter().any(|earlier| earlier.as_str() == name) {
            cx.error(&at, format!("the listener `{name}` stands twice: keep one"));
        } else {
            listeners.push(ListenerName::new(name));
        }
    }
    listeners
}

/// The hosts with their indexes in the list.
fn lower_hosts(api: &written::Api, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Vec<(usize, String)> {
    let mut hosts = Vec::new();
    for (index, written) in api.hosts.iter().flatten().enumerate() {
        match parse_host(written) {
            Ok(host) => hosts.push((index, host)),
            Err(error) => {
                let shown = shortened(written);
                cx.error(&at.item(index), format!("`{shown}` is not a host: {error}"));
            }
        }
    }
    hosts
}

/// Which API answers for a host on a listener; no host stands for every other one.
#[derive(Default)]
struct Claims(HashMap<(ListenerName, Option<String>), String>);

impl Claims {
    fn add(
        &mut self,
        api: &str,
        listeners: &[ListenerName],
        hosts: &[(usize, String)],
        at: &Cursor<'_>,
        cx: &mut Lowering<'_>,
    ) {
        for (index, host) in hosts {
            let claim = |listener: &ListenerName| (listener.clone(), Some(host.clone()));
            if let Some((listener, other)) = self.claim(api, listeners, claim) {
                let at = at.key("hosts").item(*index);
                let message = if other == api {
                    format!("`{host}` stands twice: keep one")
                } else {
                    format!("`{host}` on listener `{listener}` is claimed by the API `{other}`")
                };
                cx.error(&at, message);
            }
        }
        if !at.key("hosts").is_written()
            && let Some((listener, other)) =
                self.claim(api, listeners, |listener| (listener.clone(), None))
        {
            let message = format!(
                "the API `{other}` also answers for every host on listener `{listener}`: give one \
                 of them `hosts` or other `listeners`"
            );
            cx.error_at_key(at, message);
        }
    }

    /// Claims something on every one of `listeners`; returns the first that had been claimed, with
    /// the API that did.
    fn claim(
        &mut self,
        api: &str,
        listeners: &[ListenerName],
        claim: impl Fn(&ListenerName) -> (ListenerName, Option<String>),
    ) -> Option<(ListenerName, String)> {
        let mut taken = None;
        for listener in listeners {
            let earlier = self.0.insert(claim(listener), api.to_owned());
            taken = taken.or(earlier.map(|other| (listener.clone(), other)));
        }
        taken
    }
}

/// Every throttle of a route takes one slot of a table of fixed size, for each stage.
fn check_slots(apis: &[Api], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let of_api = |api: &Api| -> usize {
        let of_route = |route: &Route| {
            usize::from(route.throttle.is_some()) + usize::from(route.caller_throttle.is_some())
        };
        api.stages.len() * api.routes.iter().map(of_route).sum::<usize>()
    };
    let needed: usize = apis.iter().map(of_api).sum();
    let max = gateway_common::capacity::SLOT_COUNT as usize;
    if needed > max {
        let message =
            format!("the routes have {needed} throttles together, over all stages: at most {max}");
        cx.error_at_key(at, message);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::time::Duration;

    use gateway_common::capacity::SLOT_COUNT;
    use gateway_common::limit::{Limit, Rate};

    use super::super::Files;
    use super::*;
    use crate::config::diagnostic::{Collector, FileId, Place};
    use crate::config::tree::{Node, Value};
    use crate::model::{
        ApiId, BodyMode, GatewayResponses, HttpProxy, Integration, RouteKey, RouteMethod, Stage,
        StageName, Target, Throttle, UpstreamName,
    };

    fn throttled_routes(count: u32) -> Vec<Api> {
        let limit = Limit::new(Rate::per_second(1), 1, 1).unwrap();
        let route = Route {
            key: RouteKey::new("$default"),
            method: RouteMethod::Any,
            path: None,
            authorizer: None,
            scopes: Vec::new(),
            throttle: Some(Throttle { limit }),
            caller_throttle: None,
            body: BodyMode::Stream,
            body_bytes_max: 0,
            integration: Integration::HttpProxy(HttpProxy {
                target: Target::Upstream {
                    name: UpstreamName::new("app"),
                    path: None,
                },
                method: None,
                timeout: Duration::from_secs(1),
            }),
        };
        vec![Api {
            name: ApiName::new("app"),
            id: ApiId::new("app"),
            kind: ApiKind::Http,
            listeners: Vec::new(),
            hosts: Vec::new(),
            other_hosts: true,
            stages: vec![Stage {
                name: StageName::new("$default"),
                variables: BTreeMap::new(),
            }],
            gateway_responses: GatewayResponses::default(),
            routes: vec![route; count as usize],
        }]
    }

    #[test]
    fn as_many_throttles_as_slots_fit() {
        let tree = Node {
            place: Place {
                file: FileId::FIRST,
                line: 1,
                column: 1,
            },
            value: Value::Refused,
        };
        let root = Cursor::root(&tree);
        for (count, fits) in [(SLOT_COUNT, true), (SLOT_COUNT + 1, false)] {
            let mut diagnostics = Collector::new("gateway.yaml");
            let base = Path::new("/");
            let mut cx = Lowering {
                root: &root,
                base,
                files: Files::Named,
                diagnostics: &mut diagnostics,
            };
            check_slots(&throttled_routes(count), &root, &mut cx);
            assert_eq!(diagnostics.has_errors(), !fits, "{count}");
        }
    }
}
