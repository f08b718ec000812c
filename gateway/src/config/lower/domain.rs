//! Custom domains.
//!
//! Source: Amazon API Gateway Developer Guide, "Use API mappings to connect API stages to a custom
//! domain name for REST APIs", and 1.4 of docs/semantics.md.

use std::collections::HashMap;

use super::api::lower_listeners;
use super::host::parse_host;
use super::{Lowering, certificate, endpoint_tls, mutual_tls, private, routing_rule, truststore};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{
    Api, ApiKind, Domain, DomainName, EndpointTls, Listener, ListenerName, Mapping, SecurityPolicy,
    StageName,
};

/// Longest path of a mapping, as the service has it.
const PATH_BYTES_MAX: usize = 300;

/// What of a domain needs listeners with TLS.
const TLS_KEYS: [&str; 4] = [
    "certificate",
    "security_policy",
    "endpoint_access_mode",
    "mutual_tls",
];

/// The key of the mapping for every path.
const EVERY_PATH: &str = "/";

/// Lowers every domain; `apis` are those that it may lead to, and `known` are all listeners.
pub(super) fn lower(
    written: &written::Named<written::Domain>,
    apis: &[Api],
    known: &[Listener],
    cx: &mut Lowering<'_>,
) -> Vec<Domain> {
    let section = cx.root.key("domains");
    let mut claimed: HashMap<(ListenerName, String), &str> = HashMap::new();
    for api in apis {
        for (listener, host) in api
            .listeners
            .iter()
            .flat_map(|listener| api.hosts.iter().map(move |host| (listener, host)))
        {
            claimed.insert((listener.clone(), host.clone()), api.name.as_str());
        }
    }
    let mut domains: Vec<Domain> = Vec::new();
    for (name, domain) in &written.0 {
        let at = section.key(name);
        let listeners = lower_listeners(domain.listeners.as_deref(), &at, cx);
        let mappings = lower_mappings(domain, &at.key("mappings"), apis, cx);
        let rules = routing_rule::lower(domain, &mappings, apis, &at, cx);
        let Some(name) = lower_name(name, &at, cx) else {
            continue;
        };
        if let DomainName::Host(host) = &name {
            let mut taken = listeners.iter();
            let taken = taken.find_map(|listener| claimed.get(&(listener.clone(), host.clone())));
            if let Some(api) = taken {
                let message =
                    format!("the API `{api}` answers on `{host}` itself: map a path to it");
                cx.error_at_key(&at, message);
            }
        }
        if domains.iter().any(|other| other.name == name) {
            cx.error_at_key(&at, "this host stands here twice: keep one");
        }
        let tls = lower_tls(domain, &name, &mappings, apis, &at, cx);
        endpoint_tls::check_listeners(&listeners, &TLS_KEYS, &at, cx);
        if let DomainName::Host(host) = &name {
            endpoint_tls::check_names([host], &TLS_KEYS, &at, cx);
        }
        let private_at = at.key("private");
        let private = domain.private.as_ref();
        let private = private::lower(private, &listeners, known, &private_at, cx);
        if domain.mutual_tls.is_some() && private.is_some() {
            let message = "private endpoints have no mutual TLS: keep one of the two";
            cx.error_at_key(&private_at, message);
        }
        if domain.mutual_tls.is_some() {
            let own = known.iter().filter(|it| listeners.contains(&it.name));
            mutual_tls::check_policy(&tls, own, &at.key("mutual_tls"), cx);
        }
        domains.push(Domain {
            name,
            listeners,
            tls,
            private,
            rules,
            mappings,
        });
    }
    mutual_tls::warn_of_ways_around(written, apis, &section, cx);
    warn_of_unreachable(&domains, apis, cx);
    domains
}

/// Tells of APIs that nothing leads to.
fn warn_of_unreachable(domains: &[Domain], apis: &[Api], cx: &mut Lowering<'_>) {
    let is_led_to = |api: &Api| {
        let mut led_to = domains.iter().flat_map(Domain::apis);
        led_to.any(|name| *name == api.name)
    };
    let hostless = |api: &&Api| api.hosts.is_empty() && !api.other_hosts;
    for api in apis.iter().filter(hostless).filter(|api| !is_led_to(api)) {
        let message = "nothing leads to this API: give it a host, or map a path of a domain to it";
        let at = cx.root.key("apis").key(api.name.as_str());
        cx.warning(&at, message);
    }
}

/// What TLS is like for the clients of a domain.
fn lower_tls(
    domain: &written::Domain,
    name: &DomainName,
    mappings: &[Mapping],
    apis: &[Api],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> EndpointTls {
    let certificate = domain.certificate.as_ref();
    let certificate =
        certificate.map(|it| certificate::lower_for(it, name, &at.key("certificate"), cx));
    let policy = domain.security_policy.as_deref();
    let (policy, access) = endpoint_tls::lower(policy, domain.endpoint_access_mode, at, cx);
    if policy == Some(SecurityPolicy::Tls10) {
        check_tls_1_0(mappings, apis, at, cx);
    }
    let truststore = domain.mutual_tls.as_ref().and_then(|mutual| {
        let at = at.key("mutual_tls").key("truststore");
        truststore::lower(&mutual.truststore, &at, cx)
    });
    EndpointTls {
        certificate,
        policy,
        access,
        truststore,
    }
}

/// What the service does not let go with its oldest policy.
fn check_tls_1_0(mappings: &[Mapping], apis: &[Api], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let at = at.key("security_policy");
    if mappings.iter().any(|mapping| mapping.segments.len() > 1) {
        let message =
            "a mapping with several segments needs `TLS_1_2` or a later policy: write one";
        cx.error(&at, message);
    }
    let is_http = |mapping: &&Mapping| {
        let mut apis = apis.iter();
        apis.any(|api| api.name == mapping.api && api.kind == ApiKind::Http)
    };
    if let Some(mapping) = mappings.iter().find(is_http) {
        let message = format!(
            "`{}` is an HTTP API, which needs `TLS_1_2` or a later policy: write one",
            mapping.api
        );
        cx.error(&at, message);
    }
}

fn lower_name(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<DomainName> {
    let (bare, is_wildcard) = match written.strip_prefix("*.") {
        Some(bare) => (bare, true),
        None => (written, false),
    };
    if bare.contains('*') {
        let shown = shortened(written);
        let message = format!(
            "`{shown}`: a wildcard is the first label alone: write it as in `*.example.com`"
        );
        cx.error_at_key(at, message);
        return None;
    }
    match parse_host(bare) {
        Ok(host) if is_wildcard => Some(DomainName::Wildcard(host)),
        Ok(host) => Some(DomainName::Host(host)),
        Err(error) => {
            let shown = shortened(written);
            cx.error_at_key(at, format!("`{shown}` is not a host: {error}"));
            None
        }
    }
}

fn lower_mappings(
    domain: &written::Domain,
    section: &Cursor<'_>,
    apis: &[Api],
    cx: &mut Lowering<'_>,
) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for (path, mapping) in &domain.mappings.0 {
        let at = section.key(path);
        let segments = lower_path(path, &at, cx);
        if let Some(segments) = &segments
            && mappings.iter().any(|other| other.segments == *segments)
        {
            cx.error_at_key(&at, "another mapping has the same path: keep one");
        }
        cx.reference("apis", "API", None, &mapping.api, &at.key("api"));
        let stage = mapping.stage.as_deref().unwrap_or(StageName::DEFAULT);
        let api = apis.iter().find(|api| api.name.as_str() == mapping.api);
        if let Some(api) = api {
            check_stage(api, stage, mapping.stage.is_some(), &at, cx);
            mappings.push(Mapping {
                segments: segments.unwrap_or_default(),
                api: api.name.clone(),
                stage: StageName::new(stage),
            });
        }
    }
    mappings
}

/// Checks that the API of the mapping or rule at `at` has this stage.
pub(super) fn check_stage(
    api: &Api,
    stage: &str,
    is_written: bool,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let names = || api.stages.iter().map(|stage| stage.name.as_str());
    if names().any(|name| name == stage) {
        return;
    }
    if is_written {
        let fix = suggestion(
            stage,
            names().collect::<Vec<_>>().into_iter(),
            "add it there",
        );
        let (api, shown) = (&api.name, shortened(stage));
        let message = format!("the API `{api}` has no stage `{shown}`{fix}");
        cx.error(&at.key("stage"), message);
    } else {
        let message = format!(
            "the API `{}` has no stage `$default`: write `stage`",
            api.name
        );
        cx.error_at_key(at, message);
    }
}

/// The segments of a mapping's path; none for every path.
fn lower_path(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Vec<String>> {
    if written == EVERY_PATH {
        return Some(Vec::new());
    }
    let segments = base_path(written, PATH_BYTES_MAX);
    if segments.is_none() {
        let message = format!(
            "a path is `{EVERY_PATH}` or up to {PATH_BYTES_MAX} letters, digits and `$-_.+!*'()`, \
             with `/` between segments and none at the ends: write such a one"
        );
        cx.error_at_key(at, message);
    }
    segments
}

/// The segments of a path that requests begin with; `None` where it is none, or longer than that.
pub(super) fn base_path(written: &str, bytes_max: usize) -> Option<Vec<String>> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"$-_.+!*'()".contains(&b);
    let segment = |segment: &str| {
        !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(allowed)
    };
    let is_path = written.len() <= bytes_max && written.split('/').all(segment);
    is_path.then(|| written.split('/').map(str::to_owned).collect())
}
