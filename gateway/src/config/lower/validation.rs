//! What a method declares of its requests, and what of that is checked.

use super::Lowering;
use super::route::Around;
use super::route_key::{self, ParsedKey};
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written::{self, Presence, ResponseCheckWord};
use crate::language::mapping::rest::Name;
use crate::language::message::Place;
use crate::model::{ApiKind, BodyModels, ResponseCheck, Validation};

/// The model for media types that have none of their own.
const DEFAULT: &str = "$default";

/// Lowers what is checked. `at` is the route.
pub(super) fn lower(
    written: &written::Route,
    key: Option<&ParsedKey>,
    at: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> Validation {
    if around.kind == ApiKind::Http {
        for key in ["parameters", "models", "validate"] {
            if at.key(key).is_written() {
                let message = "only REST APIs check requests: take this out";
                cx.error_at_key(&at.key(key), message);
            }
        }
        return Validation::default();
    }
    let required = lower_parameters(written, key, &at.key("parameters"), cx);
    let models = lower_models(&written.models, &at.key("models"), around, cx);
    // Whoever comes by a path has its parameters.
    let may_lack = |(place, _): &(Place, _)| !matches!(place, Place::Path);
    warn_of_unchecked(written, required.iter().any(may_lack), at, cx);
    Validation {
        parameters: written.validate.parameters && !required.is_empty(),
        required,
        content_types: lower_content_types(written, &models, at, cx),
        // Where there is no model, every body passes.
        body: Some(models).filter(|models| written.validate.body && !models.is_empty()),
        response: lower_response(written, at, cx),
    }
}

fn lower_content_types(
    written: &written::Route,
    models: &BodyModels,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Vec<String>> {
    if !written.validate.content_type {
        return None;
    }
    if models.otherwise.is_some() {
        let message = "`$default` of the models stands for every media type, so that none is \
                       refused: take one of both out";
        cx.error_at_key(&at.key("validate").key("content_type"), message);
    }
    let named = models.by_media_type.iter();
    Some(named.map(|(media_type, _)| media_type.clone()).collect())
}

fn lower_response(
    written: &written::Route,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<ResponseCheck> {
    let check = written.validate.response_body?;
    let responses = written.method_responses.iter();
    let mut responses = responses.flat_map(|responses| &responses.0);
    if responses.all(|(_, response)| response.models.0.is_empty()) {
        let message = "no response has a model, so that every answer passes: write \
                       `method_responses: {\"200\": {models: {application/json: <name>}}}`";
        cx.warning(&at.key("validate").key("response_body"), message);
    }
    Some(match check {
        ResponseCheckWord::Monitor => ResponseCheck::Monitor,
        ResponseCheckWord::Enforce => ResponseCheck::Enforce,
    })
}

/// The required parameters, in the order in which the service tells them.
fn lower_parameters(
    written: &written::Route,
    key: Option<&ParsedKey>,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<(Place, Box<str>)> {
    let mut required = Vec::new();
    for (parameter, presence) in &written.parameters.0 {
        let at = section.key(parameter);
        let Some((place, name)) = Place::split(parameter) else {
            let message =
                "this names no parameter: write `header.NAME`, `querystring.NAME` or `path.NAME`";
            cx.error_at_key(&at, message);
            continue;
        };
        if let Err(error) = Name::parse(name) {
            cx.error_at_key(&at, error.to_string());
            continue;
        }
        // The parameters of a key that was refused are not known.
        if let (Place::Path, Some(key)) = (place, key) {
            check_path_parameter(name, key, &at, cx);
        }
        if *presence == Presence::Required {
            required.push((place, Box::from(name)));
        }
    }
    required.sort_by(|(a_place, a), (b_place, b)| (a_place.name(), a).cmp(&(b_place.name(), b)));
    required
}

fn check_path_parameter(name: &str, key: &ParsedKey, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let known = route_key::parameters(key.path.as_deref().unwrap_or_default());
    if known.clone().any(|known| known == name) {
        return;
    }
    let fix = suggestion(name, known, "take it out");
    let message = format!("the route has no parameter `{}`{fix}", shortened(name));
    cx.error_at_key(at, message);
}

/// Lowers models by media type.
pub(super) fn lower_models(
    written: &written::Named<String>,
    section: &Cursor<'_>,
    around: &Around<'_>,
    cx: &mut Lowering<'_>,
) -> BodyModels {
    let mut models = BodyModels::default();
    for (media_type, model) in &written.0 {
        let at = section.key(media_type);
        cx.model(model, around.at, &at);
        if media_type == DEFAULT {
            models.otherwise = Some(model.clone());
        } else {
            cx.media_type(media_type, &at);
            models
                .by_media_type
                .push((media_type.clone(), model.clone()));
        }
    }
    models
}

/// What is declared and not checked is legal, because mappings need declarations, and easily taken
/// for a check.
fn warn_of_unchecked(
    written: &written::Route,
    may_lack_required: bool,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let written::Validate {
        parameters,
        body,
        content_type,
        ..
    } = written.validate;
    if may_lack_required && !parameters {
        let message = "nothing checks that those which are required are there: write \
                       `validate: {parameters: true}`, or name a request validator in a definition";
        cx.warning(&at.key("parameters"), message);
    }
    let has_models = !written.models.0.is_empty();
    // They may be there for their media types alone.
    if has_models && !body && !content_type {
        let message = "nothing holds bodies against these: write `validate: {body: true}`";
        cx.warning(&at.key("models"), message);
    }
    if body && !has_models {
        let message = "there is no model, so that every body passes: write \
                       `models: {application/json: <name>}`";
        cx.warning(&at.key("validate").key("body"), message);
    }
}
