//! `x-gateway-*`: what an export carries because neither OpenAPI nor the service has a place for it.
//!
//! Each holds settings of the native form as they stand there, so that one judge speaks of them.
//! What has a place of its own in a definition is refused here: two places could say two things.

use super::finding::Findings;
use super::made::Made;
use crate::config::cursor::Cursor;
use crate::config::tree::{Entry, shortened};

/// An object that carries settings.
#[derive(Debug)]
pub(super) struct Carrier {
    /// What it is called.
    pub(super) name: &'static str,
    /// Settings that have a place of their own.
    pub(super) placed: &'static [&'static str],
    /// Settings that have one for most of their values.
    pub(super) mostly_placed: &'static [&'static str],
    /// Settings that are no part of a definition.
    pub(super) foreign: &'static [&'static str],
}

/// Says of a scheme's authorizer that the configuration has settings of it that a definition has no
/// place for.
pub(super) const CONFIGURED: &str = "x-gateway-configured";

/// What says where an API answers and to whom, or was put in place of a definition in another form:
/// no part of what it does.
pub(in crate::config) const NO_PART: [&str; 15] = [
    "id",
    "listeners",
    "hosts",
    "default_endpoint",
    "security_policy",
    "endpoint_access_mode",
    "private",
    "limits",
    "shared_throttle",
    "caller_throttles",
    "throttle_headers",
    "stages",
    "definition",
    "variables",
    "partial",
];

/// Of these, what no definition holds: where this gateway has the API.
pub(in crate::config) const LEFT: [&str; 4] = ["id", "listeners", "hosts", "stages"];

/// Settings of the API, at the root.
pub(super) const API: Carrier = Carrier {
    name: "x-gateway-api",
    placed: &[
        "type",
        "models",
        "routes",
        // A frozen definition has them behind it, and the schemes say what they are.
        "authorizers",
        "default_endpoint",
        "security_policy",
        "gateway_responses",
        "minimum_compression_size",
        "binary_media_types",
        "api_key_source",
        "policy",
        // A definition names no files of the gateway's host: its policy stands in it.
        "policy_file",
    ],
    // The service counts whole seconds, and its HTTP APIs have no access mode.
    mostly_placed: &["cors", "endpoint_access_mode"],
    foreign: &[
        "id",
        "listeners",
        "hosts",
        "stages",
        "definition",
        "variables",
        "partial",
    ],
};

/// Settings of a route, at its operation.
pub(super) const ROUTE: Carrier = Carrier {
    name: "x-gateway-route",
    placed: &[
        "authorizer",
        "api_key_required",
        "scopes",
        "parameters",
        "models",
        "method_responses",
        "validate",
        "integration",
    ],
    mostly_placed: &[],
    foreign: &[],
};

/// What is checked of a request and its answer beyond what validators of the service check, at its
/// operation.
pub(super) const VALIDATE: Carrier = Carrier {
    name: "x-gateway-validate",
    placed: &["parameters", "body"],
    mostly_placed: &[],
    foreign: &[],
};

/// Settings of an integration, in it.
pub(super) const INTEGRATION: Carrier = Carrier {
    name: "x-gateway-integration",
    placed: &[
        "uri",
        "tls",
        "method",
        "request_parameters",
        "response_parameters",
        "timeout",
        "request_templates",
        "passthrough_behavior",
        "content_handling",
        "responses",
    ],
    // What was refused has a type that the service does not know.
    mostly_placed: &["type"],
    foreign: &[],
};

impl Carrier {
    /// Whether it may carry the setting `key`.
    pub(super) fn carries(&self, key: &str) -> bool {
        let mut others = self.placed.iter().chain(self.foreign);
        !others.any(|other| *other == key)
    }

    /// What it carries at `parent`, by the keys of the native form. `taken` says which of those the
    /// other parts of the definition have made.
    pub(super) fn translate(
        &self,
        parent: &Cursor<'_>,
        taken: impl Fn(&str) -> bool,
        findings: &mut Findings,
    ) -> Vec<Entry> {
        let at = parent.key(self.name);
        let mut carried = Vec::new();
        if !at.is_written() || !findings.is_mapping(&at) {
            return carried;
        }
        let before = findings.refusals();
        for (key, at) in at.entries() {
            let shown = shortened(key);
            if self.foreign.contains(&key) {
                let why =
                    format!("`{shown}` is no part of a definition: write it in the configuration");
                findings.refused(&at, why);
            } else if !self.carries(key) || taken(key) {
                let why =
                    format!("`{shown}` has a place of its own in a definition: take it out here");
                findings.refused(&at, why);
            } else if let Some(node) = at.node {
                carried.push(Entry {
                    key: key.to_owned(),
                    key_place: at.key_place,
                    node: node.clone(),
                });
            }
        }
        if findings.refusals() == before {
            findings.honoured(&at);
        }
        carried
    }
}

/// Adds what was carried.
pub(super) fn write(carried: &[Entry], made: &mut Made) {
    for Entry {
        key,
        key_place,
        node,
    } in carried
    {
        made.put(key, *key_place, node.clone());
    }
}
