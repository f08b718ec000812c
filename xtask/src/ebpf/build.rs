//! One build of the object.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::toolchain::{Toolchain, cargo_home};
use super::{FRESH, elf, instruction, read};

/// Which object to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// The one that is embedded in the gateway.
    Shipped,
    /// The one with the entry point that logs.
    Log,
    /// The one with the entry point that varies the source.
    Bench,
}

const TARGET: &str = "bpfel-unknown-none";

/// What decides the bytes, apart from source and tools.
const COMPILER_FLAGS: [&str; 6] = [
    "-Cpanic=abort",
    "-Cdebuginfo=2",
    // Compare-exchange and 32-bit arithmetic; Linux 5.12.
    "-Ctarget-cpu=v3",
    // Without it unaligned reads of a packet become single-byte loads.
    "-Ctarget-feature=+allows-misaligned-mem-access",
    "-Clink-arg=--btf",
    "-Clink-arg=-O3",
];

/// Overrides of the workspace's release profile. A BPF program has nobody to panic to: what would
/// overflow is bounded where it is computed.
const PROFILE: [&str; 6] = [
    "profile.release.opt-level=3",
    "profile.release.debug=2",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.overflow-checks=false",
];

/// All flags, as the manifest states them.
pub(super) fn flags() -> Vec<String> {
    let build = [TARGET, "build-std=core"];
    let all = build.iter().chain(&COMPILER_FLAGS).chain(&PROFILE);
    all.map(ToString::to_string).collect()
}

/// Builds the object under target/ and returns its path.
///
/// # Errors
/// What the compiler said, or which property the object lacks.
pub(super) fn build(
    root: &Path,
    toolchain: &Toolchain,
    variant: Variant,
) -> anyhow::Result<PathBuf> {
    let fresh = root.join(FRESH);
    let (directory, name) = match variant {
        Variant::Shipped => (fresh.join("build"), "gateway-ebpf.o"),
        Variant::Log => (fresh.join("build-log"), "gateway-ebpf-log.o"),
        Variant::Bench => (fresh.join("build-bench"), "gateway-ebpf-bench.o"),
    };
    compile(root, toolchain, variant, &directory)?;
    let linked = read(&directory.join(TARGET).join("release/gateway-ebpf"))?;
    let object = elf::strip_debug(&linked).context("cannot strip the object")?;
    elf::refuse_paths(&object, &builder_paths(root, toolchain)?)?;
    for section in elf::code(&object)? {
        instruction::refuse_lost_fetch(&section.name, &section.bytes)?;
        if variant == Variant::Shipped {
            instruction::refuse_other_calls(&section.name, &section.bytes, &section.calls)?;
        }
    }
    let path = fresh.join(name);
    std::fs::write(&path, object).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}

fn compile(
    root: &Path,
    toolchain: &Toolchain,
    variant: Variant,
    directory: &Path,
) -> anyhow::Result<()> {
    let mut flags = vec![format!("-Clinker={}", toolchain.linker.display())];
    flags.extend(COMPILER_FLAGS.map(str::to_owned));
    for (from, to) in remapped(root, toolchain)? {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(root)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .args(["build", "--locked", "--quiet", "--release"])
        .args(["--package", "gateway-ebpf", "--bin", "gateway-ebpf"])
        .args(["--target", TARGET, "-Zbuild-std=core"])
        .arg("--target-dir")
        .arg(directory);
    for line in PROFILE {
        cargo.args(["--config", line]);
    }
    match variant {
        Variant::Shipped => {}
        Variant::Log => {
            cargo.args(["--features", "log"]);
        }
        Variant::Bench => {
            cargo.args(["--features", "bench"]);
        }
    }
    let status = cargo
        .status()
        .with_context(|| format!("cannot run {cargo:?}"))?;
    if !status.success() {
        bail!("the BPF object did not build: {status}");
    }
    Ok(())
}

/// Directories of this machine, and what debug information calls them instead. The last matching
/// rule wins, so that the wider directories come first.
fn remapped(root: &Path, toolchain: &Toolchain) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut rules = Vec::new();
    if let Some(home) = cargo_home() {
        rules.push((home.clone(), "/cargo".to_owned()));
        let registries = home.join("registry/src");
        if registries.is_dir() {
            for registry in std::fs::read_dir(&registries).context("cannot read the registry")? {
                rules.push((registry?.path(), "/registry".to_owned()));
            }
        }
    }
    let sysroot = toolchain.sysroot()?;
    let library = sysroot.join("lib/rustlib/src/rust");
    // Where the source is a link, debug information names what it points to.
    if let Ok(real) = library.join("library").canonicalize()
        && let Some(real) = real.parent()
    {
        rules.push((real.to_path_buf(), "/rust".to_owned()));
    }
    rules.push((library, "/rust".to_owned()));
    rules.push((root.to_path_buf(), "/gateway".to_owned()));
    Ok(rules)
}

/// What must not be found in the object.
fn builder_paths(root: &Path, toolchain: &Toolchain) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = remapped(root, toolchain)?
        .into_iter()
        .map(|(from, _)| from)
        .collect();
    paths.extend(std::env::home_dir());
    paths.retain(|path| path.components().count() > 1);
    Ok(paths)
}
