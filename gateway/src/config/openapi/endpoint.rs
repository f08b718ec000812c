//! How the endpoint of an API is reached: `x-amazon-apigateway-endpoint-configuration`,
//! `-endpoint-access-mode` and `-security-policy`.

use super::finding::Findings;
use super::made::{plain, text};
use super::treatment::{self, Object};
use super::validator::flag;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::near_miss::suggestion;
use crate::config::tree::{Node, shortened};
use crate::model::{ApiKind, SecurityPolicy};

pub(super) const CONFIGURATION: &str = "x-amazon-apigateway-endpoint-configuration";
pub(super) const SECURITY_POLICY: &str = "x-amazon-apigateway-security-policy";
pub(super) const ACCESS_MODE: &str = "x-amazon-apigateway-endpoint-access-mode";

/// The native form of [`SECURITY_POLICY`].
pub(super) const POLICY_KEY: &str = "security_policy";

/// Whether the older policy that is written at `policy` holds for every connection to the API at
/// `api` without being said of its hosts, which a definition knows nothing of: each of its listeners
/// that has TLS says the same. Also where none has any, so that there is nothing to hold it for.
pub(super) fn is_held(policy: &Node, api: &Cursor<'_>, listeners: &Cursor<'_>) -> bool {
    let written = Cursor::root(policy).scalar();
    let legacy = written.and_then(SecurityPolicy::named);
    if !legacy.is_some_and(SecurityPolicy::is_legacy) {
        return false;
    }
    let named = api.key("listeners");
    let is_own =
        |name: &str| !named.is_written() || named.items().any(|at| at.scalar() == Some(name));
    listeners
        .entries()
        .filter(|(name, _)| is_own(name))
        .map(|(_, listener)| listener.key("tls"))
        .all(|tls| !tls.is_written() || tls.key(POLICY_KEY).scalar() == written)
}

/// Whether the API answers on its own host, in the native form: `default_endpoint`. `None` where
/// nothing takes that away.
pub(super) fn default_endpoint(
    root: &Cursor<'_>,
    kind: ApiKind,
    findings: &mut Findings,
) -> Option<(Place, Node)> {
    let mut found = None;
    let servers = root.key("servers");
    let of_servers = servers.items().map(|server| server.key(CONFIGURATION));
    for at in of_servers.chain([root.key(CONFIGURATION)]) {
        if at.is_written() && configuration(&at, kind, findings) {
            found = Some((at.key_place, plain(at.place, "false")));
        }
    }
    found
}

/// Whether the configuration at `at` takes the API's own host away.
fn configuration(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> bool {
    let before = findings.refusals();
    treatment::judge(at, Object::EndpointConfiguration, kind, findings);
    let disabled = at.key("disableExecuteApiEndpoint");
    let is_disabled = flag(&disabled, findings);
    let family = at.key("ipAddressType");
    match family.scalar() {
        None | Some("ipv4" | "dualstack") => {
            if findings.is_text(&family) && family.is_written() {
                let how = "the addresses of `listeners` say which versions of IP are served";
                findings.approximated(&family, how);
            }
        }
        Some(other) => {
            let fix = suggestion(other, ["ipv4", "dualstack"].into_iter(), "take it out");
            let why = format!("`{}` is no type of addresses{fix}", shortened(other));
            findings.refused(&family, why);
        }
    }
    if findings.refusals() == before {
        findings.honoured(at);
    }
    is_disabled
}

/// What TLS is like for the API's hosts, in the native form: `security_policy` and
/// `endpoint_access_mode`.
pub(super) fn tls(
    root: &Cursor<'_>,
    kind: ApiKind,
    findings: &mut Findings,
) -> Vec<(&'static str, Place, Node)> {
    let mut settings = Vec::new();
    let at = root.key(SECURITY_POLICY);
    let policy = policy(&at, findings);
    let is_own = policy.is_some_and(|policy| !policy.is_legacy());
    if let Some(policy) = policy {
        let node = text(at.place, policy.name());
        settings.push((POLICY_KEY, at.key_place, node));
    }
    let at = root.key(ACCESS_MODE);
    // Of HTTP APIs this is refused by the table.
    if kind == ApiKind::Http || !at.is_written() {
        return settings;
    }
    let word = match at.scalar() {
        Some("BASIC") => "basic",
        Some("STRICT") => "strict",
        _ => {
            findings.refused(&at, "the mode is `BASIC` or `STRICT`: write one");
            return settings;
        }
    };
    findings.honoured(&at);
    if is_own || word == "strict" {
        settings.push(("endpoint_access_mode", at.key_place, plain(at.place, word)));
    }
    settings
}

fn policy(at: &Cursor<'_>, findings: &mut Findings) -> Option<SecurityPolicy> {
    if !at.is_written() {
        return None;
    }
    let name = at.scalar().unwrap_or_default();
    let Some(policy) = SecurityPolicy::named(name) else {
        let names = SecurityPolicy::ALL.iter().map(|policy| policy.name());
        let fix = suggestion(name, names, "write one that the service has");
        let why = format!("there is no security policy `{}`{fix}", shortened(name));
        findings.refused(at, why);
        return None;
    };
    let differences = policy.differences();
    if differences.is_empty() {
        findings.honoured(at);
    } else {
        findings.approximated(at, format!("narrower here: {}", differences.join("; ")));
    }
    Some(policy)
}
