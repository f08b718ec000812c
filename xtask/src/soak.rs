//! `cargo xtask soak`: the long proofs in full, then the fuzzer, then the benchmarks.
//!
//! `cargo xtask test` runs every proof too, at a scale that fits a coffee. The scale is an
//! environment variable that the test itself reads; this is the table of all of them.

use std::process::ExitCode;

use crate::process::{cargo, say};
use crate::test::{Tally, step};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long to search for frames, definitions, policies and policy stores that readers do not survive.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    fuzz_seconds: u32,
}

/// One proof whose size can be chosen.
#[derive(Debug)]
struct Proof {
    /// What it shows.
    claim: &'static str,
    /// Where its tests are, as `cargo test` takes it: package, program, part of their names.
    tests: &'static [&'static str],
    variable: &'static str,
    full: &'static str,
}

const PROOFS: [Proof; 11] = [
    Proof {
        claim: "the bucket equals a reference model over random traces",
        tests: &["--package", "gateway-common", "limit"],
        variable: "GATEWAY_SOAK_TRACES",
        full: "1000000",
    },
    Proof {
        claim: "no damaged configuration opens a route or ends the reader",
        tests: &["--package", "gateway", "--test", "config"],
        variable: "GATEWAY_SOAK_CASES",
        full: "1000000",
    },
    Proof {
        claim: "what a definition is written back as imports as the same definition",
        tests: &["--package", "gateway", "--test", "config", "exported::"],
        variable: "GATEWAY_SOAK_EXPORTS",
        full: "20000",
    },
    Proof {
        claim: "host parser, BPF program and etherparse agree on mutated packets",
        tests: &[
            "--package",
            "gateway-tests",
            "--test",
            "kernel",
            "differential",
        ],
        variable: "GATEWAY_SOAK_PACKETS",
        full: "5000000",
    },
    Proof {
        claim: "kernel and user space never admit more than one word permits",
        tests: &["--package", "gateway-tests", "--test", "kernel", "shared"],
        variable: "GATEWAY_SOAK_SECONDS",
        full: "120",
    },
    Proof {
        claim: "a million prefixes mean what each of them says",
        tests: &[
            "--package",
            "gateway-tests",
            "--test",
            "kernel",
            "many_prefixes",
        ],
        variable: "GATEWAY_SOAK_PREFIXES",
        full: "1000000",
    },
    Proof {
        claim: "a SYN flood leaves honest clients served and offenders remembered",
        tests: &[
            "--package",
            "gateway-tests",
            "--test",
            "kernel",
            "veth_flood",
        ],
        variable: "GATEWAY_SOAK_FLOOD",
        full: "10000000",
    },
    Proof {
        claim: "a program replaced under load judges every packet once and loses no word",
        tests: &[
            "--package",
            "gateway-tests",
            "--test",
            "kernel",
            "replace::",
        ],
        variable: "GATEWAY_SOAK_REPLACEMENTS",
        full: "1000",
    },
    Proof {
        claim: "keys that change under load and floods keep nobody out whose token is good",
        tests: &["--package", "gateway-tests", "rotation_load"],
        variable: "GATEWAY_SOAK_ROTATION",
        full: "120",
    },
    Proof {
        claim: "no request after an acknowledged change gets the old answer",
        tests: &["--package", "gateway-tests", "--test", "api", "never_stale"],
        variable: "GATEWAY_SOAK_CHANGES",
        full: "200",
    },
    Proof {
        claim: "a gateway killed under load comes back and loses no count",
        tests: &[
            "--package",
            "gateway-tests",
            "--test",
            "kernel",
            "veth_restart::killed",
        ],
        variable: "GATEWAY_SOAK_KILLS",
        full: "20",
    },
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::default();
    for proof in &PROOFS {
        let name = format!("{} ({}={})", proof.claim, proof.variable, proof.full);
        let before = tally.counted();
        let mut command = cargo()?;
        command
            .args(["test", "--profile", "soak"])
            .args(proof.tests)
            .args(["--", "--show-output"]);
        step(&mut tally, &name, command.env(proof.variable, proof.full))?;
        if tally.counted() == before {
            tally.fail(proof.claim, "none of its tests exists any more");
        }
    }
    say("\n== fuzzing")?;
    if let Err(error) = crate::fuzz::search(arguments.fuzz_seconds) {
        tally.fail("fuzzing", &format!("{error:#}"));
    }
    say("\n== benchmarks")?;
    if let Err(error) = crate::bench::all() {
        tally.fail("benchmarks", &format!("{error:#}"));
    }
    say(&tally.to_string())?;
    Ok(tally.exit_code())
}
