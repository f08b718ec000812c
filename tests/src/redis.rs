//! Redis, as Debian has it: servers, sentinels and clusters on this host.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::output;
use crate::wait::{fail, until_now};

/// A server with a directory of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
    settings: Vec<String>,
    process: Option<Child>,
    /// Of a sentinel, which writes into it.
    file: Option<PathBuf>,
}

/// A port that nobody listens on at the moment, below those that the kernel gives out by itself and with
/// room for the one that a cluster's nodes talk on.
#[must_use]
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 11_000;
    const COUNT: u16 = 9_000;
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
    fail("no port is free")
}

impl Redis {
    /// Starts one that keeps nothing, with further settings as its command line has them.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(program: &Path, settings: &[&str]) -> Self {
        let mut redis = Self {
            program: program.to_owned(),
            directory: tempfile::tempdir().unwrap_or_else(|error| fail(&error.to_string())),
            port: free_port(),
            settings: settings.iter().map(ToString::to_string).collect(),
            process: None,
            file: None,
        };
        redis.again();
        redis
    }

    /// Starts a sentinel that watches the master on a port, which it calls `pets`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn sentinel(program: &Path, master: u16) -> Self {
        let directory = tempfile::tempdir().unwrap_or_else(|error| fail(&error.to_string()));
        let file = directory.path().join("sentinel.conf");
        let settings = format!(
            "sentinel monitor pets 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds pets 1000\n\
             sentinel failover-timeout pets 5000\n"
        );
        std::fs::write(&file, settings).unwrap_or_else(|error| fail(&error.to_string()));
        let mut sentinel = Self {
            program: program.to_owned(),
            directory,
            port: free_port(),
            settings: vec!["--sentinel".to_owned()],
            process: None,
            file: Some(file),
        };
        sentinel.again();
        sentinel
    }

    /// Starts it again, with what it has kept.
    ///
    /// # Panics
    /// It runs, or does not start.
    pub fn again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let port = self.port.to_string();
        let mut command = Command::new(&self.program);
        match &self.file {
            Some(file) => command.arg(file),
            None => command.args(["--save", ""]),
        };
        let process = command
            .args(["--port", &port, "--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(self.directory.path())
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap_or_else(|error| fail(&error.to_string())));
        self.wait("PONG", &["ping"]);
    }

    /// Where it listens.
    #[must_use]
    pub fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port of [`Self::server`].
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it answers to a command.
    ///
    /// # Panics
    /// The command line client cannot be run.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port]).args(words);
        let said = output(&mut command).unwrap_or_else(|error| fail(&error.to_string()));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Waits until it answers something with `expected` in it.
    ///
    /// # Panics
    /// It does not in time.
    pub fn wait(&self, expected: &str, words: &[&str]) {
        let what = format!("`{expected}` as the answer to {words:?}");
        until_now(&what, || self.ask(words).contains(expected));
    }

    /// Kills it, so that it writes nothing any more.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else {
            fail("it does not run")
        };
        drop(process.kill());
        drop(process.wait());
    }

    /// The process.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        match &self.process {
            Some(process) => process.id(),
            None => fail("it does not run"),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
