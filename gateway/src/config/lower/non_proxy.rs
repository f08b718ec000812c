//! Integrations of REST APIs that are no proxies: `HTTP` and `MOCK`.

use super::{Lowering, response};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written::{self, ContentHandlingWord, IntegrationType, PassthroughWord};
use crate::language::mapping::rest::{Name, ResponseMapping};
use crate::language::media_type::ContentHandling;
use crate::language::selection::{Selection, SelectionError};
use crate::language::template::{Literal, Passthrough, RequestTemplates, mock_status};
use crate::model::{MethodResponses, NonProxy, ResponseRule};

/// The key of the response that answers where no pattern matches.
const DEFAULT: &str = "default";

/// The key of the template for media types that have none of their own.
const OTHERWISE: &str = "$default";

/// Lowers what `HTTP` and `MOCK` have in common. `declared` is what the method declares of its
/// responses.
pub(super) fn lower(
    written: &written::Integration,
    declared: Option<&MethodResponses>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> NonProxy {
    let section = at.key("request_templates");
    let mut templates = RequestTemplates {
        by_media_type: Vec::new(),
        otherwise: None,
        passthrough: match written.passthrough_behavior {
            None | Some(PassthroughWord::WhenNoMatch) => Passthrough::WhenNoMatch,
            Some(PassthroughWord::WhenNoTemplates) => Passthrough::WhenNoTemplates,
            Some(PassthroughWord::Never) => Passthrough::Never,
        },
    };
    for (media_type, text) in &written.request_templates.0 {
        let at = section.key(media_type);
        if media_type != OTHERWISE {
            cx.media_type(media_type, &at);
        }
        let template = match Literal::parse(text) {
            Ok(template) => template,
            Err(error) => {
                cx.error(&at, error.to_string());
                continue;
            }
        };
        if written.kind == Some(IntegrationType::Mock)
            && !text.is_empty()
            && let Err(error) = mock_status(text)
        {
            cx.warning(&at, format!("{error}: such requests are answered with 500"));
        }
        if media_type == OTHERWISE {
            templates.otherwise = Some(template);
        } else {
            templates.by_media_type.push((media_type.clone(), template));
        }
    }
    NonProxy {
        templates,
        content_handling: written.content_handling.map(content_handling),
        responses: lower_responses(&written.responses, declared, &at.key("responses"), cx),
    }
}

const fn content_handling(written: ContentHandlingWord) -> ContentHandling {
    match written {
        ContentHandlingWord::ConvertToText => ContentHandling::ConvertToText,
        ContentHandlingWord::ConvertToBinary => ContentHandling::ConvertToBinary,
    }
}

fn lower_responses(
    written: &written::Named<written::ResponseRule>,
    declared: Option<&MethodResponses>,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<ResponseRule> {
    if written.0.is_empty() {
        let message = "an integration without `responses` has nothing to answer: write \
                       `responses: {default: {status: 200}}`";
        cx.error_at_key(section, message);
    }
    let mut responses = Vec::new();
    for (pattern, rule) in &written.0 {
        let at = section.key(pattern);
        let pattern = Some(pattern.clone()).filter(|pattern| pattern != DEFAULT);
        let rule = lower_one(rule, pattern, &at, cx);
        if let Some(declared) = declared {
            check_declared(&rule, declared, &at, cx);
        }
        responses.push(rule);
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
        content_handling: written.content_handling.map(content_handling),
        mappings,
        templates,
    }
}

/// A call that comes to a status that the method does not declare fails, as in the service; a header
/// that it does not declare is refused there when it is defined.
fn check_declared(
    rule: &ResponseRule,
    declared: &MethodResponses,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let status = rule.status;
    let Some(response) = declared.get(&status) else {
        let message = format!(
            "`method_responses` of the route have no `{status}`: such requests are answered with 500"
        );
        cx.warning(&at.key("status"), message);
        return;
    };
    let is_same = |known: &Name, name: &Name| known.text().eq_ignore_ascii_case(name.text());
    for mapping in &rule.mappings {
        let name = &mapping.name;
        if !response.headers.iter().any(|known| is_same(known, name)) {
            let shown = shortened(name.text());
            let key = format!("method.response.header.{}", name.text());
            let message = format!(
                "`method_responses.{status}.parameters` of the route do not declare \
                 `header.{shown}`: add it there"
            );
            cx.error_at_key(&at.key("parameters").key(&key), message);
        }
    }
}
