//! What answers of definitions have in common: headers from mappings, and bodies by media type.

use std::fmt::Display;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::written::Named;
use crate::language::mapping::rest::{Name, is_illegal_response_header};

/// Lowers the mappings under `parameters`: `parse` reads one, and `name` says what it sets.
pub(super) fn mappings<M, E: Display>(
    written: &Named<String>,
    section: &Cursor<'_>,
    parse: impl Fn(&str, &str) -> Result<M, E>,
    name: impl Fn(&M) -> &Name,
    cx: &mut Lowering<'_>,
) -> Vec<M> {
    let mut mappings = Vec::new();
    for (key, value) in &written.0 {
        let at = section.key(key);
        match parse(key, value) {
            Ok(mapping) if is_illegal_response_header(name(&mapping).text()) => {
                let name = name(&mapping).text();
                cx.error_at_key(&at, format!("`{name}` is the gateway's own: take it out"));
            }
            Ok(mapping) => mappings.push(mapping),
            Err(error) => cx.error(&at, error.to_string()),
        }
    }
    mappings
}

/// Lowers the bodies under `templates`, by their media types: `parse` reads one.
pub(super) fn templates<T, E: Display>(
    written: &Named<String>,
    section: &Cursor<'_>,
    parse: impl Fn(&str) -> Result<T, E>,
    cx: &mut Lowering<'_>,
) -> Vec<(String, T)> {
    let mut templates = Vec::new();
    for (media_type, text) in &written.0 {
        let at = section.key(media_type);
        cx.media_type(media_type, &at);
        match parse(text) {
            Ok(template) => templates.push((media_type.clone(), template)),
            Err(error) => cx.error(&at, error.to_string()),
        }
    }
    templates
}
