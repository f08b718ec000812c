//! `cargo xtask ebpf`: the BPF object, from source to the committed file.
//!
//! The object is committed so that building the gateway needs no BPF toolchain. What keeps it
//! honest is its manifest: a hash over everything it is made of, and the versions of the tools
//! that made it. `--check` builds anew beside the committed files and fails where they are stale.

mod toolchain;
mod build;
mod source;
mod manifest;
mod elf;
mod instruction;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use build::Variant;
use manifest::Manifest;
use toolchain::Toolchain;

/// The object that the gateway embeds.
pub(crate) const COMMITTED: &str = "gateway-ebpf/object/gateway-ebpf.o";
const MANIFEST: &str = "gateway-ebpf/object/manifest.json";
/// Fresh objects, and everything their build leaves.
const FRESH: &str = "target/ebpf";

/// What to do with the object.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Compare the committed object with this source instead of writing it.
    #[arg(long)]
    check: bool,
    /// Install the parts of the toolchain that are missing.
    #[arg(long)]
    install: bool,
    /// Build the object that logs every judgement, under target/ only.
    #[arg(long, conflicts_with = "check")]
    log: bool,
    /// Build the object that varies the sources of packets, under target/ only.
    #[arg(long, conflicts_with_all = ["check", "log"])]
    bench: bool,
}

/// Builds, checks or writes the object, as asked.
///
/// # Errors
/// What is missing and how to get it, what failed to build, or what is stale.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let root = root()?;
    if arguments.check {
        // A stale hash needs no build to be seen.
        check_source(&root)?;
    }
    let toolchain = Toolchain::find_or_install(arguments.install)?;
    let variant = match (arguments.log, arguments.bench) {
        (true, _) => Variant::Log,
        (false, true) => Variant::Bench,
        (false, false) => Variant::Shipped,
    };
    let fresh = build::build(&root, &toolchain, variant)?;
    if arguments.check {
        // The suite reads a record of it, so that it cannot rot.
        build::build(&root, &toolchain, Variant::Log)?;
        check_object(&root, &toolchain, &fresh)?;
    } else if variant == Variant::Shipped {
        write(&root, &toolchain, &fresh)?;
    }
    say(&fresh.display().to_string());
    Ok(())
}

/// The repository this program was built from.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().context("xtask lies in the repository")?;
    Ok(root.to_path_buf())
}

/// Writes the committed object and its manifest.
fn write(root: &Path, toolchain: &Toolchain, fresh: &Path) -> anyhow::Result<()> {
    let object = read(fresh)?;
    let manifest = Manifest {
        source_sha256: source::hash(root)?,
        object_sha256: source::sha256(&object),
        flags: build::flags(),
        tools: toolchain.versions()?,
    };
    let committed = root.join(COMMITTED);
    std::fs::write(&committed, object)
        .with_context(|| format!("cannot write `{}`", committed.display()))?;
    manifest.write(&root.join(MANIFEST))
}

/// Builds the object for benchmarks and returns its path.
///
/// # Errors
/// What is missing of the toolchain, or what failed to build.
pub(crate) fn for_benchmarks() -> anyhow::Result<PathBuf> {
    build::build(
        &root()?,
        &Toolchain::find_or_install(false)?,
        Variant::Bench,
    )
}

/// Compares the committed manifest with the source and with the committed object.
fn check_source(root: &Path) -> anyhow::Result<()> {
    let manifest = Manifest::read(&root.join(MANIFEST))?;
    let source = source::hash(root)?;
    if source != manifest.source_sha256 {
        bail!(
            "the committed BPF object is stale: its source had hash {}, this source has {source}; \
             run `cargo xtask ebpf` and commit {COMMITTED} and {MANIFEST}",
            manifest.source_sha256
        );
    }
    let object = source::sha256(&read(&root.join(COMMITTED))?);
    if object != manifest.object_sha256 {
        bail!(
            "{COMMITTED} is not the object of its manifest: {object} instead of {}; \
             run `cargo xtask ebpf` and commit both",
            manifest.object_sha256
        );
    }
    Ok(())
}

/// Compares a fresh object with the committed one, byte for byte where the tools are the same.
fn check_object(root: &Path, toolchain: &Toolchain, fresh: &Path) -> anyhow::Result<()> {
    let manifest = Manifest::read(&root.join(MANIFEST))?;
    let tools = toolchain.versions()?;
    if tools != manifest.tools {
        say(&format!(
            "bytes not compared: the committed object was built by {:?}, this one by {tools:?}",
            manifest.tools
        ));
        return Ok(());
    }
    if source::sha256(&read(fresh)?) != manifest.object_sha256 {
        bail!(
            "the same tools made other bytes: {} differs from {COMMITTED}",
            fresh.display()
        );
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn say(line: &str) {
    println!("{line}");
}
