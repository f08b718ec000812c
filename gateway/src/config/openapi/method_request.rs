//! What an operation of a REST API declares of its requests: parameters and bodies.
//!
//! What no validator checks is declared all the same, because mappings may only read what is.

use std::collections::{BTreeSet, HashSet};

use super::carried;
use super::document::Document;
use super::finding::Findings;
use super::made::{Made, plain, text};
use super::model::Models;
use super::treatment::{self, Object};
use super::validator::{Checks, flag};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::tree::{Entry, Reading, shortened};
use crate::model::ApiKind;

/// The media type of bodies where a definition of Swagger 2.0 names none.
const JSON: &str = "application/json";

/// Where an operation stands.
pub(super) struct Operation<'a> {
    /// Its route key.
    pub(super) key: &'a str,
    pub(super) root: &'a Cursor<'a>,
    pub(super) item: &'a Cursor<'a>,
    pub(super) at: &'a Cursor<'a>,
    pub(super) document: &'a Document,
}

/// What an operation declares.
#[derive(Debug, Default)]
pub(super) struct MethodRequest {
    /// By their names in the native form, and whether one has to be there.
    parameters: Vec<(String, bool, Place)>,
    /// The names of `parameters`.
    names: HashSet<String>,
    /// Media types and models.
    models: Vec<(String, String, Place)>,
    checks: Checks,
    /// What else is checked, in the native form.
    others: Vec<Entry>,
    place: Option<Place>,
}

impl MethodRequest {
    /// Says so in a route.
    pub(super) fn write(&self, route: &mut Made) {
        let Some(place) = self.place else {
            return;
        };
        let mut parameters = Made::at(place);
        for (name, is_required, place) in &self.parameters {
            let word = if *is_required { "required" } else { "optional" };
            parameters.put(name, *place, plain(*place, word));
        }
        let mut models = Made::at(place);
        for (media_type, model, place) in &self.models {
            models.put(media_type, *place, text(*place, model));
        }
        let mut validate = Made::at(place);
        for (key, is_checked) in [
            (
                "parameters",
                self.checks.parameters && !parameters.is_empty(),
            ),
            ("body", self.checks.body && !models.is_empty()),
        ] {
            if is_checked {
                validate.put(key, place, plain(place, "true"));
            }
        }
        carried::write(&self.others, &mut validate);
        for (key, made) in [
            ("parameters", parameters),
            ("models", models),
            ("validate", validate),
        ] {
            if !made.is_empty() {
                route.put(key, place, made.finish());
            }
        }
    }

    /// Whether anything holds bodies against models.
    fn reads_models(&self) -> bool {
        let is_asked = |entry: &Entry| {
            entry.key == "content_type" && entry.node.reading() == Reading::Boolean(true)
        };
        self.checks.body || self.others.iter().any(is_asked)
    }

    /// Whether it needs one of these models.
    pub(super) fn needs(&self, names: &BTreeSet<String>) -> bool {
        let mut models = self.models.iter();
        models.any(|(_, model, _)| names.contains(model))
    }
}

/// What `operation` declares, of which `checks` says what validators check, and `others` what else
/// is checked.
pub(super) fn translate(
    operation: &Operation<'_>,
    checks: Checks,
    others: Vec<Entry>,
    models: &mut Models,
    findings: &mut Findings,
) -> MethodRequest {
    let mut request = MethodRequest {
        checks,
        others,
        place: Some(operation.at.key_place),
        ..MethodRequest::default()
    };
    let own = operation.at.key("parameters");
    let shared = operation.item.key("parameters");
    // Those of an operation come first: the first of a name stays.
    for at in own.items().chain(shared.items()) {
        if let Some(at) = operation.document.follow(&at, findings) {
            parameter(&at, operation, &mut request, models, findings);
        }
    }
    let body = operation.at.key("requestBody");
    let body = operation.document.follow(&body, findings);
    if let Some(body) = body.filter(Cursor::is_written) {
        request_body(&body, operation, &mut request, models, findings);
    }
    request
}

fn parameter(
    at: &Cursor<'_>,
    operation: &Operation<'_>,
    request: &mut MethodRequest,
    models: &mut Models,
    findings: &mut Findings,
) {
    treatment::judge(at, Object::Parameter, ApiKind::Rest, findings);
    let declared = at.key("x-gateway-declared");
    if declared.is_written() {
        findings.honoured(&declared);
        if !flag(&declared, findings) {
            return;
        }
    }
    let (name, place) = (at.key("name").scalar(), at.key("in"));
    let required = at.key("required");
    let is_required = flag(&required, findings);
    let kind = match (name, place.scalar()) {
        (Some(_), Some("path")) => "path",
        (Some(_), Some("query")) => "querystring",
        (Some(_), Some("header")) => "header",
        (_, Some("body")) => {
            swagger_body(&at.key("schema"), operation, request, models, findings);
            return;
        }
        (Some(_), Some("cookie" | "formData")) => {
            let how = "the service declares no such parameter, so that nothing checks it";
            findings.approximated(at, how);
            return;
        }
        (Some(_), Some(other)) => {
            let shown = shortened(other);
            let why = format!(
                "`{shown}` is no place of a parameter: write `path`, `query`, `header`, `cookie`, \
                 `body` or `formData`"
            );
            findings.refused(&place, why);
            return;
        }
        (_, _) => {
            findings.refused(
                at,
                "a parameter has a `name` and says where it is: write `in`",
            );
            return;
        }
    };
    if is_required && kind != "path" {
        // Without a validator nothing checks it, here and in the service.
        findings.honoured(&required);
    }
    let name = format!("{kind}.{}", name.unwrap_or_default());
    if request.names.insert(name.clone()) {
        request.parameters.push((name, is_required, at.key_place));
    }
}

/// The body of an operation of Swagger 2.0, which has every media type that the operation consumes.
fn swagger_body(
    schema: &Cursor<'_>,
    operation: &Operation<'_>,
    request: &mut MethodRequest,
    models: &mut Models,
    findings: &mut Findings,
) {
    if !request.reads_models() || !request.models.is_empty() {
        return;
    }
    if !schema.is_written() {
        findings.refused(schema, "nothing says what the body is: write `schema`");
        return;
    }
    let own = operation.at.key("consumes");
    let consumes = if own.is_written() {
        own
    } else {
        operation.root.key("consumes")
    };
    // A body is held against a model by its media type: one that is not understood would leave it
    // unchecked.
    let Some(mut media_types) = consumed(&consumes, findings) else {
        return;
    };
    if media_types.is_empty() {
        media_types.push(JSON);
    }
    if let Some(model) = models.of_schema(schema, operation.key, findings) {
        for media_type in media_types {
            let entry = (
                model_key(media_type, &consumes).to_owned(),
                model.clone(),
                schema.key_place,
            );
            request.models.push(entry);
        }
    }
}

/// What the native form calls a media type: a range of all of them is each that has nothing of its
/// own. Any other range is refused there, and this one too where `beside` it stands what it means.
pub(super) fn model_key<'a>(media_type: &'a str, beside: &Cursor<'_>) -> &'a str {
    const OTHERWISE: &str = "$default";
    if media_type == "*/*" && !beside.key(OTHERWISE).is_written() {
        OTHERWISE
    } else {
        media_type
    }
}

/// The media types at `at`; `None` where they are no list of texts, which is reported.
fn consumed<'a>(at: &Cursor<'a>, findings: &mut Findings) -> Option<Vec<&'a str>> {
    let before = findings.refusals();
    findings.is_list(at);
    let mut media_types = Vec::new();
    for item in at.items() {
        match item.scalar() {
            Some(media_type) => media_types.push(media_type),
            None => findings.refused(&item, "a media type is text: write one such as `text/xml`"),
        }
    }
    (findings.refusals() == before).then_some(media_types)
}

fn request_body(
    at: &Cursor<'_>,
    operation: &Operation<'_>,
    request: &mut MethodRequest,
    models: &mut Models,
    findings: &mut Findings,
) {
    treatment::judge(at, Object::RequestBody, ApiKind::Rest, findings);
    let content = at.key("content");
    let before = findings.refusals();
    findings.is_mapping(&content);
    for (media_type, at) in content.entries() {
        treatment::judge(&at, Object::MediaType, ApiKind::Rest, findings);
        let schema = at.key("schema");
        if !request.reads_models() || !schema.is_written() {
            continue;
        }
        if let Some(model) = models.of_schema(&schema, operation.key, findings) {
            let entry = (
                model_key(media_type, &content).to_owned(),
                model,
                at.key_place,
            );
            request.models.push(entry);
        }
    }
    if findings.refusals() == before {
        findings.honoured(at);
    }
}
