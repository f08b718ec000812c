//! Durations and sizes as people write them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A whole number of `ms`, `s`, `m` or `h`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct DurationText(pub(crate) String);

/// Plain bytes, or text with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Size {
    Bytes(u64),
    Text(String),
}

impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$", "x-form": "a duration such as `10s`" })
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "x-form": "bytes" },
                {
                    "type": "string",
                    "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)?$",
                    "x-form": "a size such as `10MiB`",
                },
            ]
        })
    }
}
