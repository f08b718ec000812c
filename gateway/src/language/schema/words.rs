//! The words for one error: those of json-schema-validator, as far as they are known.

use std::fmt::Write;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::message::MESSAGE_BYTES_MAX;

/// Characters of a value that a text shows.
const VALUE_CHARACTERS_MAX: usize = 64;

/// What is wrong, by a validator of `document`.
pub(super) fn message(error: &ValidationError<'_>, document: &Value) -> String {
    let instance = error.instance();
    match error.kind() {
        Kind::Required { property } => {
            let missing = missing(error, document).unwrap_or_else(|| vec![property.clone()]);
            format!(
                "object has missing required properties ({})",
                list(&missing)
            )
        }
        Kind::Type { kind } => format!(
            "instance type ({}) does not match any allowed primitive type (allowed: {})",
            type_of(instance),
            allowed(kind),
        ),
        Kind::Enum { options } => format!(
            "instance value ({}) not found in enum (possible values: {})",
            shown(&instance.to_string()),
            shown(&options.to_string())
        ),
        Kind::AdditionalProperties { unexpected } => {
            let names = unexpected.iter().map(|name| Value::from(name.as_str()));
            let names = list(&names.collect::<Vec<Value>>());
            format!("object instance has properties which are not allowed by the schema: {names}")
        }
        kind => of_string(kind, instance)
            .or_else(|| of_number(kind, instance))
            .or_else(|| of_size(kind, instance))
            .unwrap_or_else(|| format!("instance failed to match keyword `{}`", kind.keyword())),
    }
}

fn of_string(kind: &Kind, instance: &Value) -> Option<String> {
    let value = || shown(&instance.to_string());
    let length = || instance.as_str().map_or(0, |text| text.chars().count());
    match kind {
        Kind::MinLength { limit } => Some(format!(
            "string {} is too short (length: {}, required minimum: {limit})",
            value(),
            length()
        )),
        Kind::MaxLength { limit } => Some(format!(
            "string {} is too long (length: {}, maximum allowed: {limit})",
            value(),
            length()
        )),
        Kind::Pattern { pattern } => Some(format!(
            "ECMA 262 regex \"{}\" does not match input string {}",
            shown(pattern),
            value()
        )),
        _ => None,
    }
}

fn of_number(kind: &Kind, instance: &Value) -> Option<String> {
    match kind {
        Kind::Minimum { limit } => Some(format!(
            "numeric instance is lower than the required minimum (minimum: {limit}, found: {instance})"
        )),
        Kind::Maximum { limit } => Some(format!(
            "numeric instance is greater than the required maximum (maximum: {limit}, found: {instance})"
        )),
        Kind::ExclusiveMinimum { limit } => Some(format!(
            "numeric instance is not strictly greater than the required minimum {limit}"
        )),
        Kind::ExclusiveMaximum { limit } => Some(format!(
            "numeric instance is not strictly lower than the required maximum {limit}"
        )),
        _ => None,
    }
}

fn of_size(kind: &Kind, instance: &Value) -> Option<String> {
    let size = match instance {
        Value::Array(values) => values.len(),
        Value::Object(entries) => entries.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    match kind {
        Kind::MinItems { limit } => Some(format!(
            "array is too short: must have at least {limit} elements but instance has {size} elements"
        )),
        Kind::MaxItems { limit } => Some(format!(
            "array is too long: must have at most {limit} elements but instance has {size} elements"
        )),
        Kind::MinProperties { limit } => Some(format!(
            "object has too few properties (found {size} but schema requires at least {limit})"
        )),
        Kind::MaxProperties { limit } => Some(format!(
            "object has too many properties (found {size} but schema requires at most {limit})"
        )),
        Kind::UniqueItems => Some("array must not contain duplicate elements".to_owned()),
        _ => None,
    }
}

/// All required properties that an object misses; the validator names one at a time.
fn missing(error: &ValidationError<'_>, document: &Value) -> Option<Vec<Value>> {
    let required = document.pointer(error.schema_path().as_str())?.as_array()?;
    let object = error.instance().as_object()?;
    let is_missing = |name: &&Value| name.as_str().is_some_and(|name| !object.contains_key(name));
    let mut missing: Vec<Value> = required.iter().filter(is_missing).cloned().collect();
    missing.sort_by(|left, right| left.as_str().cmp(&right.as_str()));
    (!missing.is_empty()).then_some(missing)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Allowed types in the order of their names; every integer is a number.
fn allowed(kind: &TypeKind) -> String {
    let mut names: Vec<&str> = match kind {
        TypeKind::Single(only) => vec![only.as_str()],
        TypeKind::Multiple(several) => several.into_iter().map(JsonType::as_str).collect(),
    };
    if names.contains(&"number") && !names.contains(&"integer") {
        names.push("integer");
    }
    names.sort_unstable();
    list(&names.into_iter().map(Value::from).collect::<Vec<Value>>())
}

/// Values as a list without spaces.
fn list(values: &[Value]) -> String {
    let mut text = String::from("[");
    for (at, value) in values.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        if write!(text, "{comma}{}", shown(&value.to_string())).is_err()
            || text.len() > MESSAGE_BYTES_MAX
        {
            break;
        }
    }
    text.push(']');
    text
}

fn shown(text: &str) -> String {
    if text.chars().nth(VALUE_CHARACTERS_MAX).is_none() {
        return text.to_owned();
    }
    let start: String = text.chars().take(VALUE_CHARACTERS_MAX).collect();
    format!("{start}...")
}
