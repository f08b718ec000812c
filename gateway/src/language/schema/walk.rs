//! Where the schemas within a schema are.

use serde_json::{Map, Value};

/// A schema within a schema.
pub(super) struct Child<'s> {
    /// Where it is: a JSON pointer below the outer schema.
    pub(super) pointer: String,
    /// Whether it judges the same value as the outer one, and not a part of it.
    pub(super) is_in_place: bool,
    pub(super) schema: &'s mut Map<String, Value>,
}

/// Every schema directly within this one, by the keywords of draft 4.
pub(super) fn children(schema: &mut Map<String, Value>) -> Vec<Child<'_>> {
    let mut found = Vec::new();
    for (keyword, value) in schema {
        let is_in_place = match keyword.as_str() {
            "allOf" | "anyOf" | "oneOf" | "not" | "dependencies" => true,
            "properties"
            | "patternProperties"
            | "additionalProperties"
            | "items"
            | "additionalItems"
            | "definitions" => false,
            _ => continue,
        };
        let has_names = matches!(
            keyword.as_str(),
            "properties" | "patternProperties" | "definitions" | "dependencies"
        );
        let pointer = format!("/{keyword}");
        match (value, has_names) {
            (Value::Object(entries), true) => {
                let schemas = entries
                    .iter_mut()
                    .filter_map(|(name, entry)| Some((name, entry.as_object_mut()?)));
                found.extend(schemas.map(|(name, schema)| Child {
                    pointer: format!("{pointer}/{}", escaped(name)),
                    is_in_place,
                    schema,
                }));
            }
            (Value::Object(schema), false) => found.push(Child {
                pointer,
                is_in_place,
                schema,
            }),
            (Value::Array(entries), _) => {
                let schemas = entries
                    .iter_mut()
                    .enumerate()
                    .filter_map(|(at, entry)| Some((at, entry.as_object_mut()?)));
                found.extend(schemas.map(|(at, schema)| Child {
                    pointer: format!("{pointer}/{at}"),
                    is_in_place,
                    schema,
                }));
            }
            (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => {}
        }
    }
    found
}

/// Whether lists and objects are nested deeper than `depth`.
pub(super) fn is_deeper(value: &Value, depth: usize) -> bool {
    let is_deeper_within = |inner: &Value| is_deeper(inner, depth - 1);
    match value {
        Value::Array(values) => depth == 0 || values.iter().any(is_deeper_within),
        Value::Object(entries) => depth == 0 || entries.values().any(is_deeper_within),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A name as it stands in a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
