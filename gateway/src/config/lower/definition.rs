//! What an API does, apart from where it answers.

use super::Lowering;
use super::deployed::Host;
use super::quantity::MIB;
use super::route::{self, Around};
use super::{cors, gateway_response, models, policies, policy};
use crate::config::cursor::Cursor;
use crate::config::written;
use crate::language::media_type::BinaryMediaTypes;
use crate::model::{ApiKind, Definition, KeySource, Route};

/// Lowers what `written` says of the API of `host`, for the environments in `around`.
pub(super) fn lower(
    written: &written::Api,
    around: &Around<'_>,
    host: &Host<'_>,
    cx: &mut Lowering<'_>,
) -> Definition {
    let &Around { at, kind, .. } = around;
    let &Host { identity, id, .. } = host;
    if let Some(name) = &written.policies {
        policies::lower_name(name, &at.key("policies"), cx);
    }
    let routes = lower_routes(written, around, cx);
    Definition {
        policy: policy::lower(written, kind, identity, id, at, cx),
        cors: cors::lower(written.cors.as_ref(), kind, &at.key("cors"), cx),
        compression_bytes_min: lower_compression(written, kind, at, cx),
        gateway_responses: gateway_response::lower(
            &written.gateway_responses,
            kind,
            &at.key("gateway_responses"),
            cx,
        ),
        key_source: lower_key_source(written, kind, &at.key("api_key_source"), cx),
        models: models::lower(written, kind, &at.key("models"), cx),
        binary_media_types: lower_binary(written, kind, &at.key("binary_media_types"), cx),
        routes,
    }
}

/// The kind of the API that `written` describes. Nothing stands for it where the definition could
/// not say so either.
pub(super) fn lower_kind(
    written: &written::Api,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> ApiKind {
    if !at.key("type").is_written() {
        cx.error_at_key(at, "`type` is missing: write `http` or `rest`");
    }
    match written.kind {
        Some(written::ApiType::Rest) => ApiKind::Rest,
        Some(written::ApiType::Http) | None => ApiKind::Http,
    }
}

fn lower_routes(api: &written::Api, around: &Around<'_>, cx: &mut Lowering<'_>) -> Vec<Route> {
    let at = around.at.key("routes");
    if !at.is_written() {
        cx.error_at_key(around.at, "`routes` is missing: add it");
    }
    let none = written::Named::default();
    route::lower(api.routes.as_ref().unwrap_or(&none), &at, around, cx)
}

fn lower_key_source(
    api: &written::Api,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> KeySource {
    if kind == ApiKind::Http && at.is_written() {
        cx.error_at_key(at, "only REST APIs ask for API keys: take this out");
    }
    match api.api_key_source {
        Some(written::KeySource::Authorizer) => KeySource::Authorizer,
        Some(written::KeySource::Header) | None => KeySource::Header,
    }
}

/// The largest that the service lets the smallest compressed answer be.
const COMPRESSION_BYTES_MIN_MAX: u64 = 10 * MIB;

fn lower_compression(
    api: &written::Api,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<u64> {
    let at = at.key("minimum_compression_size");
    let size = api.minimum_compression_size.as_ref()?;
    if kind == ApiKind::Http {
        cx.error_at_key(&at, "only REST APIs compress answers: take this out");
    }
    Some(cx.size(Some(size), &at, 0..=COMPRESSION_BYTES_MIN_MAX, 0))
}

fn lower_binary(
    api: &written::Api,
    kind: ApiKind,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> BinaryMediaTypes {
    let written = api.binary_media_types.iter().map(String::as_str);
    if kind == ApiKind::Http && section.is_written() {
        let message = "HTTP APIs pass every body on as it is: take this out";
        cx.error_at_key(section, message);
    }
    match BinaryMediaTypes::parse(written) {
        Ok(types) => types,
        Err(error) => {
            let index = api
                .binary_media_types
                .iter()
                .position(|entry| BinaryMediaTypes::parse([entry.as_str()]).is_err());
            match index {
                Some(index) => cx.error(&section.item(index), error.to_string()),
                None => cx.error_at_key(section, error.to_string()),
            }
            BinaryMediaTypes::default()
        }
    }
}
