//! How a REST API words what it refuses.

use std::collections::BTreeMap;

use super::{Lowering, response};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::mapping::rest::GatewayResponseMapping;
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
        let message = "only REST APIs have gateway responses, as HTTP APIs answer in fixed words: take them out";
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
                let fix = suggestion(name, known, "take it out");
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
    let mappings = response::mappings(
        &written.parameters,
        &at.key("parameters"),
        GatewayResponseMapping::parse,
        |mapping| &mapping.name,
        cx,
    );
    let templates = response::templates(
        &written.templates,
        &at.key("templates"),
        GatewayResponseTemplate::parse,
        cx,
    );
    GatewayResponseRule {
        status: written.status,
        mappings,
        templates,
    }
}
