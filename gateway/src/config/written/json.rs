//! JSON whose keys are not ours, such as the schema of a model.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// An object of any JSON. Whoever lowers it judges what it means.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct FreeJson(pub(crate) Value);

/// Any JSON but `null`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct AnyJson(pub(crate) Value);

impl JsonSchema for AnyJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnyJson".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "number" },
                { "type": "boolean" },
                { "type": "array" },
                { "type": "object", "additionalProperties": true },
            ]
        })
    }
}

impl JsonSchema for FreeJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FreeJson".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true })
    }
}
