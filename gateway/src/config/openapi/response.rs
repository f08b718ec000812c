//! `responses` of an integration: what the client gets.

use std::collections::{BTreeMap, HashSet};

use super::document::Document;
use super::finding::Findings;
use super::integration::{literals, word};
use super::made::{Made, plain, text};
use super::treatment::{self, Object};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::{Node, shortened};
use crate::model::ApiKind;

const HEADER: &str = "method.response.header.";

/// What an operation declares of its responses. An import into the service fails for a mapping to
/// what is not declared, and a call for a status that is not.
#[derive(Debug)]
pub(super) struct Declared<'a> {
    /// By status, the names of their headers in lower case.
    headers: BTreeMap<&'a str, HashSet<String>>,
}

impl<'a> Declared<'a> {
    pub(super) fn of(
        operation: &Cursor<'a>,
        document: &'a Document,
        findings: &mut Findings,
    ) -> Self {
        let responses = operation.key("responses");
        let responses = responses.entries().filter_map(|(status, at)| {
            let at = document.follow(&at, findings).filter(Cursor::is_written)?;
            let headers = at.key("headers");
            let names = headers.names().map(str::to_ascii_lowercase).collect();
            Some((status, names))
        });
        Self {
            headers: responses.collect(),
        }
    }
}

/// The responses at `at` in the native form.
pub(super) fn translate(
    at: &Cursor<'_>,
    declared: &Declared<'_>,
    findings: &mut Findings,
) -> Option<Node> {
    if !at.is_written() || !findings.is_mapping(at) {
        return None;
    }
    let before = findings.refusals();
    let mut made = Made::at(at.place);
    for (pattern, response) in at.entries() {
        let node = translate_one(&response, declared, findings);
        made.put(pattern, response.key_place, node);
    }
    if findings.refusals() == before {
        findings.honoured(at);
    }
    Some(made.finish())
}

fn translate_one(at: &Cursor<'_>, declared: &Declared<'_>, findings: &mut Findings) -> Node {
    treatment::judge(at, Object::IntegrationResponse, ApiKind::Rest, findings);
    let mut made = Made::at(at.place);
    let status = at.key("statusCode");
    status_code(&status, &mut made, findings);
    let parameters = at.key("responseParameters");
    match (
        status.scalar(),
        status.scalar().and_then(|code| declared.headers.get(code)),
    ) {
        (Some(_), Some(headers)) => check_headers(&parameters, headers, findings),
        (Some(code), None) => {
            let shown = shortened(code);
            let fix = suggestion(
                code,
                declared.headers.keys().copied(),
                "add it to `responses` of the operation",
            );
            let why = format!("the operation declares no response `{shown}`{fix}");
            findings.refused(&status, why);
        }
        // What is written and no text was refused.
        (None, _) if status.is_written() => {}
        (None, _) => {
            findings.refused(at, "nothing says what the client gets: write `statusCode`");
        }
    }
    texts(&parameters, "parameters", &mut made, findings);
    let templates = at.key("responseTemplates");
    if let Some(node) = literals(&templates, |media_type, _| media_type, findings) {
        made.put("templates", templates.key_place, node);
    }
    let handling = at.key("contentHandling");
    if handling.is_written() && handling.scalar().is_none() {
        findings.refused(
            &handling,
            "this is a word: write `CONVERT_TO_TEXT` or `CONVERT_TO_BINARY`",
        );
    }
    word(&handling, "content_handling", &mut made, findings);
    made.finish()
}

fn check_headers(at: &Cursor<'_>, declared: &HashSet<String>, findings: &mut Findings) {
    for (key, parameter) in at.entries() {
        let Some(name) = key.strip_prefix(HEADER) else {
            continue;
        };
        if !declared.contains(&name.to_ascii_lowercase()) {
            let shown = shortened(name);
            let why = format!(
                "the operation's response declares no header `{shown}`: add it to `headers` there"
            );
            findings.refused(&parameter, why);
        }
    }
}

/// A status, which definitions write as text and as a number.
pub(super) fn status_code(at: &Cursor<'_>, made: &mut Made, findings: &mut Findings) {
    if !findings.is_text(at) {
        return;
    }
    if let Some(code) = at.scalar() {
        let is_number = code.bytes().all(|b| b.is_ascii_digit());
        let node = if is_number { plain } else { text };
        made.put("status", at.key_place, node(at.place, code));
    }
}

/// Texts by name, under `key` in the native form.
pub(super) fn texts(at: &Cursor<'_>, key: &str, made: &mut Made, findings: &mut Findings) {
    if !at.is_written() || !findings.is_mapping(at) {
        return;
    }
    let mut texts = Made::at(at.place);
    for (name, value) in at.entries() {
        match value.scalar() {
            Some(written) => texts.put(name, value.key_place, text(value.place, written)),
            None => findings.refused(&value, "this is text: put it in quotes"),
        }
    }
    made.put(key, at.key_place, texts.finish());
}
