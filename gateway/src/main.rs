//! The gateway as a program: the library does the work.

use std::process::ExitCode;

/// Returns memory to the system after a burst, and is faster than the C library's allocator under
/// many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gateway::cli::main()
}
