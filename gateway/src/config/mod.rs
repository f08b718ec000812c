//! What the user wrote, and everything that can be wrong with it.
//!
//! A file goes through four hands: `yaml` reads it into a tree that knows the place of every key
//! and value, `shape` holds the tree against the JSON Schema of the `written` form, `read` reads
//! that form, `lower` turns it into [`crate::model`]. Each reports all it finds; a file
//! with one error is refused as a whole, and nothing that was left out or misspelled ever opens a
//! route.

mod diagnostic;
mod tree;
mod yaml;
mod cursor;
mod origin;
mod files;
mod near_miss;
mod written;
mod schema;
mod shape;
mod read;
mod lower;
mod openapi;
mod frozen;
mod configuration;
mod difference;
mod whereabouts;

pub use configuration::{Configuration, Exported};
pub use diagnostic::{Diagnostic, FileId, Place, Report};
pub use difference::{Detail, Difference, RouteDifference, difference};
pub use files::NAMED_BYTES_MAX;
pub use frozen::DEFINITION_BYTES_MAX;
pub use lower::{parse_id, request_rate, shown_rate};
pub use openapi::{ExportFormat, Finding, Import, ImportOptions, Treatment, import};
pub use schema::schema;
pub use whereabouts::whereabouts;
pub use yaml::{DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use std::sync::LazyLock;

use diagnostic::Collector;
use files::Files;
use tree::Node;
use yaml::Bounds;

use crate::model::Gateway;

/// A configuration that was accepted.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub gateway: Gateway,
    /// What probably should change.
    pub warnings: Vec<Diagnostic>,
}

/// Loads the file at `path`. Relative paths in it start at its directory; certificates, keys and
/// key sets it names are opened and judged. Every stage serves what the file says.
///
/// # Errors
/// Every error found, at least one.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    open(path).map(Configuration::into_loaded)
}

/// As [`load`], for those that know what stages serve instead.
///
/// # Errors
/// Every error found, at least one.
pub fn open(path: &Path) -> Result<Configuration, Report> {
    open_file(path, Files::opened())
}

/// As [`load`], for commands that need no file which it names: those stay closed, because whoever
/// runs such a command may not be allowed to read a private key.
///
/// # Errors
/// Every error found, at least one.
pub fn load_settings(path: &Path) -> Result<Loaded, Report> {
    open_file(path, Files::Named).map(Configuration::into_loaded)
}

/// Checks the variables that a stage and its canary have together.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn check_stage_variables(variables: &BTreeMap<String, String>) -> Result<(), String> {
    lower::check_variables(variables)
}

fn open_file(path: &Path, files: Files) -> Result<Configuration, Report> {
    let Named { name, text, path } = read_named(path)?;
    open_named(&name, &text, base_of(&path), files)
}

/// A file that was read.
struct Named {
    /// What messages call it.
    name: String,
    text: String,
    /// From the root on.
    path: PathBuf,
}

/// Where relative paths in the file at `path` start.
fn base_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn read_named(path: &Path) -> Result<Named, Report> {
    let name = path.display().to_string();
    let refused = |place: Option<Place>, message: String| {
        let mut diagnostics = Collector::new(&name);
        diagnostics.error(place, "", message);
        diagnostics.into_report()
    };
    let bytes = read_file(path)
        .map_err(|error| refused(None, format!("cannot be read: {}", files::told(&error))))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refused(None, too_large()));
    }
    let path = std::path::absolute(path)
        .map_err(|error| refused(None, format!("has no absolute path: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = not_utf8(&error, FileId::FIRST);
        refused(Some(place), NOT_UTF8.to_owned())
    })?;
    Ok(Named { name, text, path })
}

fn too_large() -> String {
    format!("the file has too many bytes: at most {FILE_BYTES_MAX}")
}

const NOT_UTF8: &str = "this is not UTF-8: save the file as UTF-8";

/// Where the text of `file` ends to be UTF-8.
fn not_utf8(error: &FromUtf8Error, file: FileId) -> Place {
    let sound = error.utf8_error().valid_up_to();
    let before = String::from_utf8_lossy(error.as_bytes().get(..sound).unwrap_or(&[]));
    Place {
        file,
        line: before.matches('\n').count() + 1,
        column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
    }
}

/// Loads `text`, which messages call `name`. Relative paths in it start at `base`.
///
/// # Errors
/// Every error found, at least one.
pub fn load_text(name: &str, text: &str, base: &Path) -> Result<Loaded, Report> {
    open_text(name, text, base).map(Configuration::into_loaded)
}

/// As [`load_text`], for those that know what stages serve instead.
///
/// # Errors
/// Every error found, at least one.
pub fn open_text(name: &str, text: &str, base: &Path) -> Result<Configuration, Report> {
    open_named(name, text, base, Files::opened())
}

fn open_named(name: &str, text: &str, base: &Path, files: Files) -> Result<Configuration, Report> {
    let mut diagnostics = Collector::new(name);
    match shaped(name, text, base, &files, &mut diagnostics) {
        Some((tree, file)) => Configuration::new(tree, file, base, files, diagnostics),
        None => {
            if !diagnostics.has_errors() {
                // Nothing is accepted without having been lowered.
                diagnostics.error(None, "", "was refused for no reason that could be named");
            }
            Err(diagnostics.into_report())
        }
    }
}

/// The tree of a file, and what of it is sound in the written form.
fn shaped(
    name: &str,
    text: &str,
    base: &Path,
    files: &Files,
    diagnostics: &mut Collector,
) -> Option<(Node, written::File)> {
    if text.len() > FILE_BYTES_MAX {
        diagnostics.error(None, "", too_large());
        return None;
    }
    let tree = yaml::parse(text, FileId::FIRST, Bounds::CONFIGURATION, diagnostics)?;
    let tree = openapi::expand(tree, name, base, files, diagnostics);
    let sound = shape::check(&SCHEMA, &tree, diagnostics)?;
    match read::read::<written::File>(&sound) {
        Ok(file) => Some((tree, file)),
        Err(error) => {
            diagnostics.error(
                Some(tree.place),
                "",
                format!("cannot be understood: {error}"),
            );
            None
        }
    }
}

/// Generated once: it is the same for every file.
static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(schema);

/// At most one byte more than is accepted, so that no device or FIFO is read without end.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
