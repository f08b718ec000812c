//! The process as a whole.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use gateway_common::capacity::LIST_MAX;
use gateway_common::list::LIST_NAMED;

use super::quantity::{MIB, TIB, s};
use super::{
    Lowering, api, api_keys, authorizer, aws, buckets, domain, edge, fleet, identity, listener,
    lists, lookups, oauth, policies, quotas, throttle, upstream, usage_plan, whereabouts,
};
use crate::config::cursor::Cursor;
use crate::config::written::{File, Quotas, Size};
use crate::model::{
    Admin, Api, Authorizer, Domain, Gateway, Listener, ListenerName, LogOutput, Lookup, LookupName,
    OAuthClientName, PolicySet, StoreChoice, Target, Telemetry, Throttle, offloaded,
};

/// Where metrics are served, where nothing is written.
const METRICS_PORT: u16 = 9901;

/// Lists from files where no list has to be made of what else the configuration says.
const NAMED_MAX: usize = LIST_MAX - LIST_NAMED as usize;

/// Lowers a whole file.
pub(super) fn lower(file: &File, cx: &mut Lowering<'_>) -> Gateway {
    let root = cx.root;
    let written = whereabouts::Written {
        instance: file.instance.as_deref(),
        runtime_directory: file.runtime_directory.as_deref(),
        state_directory: file.state_directory.as_deref(),
        admin_socket: file.admin.socket.as_deref(),
    };
    let whereabouts = whereabouts::lower(written, cx);
    let drain = file.drain_timeout.as_ref();
    let drain_timeout = cx.duration(drain, &root.key("drain_timeout"), s(0)..=s(3600), s(30));
    let (body_memory_bytes_max, decision_bytes_max) = lower_memory(file, cx);
    check_accounts(file, cx);
    let listeners = listener::lower(&file.listeners, cx);
    let telemetry = lower_telemetry(file, &listeners, cx);
    let edge = edge::lower(&file.xdp, cx);
    let lists = lists::lower(&file.lists, cx);
    // Before whatever holds across it.
    let fleet = fleet::lower(file.fleet.as_ref(), cx);
    cx.gateways = fleet.as_ref().map(|fleet| fleet.gateways);
    // Before whatever asks a service.
    cx.aws = aws::lower(file.aws.as_ref(), cx);
    let mut authorizers = authorizer::lower(&file.authorizers, cx);
    let oauth_clients = oauth::lower(&file.oauth_clients, cx);
    let lookups = lookups::lower(&file.lookups, cx);
    let policy_stores = policies::lower_stores(&file.policy_stores, cx);
    let policy_sets = policies::lower_sets(&file.policies, &policy_stores, cx);
    let upstreams = upstream::lower(&file.upstreams, cx);
    let identity = identity::lower(&file.gateway, cx);
    let room = (body_memory_bytes_max, buckets::lower(&file.buckets, cx));
    let apis = api::lower(&file.apis, &identity, &listeners, room, cx);
    let usage_plans = usage_plan::lower(&file.usage_plans, &apis, cx);
    let domains = domain::lower(&file.domains, &apis, &listeners, cx);
    authorizer::check_fit(&apis, &authorizers, cx);
    check_quotas(file.limits, (&apis, &authorizers, &domains), cx);
    policies::check_uses(&apis, &authorizers, (&policy_sets, &policy_stores), cx);
    warn_of_unused(&apis, &domains, (&policy_sets, &lookups), cx);
    authorizers.append(&mut cx.thawed);
    let gateway = Gateway {
        instance: whereabouts.instance,
        identity,
        user: file.user.clone(),
        group: file.group.clone(),
        workers: lower_workers(file, &root.key("workers"), cx),
        runtime_directory: whereabouts.runtime_directory,
        state_directory: whereabouts.state_directory,
        drain_timeout,
        body_memory_bytes_max,
        decision_bytes_max,
        buckets: room.1,
        api_keys: api_keys::lower(&file.api_keys, file.limits),
        throttle: lower_throttle(file, cx),
        fleet,
        listeners,
        edge,
        lists,
        authorizers,
        aws: cx.aws.take(),
        oauth_clients,
        lookups,
        policy_stores,
        policies: policy_sets,
        upstreams,
        apis,
        usage_plans,
        domains,
        telemetry,
        admin: Admin {
            socket: whereabouts.admin_socket,
        },
    };
    check_lists(&gateway, cx);
    gateway
}

/// Holds everything against the quotas that are asked for.
fn check_quotas(
    quotas: Option<Quotas>,
    (apis, authorizers, domains): (&[Api], &[Authorizer], &[Domain]),
    cx: &mut Lowering<'_>,
) {
    if let Some(Quotas::Aws) = quotas {
        quotas::check(apis, authorizers, domains, cx);
    }
}

/// Bytes for bodies, and for decisions.
fn lower_memory(file: &File, cx: &mut Lowering<'_>) -> (u64, u64) {
    let mut size = |key: &str, written: Option<&Size>, default: u64| {
        let at = cx.root.key(key);
        cx.size(written, &at, MIB..=TIB, default)
    };
    let bodies = size("body_memory_max", file.body_memory_max.as_ref(), 256 * MIB);
    let decisions = file.decision_cache_max.as_ref();
    (bodies, size("decision_cache_max", decisions, 64 * MIB))
}

/// What all requests share. Of the service, every account has a limit.
fn lower_throttle(file: &File, cx: &mut Lowering<'_>) -> Option<Throttle> {
    let at = cx.root.key("shared_throttle");
    let written = throttle::lower(file.shared_throttle.as_ref(), &at, cx);
    let is_of_service = matches!(file.limits, Some(Quotas::Aws)) && !at.is_written();
    written.or_else(|| is_of_service.then(Throttle::of_account).flatten())
}

/// What keeps the kernel from having the lists that are made for it: of whom policies deny, and of proxies.
fn check_lists(gateway: &Gateway, cx: &mut Lowering<'_>) {
    check_list_count(gateway, cx);
    let mut offloading = gateway.listeners.iter().filter(|it| it.kernel_offload);
    // Policies that were not read deny nobody.
    let Some(listener) = offloading.next().filter(|_| cx.files.kept().is_some()) else {
        return;
    };
    let section = cx.root.key("listeners");
    let at = section.key(listener.name.as_str());
    let at = at.key("kernel_offload");
    if let Err(hindrance) = offloaded(gateway) {
        cx.warning(&at, hindrance.to_string());
    }
}

/// What policies deny and the proxies take a list each, beside those from files.
fn check_list_count(gateway: &Gateway, cx: &mut Lowering<'_>) {
    let offloads = gateway.listeners.iter().any(|it| it.kernel_offload);
    let made = usize::from(offloads) + usize::from(!gateway.proxies().is_empty());
    let max = NAMED_MAX.saturating_sub(made);
    let count = gateway.lists.named.len();
    if count > max {
        let at = cx.root.key("lists").key("named");
        let message = format!(
            "{count} lists are too many: at most {max} beside those that `kernel_offload` and proxies \
             of listeners take"
        );
        cx.error_at_key(&at, message);
    }
}

fn lower_workers(file: &File, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> NonZeroUsize {
    let written = file
        .workers
        .and_then(|workers| NonZeroUsize::new(workers as usize));
    written.unwrap_or_else(|| match available_parallelism() {
        Ok(cpus) => cpus,
        Err(error) => {
            cx.warning(
                at,
                format!("cannot count the CPUs ({error}): one worker will run"),
            );
            NonZeroUsize::MIN
        }
    })
}

fn check_accounts(file: &File, cx: &mut Lowering<'_>) {
    let root = cx.root;
    check_account(file.user.as_deref(), &root.key("user"), cx);
    check_account(file.group.as_deref(), &root.key("group"), cx);
}

/// Whether the account exists is known where the gateway starts, not where its file is checked.
fn check_account(name: Option<&str>, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let foreign = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/');
    if name.is_some_and(|name| name.is_empty() || name.contains(foreign)) {
        cx.error(
            at,
            "this is not the name of an account: write one such as `gateway`",
        );
    }
}

fn lower_telemetry(file: &File, listeners: &[Listener], cx: &mut Lowering<'_>) -> Telemetry {
    let at = cx.root.key("telemetry");
    let mut log = |written: Option<&str>, key| match written {
        None | Some("stdout") => LogOutput::Stdout,
        Some("off") => LogOutput::Off,
        Some(path) => LogOutput::File(cx.path(path, &at.key(key))),
    };
    let access_log = log(file.telemetry.access_log.as_deref(), "access_log");
    let execution_log = log(file.telemetry.execution_log.as_deref(), "execution_log");
    let at = at.key("metrics");
    let metrics = match file.telemetry.metrics.as_deref() {
        None => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, METRICS_PORT))),
        Some("off") => None,
        Some(written) => cx.socket_address(written, &at),
    };
    if let Some(address) = metrics {
        if !address.ip().is_loopback() {
            let message = "metrics are not protected: choose a loopback address, such as \
                           `127.0.0.1:9901`, and let something there forward them";
            cx.error(&at, message);
        }
        let taken = |listener: &&Listener| {
            let ip = listener.address.ip();
            let same =
                ip == address.ip() || (ip.is_unspecified() && ip.is_ipv4() == address.is_ipv4());
            same && listener.address.port() == address.port() && address.port() != 0
        };
        if let Some(listener) = listeners.iter().find(taken) {
            cx.error(
                &at,
                format!(
                    "`{address}` is taken by the listener `{}`: choose another",
                    listener.name
                ),
            );
        }
    }
    let recent = file.telemetry.recent_requests;
    let recent = recent.and_then(|requests| usize::try_from(requests).ok());
    Telemetry {
        access_log,
        execution_log,
        metrics,
        recent_requests: recent.unwrap_or(Telemetry::RECENT_REQUESTS),
    }
}

/// Names that nothing refers to are more often a slip than a reserve.
fn warn_of_unused(
    apis: &[Api],
    domains: &[Domain],
    (sets, known): (&[PolicySet], &[Lookup]),
    cx: &mut Lowering<'_>,
) {
    // What was refused may have been their user.
    if cx.diagnostics.has_errors() {
        return;
    }
    let routes = || apis.iter().flat_map(|api| &api.definition.routes);
    let listeners = apis
        .iter()
        .flat_map(|api| &api.listeners)
        .chain(domains.iter().flat_map(|domain| &domain.listeners))
        .map(ListenerName::as_str);
    let authorizers = routes().filter_map(|route| Some(route.authorizer.as_ref()?.as_str()));
    let policies = routes().filter_map(|route| Some(route.policies.as_ref()?.as_str()));
    let backends = routes().filter_map(|route| route.integration.backend());
    let upstreams = backends.filter_map(|backend| match &backend.target {
        Target::Upstream { name, .. } => Some(name.as_str()),
        Target::Uri(_) => None,
    });
    for (section, used, message) in [
        (
            "listeners",
            listeners.collect(),
            "no API answers here: every request gets 404",
        ),
        (
            "authorizers",
            authorizers.collect(),
            "no route asks for this authorizer",
        ),
        (
            policies::POLICIES,
            policies.collect(),
            "no route asks this policy set",
        ),
    ] {
        warn_of_others(section, &used, message, cx);
    }
    warn_of_unasked(sets, known, cx);
    let message = "no route forwards to this upstream";
    warn_of_others("upstreams", &upstreams.collect(), message, cx);
}

/// As [`warn_of_unused`], of what policy sets refer to.
fn warn_of_unasked(sets: &[PolicySet], known: &[Lookup], cx: &mut Lowering<'_>) {
    let choices = || sets.iter().filter_map(PolicySet::store);
    // A record may name any store.
    if !choices().any(|choice| matches!(choice, StoreChoice::Found { .. })) {
        let stores = choices().filter_map(|choice| match choice {
            StoreChoice::Fixed(name) => Some(name.as_str()),
            StoreChoice::Found { .. } => None,
        });
        let message = "no policy set asks this policy store";
        warn_of_others(policies::STORES, &stores.collect(), message, cx);
    }
    let asked = sets.iter().flat_map(PolicySet::lookups);
    let asked = asked.map(LookupName::as_str).collect();
    let message = "no policy set asks this lookup";
    warn_of_others(lookups::LOOKUPS, &asked, message, cx);
    let clients = sets.iter().filter_map(PolicySet::oauth_client);
    let clients = clients.chain(known.iter().filter_map(Lookup::oauth_client));
    let clients = clients.map(OAuthClientName::as_str).collect();
    let message = "no server is shown the tokens of this client";
    warn_of_others(oauth::CLIENTS, &clients, message, cx);
}

/// Warns of the names of a section that are not among those that are used.
fn warn_of_others(section: &str, used: &HashSet<&str>, message: &str, cx: &mut Lowering<'_>) {
    let section = cx.root.key(section);
    for name in section.names().filter(|name| !used.contains(name)) {
        cx.warning(&section.key(name), message);
    }
}
