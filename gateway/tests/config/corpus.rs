//! What searches for hostile definitions, policies, policy stores and PROXY headers have found, and what
//! they start from.

#[path = "../../../fuzz/checks/cedar.rs"]
mod cedar;
#[path = "../../../fuzz/checks/definition.rs"]
mod definition;
#[path = "../../../fuzz/checks/policy.rs"]
mod policy;
#[path = "../../../fuzz/checks/proxy_header.rs"]
mod proxy_header;

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

#[test]
fn policy_stores_answer_or_are_refused_with_reasons() {
    replay("tests/corpus/cedar", cedar::check);
}

#[test]
fn proxy_headers_are_read_or_refused_alike_in_any_pieces() {
    replay("tests/corpus/proxy_header", proxy_header::check);
}
