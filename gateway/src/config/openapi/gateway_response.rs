//! `x-amazon-apigateway-gateway-responses`.

use super::finding::Findings;
use super::made::Made;
use super::response::{status_code, texts};
use super::treatment::{self, Object};
use crate::config::cursor::Cursor;
use crate::config::tree::Node;
use crate::model::ApiKind;

/// The gateway responses at `at` in the native form.
pub(super) fn translate(at: &Cursor<'_>, findings: &mut Findings) -> Option<Node> {
    if !at.is_written() || !findings.is_mapping(at) {
        return None;
    }
    let mut made = Made::at(at.place);
    for (name, response) in at.entries() {
        let before = findings.refusals();
        treatment::judge(&response, Object::GatewayResponse, ApiKind::Rest, findings);
        let mut one = Made::at(response.place);
        status_code(&response.key("statusCode"), &mut one, findings);
        texts(
            &response.key("responseParameters"),
            "parameters",
            &mut one,
            findings,
        );
        texts(
            &response.key("responseTemplates"),
            "templates",
            &mut one,
            findings,
        );
        made.put(name, response.key_place, one.finish());
        if findings.refusals() == before {
            findings.honoured(&response);
        }
    }
    Some(made.finish())
}
