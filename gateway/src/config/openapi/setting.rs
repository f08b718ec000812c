//! What a definition says of its API as a whole, by the keys of the native form.

use super::cors;
use super::endpoint;
use super::finding::Findings;
use super::gateway_response;
use super::made::plain;
use super::policy::{self, Home};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::tree::{Node, Reading};
use crate::model::ApiKind;

/// One setting.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its key in the native form.
    pub(super) key: &'static str,
    /// Of the key of the definition that it was made from.
    pub(super) place: Place,
    pub(super) node: Node,
}

/// The settings of the definition with this root. What only the other type of API has is refused by
/// the table.
pub(super) fn translate(
    root: &Cursor<'_>,
    kind: ApiKind,
    home: &Home,
    findings: &mut Findings,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut add = |key, place, node| settings.push(Setting { key, place, node });
    if let Some((place, node)) = endpoint::default_endpoint(root, kind, findings) {
        add("default_endpoint", place, node);
    }
    for (key, place, node) in endpoint::tls(root, kind, findings) {
        add(key, place, node);
    }
    match kind {
        ApiKind::Rest => {
            let at = root.key("x-amazon-apigateway-policy");
            if let Some(node) = policy::translate(&at, root, home, findings) {
                add("policy", at.key_place, node);
            }
            let at = root.key("x-amazon-apigateway-minimum-compression-size");
            if let Some(node) = compression(&at, findings) {
                add("minimum_compression_size", at.key_place, node);
            }
            let at = root.key("x-amazon-apigateway-binary-media-types");
            if let Some(node) = at.node.filter(|_| findings.is_list(&at)) {
                add("binary_media_types", at.key_place, node.clone());
                findings.honoured(&at);
            }
            let at = root.key("x-amazon-apigateway-gateway-responses");
            if let Some(node) = gateway_response::translate(&at, findings) {
                add("gateway_responses", at.key_place, node);
            }
            let at = root.key("x-amazon-apigateway-api-key-source");
            if let Some(node) = key_source(&at, findings) {
                add("api_key_source", at.key_place, node);
            }
        }
        ApiKind::Http => {
            let at = root.key("x-amazon-apigateway-cors");
            if let Some(node) = cors::translate(&at, findings) {
                add("cors", at.key_place, node);
            }
            let version = root.key("x-amazon-apigateway-importexport-version");
            if version.is_written() {
                findings.honoured(&version);
            }
        }
    }
    settings
}

fn compression(at: &Cursor<'_>, findings: &mut Findings) -> Option<Node> {
    match at.node?.reading() {
        // Exports of APIs that compress nothing say so.
        Reading::Nothing => {
            findings.honoured(at);
            None
        }
        Reading::Integer(bytes) => {
            findings.honoured(at);
            Some(plain(at.place, &bytes.to_string()))
        }
        found => {
            let why = format!("found {found}: write a number of bytes, from 0 to 10485760");
            findings.refused(at, why);
            None
        }
    }
}

/// Where the API keys of requests stand.
fn key_source(at: &Cursor<'_>, findings: &mut Findings) -> Option<Node> {
    let node = at.node?;
    let source = match at.scalar() {
        Some("HEADER") => "header",
        Some("AUTHORIZER") => "authorizer",
        _ => {
            let why = "found neither of the sources of API keys: write `HEADER` or `AUTHORIZER`";
            findings.refused(at, why);
            return None;
        }
    };
    findings.honoured(at);
    Some(plain(node.place, source))
}
