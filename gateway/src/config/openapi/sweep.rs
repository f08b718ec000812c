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
const NAMES: [&str; 13] = [
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
    "securityDefinitions",
    "securitySchemes",
    "variables",
];

/// As [`NAMES`], but only at the root and in `components`: elsewhere extensions stand among them.
const SHARED: [&str; 3] = ["parameters", "requestBodies", "responses"];

/// What the keys of a mapping are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Those of the root or of `components`.
    Sections,
    /// Fields and extensions of any other object.
    Fields,
    /// Chosen by somebody.
    Names,
}

impl Keys {
    /// What they are below `key`, which is one of these.
    fn below(self, key: &str) -> Self {
        let is_section = self == Self::Sections;
        if self == Self::Names {
            Self::Fields
        } else if NAMES.contains(&key) || (is_section && SHARED.contains(&key)) {
            Self::Names
        } else if is_section && key == "components" {
            Self::Sections
        } else {
            Self::Fields
        }
    }
}

/// Judges every extension that no object of the definition has.
pub(super) fn sweep(document: &Document, findings: &mut Findings) {
    for root in document.roots() {
        walk(&root, Keys::Sections, false, findings);
    }
}

/// `schema` says that this stands in a JSON schema. Extensions are not walked: of those that are
/// known every field was judged, or they were refused as a whole.
fn walk(at: &Cursor<'_>, keys: Keys, schema: bool, findings: &mut Findings) {
    match at.node.map(|node| &node.value) {
        Some(Value::Mapping(_)) => {
            let names = keys == Keys::Names;
            for (key, at) in at.entries() {
                if !names && key.starts_with("x-") {
                    extension(key, &at, findings);
                    continue;
                }
                let is_response = key == "default" && !schema;
                if names || is_response || !DATA.contains(&key) {
                    let schema = schema || matches!(key, "schema" | "schemas" | "definitions");
                    walk(&at, keys.below(key), schema, findings);
                }
            }
        }
        Some(Value::Sequence(_)) => {
            for at in at.items() {
                walk(&at, Keys::Fields, schema, findings);
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
        walk(at, Keys::Fields, false, findings);
    }
}
