//! How a REST API words what it refuses.

use std::collections::BTreeMap;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::mapping::rest::{GatewayResponseMapping, is_illegal_response_header};
use crate::language::template::GatewayResponseTemplate;
use crate::model::{ApiKind, GatewayResponse, GatewayResponseRule, GatewayResponses};

/// Lowers the gateway responses of one API.
pub(super) fn lower(
    written: &written::Named<written::GatewayResponse>,
    kind: ApiKind,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> GatewayResponses {
    if kind == ApiKind::Http && !written.0.is_empty() {
        let message = "only REST APIs have gateway responses: HTTP APIs answer in fixed words";
        cx.error_at_key(section, message);
    }
    let mut responses = BTreeMap::new();
    for (name, response) in &written.0 {
        let at = section.key(name);
        let rule = lower_one(response, &at, cx);
        match GatewayResponse::customizable().find(|known| known.name() == name) {
            Some(known) => {
                responses.insert(known, rule);
            }
            None => {
                let known = GatewayResponse::customizable().map(GatewayResponse::name);
                let fix = suggestion(name, known);
                let shown = shortened(name);
                let message = format!("`{shown}` is no gateway response that can be changed{fix}");
                cx.error_at_key(&at, message);
            }
        }
    }
    GatewayResponses(responses)
}

fn lower_one(
    written: &written::GatewayResponse,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> GatewayResponseRule {
    let parameters = at.key("parameters");
    let mut mappings = Vec::new();
    for (key, value) in &written.parameters.0 {
        let at = parameters.key(key);
        match GatewayResponseMapping::parse(key, value) {
            Ok(mapping) if is_illegal_response_header(mapping.name.text()) => {
                let name = mapping.name.text();
                cx.error_at_key(&at, format!("`{name}` is the gateway's own: take it out"));
            }
            Ok(mapping) => mappings.push(mapping),
            Err(error) => cx.error(&at, error.to_string()),
        }
    }
    let section = at.key("templates");
    let mut templates = Vec::new();
    for (media_type, text) in &written.templates.0 {
        let at = section.key(media_type);
        cx.media_type(media_type, &at);
        match GatewayResponseTemplate::parse(text) {
            Ok(template) => templates.push((media_type.clone(), template)),
            Err(error) => cx.error(&at, error.to_string()),
        }
    }
    GatewayResponseRule {
        status: written.status,
        mappings,
        templates,
    }
}
