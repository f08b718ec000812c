//! Help texts, as they are written down in `help.txt` beside this file.

use std::fmt::Write as _;
use std::path::Path;

use crate::{gateway, stdout};

/// After a change that is meant: run with `GATEWAY_WRITE_SNAPSHOTS=1` and look at the difference.
const WRITE: &str = "GATEWAY_WRITE_SNAPSHOTS";

#[test]
fn every_command_explains_itself() {
    let mut texts = String::new();
    let mut rows = vec![vec!["--help"]];
    let overview = stdout(&gateway(&["--help"]));
    let commands = overview
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    rows.extend(
        commands
            .filter_map(|line| line.split_whitespace().next())
            .map(|name| vec![name, "--help"]),
    );
    assert!(rows.len() > 4, "{overview}");
    for row in rows {
        let output = gateway(&row);
        assert_eq!(output.status.code(), Some(0));
        writeln!(texts, "$ gateway {}\n{}", row.join(" "), stdout(&output)).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/help.txt");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, &texts).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        texts, expected,
        "help has changed: see {WRITE} in this file"
    );
}
