//! Models of REST APIs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::schema::{BUILT_IN, Models, SchemaError};
use crate::model::ApiKind;

/// Lowers the models of one API, and judges those that its routes name as what they are compiled
/// to.
pub(super) fn lower(
    written: &written::Api,
    kind: ApiKind,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> BTreeMap<String, Value> {
    if kind == ApiKind::Http && !written.models.0.is_empty() {
        cx.error_at_key(section, "only REST APIs have models: take this out");
    }
    let models = written.models.0.iter();
    let models: BTreeMap<String, Value> = models
        .map(|(name, schema)| (name.clone(), schema.0.clone()))
        .collect();
    let schemas = models.iter().map(|(name, schema)| (name.as_str(), schema));
    match Models::new(schemas) {
        Ok(resolved) => check_used(&resolved, written, section, cx),
        Err(error) => report(&error, section, cx),
    }
    models
}

/// A pattern shows only when its model is compiled that it cannot be.
fn check_used<'a>(
    resolved: &Models,
    written: &'a written::Api,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let routes = written.routes.iter().flat_map(|routes| &routes.0);
    let of_route = |(_, route): &'a (String, written::Route)| {
        let responses = route.method_responses.iter();
        let responses = responses.flat_map(|responses| &responses.0);
        let of_responses = responses.flat_map(|(_, response)| &response.models.0);
        route.models.0.iter().chain(of_responses)
    };
    let used: BTreeSet<&str> = routes
        .flat_map(of_route)
        .map(|(_, model)| model.as_str())
        .collect();
    for name in used {
        match resolved.compile(name) {
            // Routes report a name that they misspell.
            Ok(_) | Err(SchemaError::Unknown(_)) => {}
            Err(error) => report(&error, section, cx),
        }
    }
}

fn report(error: &SchemaError, section: &Cursor<'_>, cx: &mut Lowering<'_>) {
    match error.place() {
        None => cx.error_at_key(section, error.to_string()),
        Some((model, pointer)) => {
            let at = section.key(model).pointer(pointer);
            cx.error_at_key(&at, error.to_string());
        }
    }
}

impl Lowering<'_> {
    /// Checks that the API at `api` has the model `name`, which stands at `at`.
    pub(super) fn model(&mut self, name: &str, api: &Cursor<'_>, at: &Cursor<'_>) {
        let section = api.key("models");
        if section.key(name).is_written() || BUILT_IN.iter().any(|(known, _)| *known == name) {
            return;
        }
        let known: Vec<&str> = section
            .names()
            .chain(BUILT_IN.map(|(name, _)| name))
            .collect();
        let fix = suggestion(name, known.into_iter(), "add it to `models`");
        self.error(at, format!("there is no model `{}`{fix}", shortened(name)));
    }
}
