//! The JSON Schema of the configuration, generated from the written form.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value};

use super::written::File;

/// The JSON Schema (2020-12) of a configuration file: what editors complete and check against, and
/// what [`super::load`] itself checks the shape of a file by.
///
/// Keywords that start with `x-` hold messages of ours and mean nothing to other validators.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(remove_null))
        .with_transform(RecursiveTransform(remove_null_default));
    settings
        .into_generator()
        .into_root_schema_for::<File>()
        .to_value()
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
