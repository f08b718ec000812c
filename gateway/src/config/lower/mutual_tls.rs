//! What mutual TLS of a domain does not go with, and what leads around it.
//!
//! Source: API Gateway Developer Guide, "How to turn on mutual TLS authentication for your REST APIs",
//! and 14.6 of docs/semantics.md.

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{Api, EndpointTls, Listener, SecurityPolicy};

/// The policy of the service's domains with mutual TLS.
const POLICY: SecurityPolicy = SecurityPolicy::Tls12;

/// Refuses the security policies that the service has no mutual TLS with; `at` is the domain's
/// `mutual_tls`.
pub(super) fn check_policy<'l>(
    tls: &EndpointTls,
    listeners: impl Iterator<Item = &'l Listener>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let of_listeners = listeners.filter_map(|listener| listener.tls.as_ref()?.policy);
    let policies: Vec<SecurityPolicy> = match tls.policy {
        Some(policy) => vec![policy],
        None => of_listeners.collect(),
    };
    let mut policies = policies.into_iter();
    if let Some(policy) = policies.find(|policy| *policy != POLICY) {
        let message = format!(
            "mutual TLS goes with `{POLICY}` alone, and not with `{policy}`: write that policy"
        );
        cx.error_at_key(at, message);
    }
}

/// Tells of everything that leads to the API of a domain with mutual TLS and asks for no certificate:
/// hosts of the API itself, and other domains. `section` is that of the domains.
pub(super) fn warn_of_ways_around(
    written: &written::Named<written::Domain>,
    apis: &[Api],
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let leads_to = |domain: &written::Domain, api: &Api| {
        let mappings = domain.mappings.0.iter().map(|(_, mapping)| &mapping.api);
        let rules = domain.routing_rules.0.iter().map(|(_, rule)| &rule.api);
        rules.chain(mappings).any(|name| name == api.name.as_str())
    };
    let asking = written.0.iter();
    for (name, domain) in asking.filter(|(_, domain)| domain.mutual_tls.is_some()) {
        let at = section.key(name).key("mutual_tls");
        for api in apis.iter().filter(|api| leads_to(domain, api)) {
            if !api.hosts.is_empty() || api.other_hosts {
                let message = format!(
                    "the API `{}` also answers on hosts that ask for no certificate: give it \
                     `hosts: []` and `default_endpoint: false`",
                    api.name
                );
                cx.warning(&at, message);
            }
            let others = written.0.iter();
            for (other, _) in others
                .filter(|(_, other)| other.mutual_tls.is_none())
                .filter(|(_, other)| leads_to(other, api))
            {
                let message = format!(
                    "the domain `{}` leads to the API `{}` too and asks for no certificate: give it \
                     `mutual_tls`, or map nothing of it there",
                    shortened(other),
                    api.name
                );
                cx.warning(&at, message);
            }
        }
    }
}
