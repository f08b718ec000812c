//! Paths and operations, which become routes.

use super::document::Document;
use super::finding::Findings;
use super::integration;
use super::made::{Made, plain};
use super::reference;
use super::response::Declared;
use super::security::{Caller, Schemes};
use super::treatment::{self, Object};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::tree::Node;
use crate::model::ApiKind;

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
const DEFAULT_PATH: &str = "/$default";

/// A route in the making.
#[derive(Debug)]
pub(super) struct Route {
    /// Its route key.
    pub(super) key: String,
    key_place: Place,
    caller: Caller,
    /// What answers; `None` where that was refused.
    integration: Option<Node>,
    /// Whether anything was refused that it cannot do without.
    is_refused: bool,
}

impl Route {
    /// From now on it answers 500.
    pub(super) fn refuse(&mut self) {
        self.is_refused = true;
    }

    /// The URL that it forwards to.
    pub(super) fn uri(&self) -> Option<&str> {
        Cursor::root(self.integration.as_ref()?).key("uri").scalar()
    }

    pub(super) const fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Adds it to the routes, as it is served.
    pub(super) fn write(&self, routes: &mut Made) {
        let served = self.integration.as_ref().filter(|_| !self.is_refused);
        self.write_with(served, routes);
    }

    /// Adds it to the routes as it is defined, so that it is judged even where it is refused.
    pub(super) fn write_defined(&self, routes: &mut Made) {
        self.write_with(self.integration.as_ref(), routes);
    }

    fn write_with(&self, integration: Option<&Node>, routes: &mut Made) {
        let place = self.key_place;
        let mut made = Made::at(place);
        self.caller.write(&mut made, place);
        let integration = integration.cloned().unwrap_or_else(|| {
            let mut refused = Made::at(place);
            refused.put("type", place, plain(place, "refused"));
            refused.finish()
        });
        made.put("integration", integration.place, integration);
        routes.put(&self.key, place, made.finish());
    }
}

/// What all operations of a definition have in common.
pub(super) struct Around<'a> {
    pub(super) document: &'a Document,
    pub(super) kind: ApiKind,
    pub(super) schemes: &'a Schemes,
}

/// The routes of the paths at `section`.
pub(super) fn translate(
    section: &Cursor<'_>,
    around: &Around<'_>,
    findings: &mut Findings,
) -> Vec<Route> {
    let mut routes = Vec::new();
    if !findings.is_mapping(section) {
        return routes;
    }
    for (path, at) in section.entries() {
        if path.starts_with("x-") {
            judge_section_key(path, &at, findings);
            continue;
        }
        let Some(item) = around.document.follow(&at) else {
            continue;
        };
        let before = findings.refusals();
        treatment::judge(&item, Object::PathItem, around.kind, findings);
        judge_shared(&item, around, findings);
        let reference = item.key(reference::KEY);
        if reference.is_written() {
            findings.refused(
                &reference,
                "a reference is text: write `file#/keys` in quotes",
            );
        }
        let is_item_refused = findings.refusals() != before;
        for (key, operation) in item.entries() {
            let Some(method) = method(key) else {
                continue;
            };
            let mut route = translate_one(path, method, &operation, around, findings);
            if is_item_refused {
                route.refuse();
            }
            routes.push(route);
        }
    }
    routes
}

/// The method of a key of a path item.
pub(super) fn method(key: &str) -> Option<&'static str> {
    Some(match key {
        "get" => "GET",
        "put" => "PUT",
        "post" => "POST",
        "delete" => "DELETE",
        "options" => "OPTIONS",
        "head" => "HEAD",
        "patch" => "PATCH",
        ANY_METHOD => "ANY",
        _ => return None,
    })
}

fn judge_section_key(key: &str, at: &Cursor<'_>, findings: &mut Findings) {
    if key.starts_with("x-amazon-apigateway-") {
        treatment::misplaced(key, at, findings);
    } else {
        findings.ignored(at);
    }
}

/// What path items and operations have alike.
fn judge_shared(at: &Cursor<'_>, around: &Around<'_>, findings: &mut Findings) {
    judge_servers(&at.key("servers"), around.kind, findings);
    findings.is_list(&at.key("parameters"));
    for parameter in at.key("parameters").items() {
        let Some(parameter) = around.document.follow(&parameter) else {
            continue;
        };
        let required = parameter.key("required");
        let is_path = parameter.key("in").scalar() == Some("path");
        // Without a validator nothing checks it, here and in the service.
        if required.is_true() && !is_path {
            findings.honoured(&required);
        }
    }
}

/// Servers say where an API answers, which the configuration does.
pub(super) fn judge_servers(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) {
    if !at.is_written() || !findings.is_list(at) {
        return;
    }
    for server in at.items() {
        treatment::judge(&server, Object::Server, kind, findings);
    }
    findings.approximated(at, treatment::CONFIGURED);
}

fn translate_one(
    path: &str,
    method: &str,
    at: &Cursor<'_>,
    around: &Around<'_>,
    findings: &mut Findings,
) -> Route {
    let before = findings.refusals();
    let is_any = method == "ANY";
    let object = if is_any {
        Object::AnyMethod
    } else {
        Object::Operation
    };
    treatment::judge(at, object, around.kind, findings);
    judge_shared(at, around, findings);
    let is_default = judge_default(path, is_any, at, around.kind, findings);
    let caller = around.schemes.caller(at, findings);
    let integration_at = at.key(INTEGRATION);
    let integration = if integration_at.is_written() {
        around.document.follow(&integration_at).and_then(|target| {
            let declared = Declared::of(at, around.document);
            let node = integration::translate(&target, &declared, around.kind, findings);
            if node.is_some() {
                findings.honoured(&integration_at);
            }
            node
        })
    } else {
        let why = "nothing answers this operation: add `x-amazon-apigateway-integration`";
        findings.refused(at, why);
        None
    };
    let is_sound = findings.refusals() == before && !matches!(caller, Caller::Nobody);
    if is_sound && is_any {
        findings.honoured(at);
    }
    Route {
        key: if is_default {
            "$default".to_owned()
        } else {
            format!("{method} {path}")
        },
        key_place: at.key_place,
        caller,
        is_refused: !is_sound || integration.is_none(),
        integration,
    }
}

/// Whether the operation is the default route of an HTTP API.
fn judge_default(
    path: &str,
    is_any: bool,
    at: &Cursor<'_>,
    kind: ApiKind,
    findings: &mut Findings,
) -> bool {
    let flag = at.key("isDefaultRoute");
    if flag.is_written() && !matches!(flag.scalar(), Some("true" | "false")) {
        findings.refused(&flag, "this is `true` or `false`: write one without quotes");
    }
    match (path == DEFAULT_PATH, flag.is_true()) {
        (true, true) if is_any && kind == ApiKind::Http => {
            findings.honoured(&flag);
            true
        }
        (true, _) if kind == ApiKind::Http => {
            let why = "the route of whatever no other route matches is \
                       `x-amazon-apigateway-any-method` with `isDefaultRoute: true`: write it so, \
                       or choose another path";
            findings.refused(at, why);
            is_any
        }
        (false, true) => {
            findings.refused(
                &flag,
                "the default route has the path `/$default`: move it there",
            );
            false
        }
        (_, _) => {
            if flag.is_written() {
                findings.honoured(&flag);
            }
            false
        }
    }
}
