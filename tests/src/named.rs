//! Tests that documents name.

use std::path::Path;

/// Whether `file`, by its path in the repository, has a test called `test`.
///
/// # Panics
/// When there is no such file.
#[must_use]
pub fn is_test(file: &str, test: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let source = std::fs::read_to_string(&path);
    let source = source.unwrap_or_else(|error| crate::wait::fail(&format!("{file}: {error}")));
    let Some((before, _)) = source.split_once(&format!("fn {test}(")) else {
        return false;
    };
    // The attribute stands right above, or above what is between it and the name.
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.contains("#[test]") || attributes.contains("#[tokio::test")
}
