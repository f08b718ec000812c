//! A last look at a definition: extensions that stand where nobody looks for them.

use super::document::Document;
use super::finding::Findings;
use super::treatment;
use crate::config::cursor::Cursor;
use crate::config::tree::Value;

/// Keys below which stand data or names that somebody chose, not extensions.
const DATA: [&str; 6] = [
    "example",
    "examples",
    "default",
    "enum",
    "const",
    "x-amazon-apigateway-documentation",
];
const NAMES: [&str; 12] = [
    "callbacks",
    "content",
    "definitions",
    "examples",
    "headers",
    "links",
    "mapping",
    "properties",
    "schemas",
    "scopes",
    "securitySchemes",
    "variables",
];

/// Judges every extension that no object of the definition has.
pub(super) fn sweep(document: &Document, findings: &mut Findings) {
    for root in document.roots() {
        walk(&root, false, false, findings);
    }
}

/// `names` says that the keys here were chosen by somebody, `theirs` that this stands in an
/// extension, of which every field was judged or refused as a whole.
fn walk(at: &Cursor<'_>, names: bool, schema: bool, findings: &mut Findings) {
    match at.node.map(|node| &node.value) {
        Some(Value::Mapping(_)) => {
            for (key, at) in at.entries() {
                if !names && key.starts_with("x-") {
                    extension(key, &at, findings);
                    continue;
                }
                let is_response = key == "default" && !schema;
                if names || is_response || !DATA.contains(&key) {
                    let schema = schema || matches!(key, "schema" | "schemas" | "definitions");
                    walk(&at, !names && NAMES.contains(&key), schema, findings);
                }
            }
        }
        Some(Value::Sequence(_)) => {
            for at in at.items() {
                walk(&at, false, schema, findings);
            }
        }
        Some(Value::Scalar { .. } | Value::Refused) | None => {}
    }
}

fn extension(key: &str, at: &Cursor<'_>, findings: &mut Findings) {
    if !key.starts_with("x-amazon-apigateway-") {
        if !findings.is_judged(at) {
            findings.ignored(at);
        }
    } else if !findings.is_judged(at) {
        treatment::misplaced(key, at, findings);
    } else if key == "x-amazon-apigateway-any-method" {
        // It is an operation, within which extensions stand.
        walk(at, false, false, findings);
    }
}
