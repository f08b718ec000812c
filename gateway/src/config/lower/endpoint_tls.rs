//! TLS of one host: security policies and how requests have to name it.
//!
//! Source: 14.5 of docs/semantics.md.

use std::net::IpAddr;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{AccessMode, EndpointTls, ListenerName, SecurityPolicy};

/// Lowers the policy at `at`, and says how it differs from the service's.
pub(super) fn lower_policy(
    written: Option<&str>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<SecurityPolicy> {
    let written = written?;
    let Some(policy) = SecurityPolicy::named(written) else {
        let names = SecurityPolicy::ALL.iter().map(|policy| policy.name());
        let fix = suggestion(written, names, "write one that the service has");
        let shown = shortened(written);
        cx.error(at, format!("there is no security policy `{shown}`{fix}"));
        return None;
    };
    let differences = policy.differences();
    if !differences.is_empty() {
        let message = format!("approximated, narrower: {}", differences.join("; "));
        cx.warning(at, message);
    }
    Some(policy)
}

/// Lowers the policy and the access mode of what stands at `at`.
pub(super) fn lower(
    policy: Option<&str>,
    access: Option<written::AccessMode>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> (Option<SecurityPolicy>, AccessMode) {
    let policy_at = at.key("security_policy");
    let policy = lower_policy(policy, &policy_at, cx);
    if policy.is_some_and(|policy| !policy.is_legacy()) && access.is_none() {
        let message = "this policy asks for an endpoint access mode: write \
                       `endpoint_access_mode: basic`, or `strict`";
        cx.error(&policy_at, message);
    }
    let access = match access {
        None | Some(written::AccessMode::Basic) => AccessMode::Basic,
        Some(written::AccessMode::Strict) => AccessMode::Strict,
    };
    (policy, access)
}

/// What TLS is like for the clients of an API's hosts.
pub(super) fn lower_api(
    api: &written::Api,
    listeners: &[ListenerName],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> EndpointTls {
    const KEYS: [&str; 2] = ["security_policy", "endpoint_access_mode"];
    let policy = api.security_policy.as_deref();
    let (policy, access) = lower(policy, api.endpoint_access_mode, at, cx);
    check_listeners(listeners, &KEYS, at, cx);
    check_names(api.hosts.iter().flatten(), &KEYS, at, cx);
    for key in KEYS.iter().filter(|key| at.key(key).is_written()) {
        if api.hosts.is_none() {
            let message = "this is about hosts, and the API answers for every one: write `hosts`, \
                           or say it for the listener";
            cx.error_at_key(&at.key(key), message);
        }
    }
    EndpointTls {
        certificate: None,
        policy,
        access,
        truststore: None,
    }
}

/// Refuses those of `keys` that are written of a host that is an address: no handshake names one (RFC
/// 6066, section 3), so each would be held under what the listener has.
pub(super) fn check_names<'h>(
    hosts: impl IntoIterator<Item = &'h String>,
    keys: &[&str],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let is_address = |host: &&String| host.parse::<IpAddr>().is_ok();
    let Some(address) = hosts.into_iter().find(is_address) else {
        return;
    };
    for key in keys {
        let at = at.key(key);
        if at.is_written() {
            let message = format!(
                "this holds for names that clients ask for in the handshake, and `{address}` is an \
                 address: say it for the listener, or give the host a name"
            );
            cx.error_at_key(&at, message);
        }
    }
}

/// Refuses those of `keys` that are written where a listener speaks plaintext: nothing would come of
/// them.
pub(super) fn check_listeners(
    listeners: &[ListenerName],
    keys: &[&str],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let section = cx.root.key("listeners");
    let mut names = listeners.iter().map(ListenerName::as_str);
    let plain = names.find(|name| !section.key(name).key("tls").is_written());
    let Some(plain) = plain else {
        return;
    };
    for key in keys {
        let at = at.key(key);
        if at.is_written() {
            let message = format!(
                "the listener `{plain}` has no `tls`: give it some, or name others under `listeners`"
            );
            cx.error_at_key(&at, message);
        }
    }
}
