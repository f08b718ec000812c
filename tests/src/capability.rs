//! Tests that need more than an ordinary user has.
//!
//! Where the capability is missing such a test says what it misses and returns; with
//! `GATEWAY_KERNEL_TESTS=require` that is a failure, so that CI cannot pass by skipping.
#![expect(
    clippy::print_stderr,
    reason = "a skip is reported to whoever runs the tests"
)]

/// The variable that turns a skip into a failure.
pub const KERNEL_TESTS: &str = "GATEWAY_KERNEL_TESTS";

/// The value, or the reason why this test cannot run here.
///
/// # Panics
/// When the value is missing and `GATEWAY_KERNEL_TESTS=require`.
#[track_caller]
pub fn or_skip<T>(value: anyhow::Result<T>) -> Option<T> {
    match value {
        Ok(value) => Some(value),
        Err(error) => {
            let required = std::env::var_os(KERNEL_TESTS).is_some_and(|value| value == "require");
            assert!(!required, "required, but cannot run here: {error:#}");
            eprintln!("skipped: {error:#}");
            None
        }
    }
}

/// Whether a program is installed, for [`or_skip`].
///
/// # Errors
/// Names it when it cannot be found.
pub fn tool(name: &str) -> anyhow::Result<()> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|directory| directory.join(name).is_file());
    anyhow::ensure!(found, "`{name}` is not installed");
    Ok(())
}
