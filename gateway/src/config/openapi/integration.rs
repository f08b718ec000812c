//! `x-amazon-apigateway-integration`: what answers an operation.

use super::carried;
use super::finding::{CONSEQUENCE, Findings};
use super::made::{Made, plain, text};
use super::method_request::model_key;
use super::response::{self, Declared, texts};
use super::treatment::{self, AWS, Object};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::{Node, Reading, shortened};
use crate::language::template::{Literal, NotLiteral};
use crate::model::ApiKind;

/// The integration at `at` in the native form; `None` where it was refused.
pub(super) fn translate(
    at: &Cursor<'_>,
    declared: &Declared<'_>,
    kind: ApiKind,
    findings: &mut Findings,
) -> Option<Node> {
    let before = findings.refusals();
    treatment::judge(at, Object::Integration, kind, findings);
    let type_at = at.key("type");
    let word = type_at.scalar().map(str::to_ascii_lowercase);
    let node = match (word.as_deref(), kind) {
        (Some("http_proxy"), _) => proxy(at, kind, findings),
        (Some("mock"), ApiKind::Rest) => mock(at, declared, findings),
        (Some("mock"), ApiKind::Http) => {
            let why = "only REST APIs have mocks: import as `rest`, or take it out";
            return refuse(at, &type_at, why, findings);
        }
        (Some("http"), ApiKind::Rest) => http(at, declared, findings),
        (Some("http"), ApiKind::Http) => {
            let why = "HTTP APIs have proxies alone: write `http_proxy`, or import as `rest`";
            return refuse(at, &type_at, why, findings);
        }
        (Some("aws" | "aws_proxy"), _) => return refuse(at, &type_at, AWS, findings),
        (Some(other), _) => {
            let of_rest = ["http_proxy", "mock", "http"];
            let known = if kind == ApiKind::Rest {
                &of_rest[..]
            } else {
                &["http_proxy"]
            };
            let fix = suggestion(other, known.iter().copied(), "take it out");
            let why = format!("`{}` is no type of integration{fix}", shortened(other));
            return refuse(at, &type_at, why, findings);
        }
        (None, _) if is_refused(at) => carried_alone(at, findings),
        (None, _) => {
            let why = "it has no type: write `type: http_proxy` or `type: mock`";
            findings.refused(at, why);
            return None;
        }
    };
    only_if_written(&type_at, findings);
    for (_, field) in at.entries() {
        // What is no text where text belongs was not understood.
        if findings.refusals() == before && !findings.is_told(&field) {
            let found = field.node.map_or(Reading::Nothing, Node::reading);
            findings.refused(&field, format!("found {found}: write text or a number"));
        }
    }
    (findings.refusals() == before).then_some(node)
}

/// Refuses an integration for its type; every other field goes with it.
fn refuse(
    at: &Cursor<'_>,
    type_at: &Cursor<'_>,
    why: impl Into<String>,
    findings: &mut Findings,
) -> Option<Node> {
    findings.refused(type_at, why);
    for (key, field) in at.entries() {
        if key != "type" && !findings.is_refused(&field) {
            findings.refused(&field, CONSEQUENCE);
        }
    }
    None
}

/// Whether it stands for what was refused when it was imported.
fn is_refused(at: &Cursor<'_>) -> bool {
    let carried = at.key(carried::INTEGRATION.name);
    carried.key("type").scalar() == Some("refused")
}

/// An integration of which nothing has a place in a definition.
fn carried_alone(at: &Cursor<'_>, findings: &mut Findings) -> Node {
    let mut made = Made::at(at.place);
    let carried = carried::INTEGRATION.translate(at, |_| false, findings);
    carried::write(&carried, &mut made);
    made.finish()
}

/// Begins an integration of the type that the native form calls `word`.
fn begin(at: &Cursor<'_>, word: &str) -> Made {
    let type_at = at.key("type");
    let mut made = Made::at(at.place);
    made.put("type", type_at.key_place, plain(type_at.place, word));
    made
}

fn proxy(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Node {
    let mut made = begin(at, "http_proxy");
    backend(at, kind, &mut made, findings);
    // A proxy passes on what comes, so that these have no effect, here and in the service.
    for key in ["requestTemplates", "passthroughBehavior", "responses"] {
        only_if_written(&at.key(key), findings);
    }
    let handling = at.key("contentHandling");
    if handling.is_written() {
        findings.approximated(&handling, "what a proxy passes on stays as it is");
    }
    made.finish()
}

fn http(at: &Cursor<'_>, declared: &Declared<'_>, findings: &mut Findings) -> Node {
    let mut made = begin(at, "http");
    backend(at, ApiKind::Rest, &mut made, findings);
    mapped(at, declared, &mut made, findings);
    made.finish()
}

/// Where to, and what with.
fn backend(at: &Cursor<'_>, kind: ApiKind, made: &mut Made, findings: &mut Findings) {
    let uri = at.key("uri");
    let carried = carried::INTEGRATION.translate(at, |key| key == "type", findings);
    carried::write(&carried, made);
    match uri.scalar() {
        Some(written) => {
            made.put("uri", uri.key_place, text(uri.place, written));
            findings.honoured(&uri);
        }
        // An upstream of the configuration.
        None if carried.iter().any(|entry| entry.key == "upstream") => {}
        None => findings.refused(at, "nothing says where to: write `uri`"),
    }
    let method = at.key("httpMethod");
    if let Some(written) = method.scalar() {
        let upper = written.to_ascii_uppercase();
        if upper != "ANY" {
            made.put("method", method.key_place, text(method.place, &upper));
        }
        findings.honoured(&method);
    }
    timeout(&at.key("timeoutInMillis"), made, findings);
    mappings(at, kind, made, findings);
    connection(at, findings);
    tls(at, kind, made, findings);
}

/// What integrations that are no proxies make of requests and answers.
fn mapped(at: &Cursor<'_>, declared: &Declared<'_>, made: &mut Made, findings: &mut Findings) {
    let templates = at.key("requestTemplates");
    if let Some(node) = literals(&templates, model_key, findings) {
        made.put("request_templates", templates.key_place, node);
    }
    word(
        &at.key("passthroughBehavior"),
        "passthrough_behavior",
        made,
        findings,
    );
    word(
        &at.key("contentHandling"),
        "content_handling",
        made,
        findings,
    );
    let responses = at.key("responses");
    if let Some(node) = response::translate(&responses, declared, findings) {
        made.put("responses", responses.key_place, node);
    }
}

/// A word of the service, in lower case.
pub(super) fn word(at: &Cursor<'_>, key: &str, made: &mut Made, findings: &mut Findings) {
    if let Some(word) = at.scalar() {
        let node = text(at.place, &word.to_ascii_lowercase());
        made.put(key, at.key_place, node);
        findings.honoured(at);
    }
}

/// What the backend gets of the request besides and, in HTTP APIs, the client of the answer.
fn mappings(at: &Cursor<'_>, kind: ApiKind, made: &mut Made, findings: &mut Findings) {
    let request = at.key("requestParameters");
    let before = findings.refusals();
    texts(&request, "request_parameters", made, findings);
    if request.is_written() && findings.refusals() == before {
        findings.honoured(&request);
    }
    let response = at.key("responseParameters");
    // Of a REST API this was refused by the table.
    if kind == ApiKind::Rest || !response.is_written() || !findings.is_mapping(&response) {
        return;
    }
    let before = findings.refusals();
    let mut by_status = Made::at(response.place);
    for (status, at) in response.entries() {
        texts(&at, status, &mut by_status, findings);
    }
    made.put(
        "response_parameters",
        response.key_place,
        by_status.finish(),
    );
    if findings.refusals() == before {
        findings.honoured(&response);
    }
}

fn timeout(at: &Cursor<'_>, made: &mut Made, findings: &mut Findings) {
    let Some(written) = at.scalar() else {
        if at.is_written() {
            findings.refused(at, "a time-out is a number of milliseconds: write one");
        }
        return;
    };
    if written.parse::<u32>().is_ok() {
        made.put(
            "timeout",
            at.key_place,
            text(at.place, &format!("{written}ms")),
        );
        findings.honoured(at);
    } else {
        let shown = shortened(written);
        let why = format!("`{shown}` is not a number of milliseconds: write a whole number");
        findings.refused(at, why);
    }
}

/// How a backend is reached.
fn connection(at: &Cursor<'_>, findings: &mut Findings) {
    let kind = at.key("connectionType");
    match kind.scalar().map(str::to_ascii_uppercase).as_deref() {
        None | Some("INTERNET") => only_if_text(&kind, findings),
        Some("VPC_LINK") => {
            let why = "private integrations are built by later work: write a `uri` that this \
                       gateway reaches, with `connectionType: INTERNET`";
            findings.refused(&kind, why);
        }
        Some(other) => {
            let fix = suggestion(other, ["INTERNET", "VPC_LINK"].into_iter(), "take it out");
            let why = format!("`{}` is no type of connection{fix}", shortened(other));
            findings.refused(&kind, why);
        }
    }
    let version = at.key("payloadFormatVersion");
    match version.scalar() {
        None | Some("1.0" | "1") => only_if_text(&version, findings),
        Some(_) => findings.refused(&version, "proxies have the version 1.0: write `\"1.0\"`"),
    }
    let mode = at.key("responseTransferMode");
    match mode.scalar().map(str::to_ascii_uppercase).as_deref() {
        None | Some("STREAM") => only_if_text(&mode, findings),
        Some("BUFFERED") => {
            findings.approximated(
                &mode,
                "an answer is passed on as it arrives, without waiting for its end",
            );
        }
        Some(_) => findings.refused(&mode, "the mode is `BUFFERED` or `STREAM`: write one"),
    }
}

/// What is asked of the backend's certificate.
fn tls(at: &Cursor<'_>, kind: ApiKind, made: &mut Made, findings: &mut Findings) {
    let tls = at.key("tlsConfig");
    if !tls.is_written() {
        return;
    }
    let before = findings.refusals();
    treatment::judge(&tls, Object::TlsConfig, kind, findings);
    let mut asked = Made::at(tls.place);
    let insecure = tls.key("insecureSkipVerification");
    if kind == ApiKind::Rest && findings.is_text(&insecure) {
        match insecure.scalar().map(str::to_ascii_lowercase).as_deref() {
            Some(word @ ("true" | "false")) => {
                let node = plain(insecure.place, word);
                asked.put("insecure_skip_verification", insecure.key_place, node);
            }
            Some(_) => findings.refused(&insecure, "this is `true` or `false`: write one"),
            None => {}
        }
    }
    let name = tls.key("serverNameToVerify");
    if kind == ApiKind::Http
        && findings.is_text(&name)
        && let Some(written) = name.scalar()
    {
        asked.put("server_name", name.key_place, text(name.place, written));
    }
    if findings.refusals() == before {
        findings.honoured(&tls);
    }
    if !asked.is_empty() {
        made.put("tls", tls.key_place, asked.finish());
    }
}

fn only_if_written(at: &Cursor<'_>, findings: &mut Findings) {
    if at.is_written() {
        findings.honoured(at);
    }
}

/// As [`only_if_written`] where it is text: what else stands there was not understood.
fn only_if_text(at: &Cursor<'_>, findings: &mut Findings) {
    if findings.is_text(at) {
        only_if_written(at, findings);
    }
}

fn mock(at: &Cursor<'_>, declared: &Declared<'_>, findings: &mut Findings) -> Node {
    let mut made = begin(at, "mock");
    mapped(at, declared, &mut made, findings);
    // A mock has no backend, so that these have no effect, here and in the service.
    for key in [
        "uri",
        "httpMethod",
        "timeoutInMillis",
        "payloadFormatVersion",
    ] {
        only_if_written(&at.key(key), findings);
    }
    let request = at.key("requestParameters");
    only_if_written(&request, findings);
    for key in ["connectionType", "responseTransferMode", "tlsConfig"] {
        only_if_written(&at.key(key), findings);
    }
    made.finish()
}

/// Templates by media type, which have to be fixed text; `key` says what the native form calls one.
pub(super) fn literals(
    at: &Cursor<'_>,
    key: for<'a> fn(&'a str, &Cursor<'_>) -> &'a str,
    findings: &mut Findings,
) -> Option<Node> {
    if !at.is_written() || !findings.is_mapping(at) {
        return None;
    }
    let before = findings.refusals();
    let mut made = Made::at(at.place);
    for (media_type, template) in at.entries() {
        match template
            .scalar()
            .map(|written| (written, Literal::parse(written)))
        {
            Some((written, Ok(_))) => {
                made.put(
                    key(media_type, at),
                    template.key_place,
                    text(template.place, written),
                );
            }
            Some((_, Err(error @ NotLiteral::Special { .. }))) => {
                findings.refused(&template, format!("{error}, or import with `partial`"));
            }
            Some((_, Err(error @ NotLiteral::TooLong(_)))) => {
                findings.refused(&template, error.to_string());
            }
            None => findings.refused(&template, "a template is text: put it in quotes"),
        }
    }
    if findings.refusals() == before {
        findings.honoured(at);
    }
    Some(made.finish())
}
