//! From the written form of an API to an OpenAPI definition: the way back.
//!
//! What OpenAPI and the service's extensions have a place for goes there, so that others can read
//! it. Everything else is carried as it stands: settings of the API under `x-gateway-api`, of a
//! route under `x-gateway-route`, of an integration under `x-gateway-integration`. So the definition
//! imports as the same API, and what it has to leave to a configuration is told.

mod authorizer;
mod endpoint;
mod format;
mod integration;
mod object;
mod left;
mod operation;
mod scheme;

pub use format::ExportFormat;
pub(in crate::config) use left::left;

use std::collections::HashMap;

use object::{Object, item, of_text};
use scheme::Schemes;

use crate::config::cursor::Cursor;
use crate::config::lower::{parse_duration, parse_size};
use crate::config::openapi::carried;
use crate::config::tree::Node;
use crate::language::schema::BUILT_IN;
use crate::model::ApiKind;

/// What a definition is called.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Title<'a> {
    pub(in crate::config) name: &'a str,
    pub(in crate::config) version: &'a str,
}

/// What stands around the routes of an API.
#[derive(Clone, Debug)]
pub(in crate::config) struct Surroundings<'a> {
    /// The API in the configuration, which says how it is reached; not written where it is gone.
    pub(in crate::config) api: Cursor<'a>,
    /// The authorizers that its routes name.
    pub(in crate::config) frozen: Cursor<'a>,
    /// Those of the configuration, with those that its definitions make.
    pub(in crate::config) configured: Cursor<'a>,
    /// Upstreams of the configuration.
    pub(in crate::config) upstreams: Cursor<'a>,
}

/// The definition of the API at `api`, which may be one that was frozen before.
pub(in crate::config) fn definition(
    title: Title<'_>,
    api: &Cursor<'_>,
    surroundings: &Surroundings<'_>,
) -> Node {
    let kind = match api.key("type").scalar() {
        Some("rest") => ApiKind::Rest,
        _ => ApiKind::Http,
    };
    let mut root = Object::new();
    root.text("openapi", "3.0.1");
    let mut info = of_text("title", title.name);
    info.text("version", title.version);
    root.object("info", info);
    if kind == ApiKind::Http {
        root.text("x-amazon-apigateway-importexport-version", "1.0");
    }
    let routes = api.key("routes");
    let schemes = Schemes::new(title.name, &routes, surroundings);
    root.object("paths", paths(&routes, kind, &schemes));
    let mut components = Object::new();
    components.object_if_any("schemas", schemas(api));
    components.object_if_any("securitySchemes", schemes.write(kind));
    root.object_if_any("components", components);
    root.object_if_any(
        "x-amazon-apigateway-request-validators",
        validators(&routes),
    );
    root.copy("x-amazon-apigateway-policy", &api.key("policy"));
    let mut responses = Object::new();
    for (name, response) in api.key("gateway_responses").entries() {
        responses.object(name, integration::answer(&response));
    }
    root.object_if_any("x-amazon-apigateway-gateway-responses", responses);
    let mut carried = Object::carried(api, &carried::API);
    endpoint::write(&surroundings.api, kind, &mut root, &mut carried);
    cors(&api.key("cors"), &mut root, &mut carried);
    compression(&api.key("minimum_compression_size"), &mut root);
    let source = api.key("api_key_source");
    if let Some(source) = source.scalar() {
        let source = source.to_ascii_uppercase();
        root.text("x-amazon-apigateway-api-key-source", &source);
    }
    root.copy(
        "x-amazon-apigateway-binary-media-types",
        &api.key("binary_media_types"),
    );
    root.object_if_any(carried::API.name, carried);
    root.finish()
}

/// The routes, by path and method.
fn paths(routes: &Cursor<'_>, kind: ApiKind, schemes: &Schemes<'_>) -> Object {
    let mut paths: Vec<(&str, Object)> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for (key, route) in routes.entries() {
        let (method, path) = key.split_once(' ').unwrap_or(("ANY", DEFAULT_PATH));
        let mut operation = operation::write(path, &route, kind, schemes);
        if key == DEFAULT_ROUTE {
            operation.word("isDefaultRoute", true);
        }
        let position = *positions.entry(path).or_insert_with(|| {
            paths.push((path, Object::new()));
            paths.len() - 1
        });
        let name = match method {
            "ANY" => "x-amazon-apigateway-any-method".to_owned(),
            method => method.to_ascii_lowercase(),
        };
        if let Some((_, item)) = paths.get_mut(position) {
            item.object(&name, operation);
        }
    }
    let mut made = Object::new();
    for (path, item) in paths {
        made.object(path, item);
    }
    made
}

const DEFAULT_ROUTE: &str = "$default";
const DEFAULT_PATH: &str = "/$default";

/// The models, and those that every API has where something refers to them.
fn schemas(api: &Cursor<'_>) -> Object {
    let mut made = Object::of(&api.key("models"));
    for (name, json) in BUILT_IN {
        let is_named = |at: &Cursor<'_>| at.entries().any(|(_, at)| at.scalar() == Some(name));
        let routes = api.key("routes");
        let is_used = routes.entries().any(|(_, route)| {
            let responses = route.key("method_responses");
            let mut responses = responses.entries();
            is_named(&route.key("models")) || responses.any(|(_, at)| is_named(&at.key("models")))
        });
        if is_used {
            made.json(name, json);
        }
    }
    made
}

/// The validators that routes name.
fn validators(routes: &Cursor<'_>) -> Object {
    let mut made = Object::new();
    for (_, route) in routes.entries() {
        let at = route.key("validate");
        if let Some(name) = operation::validator(&at) {
            let mut one = Object::new();
            one.word("validateRequestBody", at.key("body").is_true());
            one.word("validateRequestParameters", at.key("parameters").is_true());
            made.object(name, one);
        }
    }
    made
}

fn cors(at: &Cursor<'_>, root: &mut Object, carried: &mut Object) {
    if !at.is_written() {
        return;
    }
    let mut made = Object::new();
    for (key, name) in [
        ("allow_origins", "allowOrigins"),
        ("allow_methods", "allowMethods"),
        ("allow_headers", "allowHeaders"),
        ("expose_headers", "exposeHeaders"),
    ] {
        let items = at.key(key);
        let items: Vec<_> = items.items().filter_map(|it| it.scalar()).collect();
        if !items.is_empty() {
            made.list(name, items.into_iter().map(item).collect());
        }
    }
    made.copy("allowCredentials", &at.key("allow_credentials"));
    if let Some(age) = at.key("max_age").scalar() {
        let age = parse_duration(age);
        match age.filter(|age| age.subsec_nanos() == 0) {
            Some(age) => made.word("maxAge", age.as_secs()),
            // The service counts whole seconds.
            None => return carried.copy("cors", at),
        }
    }
    root.object("x-amazon-apigateway-cors", made);
}

fn compression(at: &Cursor<'_>, root: &mut Object) {
    let bytes = at.scalar().and_then(parse_size);
    if let Some(bytes) = bytes {
        root.word("x-amazon-apigateway-minimum-compression-size", bytes);
    }
}
