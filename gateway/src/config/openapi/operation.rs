//! Paths and operations, which become routes.

use std::collections::BTreeSet;

use super::carried;
use super::document::Document;
use super::finding::Findings;
use super::integration;
use super::made::{Made, plain};
use super::method_request::{self, MethodRequest};
use super::method_response::MethodResponses;
use super::model::Models;
use super::reference;
use super::response::Declared;
use super::security::{Caller, Required, Schemes};
use super::treatment::{self, Object};
use super::validator::{self, Validators};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::tree::{Entry, Node};
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
    required: Required,
    /// What it declares of its requests.
    request: MethodRequest,
    /// What it declares of its responses.
    responses: MethodResponses,
    /// What answers; `None` where that was refused.
    integration: Option<Node>,
    /// Settings of the native form that the definition carries.
    carried: Vec<Entry>,
    /// Whether anything was refused that it cannot do without.
    is_refused: bool,
}

impl Route {
    /// Every method of `path` that has no operation, of which the item at `at` is refused: what was
    /// meant there must not be answered by a route that others mean for the rest.
    fn refused(path: &str, at: &Cursor<'_>, kind: ApiKind) -> Self {
        let key = if kind == ApiKind::Http && path == DEFAULT_PATH {
            "$default".to_owned()
        } else {
            format!("ANY {path}")
        };
        Self {
            key,
            key_place: at.key_place,
            required: Required {
                caller: Caller::Nobody,
                key: None,
            },
            request: MethodRequest::default(),
            responses: MethodResponses::default(),
            integration: None,
            carried: Vec::new(),
            is_refused: true,
        }
    }

    /// From now on it answers 500.
    pub(super) fn refuse(&mut self) {
        self.is_refused = true;
    }

    /// Refuses it where the authorizer `name` would have to let callers pass.
    pub(super) fn deny(&mut self, name: &str) {
        if self.required.caller.is_authorized_by(name) {
            self.required.caller = Caller::Nobody;
            self.refuse();
        }
    }

    /// Leaves these models out, and refuses it where it cannot do without one of them.
    pub(super) fn forget(&mut self, models: &BTreeSet<String>) {
        self.responses.forget(models);
        if self.request.needs(models) {
            self.refuse();
        }
    }

    /// The URL that it forwards to.
    pub(super) fn uri(&self) -> Option<&str> {
        Cursor::root(self.integration.as_ref()?).key("uri").scalar()
    }

    /// The name of the upstream that it forwards to.
    pub(super) fn upstream(&self) -> Option<&str> {
        Cursor::root(self.integration.as_ref()?)
            .key("upstream")
            .scalar()
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
        self.required.write(&mut made, place);
        // Nothing is checked of a request that is answered with 500.
        if integration.is_some() {
            self.request.write(&mut made);
            self.responses.write(&mut made);
        }
        carried::write(&self.carried, &mut made);
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
    pub(super) validators: &'a Validators,
    pub(super) root: &'a Cursor<'a>,
}

/// The routes of the paths at `section`.
pub(super) fn translate(
    section: &Cursor<'_>,
    around: &Around<'_>,
    models: &mut Models,
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
        let before = findings.refusals();
        let Some(item) = around.document.follow(&at, findings) else {
            routes.push(Route::refused(path, &at, around.kind));
            continue;
        };
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
        if is_item_refused && !item.key(ANY_METHOD).is_written() {
            routes.push(Route::refused(path, &at, around.kind));
        }
        for (key, operation) in item.entries() {
            let Some(method) = method(key) else {
                continue;
            };
            let operation = Operation {
                path,
                method,
                item: &item,
                at: &operation,
            };
            let mut route = translate_one(&operation, around, models, findings);
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
    let servers = at.key("servers");
    judge_servers(&servers, around.kind, findings);
    for server in servers.items() {
        let configuration = server.key("x-amazon-apigateway-endpoint-configuration");
        if configuration.is_written() {
            let why = "this is of the whole API: move it to a server of the root";
            findings.refused(&configuration, why);
        }
    }
    findings.is_list(&at.key("parameters"));
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

/// Where an operation stands.
struct Operation<'a> {
    path: &'a str,
    method: &'static str,
    item: &'a Cursor<'a>,
    at: &'a Cursor<'a>,
}

fn translate_one(
    operation: &Operation<'_>,
    around: &Around<'_>,
    models: &mut Models,
    findings: &mut Findings,
) -> Route {
    let Operation {
        path, method, at, ..
    } = *operation;
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
    let key = if is_default {
        "$default".to_owned()
    } else {
        format!("{method} {path}")
    };
    let required = around.schemes.required(at, findings);
    let carried = carried::ROUTE.translate(at, |_| false, findings);
    let request = translate_request(&key, operation, around, models, findings);
    let responses = match around.kind {
        ApiKind::Rest => MethodResponses::of(at, around.root, around.document, models, findings),
        ApiKind::Http => MethodResponses::default(),
    };
    let integration_at = at.key(INTEGRATION);
    let integration = if integration_at.is_written() {
        let target = around.document.follow(&integration_at, findings);
        target.and_then(|target| {
            let declared = Declared::of(at, around.document, findings);
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
    let is_sound = findings.refusals() == before
        && request.is_some()
        && !matches!(required.caller, Caller::Nobody);
    if is_sound && is_any {
        findings.honoured(at);
    }
    Route {
        key,
        key_place: at.key_place,
        required,
        request: request.unwrap_or_default(),
        carried,
        responses,
        is_refused: !is_sound || integration.is_none(),
        integration,
    }
}

/// What the operation declares; `None` where its validator cannot be had.
fn translate_request(
    key: &str,
    operation: &Operation<'_>,
    around: &Around<'_>,
    models: &mut Models,
    findings: &mut Findings,
) -> Option<MethodRequest> {
    // HTTP APIs check nothing, so that parameters and bodies only describe.
    if around.kind == ApiKind::Http {
        return Some(MethodRequest::default());
    }
    let checks = around.validators.of(operation.at, findings)?;
    let operation = method_request::Operation {
        key,
        root: around.root,
        item: operation.item,
        at: operation.at,
        document: around.document,
    };
    let others = carried::VALIDATE.translate(operation.at, |_| false, findings);
    Some(method_request::translate(
        &operation, checks, others, models, findings,
    ))
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
    let is_set = validator::flag(&flag, findings);
    match (path == DEFAULT_PATH, is_set) {
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
