//! The gateway under its guard: it ends when this tool does, however this tool ends.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Power;
use crate::process::{Programs, say};

/// How long the gateway may take to drain and detach: its own default drain time-out and ten
/// seconds more. The guard kills it then.
const DRAIN_SECONDS: u64 = 40;

/// What the guard may take beyond that.
const GUARD: Duration = Duration::from_secs(DRAIN_SECONDS + 5);

/// A running gateway, and the signals that end it.
#[derive(Debug)]
pub(super) struct Guarded {
    guard: Child,
    /// The leash: closing it makes the guard end the gateway.
    leash: Option<ChildStdin>,
    ending: [Signal; 3],
    power: Power,
}

impl Guarded {
    /// Starts `gateway run` with `options`, through `sudo` where asked.
    pub(super) fn start(
        programs: &Programs,
        power: Power,
        options: &[OsString],
    ) -> anyhow::Result<Self> {
        // Before the child exists: no moment may pass in which a signal would orphan it.
        let ending = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [interrupt, terminate, hangup] = ending.map(signal);
        let mut command = if power == Power::Sudo {
            let mut command = Command::new("sudo");
            command.arg("--").arg(&programs.workbench);
            command
        } else {
            Command::new(&programs.workbench)
        };
        command.args(["guard", "--patience", &DRAIN_SECONDS.to_string(), "--"]);
        command
            .arg(&programs.gateway)
            .arg("run")
            .args(options)
            .stdin(Stdio::piped());
        let mut guard = command.spawn().with_context(|| {
            if power == Power::Sudo {
                "starting `sudo`: is it installed?".to_owned()
            } else {
                format!("starting `{}`", programs.workbench.display())
            }
        })?;
        let leash = guard.stdin.take();
        Ok(Self {
            guard,
            leash,
            ending: [interrupt?, terminate?, hangup?],
            power,
        })
    }

    /// Does `work` while the gateway runs. `None` means that this tool was asked to end: by Ctrl-C,
    /// or by one of the signals that mean the same.
    ///
    /// # Errors
    /// When the gateway ends before the work does.
    pub(super) async fn during<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> anyhow::Result<Option<T>> {
        let [interrupt, terminate, hangup] = &mut self.ending;
        tokio::select! {
            status = self.guard.wait() => {
                let status = status.context("waiting for the gateway")?;
                anyhow::bail!("the gateway ended by itself: {status}{}", self.power.aftermath())
            }
            done = work => return Ok(Some(done)),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok(None)
    }

    /// Waits until this tool is asked to end, then ends the gateway.
    ///
    /// # Errors
    /// When the gateway ended before, or does not end well.
    pub(super) async fn until_asked(&mut self) -> anyhow::Result<()> {
        self.during(std::future::pending::<()>()).await?;
        self.end().await
    }

    /// Asks the gateway, once, to drain and end, and waits for it.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        drop(self.leash.take());
        let status = tokio::time::timeout(GUARD, self.guard.wait()).await;
        let status = status
            .context("the gateway's guard does not end")?
            .context("waiting for the gateway")?;
        anyhow::ensure!(status.success(), "the gateway did not end well: {status}");
        say(
            "the gateway has ended, and what it attached is detached or kept as its configuration says",
        )
    }
}
