//! `x-amazon-apigateway-cors` of HTTP APIs.

use super::finding::Findings;
use super::made::{Made, text};
use super::treatment::{self, Object};
use crate::config::cursor::Cursor;
use crate::config::tree::{Node, shortened};
use crate::model::ApiKind;

/// Fields, and the keys of the native form.
const KEYS: [(&str, &str); 5] = [
    ("allowOrigins", "allow_origins"),
    ("allowMethods", "allow_methods"),
    ("allowHeaders", "allow_headers"),
    ("exposeHeaders", "expose_headers"),
    ("allowCredentials", "allow_credentials"),
];

/// What pages of other origins may do, in the native form.
pub(super) fn translate(at: &Cursor<'_>, findings: &mut Findings) -> Option<Node> {
    if !at.is_written() {
        return None;
    }
    let before = findings.refusals();
    treatment::judge(at, Object::Cors, ApiKind::Http, findings);
    let origins = at.key("allowOrigins");
    if findings.is_list(&origins) && origins.items().next().is_none() {
        let why = "no origin is named, so that this does nothing in the service: write \
                   `allowOrigins`, or take it out";
        findings.refused(at, why);
    }
    let mut made = Made::at(at.place);
    for (field, key) in KEYS {
        let at = at.key(field);
        if let Some(node) = at.node {
            made.put(key, at.key_place, node.clone());
        }
    }
    let age = at.key("maxAge");
    if age.is_written() {
        match age.scalar().and_then(|text| text.parse::<i64>().ok()) {
            // Browsers take no time and less than none for the same.
            Some(-1) => {
                made.put("max_age", age.key_place, text(age.place, "0s"));
                findings.approximated(&age, "browsers are told 0, which is the same to them");
            }
            Some(seconds) if seconds >= 0 => {
                let seconds = format!("{seconds}s");
                made.put("max_age", age.key_place, text(age.place, &seconds));
            }
            Some(_) | None => {
                let shown = shortened(age.scalar().unwrap_or_default());
                let why = format!("`{shown}` is no time: write seconds, from 0 to 86400, or -1");
                findings.refused(&age, why);
            }
        }
    }
    if findings.refusals() == before {
        findings.honoured(at);
    }
    Some(made.finish())
}
