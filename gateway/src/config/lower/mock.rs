//! Mock integrations.

use super::{Lowering, response};
use crate::config::cursor::Cursor;
use crate::config::written::{self, PassthroughWord};
use crate::language::mapping::rest::ResponseMapping;
use crate::language::selection::{Selection, SelectionError};
use crate::language::template::{Literal, mock_status};
use crate::model::{Mock, Passthrough, ResponseRule};

/// The key of the response that answers where no pattern matches.
const DEFAULT: &str = "default";

/// Lowers a mock.
pub(super) fn lower(
    written: &written::Integration,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Mock {
    let section = at.key("request_templates");
    let mut statuses = Vec::new();
    for (media_type, text) in &written.request_templates.0 {
        let at = section.key(media_type);
        cx.media_type(media_type, &at);
        if let Err(error) = Literal::parse(text) {
            cx.error(&at, error.to_string());
            continue;
        }
        let status = mock_status(text);
        if let Err(error) = status {
            cx.warning(&at, format!("{error}: such requests are answered with 500"));
        }
        statuses.push((media_type.clone(), status.ok()));
    }
    Mock {
        statuses,
        passthrough: match written.passthrough {
            None | Some(PassthroughWord::WhenNoMatch) => Passthrough::WhenNoMatch,
            Some(PassthroughWord::WhenNoTemplates) => Passthrough::WhenNoTemplates,
            Some(PassthroughWord::Never) => Passthrough::Never,
        },
        responses: lower_responses(&written.responses, &at.key("responses"), cx),
    }
}

fn lower_responses(
    written: &written::Named<written::ResponseRule>,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<ResponseRule> {
    if written.0.is_empty() {
        let message = "a mock without `responses` has nothing to answer: write \
                       `responses: {default: {status: 200}}`";
        cx.error_at_key(section, message);
    }
    let mut responses = Vec::new();
    for (pattern, rule) in &written.0 {
        let at = section.key(pattern);
        let pattern = Some(pattern.clone()).filter(|pattern| pattern != DEFAULT);
        responses.push(lower_one(rule, pattern, &at, cx));
    }
    let patterns = responses.iter().map(|rule| rule.pattern.as_deref());
    match Selection::new(patterns) {
        Ok(_) => {}
        Err(SelectionError::Pattern { index, source }) => {
            let name = written.0.get(index).map_or("", |(name, _)| name);
            cx.error_at_key(&section.key(name), source.to_string());
        }
        Err(error) => cx.error_at_key(section, error.to_string()),
    }
    responses
}

fn lower_one(
    written: &written::ResponseRule,
    pattern: Option<String>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> ResponseRule {
    let mappings = response::mappings(
        &written.parameters,
        &at.key("parameters"),
        ResponseMapping::parse,
        |mapping| &mapping.name,
        cx,
    );
    let templates =
        response::templates(&written.templates, &at.key("templates"), Literal::parse, cx);
    ResponseRule {
        pattern,
        status: written.status,
        mappings,
        templates,
    }
}
