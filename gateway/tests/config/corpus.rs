//! What searches for hostile definitions and policies have found, and what they start from.

#[path = "../../../fuzz/checks/definition.rs"]
mod definition;
#[path = "../../../fuzz/checks/policy.rs"]
mod policy;

use std::path::PathBuf;

use crate::files::repository;

/// Checks every file of a corpus.
fn replay(corpus: &str, check: impl Fn(&[u8])) {
    let folder = repository().join(corpus);
    let entries = std::fs::read_dir(&folder).unwrap();
    let entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let files: Vec<&PathBuf> = entries.iter().filter(|path| path.is_file()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        check(&std::fs::read(file).unwrap());
    }
}

#[test]
fn definitions_are_judged_or_refused_with_reasons() {
    replay("tests/corpus/definition", definition::check);
    replay("examples/openapi", definition::check);
}

#[test]
fn policies_are_judged_or_refused_with_reasons() {
    replay("tests/corpus/policy", policy::check);
}
