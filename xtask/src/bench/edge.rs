//! `cargo xtask bench edge`: nanoseconds per packet in the kernel, in total, beside an empty
//! program in the same run, and what else the kernel edge is held to.

use super::measured;
use super::report::Report;
use crate::ebpf;

/// Windows for each case, unless told otherwise.
pub(super) const WINDOWS: u16 = 7;

/// Measures and prints.
///
/// # Errors
/// What is missing to run programs in the kernel, or a program that judged otherwise than its
/// case demands.
pub(super) fn run(json: bool, windows: u16) -> anyhow::Result<Report> {
    let program = measured::build()?;
    let varying = ebpf::for_benchmarks();
    let windows = windows.to_string();
    let mut arguments = vec!["edge", "--windows", &windows];
    let path;
    let mut missing = None;
    match varying {
        Ok(varying) => {
            path = varying.display().to_string();
            arguments.extend(["--varying", &path]);
        }
        Err(error) => missing = Some(format!("cases with random sources are left out: {error:#}")),
    }
    let mut report = measured::run(&program, &arguments)?;
    report.notes.extend(missing);
    report.print(json)
}
