//! `cargo xtask soak`: the long proofs in full, then the benchmarks.
//!
//! `cargo xtask test` runs every proof too, at a scale that fits a coffee. The scale is an
//! environment variable that the test itself reads; this is the table of all of them.

use std::process::ExitCode;

use crate::process::{cargo, say, succeed};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// One proof whose size can be chosen.
#[derive(Debug)]
struct Proof {
    /// What it shows.
    claim: &'static str,
    package: &'static str,
    /// Part of the name of its tests.
    test: &'static str,
    variable: &'static str,
    full: &'static str,
}

const PROOFS: [Proof; 1] = [Proof {
    claim: "the bucket equals a reference model over random traces",
    package: "gateway-common",
    test: "limit",
    variable: "GATEWAY_SOAK_TRACES",
    full: "1000000",
}];

pub(crate) fn run(_arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut failed = 0_usize;
    for proof in &PROOFS {
        say(&format!(
            "\n== {} ({}={})",
            proof.claim, proof.variable, proof.full
        ))?;
        let outcome = succeed(
            cargo()?
                .args([
                    "test",
                    "--release",
                    "--package",
                    proof.package,
                    proof.test,
                    "--",
                    "--show-output",
                ])
                .env(proof.variable, proof.full),
        );
        if let Err(error) = outcome {
            say(&format!("failed: {error:#}"))?;
            failed += 1;
        }
    }
    say("\n== benchmarks")?;
    crate::bench::all()?;
    say(&format!(
        "\n{} proofs in full, {failed} failed",
        PROOFS.len()
    ))?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
