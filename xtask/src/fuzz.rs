//! `cargo xtask fuzz`: coverage-guided searches: for frames that two parsers read differently, and for
//! definitions, policies, policy stores and PROXY headers that their readers do not survive.
//!
//! The harnesses are in `fuzz`, libFuzzer drives it, and the instrumentation comes from stable rustc's
//! own LLVM; no nightly and no cargo-fuzz are needed, only a C++ compiler for libFuzzer itself. The
//! search starts from the committed corpus, and what it finds on the way stays in the target
//! directory until `--minimise` makes a new committed corpus of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::ebpf;
use crate::process::{cargo, say, succeed, target_directory};

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// Frames that two parsers read differently.
    Frame,
    /// OpenAPI definitions.
    Definition,
    /// Resource policies.
    Policy,
    /// Policies in Cedar, with their schema and entities.
    Cedar,
    /// Headers of the PROXY protocol.
    ProxyHeader,
}

impl Target {
    const ALL: [Self; 5] = [
        Self::Frame,
        Self::Definition,
        Self::Policy,
        Self::Cedar,
        Self::ProxyHeader,
    ];

    /// The name of its program, and what it writes its findings under.
    const fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Definition => "definition",
            Self::Policy => "policy",
            Self::Cedar => "cedar",
            Self::ProxyHeader => "proxy_header",
        }
    }

    /// What every `cargo test` replays.
    const fn corpus(self) -> &'static str {
        match self {
            Self::Frame => "tests/corpus/frame",
            Self::Definition => "tests/corpus/definition",
            Self::Policy => "tests/corpus/policy",
            Self::Cedar => "tests/corpus/cedar",
            Self::ProxyHeader => "tests/corpus/proxy_header",
        }
    }

    /// What a search starts from besides.
    const fn examples(self) -> Option<&'static str> {
        match self {
            Self::Definition => Some("examples/openapi"),
            Self::Frame | Self::Policy | Self::Cedar | Self::ProxyHeader => None,
        }
    }

    /// Longer ones go no way that shorter ones do not.
    const fn length_max(self) -> &'static str {
        match self {
            Self::Frame => "-max_len=600",
            Self::Definition => "-max_len=16384",
            Self::Policy | Self::Cedar => "-max_len=8192",
            Self::ProxyHeader => "-max_len=512",
        }
    }
}

/// What makes the code report to libFuzzer which edges it took and what it compared: the passes
/// that cargo-fuzz asks for, without a sanitizer. One codegen unit, so that counters are not split.
const INSTRUMENTATION: [&str; 8] = [
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to search for. Default: everything, one after the other.
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// How long to search for each.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    seconds: u32,
    /// Afterwards replace the committed corpus by the fewest files that go all ways found.
    #[arg(long)]
    minimise: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let targets: &[Target] = match &arguments.target {
        Some(target) => std::slice::from_ref(target),
        None => &Target::ALL,
    };
    let programs = build()?;
    for &target in targets {
        search_for(target, &programs, arguments.seconds)?;
        if arguments.minimise {
            minimise(target, &programs)?;
        }
    }
    Ok(())
}

/// Searches for everything, for so many seconds each.
///
/// # Errors
/// When a harness cannot be built, or when something was found.
pub(crate) fn search(seconds: u32) -> anyhow::Result<()> {
    let programs = build()?;
    for target in Target::ALL {
        search_for(target, &programs, seconds)?;
    }
    Ok(())
}

fn search_for(target: Target, programs: &Path, seconds: u32) -> anyhow::Result<()> {
    let found = directory()?.join("found").join(target.name());
    std::fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    // It ends with a separator, because libFuzzer only puts the name behind it.
    let mut artifacts = std::ffi::OsString::from("-artifact_prefix=");
    artifacts.push(found.join(""));
    let mut command = Command::new(programs.join(target.name()));
    command
        .args([
            target.length_max(),
            "-use_value_profile=1",
            "-print_final_stats=1",
        ])
        .arg(format!("-max_total_time={seconds}"))
        .arg(artifacts)
        .args([grown(target)?, committed(target)?]);
    if let Some(examples) = target.examples() {
        command.arg(ebpf::root()?.join(examples));
    }
    succeed(&mut command).with_context(|| {
        format!(
            "what was found is in `{}`; copy it to `{}`, where every `cargo test` reads it, and \
             mend the parser",
            found.display(),
            target.corpus()
        )
    })
}

/// Makes the committed corpus anew from itself and everything found since.
fn minimise(target: Target, programs: &Path) -> anyhow::Result<()> {
    let fewest = directory()?.join("fewest").join(target.name());
    if fewest.exists() {
        std::fs::remove_dir_all(&fewest).with_context(|| fewest.display().to_string())?;
    }
    std::fs::create_dir_all(&fewest).with_context(|| fewest.display().to_string())?;
    let committed = committed(target)?;
    let mut command = Command::new(programs.join(target.name()));
    command
        // How often an edge is taken does not count: a frame per number of tags would be kept.
        .args([target.length_max(), "-merge=1", "-use_counters=0"])
        .args([&fewest, &committed, &grown(target)?]);
    succeed(&mut command)?;
    for file in files(&committed)?.iter().filter(|file| named_by_hash(file)) {
        std::fs::remove_file(file).with_context(|| file.display().to_string())?;
    }
    for file in files(&fewest)? {
        let name = file.file_name().context("a file has a name")?;
        std::fs::copy(&file, committed.join(name)).with_context(|| file.display().to_string())?;
    }
    say(&format!(
        "{} files in `{}`",
        files(&committed)?.len(),
        target.corpus()
    ))
}

/// Whether libFuzzer named a file. What has a name of its own was put there by hand, and stays.
fn named_by_hash(file: &Path) -> bool {
    file.file_name().is_some_and(|name| {
        name.len() == 40 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit)
    })
}

fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| directory.display().to_string())
}

fn committed(target: Target) -> anyhow::Result<PathBuf> {
    Ok(ebpf::root()?.join(target.corpus()))
}

/// What the searches on this machine have found so far.
fn grown(target: Target) -> anyhow::Result<PathBuf> {
    let directory = directory()?.join("corpus").join(target.name());
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory)
}

/// A target directory of its own: what is in it is instrumented.
fn directory() -> anyhow::Result<PathBuf> {
    Ok(target_directory()?.join("fuzz"))
}

/// Builds the harnesses and returns the directory that they are in.
fn build() -> anyhow::Result<PathBuf> {
    let directory = directory()?;
    let host = host()?;
    let mut command = cargo()?;
    // With a target named, build scripts are not instrumented.
    command
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target", &host])
        .env("CARGO_TARGET_DIR", &directory)
        .env("RUSTFLAGS", INSTRUMENTATION.join(" "));
    succeed(&mut command).context("libFuzzer needs a C++ compiler: install `g++`")?;
    Ok(directory.join(host).join("release"))
}

/// The platform that the compiler runs on.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("starting `rustc -vV`")?;
    let text = String::from_utf8(output.stdout).context("what `rustc -vV` prints")?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` names no host")
}
