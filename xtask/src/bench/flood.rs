//! `cargo xtask bench flood`: what is left of the service under a flood, without and with the edge.

use super::measured;
use super::report::Report;

/// Windows for each flood, unless told otherwise.
pub(super) const WINDOWS: u16 = 5;

/// Measures and prints.
///
/// # Errors
/// What is missing on this machine.
pub(super) fn run(json: bool, windows: u16) -> anyhow::Result<Report> {
    let program = measured::build()?;
    let windows = windows.to_string();
    measured::run(&program, &["flood", "--windows", &windows])?.print(json)
}
