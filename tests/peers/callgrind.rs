//! Callgrind: what a lookup of a route costs in instructions, whatever the number of routes.

use std::path::Path;
use std::process::Command;

use gateway_tests::counted_lookups::LOOKUPS;
use gateway_tests::wait::fail;

use crate::program;

const ROUTES: [usize; 3] = [10, 1_000, 10_000];

/// Instructions of one lookup among `count` routes.
fn instructions(valgrind: &Path, kind: &str, count: usize) -> u64 {
    let directory = tempfile::tempdir().expect("temporary directories can be made");
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*counted_{kind}_lookups*"))
        .arg(format!(
            "--callgrind-out-file={}",
            directory.path().join("out").display()
        ))
        .arg(env!("CARGO_BIN_EXE_route-lookups"))
        .args([kind, &count.to_string()])
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // `==7== Collected : 123456`
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, number)| number.trim().parse::<u64>().ok());
    let collected = collected.unwrap_or_else(|| fail(&format!("no count in:\n{said}")));
    collected / LOOKUPS as u64
}

#[test]
fn a_lookup_costs_the_same_among_ten_and_ten_thousand_routes() {
    let Some(valgrind) = program("valgrind") else {
        return;
    };
    for kind in ["http", "rest"] {
        let counts = ROUTES.map(|count| instructions(&valgrind, kind, count));
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        // Four segments are hashed, which alone takes more.
        assert!(*least > 400, "{kind}: not all was counted: {counts:?}");
        assert!(
            most * 10 <= least * 11,
            "{kind}: {counts:?} instructions among {ROUTES:?} routes differ by more than 10 %"
        );
    }
}
