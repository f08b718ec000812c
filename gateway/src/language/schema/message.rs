//! What is wrong with a body, in the words of the validator that Amazon's gateway uses.
//!
//! The text is for people. Explaining costs more than deciding: a choice between schemas has an
//! error for each of its branches, and recursion multiplies them. So choices are left out of what
//! explains, and only a small body is explained with all its errors.

use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::walk::{children, is_deeper};
use super::words;

/// Errors of one text.
pub const ERRORS_MAX: usize = 8;

/// Bytes of a text, and of the brackets around it.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Values of a body that is explained with all its errors, and its depth.
const SMALL_VALUES_MAX: usize = 256;
const SMALL_DEPTH_MAX: usize = 12;

/// What is said where nothing closer can be.
const UNEXPLAINED: &str = "instance failed to match the schema";

/// A body that a model does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(Box<str>);

impl Invalid {
    /// The text of `$context.error.validationErrorString`.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn too_deep() -> Self {
        Self::of(&["instance is nested too deep".to_owned()])
    }

    fn of(messages: &[String]) -> Self {
        let mut text = messages.join(", ");
        let room = MESSAGE_BYTES_MAX - "[]".len();
        if text.len() > room {
            text.truncate(text.floor_char_boundary(room - "...".len()));
            text.push_str("...");
        }
        Self(format!("[{text}]").into())
    }
}

/// What finds words for a body that is known to be invalid.
#[derive(Debug)]
pub(super) struct Explanation {
    document: Value,
    validator: Option<Validator>,
}

impl Explanation {
    pub(super) fn new(name: &str, mut document: Value) -> Self {
        if let Some(Value::Object(definitions)) = document.get_mut("definitions") {
            definitions
                .values_mut()
                .filter_map(Value::as_object_mut)
                .for_each(leave_out_choices);
            document = super::rooted(name, std::mem::take(definitions));
        }
        // A reference into a choice leads nowhere now; such a model is not explained.
        let validator = super::build(&document).ok();
        Self {
            document,
            validator,
        }
    }

    pub(super) fn explain(&self, instance: &Value) -> Invalid {
        let mut messages = Vec::new();
        if let Some(validator) = &self.validator {
            let mut add = |error: &ValidationError<'_>| {
                let message = words::message(error, &self.document);
                if messages.len() < ERRORS_MAX && !messages.contains(&message) {
                    messages.push(message);
                }
            };
            if !is_deeper(instance, SMALL_DEPTH_MAX) {
                if count(instance, SMALL_VALUES_MAX).is_some() {
                    validator
                        .iter_errors(instance)
                        .for_each(|error| add(&error));
                } else if let Err(error) = validator.validate(instance) {
                    add(&error);
                }
            }
        }
        if messages.is_empty() {
            messages.push(UNEXPLAINED.to_owned());
        }
        Invalid::of(&messages)
    }
}

/// An error of the validator on one line.
pub(super) fn one_line(error: &ValidationError<'_>) -> Box<str> {
    let mut text = error.to_string().replace(['\n', '\r'], " ");
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    text.into()
}

fn leave_out_choices(schema: &mut Map<String, Value>) {
    for keyword in ["anyOf", "oneOf", "not", "dependencies"] {
        schema.remove(keyword);
    }
    for child in children(schema) {
        leave_out_choices(child.schema);
    }
}

/// The values in a body; `None` if there are more than `room`.
fn count(value: &Value, room: usize) -> Option<usize> {
    let add = |room: Option<usize>, inner: &Value| count(inner, room?);
    let room = room.checked_sub(1)?;
    match value {
        Value::Array(values) => values.iter().fold(Some(room), add),
        Value::Object(entries) => entries.values().fold(Some(room), add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(room),
    }
}
