//! `cargo xtask soak`: the long proofs in full, then the fuzzer, then the benchmarks.
//!
//! `cargo xtask test` runs every proof too, at a scale that fits a coffee. The scale is an
//! environment variable that the test itself reads, such as `GATEWAY_SOAK_TRACES` for the proof that is
//! called `traces` here; this is the table of all of them.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use crate::process::{cargo, say};
use crate::test::{Tally, step};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to run, of the proofs, `fuzz` and `bench`; everything where nothing is named.
    #[arg(value_name = "PART", value_parser = PossibleValuesParser::new(parts()))]
    parts: Vec<String>,

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
    /// What it is called. Its variable ends in that, in upper case.
    name: &'static str,
    full: &'static str,
}

const PROOFS: [Proof; 14] = [
    Proof {
        claim: "the bucket equals a reference model over random traces",
        tests: &["--package", "gateway-common", "limit"],
        name: "traces",
        full: "1000000",
    },
    Proof {
        claim: "keys, plans, quotas and limits admit what sequential books say, through reloads",
        tests: &["--package", "gateway", "--lib", "step::admit::model_tests"],
        name: "admissions",
        full: "10000",
    },
    Proof {
        claim: "no damaged configuration opens a route or ends the reader",
        tests: &["--package", "gateway", "--test", "config"],
        name: "cases",
        full: "1000000",
    },
    Proof {
        claim: "what a definition is written back as imports as the same definition",
        tests: &["--package", "gateway", "--test", "config", "exported::"],
        name: "exports",
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
        name: "packets",
        full: "5000000",
    },
    Proof {
        claim: "kernel and user space never admit more than one word permits",
        tests: &["--package", "gateway-tests", "--test", "kernel", "shared"],
        name: "seconds",
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
        name: "prefixes",
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
        name: "flood",
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
        name: "replacements",
        full: "1000",
    },
    Proof {
        claim: "keys that change under load and floods keep nobody out whose token is good",
        tests: &["--package", "gateway-tests", "rotation_load"],
        name: "rotation",
        full: "120",
    },
    Proof {
        claim: "no request after an acknowledged change gets the old answer",
        tests: &["--package", "gateway-tests", "--test", "api", "never_stale"],
        name: "changes",
        full: "200",
    },
    Proof {
        claim: "limits hold through reloads, restarts and kills, with the kernel and without",
        tests: &["--package", "gateway-tests", "limits_hold_through"],
        name: "restarts",
        full: "1000",
    },
    Proof {
        claim: "unknown paths and expired tokens are no offences, however many",
        tests: &["--package", "gateway-tests", "never_leave_the_first_step"],
        name: "strays",
        full: "10000",
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
        name: "kills",
        full: "20",
    },
];

/// The parts beside the proofs.
const FUZZ: &str = "fuzz";
const BENCH: &str = "bench";

fn parts() -> impl Iterator<Item = &'static str> {
    PROOFS.iter().map(|proof| proof.name).chain([FUZZ, BENCH])
}

impl Arguments {
    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|named| named == part)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::telling();
    for proof in PROOFS.iter().filter(|proof| arguments.wants(proof.name)) {
        let variable = format!("GATEWAY_SOAK_{}", proof.name.to_uppercase());
        let name = format!("{} ({variable}={})", proof.claim, proof.full);
        let before = tally.counted();
        let mut command = cargo()?;
        command
            .args(["test", "--profile", "soak"])
            .args(proof.tests)
            .args(["--", "--show-output"]);
        step(&mut tally, &name, command.env(variable, proof.full))?;
        if tally.counted() == before {
            tally.fail(proof.claim, "none of its tests exists any more");
        }
    }
    if arguments.wants(FUZZ) {
        say("\n== fuzzing")?;
        if let Err(error) = crate::fuzz::search(arguments.fuzz_seconds) {
            tally.fail("fuzzing", &format!("{error:#}"));
        }
    }
    if arguments.wants(BENCH) {
        say("\n== benchmarks")?;
        if let Err(error) = crate::bench::all() {
            tally.fail("benchmarks", &format!("{error:#}"));
        }
    }
    say(&tally.to_string())?;
    Ok(tally.exit_code())
}
