//! Where things are, and the programs this tool builds and starts.
//!
//! Nothing started here outlives this tool, not even when it is killed: every child is tethered
//! (see the `workbench` program), and dropped children are ended and waited for.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use crate::ebpf;

/// Prints lines to standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .context("standard output")
}

/// The directory cargo builds into, wherever it was configured to be: this program is in it.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("path of this program")?;
    // <target>/<profile>/xtask
    let target = program
        .ancestors()
        .nth(2)
        .context("this program is not in a target directory")?;
    Ok(target.to_owned())
}

/// Cargo, in the repository's root: the one that started this tool.
pub(crate) fn cargo() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(ebpf::root()?)
        .env("CARGO_TARGET_DIR", target_directory()?);
    Ok(command)
}

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("starting `{shown}`"))?;
    anyhow::ensure!(status.success(), "`{shown}` failed: {status}");
    Ok(())
}

/// As [`succeed`], without what `command` prints but for errors.
///
/// # Errors
/// As [`succeed`].
pub(crate) fn quietly(command: &mut Command) -> anyhow::Result<()> {
    succeed(command.stdout(Stdio::null()))
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            Path::new(word)
                .file_name()
                .filter(|_| word == command.get_program())
                .unwrap_or(word)
        })
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

/// How the gateway is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Dependencies optimised lightly, ours not: what `cargo xtask test` builds too.
    Quick,
    /// As it is shipped.
    Release,
}

/// The programs that were built.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) gateway: PathBuf,
    pub(crate) workbench: PathBuf,
}

/// Builds the gateway and the workbench.
pub(crate) fn build(profile: Profile) -> anyhow::Result<Programs> {
    let mut command = cargo()?;
    command.args([
        "build",
        "--package",
        "gateway",
        "--package",
        "workbench",
        "--bins",
    ]);
    let folder = match profile {
        Profile::Quick => "debug",
        Profile::Release => {
            command.arg("--release");
            "release"
        }
    };
    succeed(&mut command)?;
    let folder = target_directory()?.join(folder);
    Ok(Programs {
        gateway: folder.join("gateway"),
        workbench: folder.join("workbench"),
    })
}

/// A child that is killed and waited for when this is dropped.
#[derive(Debug)]
pub(crate) struct Kept(Child);

impl Kept {
    /// Starts `command`, which must tether itself to this process.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        child
            .map(Self)
            .with_context(|| format!("starting `{}`", shown(command)))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        self.0.try_wait().context("waitpid")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            let told = writeln!(
                std::io::stderr(),
                "xtask: ending process {}: {error}",
                self.0.id()
            );
            // Standard error is gone: there is nobody left to tell.
            drop(told);
        }
    }
}

/// Starts the workbench's upstream and returns the address it listens on.
pub(crate) fn upstream(workbench: &Path, cpu: Option<usize>) -> anyhow::Result<(Kept, SocketAddr)> {
    use std::os::unix::process::CommandExt as _;

    let mut command = Command::new(workbench);
    command.args(["upstream", "--parent", &std::process::id().to_string()]);
    if let Some(cpu) = cpu {
        command.args(["--cpu", &cpu.to_string()]);
    }
    // Of another process group than the terminal's: Ctrl-C must not take the upstream away from a
    // gateway that is still draining.
    command.process_group(0).stdout(Stdio::piped());
    let mut upstream = Kept::start(&mut command)?;
    let stdout = upstream
        .0
        .stdout
        .take()
        .context("the upstream has no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .context("reading the upstream's address")?;
    let address = line
        .trim_end()
        .parse()
        .with_context(|| format!("the upstream said `{}`", line.trim_end()))?;
    Ok((upstream, address))
}
