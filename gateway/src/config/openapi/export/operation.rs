//! The operation of a route.

use std::collections::BTreeSet;

use super::integration;
use super::object::{Object, item, of_text};
use super::scheme::{Schemes, asks_for_key};
use crate::config::cursor::Cursor;
use crate::config::lower::NONE;
use crate::config::openapi::carried;
use crate::language::message::Place;
use crate::model::ApiKind;

/// What begins the target of a mapping to a header of an answer.
const HEADER: &str = "method.response.header.";

/// The operation of the route at `at`, whose path is `path`.
pub(super) fn write(path: &str, at: &Cursor<'_>, kind: ApiKind, schemes: &Schemes<'_>) -> Object {
    let mut made = Object::new();
    let parameters = parameters(path, &at.key("parameters"), kind);
    if !parameters.is_empty() {
        let parameters = parameters.into_iter().map(Object::finish);
        made.list("parameters", parameters.collect());
    }
    let mut body = Object::new();
    body.object_if_any("content", models(&at.key("models")));
    made.object_if_any("requestBody", body);
    made.object("responses", responses(at));
    security(at, schemes, &mut made);
    if let Some(name) = validator(&at.key("validate")) {
        made.text("x-amazon-apigateway-request-validator", name);
    }
    let integration = integration::write(&at.key("integration"), kind);
    made.object("x-amazon-apigateway-integration", integration);
    for (at, carrier) in [
        (&at.key("validate"), &carried::VALIDATE),
        (at, &carried::ROUTE),
    ] {
        made.object_if_any(carrier.name, Object::carried(at, carrier));
    }
    made
}

/// The name of the validator that checks what `at` asks for; `None` where nothing is checked.
pub(super) fn validator(at: &Cursor<'_>) -> Option<&'static str> {
    match (at.key("parameters").is_true(), at.key("body").is_true()) {
        (true, true) => Some("all"),
        (true, false) => Some("parameters"),
        (false, true) => Some("body"),
        (false, false) => None,
    }
}

/// Declared parameters, and those of the path, which OpenAPI wants declared.
fn parameters(path: &str, at: &Cursor<'_>, kind: ApiKind) -> Vec<Object> {
    let mut made = Vec::new();
    let mut declared = BTreeSet::new();
    for (parameter, presence) in at.entries() {
        let Some((place, name)) = Place::split(parameter) else {
            continue;
        };
        let is_path = matches!(place, Place::Path);
        if is_path {
            declared.insert(name);
        }
        let mut one = parameter_of(place, name);
        one.word("required", presence.scalar() == Some("required"));
        made.push(one);
    }
    let own = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.strip_suffix('+').unwrap_or(name))
    });
    for name in own.filter(|name| !declared.contains(name)) {
        let mut one = parameter_of(Place::Path, name);
        one.word("required", true);
        if kind == ApiKind::Rest {
            // The route does not declare it, so that a validator does not look at it.
            one.word("x-gateway-declared", false);
        }
        made.push(one);
    }
    made
}

fn parameter_of(place: Place, name: &str) -> Object {
    let mut one = Object::new();
    one.text("name", name);
    one.text(
        "in",
        match place {
            Place::Header => "header",
            Place::Querystring => "query",
            Place::Path => "path",
        },
    );
    one.object("schema", of_text("type", "string"));
    one
}

/// Models of bodies by media type.
fn models(at: &Cursor<'_>) -> Object {
    let mut content = Object::new();
    for (media_type, model) in at.entries() {
        let Some(model) = model.scalar() else {
            continue;
        };
        let reference = format!("#/components/schemas/{model}");
        let mut one = Object::new();
        one.object("schema", of_text("$ref", &reference));
        content.object(media_type, one);
    }
    content
}

/// What the route at `at` declares of its responses, and what OpenAPI wants declared of the answers
/// of its integration.
fn responses(at: &Cursor<'_>) -> Object {
    let mut made = Object::new();
    let section = at.key("method_responses");
    for (status, declared) in section.entries() {
        let parameters = declared.key("parameters");
        let names = parameters.items().filter_map(|item| item.scalar());
        let names = names.filter_map(|name| name.strip_prefix("header."));
        let mut one = response(names);
        one.object_if_any("content", models(&declared.key("models")));
        made.object(status, one);
    }
    let integration = at.key("integration");
    let mut others: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for (_, answer) in integration.key("responses").entries() {
        let Some(status) = answer.key("status").scalar() else {
            continue;
        };
        if section.key(status).is_written() {
            continue;
        }
        let index = others.iter().position(|(known, _)| *known == status);
        let index = index.unwrap_or_else(|| {
            others.push((status, BTreeSet::new()));
            others.len() - 1
        });
        let targets = answer.key("parameters");
        let headers = targets.names().filter_map(|name| name.strip_prefix(HEADER));
        if let Some((_, needed)) = others.get_mut(index) {
            needed.extend(headers);
        }
    }
    for (status, needed) in &others {
        let mut one = response(needed.iter().copied());
        one.word("x-gateway-declared", false);
        made.object(status, one);
    }
    // OpenAPI wants one at least.
    if others.is_empty() && !section.is_written() {
        made.object("default", of_text("description", "as the backend says"));
    }
    made
}

/// A response with these headers.
fn response<'a>(names: impl Iterator<Item = &'a str>) -> Object {
    let mut headers = Object::new();
    for name in names {
        let mut header = Object::new();
        header.object("schema", of_text("type", "string"));
        headers.object(name, header);
    }
    let mut made = of_text("description", "");
    made.object_if_any("headers", headers);
    made
}

/// As the service writes it: an API key beside an authorizer is a requirement of its own.
fn security(route: &Cursor<'_>, schemes: &Schemes<'_>, made: &mut Object) {
    let name = route.key("authorizer").scalar().filter(|it| *it != NONE);
    let mut required = Vec::new();
    if let Some(name) = name {
        let scopes = route.key("scopes");
        let scopes = scopes.items().filter_map(|scope| scope.scalar().map(item));
        let mut requirement = Object::new();
        requirement.list(schemes.name(name), scopes.collect());
        required.push(requirement.finish());
    }
    if asks_for_key(route) {
        let mut requirement = Object::new();
        requirement.list(&schemes.key_name(), Vec::new());
        required.push(requirement.finish());
    }
    if !required.is_empty() {
        made.list("security", required);
    }
    if name.is_some_and(|name| schemes.is_of_signers(name)) {
        made.object("x-amazon-apigateway-auth", of_text("type", "AWS_IAM"));
    }
}
