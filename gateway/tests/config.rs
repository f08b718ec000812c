//! Configuration from the outside: examples are accepted, mistakes are named where they stand.

#[path = "config/site.rs"]
mod site;

use std::path::{Path, PathBuf};

use gateway::config::{Loaded, load_text, schema};
use proptest::prelude::*;
use site::Site;

/// Every file in `examples/`.
fn examples() -> Vec<PathBuf> {
    yaml_files(&repository().join("examples"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn yaml_files(directory: &Path) -> Vec<PathBuf> {
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

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[track_caller]
fn accepted(name: &str, text: &str, site: &Site) -> Loaded {
    load_text(name, text, site.path()).unwrap_or_else(|report| panic!("refused:\n{report}"))
}

#[test]
fn every_example_is_accepted_without_a_warning() {
    let site = Site::new();
    let files = examples();
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = accepted(&file_name(&path), &text, &site);
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [""; 0], "{}", path.display());
    }
}
