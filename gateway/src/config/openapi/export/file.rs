//! The export of an API of a configuration's file.

use std::path::Path;

use super::{Title, definition};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, FileId, Report};
use crate::config::lower::Files;
use crate::config::near_miss::suggestion;
use crate::config::openapi::expansion::expand;
use crate::config::openapi::print;
use crate::config::openapi::print_json::print_json;
use crate::config::tree::{Node, shortened};
use crate::config::yaml::{self, Bounds};
use crate::model::ApiKind;

/// How a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// YAML, in blocks.
    Yaml,
    /// JSON, indented.
    Json,
}

/// The definition of the API `name` of the configuration that is `text`, as OpenAPI 3.0. Messages
/// call it `shown`; relative paths in it start at `base`.
///
/// # Errors
/// Every error in the configuration that keeps it from being read, and that it has no such API.
pub(in crate::config) fn export(
    shown: &str,
    text: &str,
    base: &Path,
    name: &str,
    format: ExportFormat,
) -> Result<String, Report> {
    let mut diagnostics = Collector::new(shown);
    let tree = yaml::parse(text, FileId::FIRST, Bounds::CONFIGURATION, &mut diagnostics)
        .map(|tree| expand(tree, shown, base, Files::Opened, &mut diagnostics));
    let exported = tree.and_then(|tree| write(&tree, name, format, &mut diagnostics));
    match (exported, diagnostics.has_errors()) {
        (Some(exported), false) => Ok(exported),
        (_, _) => Err(diagnostics.into_report()),
    }
}

fn write(
    tree: &Node,
    name: &str,
    format: ExportFormat,
    diagnostics: &mut Collector,
) -> Option<String> {
    let root = Cursor::root(tree);
    let apis = root.key("apis");
    let api = apis.key(name);
    if !api.is_written() {
        let shown = shortened(name);
        let known: Vec<&str> = apis.names().collect();
        let fix = suggestion(name, known.into_iter());
        let message = format!("there is no API `{shown}`{fix}");
        diagnostics.error(Some(apis.key_place), apis.path.to_string(), message);
        return None;
    }
    let kind = match api.key("type").scalar() {
        Some("rest") => ApiKind::Rest,
        _ => ApiKind::Http,
    };
    let title = Title {
        name,
        version: "1.0",
    };
    let node = definition(title, &api, kind, &root.key("authorizers"));
    match format {
        ExportFormat::Yaml => Some(print::print(&node)),
        ExportFormat::Json => match print_json(&node) {
            Ok(text) => Some(text),
            Err(error) => {
                diagnostics.error(None, "", format!("cannot be written: {error}"));
                None
            }
        },
    }
}
