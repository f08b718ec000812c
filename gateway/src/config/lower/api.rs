//! APIs: who answers for which host on which listener.

use std::collections::{HashMap, HashSet};

use super::Lowering;
use super::deployed::{self, Host};
use super::host::parse_host;
use super::quantity::{KIB, MIB};
use super::{definition, endpoint_tls, identity, private, stage, stage_throttles, throttle};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written::{self, Size};
use crate::model::{
    Api, ApiId, ApiKind, ApiName, BucketTables, Identity, Listener, ListenerName, RequestSizes,
    Route, RouteKey, SharedThrottles, Stage,
};

/// Lowers every API. `known` are all listeners, `body_memory_max` bounds what a route may buffer, and
/// `buckets` how many throttles there may be.
pub(super) fn lower(
    written: &written::Named<written::Api>,
    identity: &Identity,
    known: &[Listener],
    (body_memory_max, buckets): (u64, BucketTables),
    cx: &mut Lowering<'_>,
) -> Vec<Api> {
    let section = cx.root.key("apis");
    let mut claims = Claims::default();
    let mut apis: Vec<Api> = Vec::new();
    for (name, api) in &written.0 {
        let at = section.key(name);
        cx.name(name, &at);
        let kind = definition::lower_kind(api, &at, cx);
        let id = identity::lower_id(name, api.id.as_deref(), &at.key("id"), cx);
        if let Some(other) = apis.iter().find(|other| other.id == id) {
            let message = format!(
                "the API `{}` has the id `{id}` too: write another",
                other.name
            );
            cx.error_at_key(&at.key("id"), message);
        }
        let listeners = lower_listeners(api.listeners.as_deref(), &at, cx);
        let hosts = lower_hosts(api, &at.key("hosts"), cx);
        claims.add(name, &listeners, &hosts, &at, cx);
        let own = lower_endpoint(identity, &id, &at, cx);
        let is_written = hosts.iter().any(|(_, host)| *host == own);
        if !is_written {
            claims.add_endpoint(name, &listeners, &own, &at, cx);
        }
        let is_open = api.default_endpoint != Some(false);
        let stages = stage::lower(api.stages.as_ref(), kind, &at, cx);
        let host = Host {
            name: ApiName::new(name),
            id: &id,
            kind,
            at: &at,
            identity,
            body_memory_max,
        };
        let (definition, mut stages) = deployed::lower(api, stages, &host, cx);
        let (written, stages_at) = (api.stages.as_ref(), at.key("stages"));
        let mut throttles =
            stage_throttles::lower(kind, written, &definition.routes, &stages_at, cx);
        for stage in &mut stages {
            stage.throttles = throttles.remove(&stage.name).unwrap_or_default();
        }
        apis.push(Api {
            name: ApiName::new(name),
            id,
            kind,
            closed_host: (!is_open && !is_written).then(|| own.clone()),
            hosts: hosts
                .into_iter()
                .map(|(_, host)| host)
                .chain((is_open && !is_written).then_some(own))
                .collect(),
            other_hosts: api.hosts.is_none(),
            tls: endpoint_tls::lower_api(api, &listeners, &at, cx),
            private: private::lower(
                api.private.as_ref(),
                &listeners,
                known,
                &at.key("private"),
                cx,
            ),
            listeners,
            stages,
            sizes: lower_sizes(&api.limits, &at.key("limits"), cx),
            throttles: lower_throttles(kind, api, &at, cx),
            throttle_headers: throttle::lower_headers(api.throttle_headers.as_ref()),
            definition,
        });
    }
    check_throttles(&apis, buckets, cx);
    apis
}

fn lower_throttles(
    kind: ApiKind,
    api: &written::Api,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> SharedThrottles {
    let limits = (api.shared_throttle.as_ref(), &*api.caller_throttles);
    throttle::lower_shared(kind, limits, at, cx)
}

/// How large the head of a request may be. Longer URLs are not read at all.
fn lower_sizes(
    written: &written::RequestLimits,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> RequestSizes {
    let mut size = |written: &Option<Size>, key, max, default: u32| {
        let bytes = cx.size(written.as_ref(), &at.key(key), KIB..=max, default.into());
        u32::try_from(bytes).unwrap_or(default)
    };
    let RequestSizes {
        url_bytes_max,
        header_bytes_max,
    } = RequestSizes::SERVICE;
    RequestSizes {
        url_bytes_max: size(
            &written.url_bytes_max,
            "url_bytes_max",
            63 * KIB,
            url_bytes_max,
        ),
        header_bytes_max: size(
            &written.header_bytes_max,
            "header_bytes_max",
            MIB,
            header_bytes_max,
        ),
    }
}

/// The host of the API's own endpoint.
fn lower_endpoint(
    identity: &Identity,
    id: &ApiId,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> String {
    let host = identity.endpoint_host(id);
    if let Err(error) = parse_host(&host) {
        let message = format!(
            "its own host would be `{host}`, and {error}: change `gateway.region`, \
             `gateway.host_suffix` or `id`"
        );
        cx.error_at_key(at, message);
    }
    host
}

/// The listeners named under `listeners` of `at`, or all of them.
pub(super) fn lower_listeners(
    written: Option<&[String]>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<ListenerName> {
    let Some(names) = written else {
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
                    format!(
                        "`{host}` on listener `{listener}` is claimed by the API `{other}`: keep one"
                    )
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

    fn add_endpoint(
        &mut self,
        api: &str,
        listeners: &[ListenerName],
        host: &str,
        at: &Cursor<'_>,
        cx: &mut Lowering<'_>,
    ) {
        let claim = |listener: &ListenerName| (listener.clone(), Some(host.to_owned()));
        if let Some((_, other)) = self.claim(api, listeners, claim) {
            let message = format!(
                "the API `{other}` claims `{host}`, the host of this one's own endpoint: take it \
                 out there, or write another `id` here"
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

/// Every throttle takes one slot of a table whose size is fixed at start, that of a route one for each
/// stage.
fn check_throttles(apis: &[Api], buckets: BucketTables, cx: &mut Lowering<'_>) {
    let of_shared =
        |shared: &SharedThrottles| usize::from(shared.all.is_some()) + shared.callers.len();
    let of_api = |api: &Api| -> usize {
        let of_route = |stage: &Stage, route: &Route| {
            let own = stage.throttles.of(route);
            usize::from(own.is_some()) + route.caller_throttles.len()
        };
        let of_stage = |stage: &Stage| -> usize {
            let base = &stage.definition.routes;
            // Both tracks share the slots of the routes that they have in common.
            let known: HashSet<&RouteKey> = base.iter().map(|route| &route.key).collect();
            let canary = stage.canary.iter();
            let canary = canary.flat_map(|canary| &canary.definition.routes);
            let own = canary.filter(|route| !known.contains(&route.key));
            let routes = base.iter().chain(own);
            let routes: usize = routes.map(|route| of_route(stage, route)).sum();
            routes + of_shared(&stage.throttles.shared)
        };
        let stages: usize = api.stages.iter().map(of_stage).sum();
        stages + of_shared(&api.throttles)
    };
    let needed: usize = apis.iter().map(of_api).sum();
    let max = buckets.throttles();
    if usize::try_from(max).is_ok_and(|max| needed > max) {
        let message = format!(
            "the APIs have {needed} throttles together, over all stages: at most {max}, by \
             `buckets.throttles`"
        );
        let at = cx.root.key("apis");
        cx.error_at_key(&at, message);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use gateway_common::capacity::SLOT_COUNT;

    use super::*;
    use crate::config::diagnostic::{Collector, FileId, Place};
    use crate::config::files::Files;
    use crate::config::tree::{Node, Value};
    use crate::language::media_type::BinaryMediaTypes;
    use crate::model::{
        ApiKind, Backend, BodyMode, Definition, GatewayResponses, HttpProxy, Integration,
        Placements, RequestMappings, ResponseMappings, RouteMethod, StageName, StageSettings,
        StageThrottles, Target, Throttle, ThrottleHeaders, UpstreamName, Validation,
    };

    fn throttled_routes(count: u32) -> Vec<Api> {
        let route = Route {
            key: RouteKey::new("$default"),
            method: RouteMethod::Any,
            path: None,
            authorizer: None,
            scopes: Vec::new(),
            policies: None,
            api_key_required: false,
            throttle: Throttle::of_account(),
            caller_throttles: Vec::new(),
            concurrency: None,
            caller_concurrency: Vec::new(),
            validation: Validation::default(),
            method_responses: None,
            body: BodyMode::Stream,
            body_bytes_max: 0,
            integration: Integration::HttpProxy(HttpProxy {
                backend: Backend {
                    target: Target::Upstream {
                        name: UpstreamName::new("app"),
                        path: None,
                    },
                    method: None,
                    mappings: RequestMappings::Http(Vec::new()),
                    timeout: Duration::from_secs(1),
                },
                response_mappings: ResponseMappings::default(),
            }),
        };
        let definition = Arc::new(Definition {
            policy: None,
            cors: None,
            compression_bytes_min: None,
            gateway_responses: GatewayResponses::default(),
            models: BTreeMap::new(),
            binary_media_types: BinaryMediaTypes::default(),
            key_source: crate::model::KeySource::Header,
            routes: vec![route; count as usize],
        });
        vec![Api {
            name: ApiName::new("app"),
            id: ApiId::new("app"),
            kind: ApiKind::Http,
            listeners: Vec::new(),
            hosts: Vec::new(),
            closed_host: None,
            other_hosts: true,
            tls: crate::model::EndpointTls::default(),
            private: None,
            stages: vec![Stage {
                name: StageName::new("$default"),
                auto_deploy: true,
                deployment: None,
                canary: None,
                variables: BTreeMap::new(),
                throttles: StageThrottles::default(),
                log_format: None,
                client_certificate: None,
                settings: StageSettings::default(),
                definition: Arc::clone(&definition),
            }],
            sizes: RequestSizes::SERVICE,
            throttles: SharedThrottles::default(),
            throttle_headers: ThrottleHeaders::default(),
            definition,
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
                files: &Files::Named,
                placements: &Placements::new(),
                aws: None,
                gateways: None,
                thawed: Vec::new(),
                diagnostics: &mut diagnostics,
            };
            check_throttles(&throttled_routes(count), BucketTables::default(), &mut cx);
            assert_eq!(diagnostics.has_errors(), !fits, "{count}");
        }
    }
}
