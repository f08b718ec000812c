//! The hash over everything the object is made of: the two crates, the locked versions of what
//! they build on, and the flags. The tools are not part of it; the manifest names them beside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use super::build;

/// Files and folders that are compiled into the object.
const SOURCES: [&str; 4] = [
    "gateway-common/Cargo.toml",
    "gateway-common/src",
    "gateway-ebpf/Cargo.toml",
    "gateway-ebpf/src",
];

/// The hash of the source below `root`.
pub(super) fn hash(root: &Path) -> anyhow::Result<String> {
    let mut files = BTreeSet::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    let mut hash = Sha256::new();
    for file in &files {
        let name = file
            .strip_prefix(root)
            .context("collected below the root")?;
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        section(&mut hash, &name.to_string_lossy(), &bytes);
    }
    for entry in locked(root)? {
        section(&mut hash, "lock", entry.as_bytes());
    }
    for flag in build::flags() {
        section(&mut hash, "flag", flag.as_bytes());
    }
    Ok(hex(&hash.finalize()))
}

/// The hash of bytes, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Names and lengths keep two different trees from hashing alike.
fn section(hash: &mut Sha256, name: &str, bytes: &[u8]) {
    hash.update(name.as_bytes());
    hash.update([0]);
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in
            std::fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))?
        {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.insert(path.to_path_buf());
    }
    Ok(())
}

/// The lock file's entries for every package that takes part in the build of the object.
fn locked(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let used = used(root)?;
    let path = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let entries: BTreeSet<String> = lock
        .split("[[package]]")
        .skip(1)
        .filter_map(|entry| {
            let name = field(entry, "name")?;
            let version = field(entry, "version")?;
            let identity = format!("{name} {version}");
            // A package of this workspace has no checksum; its files are hashed themselves.
            let checksum = field(entry, "checksum").unwrap_or_default();
            used.contains(&identity)
                .then(|| format!("{identity} {checksum}"))
        })
        .collect();
    if entries.len() != used.len() {
        bail!("Cargo.lock names {} of {used:?}", entries.len());
    }
    Ok(entries)
}

/// `name version` of the packages cargo would build, as it states them itself.
fn used(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["tree", "--locked", "--quiet", "--package", "gateway-ebpf"])
        .args(["--target", "bpfel-unknown-none", "--edges", "normal,build"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .output()
        .context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8(output.stdout).context("cargo tree prints text")?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let version = words.next()?.strip_prefix('v')?;
            Some(format!("{name} {version}"))
        })
        .collect())
}

fn field<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    entry.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(" = \"")?;
        value.strip_suffix('"')
    })
}
