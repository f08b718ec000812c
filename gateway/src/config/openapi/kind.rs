//! What kind of API a definition is of, where nothing says so.

use super::document::Document;
use crate::config::cursor::Cursor;
use crate::model::ApiKind;

/// Extensions at the root that only HTTP APIs have.
const HTTP_ALONE: [&str; 2] = [
    "x-amazon-apigateway-importexport-version",
    "x-amazon-apigateway-cors",
];

/// An HTTP API where something is written that only those have; a REST API otherwise.
pub(super) fn detect(document: &Document) -> ApiKind {
    let Some(root) = document.root() else {
        return ApiKind::Rest;
    };
    let at_root = HTTP_ALONE.iter().any(|key| root.key(key).is_written());
    let components = root.key("components");
    let shared = components.key("x-amazon-apigateway-integrations");
    if at_root || shared.is_written() || has_http_route(&root, document) {
        ApiKind::Http
    } else {
        ApiKind::Rest
    }
}

fn has_http_route(root: &Cursor<'_>, document: &Document) -> bool {
    root.key("paths").entries().any(|(path, at)| {
        let Some(item) = document.resolve(&at) else {
            return false;
        };
        path == "/$default"
            || item
                .entries()
                .any(|(_, operation)| is_http(&operation, document))
    })
}

/// Whether the operation is a default route, or its integration names a format of payloads.
fn is_http(operation: &Cursor<'_>, document: &Document) -> bool {
    let integration = operation.key("x-amazon-apigateway-integration");
    let integration = document.resolve(&integration);
    operation.key("isDefaultRoute").is_written()
        || integration.is_some_and(|at| at.key("payloadFormatVersion").is_written())
}
