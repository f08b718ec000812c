//! The real binary, started and watched.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lines::Lines;
use crate::metrics::Metrics;
use crate::process::ended;
use crate::setup::Setup;
use crate::wait::{DEADLINE, fail, until, within};

/// The binary under test, built once per suite.
pub static BINARY: LazyLock<PathBuf> = LazyLock::new(build);

fn build() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows where it is");
    let directory = this.parent().expect("it lies in a directory");
    // Test programs lie one below the others.
    let profile = if directory.ends_with("deps") {
        directory.parent().expect("which lies in the profile's")
    } else {
        directory
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--package",
        "gateway",
        "--bin",
        "gateway",
    ]);
    // A folder has its profile's name, but for the one that is built where none is said.
    let name = profile.file_name().expect("a profile has a folder");
    if name != "debug" {
        command.arg("--profile").arg(name);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.arg("--target-dir").arg(
        profile
            .parent()
            .expect("which lies in the target directory"),
    );
    let mut cargo = command.spawn().expect("cargo can be run");
    let waited = "a child can be waited for";
    let mut status = ended(&mut cargo, PATIENCE).expect(waited);
    if status.is_none() {
        // Past what the test runner captures, so that it is seen while the suite stands still.
        let note = "cargo still builds the gateway; another cargo may hold the target directory";
        drop(writeln!(std::io::stderr(), "{note}"));
        status = ended(&mut cargo, BUILD_DEADLINE).expect(waited);
    }
    let Some(status) = status else {
        drop(cargo.kill());
        fail(&format!(
            "cargo has not built the gateway after {BUILD_DEADLINE:?}: another cargo may hold the \
             target directory"
        ));
    };
    assert!(status.success(), "the gateway does not build");
    profile.join("gateway")
}

/// How long a build may take before that is said, and before it fails the tests.
const PATIENCE: Duration = DEADLINE;
const BUILD_DEADLINE: Duration = Duration::from_secs(900);

/// A running gateway. Dropping it kills it, and fails the test if it has panicked.
#[derive(Debug)]
pub struct Gateway {
    setup: Setup,
    process: Child,
    /// The access log.
    pub log: Lines,
    /// The operator's log.
    pub errors: Lines,
}

impl Gateway {
    /// Starts it and waits until it is ready.
    pub async fn start(setup: Setup) -> Self {
        let gateway = Self::spawn(setup);
        gateway
            .errors
            .find("ready", |line| line.contains(" ready ").then_some(()))
            .await;
        gateway
    }

    /// Starts it and waits for nothing.
    #[must_use]
    pub fn spawn(setup: Setup) -> Self {
        let mut command = match (setup.descriptor_limit(), setup.launcher_words()) {
            (None, []) => Command::new(&*BINARY),
            (None, [program, arguments @ ..]) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&*BINARY);
                command
            }
            (Some(count), _) => {
                let mut command = Command::new("prlimit");
                command
                    .arg(format!("--nofile={count}:{count}"))
                    .arg(&*BINARY);
                command
            }
        };
        command.arg("run").arg("--config").arg(setup.write());
        for (name, value) in setup.environment_variables() {
            command.env(name, value);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("the gateway can be started");
        let log = Lines::read(process.stdout.take().expect("its output is piped"));
        let errors = Lines::read(process.stderr.take().expect("its errors are piped"));
        Self {
            setup,
            process,
            log,
            errors,
        }
    }

    /// Where the listener `main` was bound.
    pub async fn address(&self) -> SocketAddr {
        self.listener("main").await
    }

    /// Where the listener `name` was bound last.
    pub async fn listener(&self, name: &str) -> SocketAddr {
        let mark = format!("listener={name}");
        self.errors
            .find(&mark, |line| find_address(line, " listening ", &mark))
            .await
    }

    /// Where metrics are served.
    pub async fn metrics_address(&self) -> SocketAddr {
        self.errors
            .find("metrics", |line| {
                find_address(line, " metrics ", "address=")
            })
            .await
    }

    /// The metrics now.
    pub async fn metrics(&self) -> Metrics {
        Metrics::fetch(self.metrics_address().await).await
    }

    /// The metrics, once they satisfy `condition`.
    pub async fn metrics_when(&self, what: &str, condition: impl Fn(&Metrics) -> bool) -> Metrics {
        let address = self.metrics_address().await;
        until(what, || async {
            Some(Metrics::fetch(address).await).filter(&condition)
        })
        .await
    }

    /// The access-log records so far.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.log.all().iter().map(|line| parse(line)).collect()
    }

    /// The first record that satisfies `condition`: of records of different workers, any may
    /// be the first.
    pub async fn record(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.log
            .find(what, |line| Some(parse(line)).filter(&condition))
            .await
    }

    /// The first record with this reason.
    pub async fn reason(&self, reason: &str) -> Value {
        self.record(reason, |record| record["reason"] == reason)
            .await
    }

    /// The record of the request with this path.
    pub async fn path(&self, path: &str) -> Value {
        self.record(path, |record| record["path"] == path).await
    }

    /// The configuration, to be changed before a reload.
    pub const fn setup(&mut self) -> &mut Setup {
        &mut self.setup
    }

    /// Where its configuration is.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.setup.directory().join("gateway.yaml")
    }

    /// Where it listens for commands.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.setup.admin_socket()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("the gateway runs");
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let process = &mut self.process;
        until("the gateway's end", || {
            let status = process.try_wait().expect("a child can be waited for");
            async move { status }
        })
        .await
    }

    /// Writes the configuration and reloads over the admin socket: the answer.
    pub async fn reload(&self) -> Value {
        drop(self.setup.write());
        self.admin(r#"{"do":"reload"}"#).await
    }

    /// Sends one line over the admin socket: the answer.
    pub async fn admin(&self, line: &str) -> Value {
        let (socket, line) = (self.setup.admin_socket(), line.to_owned());
        let talk = tokio::task::spawn_blocking(move || admin(&socket, &line));
        let answer = within("the admin socket", talk)
            .await
            .expect("it does not panic");
        parse(&answer.expect("the admin socket answers"))
    }

    /// Ends it as an operator would, and gives every record it wrote.
    pub async fn all_records(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "stopped with {status}");
        self.log.finish().iter().map(|line| parse(line)).collect()
    }

    /// Ends it as an operator would, and gives the setup back.
    pub async fn stop(mut self) -> Setup {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "stopped with {status}");
        std::mem::take(&mut self.setup)
    }

    /// Kills it, and gives the setup back.
    pub async fn kill(mut self) -> Setup {
        self.signal(Signal::KILL);
        self.ended().await;
        std::mem::take(&mut self.setup)
    }

    /// Resident memory, now and at its highest, in bytes.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let text = self.proc_file("status");
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            kib.expect("the kernel tells it") * 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Processor time used so far, in clock ticks.
    #[must_use]
    pub fn processor_ticks(&self) -> u64 {
        let text = self.proc_file("stat");
        let (_, fields) = text.rsplit_once(')').expect("the name is in parentheses");
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>);
        ticks.map(|field| field.expect("ticks are numbers")).sum()
    }

    fn proc_file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.pid())).expect("the gateway runs")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop(self.process.kill());
        let is_gone = matches!(ended(&mut self.process, DEADLINE), Ok(Some(_)));
        assert!(
            is_gone || std::thread::panicking(),
            "the gateway was killed and has not ended after {DEADLINE:?}"
        );
        let errors = self.errors.finish();
        if std::thread::panicking() {
            let tail = errors
                .iter()
                .rev()
                .take(30)
                .rev()
                .cloned()
                .collect::<Vec<_>>()
                .join("\n");
            drop(writeln!(std::io::stderr(), "the gateway said:\n{tail}"));
        } else {
            let panicked = errors.iter().find(|line| line.contains("panicked"));
            assert_eq!(panicked, None, "the gateway panicked");
        }
    }
}

fn find_address(line: &str, event: &str, mark: &str) -> Option<SocketAddr> {
    if !line.contains(event) || !line.contains(mark) {
        return None;
    }
    line.split_whitespace()
        .find_map(|word| word.strip_prefix("address=")?.parse().ok())
}

fn parse(line: &str) -> Value {
    let parsed = serde_json::from_str(line);
    parsed.unwrap_or_else(|error| fail(&format!("{error} in {line:?}")))
}

fn admin(socket: &Path, line: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all(line.as_bytes())?;
    stream.write_all(b"\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer)
}
