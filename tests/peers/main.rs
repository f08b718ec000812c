//! Other people's clients and servers. What is not installed is skipped, and said so.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail them by panicking, as tests do"
)]

mod aws;
mod aws_json;
mod tenants;
mod callgrind;
mod cognito;
mod curl;
mod openssl;
mod functions;
mod fleet;
mod h2load;
mod nginx;
mod oidc;
mod python;
mod signing;
mod signing_suite;
mod signing_tls;
mod tenants_example;
mod tmux;

use std::path::PathBuf;

use gateway_tests::capability::or_skip;

/// Where a program is, or a skip that names it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = found
        .map(|directory| directory.join(name))
        .find(|file| file.is_file());
    or_skip(found.ok_or_else(|| anyhow::anyhow!("`{name}` is not installed")))
}
