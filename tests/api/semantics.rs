//! What docs/semantics.md says has a test.

use std::collections::BTreeMap;
use std::path::Path;

use gateway_tests::named::is_test;

/// Checks one row of a section, and gives the number that it has there.
#[track_caller]
fn number_of(section: &str, [id, behaviour, here, file, test]: [&str; 5]) -> usize {
    let numbers = section.split(' ').next().unwrap();
    let own = id.strip_prefix(numbers).and_then(|id| id.strip_prefix('.'));
    let own = own.unwrap_or_else(|| panic!("{id} in section {section}"));
    assert!(!behaviour.is_empty(), "{id}");
    let (state, how) = here.split_once(": ").unwrap_or((here, ""));
    match state {
        "same" => assert_eq!(how, "", "{id}"),
        "approximated" | "not yet" | "n/a" => assert!(!how.is_empty(), "{id}: {here}"),
        _ => panic!("{id}: {here}"),
    }
    if state == "n/a" {
        assert_eq!((file, test), ("-", "-"), "{id}");
    } else {
        assert!(is_test(file, test), "{id}: {file} has no test {test}");
    }
    if test == "every_mistake_is_named_where_it_stands" {
        let named = behaviour.strip_suffix("`)");
        let named = named.and_then(|rest| Some(rest.rsplit_once(" (`")?.1));
        let named = named.unwrap_or_else(|| panic!("{id} names no file of mistakes"));
        let bad = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests/config/bad");
        assert!(bad.join(named).is_file(), "{id}: {named}");
    }
    // A letter tells apart what one statement says.
    let own = own.trim_end_matches(|last: char| last.is_ascii_lowercase());
    own.parse().unwrap_or_else(|_| panic!("{id}"))
}

#[test]
fn every_row_names_a_test_that_exists() {
    let text = include_str!("../../docs/semantics.md");
    let cells = |row: &'static str| {
        let row = row.trim_start_matches("| ").trim_end_matches(" |");
        row.split(" | ").collect::<Vec<_>>()
    };
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut claimed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids: Vec<&str> = Vec::new();
    let (mut section, mut last) = ("", 0);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            (section, last) = (name, 0);
        } else if line.starts_with("| ") {
            match cells(line)[..] {
                ["section", "rows"] | ["id", ..] => {}
                [name, count] => {
                    claimed.insert(name, count.parse().unwrap());
                }
                [id, behaviour, here, file, test] => {
                    let number = number_of(section, [id, behaviour, here, file, test]);
                    assert!(number == last || number == last + 1, "{id} after {last}");
                    last = number;
                    assert!(!ids.contains(&id), "{id} stands twice");
                    ids.push(id);
                    *counted.entry(section).or_default() += 1;
                }
                ref other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(counted, claimed);
    assert!(ids.len() >= 350, "{}", ids.len());
}
