//! How a definition is written.

use crate::config::openapi::print;
use crate::config::openapi::print_json::print_json;
use crate::config::tree::Node;

/// How a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// YAML, in blocks.
    Yaml,
    /// JSON, indented.
    Json,
}

impl ExportFormat {
    /// The text of `definition`.
    pub(in crate::config) fn write(self, definition: &Node) -> Result<String, serde_json::Error> {
        match self {
            Self::Yaml => Ok(print::print(definition)),
            Self::Json => print_json(definition),
        }
    }
}
