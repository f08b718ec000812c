//! What a method declares of its responses.

use std::collections::BTreeMap;

use super::Lowering;
use super::route::Around;
use super::validation::lower_models;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::mapping::rest::Name;
use crate::language::message::Place;
use crate::model::{ApiKind, MethodResponse, MethodResponses};

/// Lowers `method_responses`, which stand at `section`; `None` if there are none.
pub(super) fn lower(
    written: Option<&written::Named<written::MethodResponse>>,
    section: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Option<MethodResponses> {
    let written = written?;
    if around.kind == ApiKind::Http {
        let message = "only REST APIs declare responses: take this out";
        cx.error_at_key(section, message);
    }
    let mut responses = BTreeMap::new();
    for (code, response) in &written.0 {
        let at = section.key(code);
        let lowered = MethodResponse {
            headers: lower_headers(&response.parameters, &at.key("parameters"), cx),
            models: lower_models(&response.models, &at.key("models"), around, cx),
        };
        match status(code) {
            Some(status) => {
                responses.insert(status, lowered);
            }
            None => {
                let shown = shortened(code);
                let message = format!("`{shown}` is no status from 200 to 599: write one");
                cx.error_at_key(&at, message);
            }
        }
    }
    Some(responses)
}

fn status(code: &str) -> Option<u16> {
    let is_plain = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let status = code.parse().ok().filter(|_| is_plain)?;
    (200..=599).contains(&status).then_some(status)
}

fn lower_headers(written: &[String], section: &Cursor<'_>, cx: &mut Lowering<'_>) -> Vec<Name> {
    let mut headers: Vec<Name> = Vec::new();
    for (index, parameter) in written.iter().enumerate() {
        let at = section.item(index);
        let Some((Place::Header, name)) = Place::split(parameter) else {
            cx.error(
                &at,
                "a parameter of a response is a header: write `header.NAME`",
            );
            continue;
        };
        match Name::parse(name) {
            Ok(name) => headers.push(name),
            Err(error) => cx.error(&at, error.to_string()),
        }
    }
    headers
}
