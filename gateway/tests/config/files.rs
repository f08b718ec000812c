//! The repository's files, and texts compared with them.

use std::path::{Path, PathBuf};

/// Its root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn yaml_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

pub(crate) fn reference() -> String {
    std::fs::read_to_string(repository().join("examples/reference.yaml")).unwrap()
}

/// Holds `found` against the committed text; `GATEWAY_BLESS=1` writes it instead.
#[track_caller]
pub(crate) fn compare(path: &Path, found: &str) {
    if std::env::var_os("GATEWAY_BLESS").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}; found:\n{found}", path.display()));
    assert_eq!(
        found,
        expected,
        "{}: rerun with GATEWAY_BLESS=1 to accept",
        path.display()
    );
}
