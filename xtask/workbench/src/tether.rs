//! A program that ends with its parent.
//!
//! The kernel signals a process when its parent dies if the process asked for it, and the wish
//! survives `execve` of a program without set-user-ID bits or file capabilities. So this program
//! asks and then becomes the other one: the program under test needs no code for it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    leash: Leash,
    /// The program to become, and its arguments.
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// What a process of a benchmark is tied to: whom to end with, and where to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Leash {
    /// Process id of the parent to end with.
    #[arg(long, value_name = "PID")]
    parent: i32,
    /// The only processor to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

impl Leash {
    /// Asks for SIGTERM at the parent's death, and keeps to the processor that is named.
    ///
    /// # Errors
    /// When there is no such processor, or the parent is already another process than the named one: it died before the kernel
    /// knew of the wish, and the signal would never come.
    pub(crate) fn hold(&self) -> anyhow::Result<()> {
        set_parent_process_death_signal(Some(Signal::TERM)).context("prctl PR_SET_PDEATHSIG")?;
        let parent = getppid().map_or(0, Pid::as_raw_pid);
        anyhow::ensure!(
            parent == self.parent,
            "parent `{}` is gone: `{parent}` took its place",
            self.parent
        );
        self.cpu.map_or(Ok(()), pin)
    }
}

/// Pins the calling thread, and every thread and program it starts, to one processor.
fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    anyhow::ensure!(
        cpu < CpuSet::MAX_CPU,
        "processor `{cpu}` is out of range, the last is `{}`",
        CpuSet::MAX_CPU - 1
    );
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("sched_setaffinity to processor `{cpu}`"))
}

/// Does not return unless it failed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.leash.hold()?;
    let (program, rest) = arguments
        .program
        .split_first()
        .context("no program is named")?;
    let error = std::process::Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("execve `{}`", program.display()))
}
