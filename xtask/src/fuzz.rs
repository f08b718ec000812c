//! `cargo xtask fuzz`: the coverage-guided search for frames that two parsers read differently.
//!
//! The harness is in `fuzz`, libFuzzer drives it, and the instrumentation comes from stable rustc's
//! own LLVM; no nightly and no cargo-fuzz are needed, only a C++ compiler for libFuzzer itself. The
//! search starts from the committed corpus, and what it finds on the way stays in the target
//! directory until `--minimise` makes a new committed corpus of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::ebpf;
use crate::process::{cargo, say, succeed, target_directory};

/// The frames that every `cargo test` replays.
const CORPUS: &str = "tests/corpus/frame";

/// Longer frames go no way that shorter ones do not.
const LENGTH_MAX: &str = "-max_len=600";

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
    /// How long to search.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    seconds: u32,
    /// Afterwards replace the committed corpus by the fewest frames that go all ways found.
    #[arg(long)]
    minimise: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    search(arguments.seconds)?;
    if arguments.minimise {
        minimise()?;
    }
    Ok(())
}

/// Searches for so many seconds.
///
/// # Errors
/// When the harness cannot be built, or when a frame was found that two parsers read differently.
pub(crate) fn search(seconds: u32) -> anyhow::Result<()> {
    let harness = build()?;
    let found = directory()?.join("found");
    let grown = grown()?;
    std::fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    // It ends with a separator, because libFuzzer only puts the name behind it.
    let mut artifacts = std::ffi::OsString::from("-artifact_prefix=");
    artifacts.push(found.join(""));
    let mut command = Command::new(harness);
    command
        .args([LENGTH_MAX, "-use_value_profile=1", "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(artifacts)
        .args([grown, committed()?]);
    succeed(&mut command).with_context(|| {
        format!(
            "the frame is in `{}`; copy it to `{CORPUS}`, where every `cargo test` reads it, and \
             mend the parser",
            found.display()
        )
    })
}

/// Makes the committed corpus anew from itself and everything found since.
fn minimise() -> anyhow::Result<()> {
    let fewest = directory()?.join("fewest");
    if fewest.exists() {
        std::fs::remove_dir_all(&fewest).with_context(|| fewest.display().to_string())?;
    }
    std::fs::create_dir_all(&fewest).with_context(|| fewest.display().to_string())?;
    let committed = committed()?;
    let mut command = Command::new(build()?);
    command
        // How often an edge is taken does not count: a frame per number of tags would be kept.
        .args([LENGTH_MAX, "-merge=1", "-use_counters=0"])
        .args([&fewest, &committed, &grown()?]);
    succeed(&mut command)?;
    for file in files(&committed)?.iter().filter(|file| named_by_hash(file)) {
        std::fs::remove_file(file).with_context(|| file.display().to_string())?;
    }
    for file in files(&fewest)? {
        let name = file.file_name().context("a file has a name")?;
        std::fs::copy(&file, committed.join(name)).with_context(|| file.display().to_string())?;
    }
    say(&format!(
        "{} frames in `{CORPUS}`",
        files(&committed)?.len()
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

fn committed() -> anyhow::Result<PathBuf> {
    Ok(ebpf::root()?.join(CORPUS))
}

/// What the searches on this machine have found so far.
fn grown() -> anyhow::Result<PathBuf> {
    let directory = directory()?.join("corpus");
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory)
}

/// A target directory of its own: what is in it is instrumented.
fn directory() -> anyhow::Result<PathBuf> {
    Ok(target_directory()?.join("fuzz"))
}

/// Builds the harness and returns its path.
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
    Ok(directory.join(host).join("release/frame"))
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
