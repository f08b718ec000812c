//! The JSON Schema of the configuration, generated from the written form.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::written::File;

/// The JSON Schema (2020-12) of a configuration file: what editors complete and check against, and
/// what [`super::load`] itself checks the shape of a file by.
///
/// Keywords that start with `x-` hold messages of ours and mean nothing to other validators.
#[must_use]
pub fn schema() -> Value {
    schema_of::<File>()
}

/// The schema of what a file holds that is written as a `T`.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(remove_null))
        .with_transform(RecursiveTransform(remove_null_default));
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    // In an order that does not follow that of our types: messages list what there is to choose from.
    schema.sort_all_objects();
    schema
}

/// A key without a value is refused, because nobody can tell what it was meant to be; so optional
/// settings do not accept `null` either.
fn remove_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    let Some(Value::Array(alternatives)) = object.get_mut("anyOf") else {
        return;
    };
    alternatives.retain(|alternative| alternative.get("type") != Some(&Value::from("null")));
    if let [Value::Object(only)] = alternatives.as_slice() {
        let only: Map<String, Value> = only.clone();
        object.remove("anyOf");
        for (keyword, value) in only {
            object.entry(keyword).or_insert(value);
        }
    }
}

fn remove_null_default(schema: &mut Schema) {
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keywords that [`crate::config::shape`] enforces.
    const ENFORCED: &[&str] = &[
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "enum",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minProperties",
        "minimum",
        "oneOf",
        "properties",
        "required",
        "type",
    ];

    /// Keywords that restrict nothing, or what is judged with a better message after the shape.
    const TOLERATED: &[&str] = &[
        "$defs",
        "$schema",
        "default",
        "description",
        "format",
        "pattern",
        "title",
        "x-form",
        "x-missing",
        "x-refused",
    ];

    #[test]
    fn the_shape_check_knows_every_keyword_of_the_schema() {
        check(&schema());
    }

    fn check(schema: &Value) {
        let object = schema.as_object().unwrap();
        for (keyword, value) in object {
            let known =
                ENFORCED.contains(&keyword.as_str()) || TOLERATED.contains(&keyword.as_str());
            assert!(known, "`{keyword}` in {schema:#}");
            match (keyword.as_str(), value) {
                ("properties" | "$defs", Value::Object(schemas)) => {
                    schemas.values().for_each(check)
                }
                ("anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter().for_each(check),
                ("items", schema) => check(schema),
                ("additionalProperties", schema @ Value::Object(_)) => check(schema),
                _ => {}
            }
        }
        // Whole numbers of 32 bits need a bound in the schema: the reader would refuse larger ones
        // without saying where.
        if object.get("format") == Some(&Value::from("uint32")) {
            assert!(object.contains_key("maximum"), "{schema:#}");
        }
        // An object that neither names its keys nor lets the user choose them accepts misspellings.
        if object.get("type") == Some(&Value::from("object")) {
            assert!(object.contains_key("additionalProperties"), "{schema:#}");
        }
    }
}
