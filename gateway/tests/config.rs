//! Configuration from the outside: examples are accepted, mistakes are named where they stand.

#[path = "config/site.rs"]
mod site;

use std::path::{Path, PathBuf};

use gateway::config::{Loaded, load_text, schema};
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

/// `bad/*.yaml` beside the messages it earns, warnings last.
#[test]
fn every_mistake_is_named_where_it_stands() {
    let site = Site::new();
    let files = yaml_files(&repository().join("gateway/tests/config/bad"));
    assert!(files.len() >= 25, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let report = match load_text(&file_name(&path), &text, site.path()) {
            Ok(loaded) => panic!("{} was accepted: {loaded:?}", path.display()),
            Err(report) => report,
        };
        assert!(report.errors.len() == report.to_string().lines().count());
        let mut found = format!("{report}\n");
        for warning in &report.warnings {
            found.push_str(&format!("warning: {warning}\n"));
        }
        let site = site.path().display().to_string();
        compare(&path.with_extension("expected"), &found.replace(&site, "SITE"));
    }
}

/// Writes the committed schema with `GATEWAY_BLESS=1`, else compares it.
#[test]
fn the_committed_schema_is_the_generated_one() {
    compare(&repository().join("docs/configuration.schema.json"), &format!("{:#}\n", schema()));
}

#[track_caller]
fn compare(path: &Path, found: &str) {
    if std::env::var_os("GATEWAY_BLESS").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}; found:\n{found}", path.display()));
    assert_eq!(found, expected, "{}: rerun with GATEWAY_BLESS=1 to accept", path.display());
}
