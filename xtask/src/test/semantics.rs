//! Whether the tests that `docs/semantics.md` names ran and passed.
//!
//! That each of them is a test at all, and that rows and counts agree, is a test of its own
//! (`tests/api/semantics.rs`); here it is about this run. A row names a test by its file and its
//! function; a program prints the module instead of the file, which follows from it.

use std::collections::BTreeSet;

use anyhow::Context as _;

use super::Tally;
use crate::ebpf;

/// What the step is called.
pub(super) const STEP: &str = "semantics";

/// Where the rows are.
const DOCUMENT: &str = "docs/semantics.md";

/// A row that names a test.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    id: &'a str,
    file: &'a str,
    test: &'a str,
}

/// Counts a failure for each row whose test is not among those that passed.
///
/// # Errors
/// When the document cannot be read, or has no rows.
pub(super) fn check(tally: &mut Tally) -> anyhow::Result<()> {
    let path = ebpf::root()?.join(DOCUMENT);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let rows: Vec<Row<'_>> = text.lines().filter_map(row).collect();
    anyhow::ensure!(!rows.is_empty(), "`{DOCUMENT}` names no tests");
    for why in unproven(&rows, tally.passed_tests()) {
        tally.fail(STEP, &why);
    }
    Ok(())
}

/// What is wrong with each row whose test did not run and pass.
fn unproven(rows: &[Row<'_>], passed: &BTreeSet<String>) -> Vec<String> {
    let proven = |row: &Row<'_>| passed.iter().any(|name| is(name, row));
    let unproven = rows.iter().filter(|row| !proven(row));
    let told = |row: &Row<'_>| format!("{}: `{}` of {} did not pass", row.id, row.test, row.file);
    unproven.map(told).collect()
}

/// The row of a line of the document, if it is one that names a test.
fn row(line: &str) -> Option<Row<'_>> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<&str> = cells.split(" | ").collect();
    let [id, _, _, file, test] = cells[..] else {
        return None;
    };
    let is_id = id.starts_with(|first: char| first.is_ascii_digit());
    (is_id && file != "-").then_some(Row { id, file, test })
}

/// Whether the program's `name` of a test is the test of `row`: its function, in the module of its
/// file or in one within.
fn is(name: &str, row: &Row<'_>) -> bool {
    let mut modules: Vec<&str> = name.split("::").collect();
    modules.pop() == Some(row.test) && modules.starts_with(&modules_of(row.file))
}

/// The modules that lead to a file: `gateway/src/router/trie_tests.rs` has the tests of
/// `router::trie`.
fn modules_of(file: &str) -> Vec<&str> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let mut parts = path.split('/');
    // `tests/api/rest.rs`, `gateway/tests/config/ranges.rs` and `gateway/src/router/trie.rs`: what
    // stands before the modules is the program.
    let before = match (parts.next(), parts.next()) {
        (Some("tests"), Some(_)) | (Some(_), Some("src")) => 0,
        _ => 1,
    };
    let mut modules: Vec<&str> = parts.skip(before).collect();
    if let Some(last) = modules.last_mut() {
        *last = last.strip_suffix("_tests").unwrap_or(last);
    }
    if modules
        .last()
        .is_some_and(|last| ["main", "lib", "mod", "tests"].contains(last))
    {
        modules.pop();
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_proven_by_the_test_of_its_file() {
        for (file, name) in [
            ("tests/api/rest.rs", "rest::works"),
            ("tests/api/main.rs", "works"),
            ("gateway/tests/config/ranges.rs", "ranges::works"),
            ("gateway/src/router/trie.rs", "router::trie::tests::works"),
            (
                "gateway/src/router/trie_tests.rs",
                "router::trie::tests::works",
            ),
            ("gateway/src/router/mod.rs", "router::tests::works"),
            (
                "gateway/src/language/policy/tests/model.rs",
                "language::policy::tests::model::works",
            ),
            (
                "gateway/src/store/list/tests.rs",
                "store::list::tests::works",
            ),
        ] {
            let row = Row {
                id: "1.1",
                file,
                test: "works",
            };
            let passed = |name: &str| BTreeSet::from([name.to_owned()]);
            assert!(unproven(&[row], &passed(name)).is_empty(), "{file}");
            let row = Row {
                id: "1.1",
                file,
                test: "works",
            };
            for other in ["other::works", "rest::works_not", "works::not"] {
                if other != name && !file.ends_with("main.rs") {
                    let found = unproven(std::slice::from_ref(&row), &passed(other));
                    assert_eq!(found, [format!("1.1: `works` of {file} did not pass")]);
                }
            }
        }
    }

    #[test]
    fn rows_are_read_from_the_document() {
        let text = "| id | behaviour | here | file | test |\n|---|---|---|---|---|\n\
                    | 1.1 | one | same | a/src/b.rs | c |\n| 1.2 | two | n/a: no | - | - |\n\
                    | 1.1 Section | 2 |\n";
        let rows: Vec<_> = text.lines().filter_map(row).collect();
        assert_eq!(
            rows,
            [Row {
                id: "1.1",
                file: "a/src/b.rs",
                test: "c"
            }]
        );
    }
}
