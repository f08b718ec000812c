//! Runs a program until it ends or standard input closes.
//!
//! The pipe on standard input is the leash: its other end closes when the starter lets go, and
//! also when the starter is killed. That works where signals do not: a user may not signal what
//! `sudo` raised, but may close a pipe. The program runs in a process group of its own, so that
//! Ctrl-C in a terminal reaches it once, through here, and not a second time from the terminal.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long the program may take to end after it was asked to.
    #[arg(long, value_name = "SECONDS", default_value_t = 40)]
    patience: u64,
    /// The program to run, and its arguments.
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// Returns the program's own exit code, or 128 and the signal that ended it, as shells do.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let stdin = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("dup of standard input")?;
    let mut leash =
        pipe::Receiver::from_owned_fd(stdin).context("standard input must be a pipe")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut child = start(&arguments.program)?;

    tokio::select! {
        status = child.wait() => return exit_code(status?),
        end = closed(&mut leash) => end?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    ask(&child)?;
    match tokio::time::timeout(Duration::from_secs(arguments.patience), child.wait()).await {
        Ok(status) => exit_code(status?),
        Err(_elapsed) => {
            child.kill().await.context("kill")?;
            anyhow::bail!(
                "the program did not end within {} s and was killed",
                arguments.patience
            )
        }
    }
}

/// The program is tethered to this process, so that it also ends when the guard is killed.
fn start(program: &[OsString]) -> anyhow::Result<Child> {
    let tether = std::env::current_exe().context("path of this program")?;
    Command::new(tether)
        .args(["tether", "--parent", &std::process::id().to_string(), "--"])
        .args(program)
        .stdin(std::process::Stdio::null())
        .process_group(0)
        .spawn()
        .context("start of the program")
}

/// Resolves when every writer has closed the pipe. What is written to it means nothing.
async fn closed(leash: &mut pipe::Receiver) -> io::Result<()> {
    let mut ignored = [0; 64];
    while leash.read(&mut ignored).await? != 0 {}
    Ok(())
}

fn ask(child: &Child) -> anyhow::Result<()> {
    // `id` is `None` once the child was waited for; until then its number names nothing else.
    let Some(pid) = child
        .id()
        .map(i32::try_from)
        .transpose()?
        .and_then(Pid::from_raw)
    else {
        return Ok(());
    };
    kill_process(pid, Signal::INT).context("kill with SIGINT")
}

fn exit_code(status: ExitStatus) -> anyhow::Result<ExitCode> {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(ExitCode::from(u8::try_from(
        code.context("the program neither ended nor was ended")?,
    )?))
}
