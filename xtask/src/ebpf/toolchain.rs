//! What builds the object: a compiler that accepts unstable options, its library source, and
//! bpf-linker.
//!
//! Two sets are known to work. Debian packages an unmodified compiler together with the library
//! source; a variable makes it accept unstable options. Elsewhere rustup's nightly serves. The
//! committed object is built with the first, so that one is taken where both are complete.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::manifest::Tools;

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_PACKAGES: [&str; 6] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "llvm-22-dev",
    "clang-22",
    "libclang-22-dev",
];
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const LINKER_VERSION: &str = "0.13.0";
/// Where a sysroot keeps the source of the library, when it is installed.
const LIBRARY: &str = "lib/rustlib/src/rust/library/core/src/lib.rs";

/// A complete set of tools.
#[derive(Debug)]
pub(super) struct Toolchain {
    compiler: Compiler,
    /// bpf-linker.
    pub(super) linker: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compiler {
    Debian,
    Rustup,
}

impl Toolchain {
    /// The tools of this machine, with what is missing installed if that was asked for.
    ///
    /// # Errors
    /// What is missing and the commands that install it.
    pub(super) fn find_or_install(install: bool) -> anyhow::Result<Self> {
        if !install {
            return Self::find();
        }
        if Compiler::find().is_none() {
            install_compiler()?;
        }
        if find_linker().is_none() {
            install_linker()?;
        }
        Self::find()
    }

    fn find() -> anyhow::Result<Self> {
        let (Some(compiler), Some(linker)) = (Compiler::find(), find_linker()) else {
            bail!("{}", missing());
        };
        Ok(Self { compiler, linker })
    }

    /// Cargo, set up to build for BPF and to ignore the toolchain that runs this program.
    pub(super) fn cargo(&self) -> Command {
        let mut command = self.compiler.cargo();
        for inherited in [
            "RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_TARGET_DIR",
        ] {
            command.env_remove(inherited);
        }
        command
    }

    /// Versions, as the tools state them.
    pub(super) fn versions(&self) -> anyhow::Result<Tools> {
        Ok(Tools {
            rustc: output(self.compiler.rustc().arg("--version"))?,
            bpf_linker: output(Command::new(&self.linker).arg("--version"))?,
        })
    }

    /// Directories of this machine that debug information would otherwise carry.
    pub(super) fn sysroot(&self) -> anyhow::Result<PathBuf> {
        let sysroot = output(self.compiler.rustc().args(["--print", "sysroot"]))?;
        Ok(PathBuf::from(sysroot))
    }
}

impl Compiler {
    fn find() -> Option<Self> {
        [Self::Debian, Self::Rustup]
            .into_iter()
            .find(|compiler| compiler.is_complete())
    }

    fn is_complete(self) -> bool {
        if self == Self::Debian && !Path::new(DEBIAN_CARGO).exists() {
            return false;
        }
        output(self.rustc().args(["--print", "sysroot"]))
            .is_ok_and(|sysroot| Path::new(&sysroot).join(LIBRARY).exists())
    }

    fn rustc(self) -> Command {
        match self {
            Self::Debian => Command::new(DEBIAN_RUSTC),
            Self::Rustup => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "rustc"]);
                command
            }
        }
    }

    fn cargo(self) -> Command {
        match self {
            Self::Debian => {
                let mut command = Command::new(DEBIAN_CARGO);
                command
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Self::Rustup => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "cargo"]);
                command.env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
                command
            }
        }
    }
}

fn find_linker() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(cargo_home().map(|home| home.join("bin")))
        .map(|directory| directory.join("bpf-linker"))
        .find(|candidate| candidate.is_file())
}

/// Where cargo keeps registries and installed programs.
pub(super) fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

fn apt_install() -> String {
    format!("apt-get install -y {}", DEBIAN_PACKAGES.join(" "))
}

/// bpf-linker against the LLVM of Debian, or with the one it brings.
fn linker_install() -> String {
    let install = format!("cargo install bpf-linker --version {LINKER_VERSION}");
    if Path::new(LLVM_PREFIX).exists() {
        format!("LLVM_PREFIX={LLVM_PREFIX} {install} --no-default-features --features llvm-22")
    } else {
        install
    }
}

const RUSTUP_INSTALL: &str =
    "rustup toolchain install nightly --profile minimal --component rust-src";

fn missing() -> String {
    let mut lines = vec![
        "the BPF toolchain is incomplete; `cargo xtask ebpf --install` installs \
                          what is missing, or run:"
            .to_owned(),
    ];
    if Compiler::find().is_none() {
        lines.push(if has("rustup") {
            RUSTUP_INSTALL.to_owned()
        } else {
            apt_install()
        });
    }
    if find_linker().is_none() {
        lines.push(linker_install());
    }
    lines.join("\n    ")
}

fn install_compiler() -> anyhow::Result<()> {
    if has("apt-get") && rustix::process::geteuid().is_root() {
        shell("apt-get update")?;
        shell(&format!("DEBIAN_FRONTEND=noninteractive {}", apt_install()))
    } else {
        shell(RUSTUP_INSTALL)
    }
}

fn install_linker() -> anyhow::Result<()> {
    // With Debian's compiler the linker must be built against an LLVM no older than it.
    if Compiler::find() == Some(Compiler::Debian) && !Path::new(LLVM_PREFIX).exists() {
        install_compiler()?;
    }
    shell(&linker_install())
}

fn shell(line: &str) -> anyhow::Result<()> {
    let status = Command::new("sh")
        .args(["-c", line])
        .status()
        .context("cannot run sh")?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8(output.stdout).context("a version is text")?;
    Ok(text.trim().to_owned())
}
