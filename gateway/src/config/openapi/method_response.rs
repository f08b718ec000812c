//! What an operation of a REST API declares of its responses.
//!
//! Nothing looks at the bodies of responses unless the native form says so, so that a schema which
//! is no model of its own only describes.

use std::collections::BTreeSet;

use super::document::Document;
use super::finding::Findings;
use super::made::{Made, list, text};
use super::method_request::model_key;
use super::model::Models;
use super::validator::flag;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;

/// The media type of answers where a definition of Swagger 2.0 names none.
const JSON: &str = "application/json";

/// The responses of one operation.
#[derive(Debug, Default)]
pub(super) struct MethodResponses {
    place: Option<Place>,
    responses: Vec<MethodResponse>,
}

#[derive(Debug)]
struct MethodResponse {
    status: String,
    place: Place,
    headers: Vec<(String, Place)>,
    /// Media types and models.
    models: Vec<(String, String, Place)>,
}

impl MethodResponses {
    /// Those of the operation at `operation`, in the definition with this root.
    pub(super) fn of(
        operation: &Cursor<'_>,
        root: &Cursor<'_>,
        document: &Document,
        models: &Models,
        findings: &mut Findings,
    ) -> Self {
        let section = operation.key("responses");
        let produces = [operation.key("produces"), root.key("produces")];
        let produces = produces.iter().find(|at| at.items().next().is_some());
        let produces: Vec<&str> = match produces {
            Some(at) => at.items().filter_map(|item| item.scalar()).collect(),
            None => vec![JSON],
        };
        let mut one = |(code, at): (&str, Cursor<'_>)| {
            let is_status = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
            let at = document.follow(&at, findings).filter(|_| is_status)?;
            // An export writes those that OpenAPI asks for and the route does not declare.
            let declared = at.key("x-gateway-declared");
            if declared.is_written() {
                findings.honoured(&declared);
                if !flag(&declared, findings) {
                    return None;
                }
            }
            let mut models_of = Vec::new();
            if let Some(model) = models.named(&at.key("schema")) {
                for media_type in &produces {
                    let media_type = model_key(media_type, &section).to_owned();
                    models_of.push((media_type, model.to_owned(), at.key_place));
                }
            }
            let contents = at.key("content");
            for (media_type, content) in contents.entries() {
                if let Some(model) = models.named(&content.key("schema")) {
                    let media_type = model_key(media_type, &contents).to_owned();
                    models_of.push((media_type, model.to_owned(), content.key_place));
                }
            }
            let headers = at.key("headers");
            let headers = headers.entries();
            Some(MethodResponse {
                status: code.to_owned(),
                place: at.key_place,
                headers: headers
                    .map(|(name, at)| (format!("header.{name}"), at.key_place))
                    .collect(),
                models: models_of,
            })
        };
        Self {
            place: Some(section.key_place),
            responses: section.entries().filter_map(&mut one).collect(),
        }
    }

    /// Says so in a route.
    pub(super) fn write(&self, route: &mut Made) {
        let Some(place) = self.place.filter(|_| !self.responses.is_empty()) else {
            return;
        };
        let mut made = Made::at(place);
        for response in &self.responses {
            let mut one = Made::at(response.place);
            if !response.headers.is_empty() {
                let headers = response.headers.iter();
                let headers = headers.map(|(name, place)| text(*place, name));
                let headers = list(response.place, headers.collect());
                one.put("parameters", response.place, headers);
            }
            if !response.models.is_empty() {
                let mut models = Made::at(response.place);
                for (media_type, model, place) in &response.models {
                    models.put(media_type, *place, text(*place, model));
                }
                one.put("models", response.place, models.finish());
            }
            made.put(&response.status, response.place, one.finish());
        }
        route.put("method_responses", place, made.finish());
    }

    /// Leaves out what is said of these models.
    pub(super) fn forget(&mut self, names: &BTreeSet<String>) {
        for response in &mut self.responses {
            response
                .models
                .retain(|(_, model, _)| !names.contains(model));
        }
    }
}
