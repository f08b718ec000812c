//! `cargo xtask bench auth`: what it costs to let a caller in, by what is remembered and the first time.

use super::measured;
use super::report::Report;

/// Windows for each case, unless told otherwise.
pub(super) const WINDOWS: u16 = 7;

/// Measures and prints.
///
/// # Errors
/// A token or a policy that was not judged as it has to be.
pub(super) fn run(json: bool, windows: u16) -> anyhow::Result<Report> {
    let program = measured::build()?;
    let windows = windows.to_string();
    measured::run(&program, &["auth", "--windows", &windows])?.print(json)
}
