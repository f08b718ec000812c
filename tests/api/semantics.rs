//! What docs/semantics.md says has a test.

use std::collections::BTreeMap;

use gateway_tests::named::is_test;

#[test]
fn every_row_names_a_test_that_exists() {
    let text = include_str!("../../docs/semantics.md");
    let cells = |row: &'static str| {
        let row = row.trim_start_matches("| ").trim_end_matches(" |");
        row.split(" | ").collect::<Vec<_>>()
    };
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut claimed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            section = name;
        } else if line.starts_with("| ") {
            match cells(line)[..] {
                ["section", "rows"] | ["id", ..] => {}
                [name, count] => {
                    claimed.insert(name, count.parse().unwrap());
                }
                [id, _, here, file, test] => {
                    let number = section.split(' ').next().unwrap();
                    assert!(id.starts_with(number), "{id} in section {section}");
                    let state = here.split(':').next().unwrap();
                    let is_state = ["same", "approximated", "not yet", "n/a"].contains(&state);
                    assert!(is_state, "{id}: {here}");
                    assert!(is_test(file, test), "{id}: {file} has no test {test}");
                    *counted.entry(section).or_default() += 1;
                }
                ref other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(counted, claimed);
    assert!(counted.values().sum::<usize>() >= 40);
}
