//! A running `cargo xtask run`, and the processes that belong to it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, geteuid, kill_process, pidfd_open, pidfd_send_signal,
};

/// How long a process may take to end after it was told to, or after its parent died.
const END_SECONDS: i64 = 20;

/// The demos run one after the other: a machine with two cores is no judge of six at once.
pub(crate) fn in_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed leaves the lock poisoned, not the next test.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A demo that answers.
#[derive(Debug)]
pub(crate) struct Demo {
    xtask: Child,
    port: u16,
    /// What it printed, line by line.
    pub(crate) invitation: Vec<String>,
    /// In a network namespace of its own.
    isolated: bool,
    /// Kept open for what it prints last.
    #[expect(dead_code, reason = "closing it would make printing fail")]
    stdout: BufReader<ChildStdout>,
}

/// What a pasted line did.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    #[expect(
        dead_code,
        reason = "read by people, in the message of a failed assertion"
    )]
    pub(crate) stderr: String,
}

/// Starts a demo in this network namespace. One that ended instead is what it wrote to standard
/// error.
pub(crate) fn start_here(port: u16) -> Result<Demo, String> {
    start(Command::new(env!("CARGO_BIN_EXE_xtask")), port, false)
}

fn start(mut command: Command, port: u16, isolated: bool) -> Result<Demo, String> {
    let mut xtask = command
        .args(["run", "--port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xtask starts");
    let mut stdout = BufReader::new(xtask.stdout.take().expect("piped"));
    let mut invitation = Vec::new();
    // As root the last line is the last of three that use another source address.
    let last = if geteuid().is_root() {
        "--interface 127.0.0.2"
    } else {
        "tail -n"
    };
    let mut lasts = if geteuid().is_root() { 3 } else { 1 };
    let mut line = String::new();
    while stdout.read_line(&mut line).expect("text") != 0 {
        let line = std::mem::take(&mut line).trim_end().to_owned();
        lasts -= i32::from(line.contains(last));
        invitation.push(line);
        if lasts == 0 {
            return Ok(Demo {
                xtask,
                port,
                invitation,
                isolated,
                stdout,
            });
        }
    }
    let mut told = String::new();
    xtask
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut told)
        .expect("text");
    xtask.wait().expect("it ends");
    Err(told)
}

impl Demo {
    /// Starts a demo and waits until it answers. `None`, and a line that says why, where it cannot
    /// be kept apart from this host.
    #[expect(
        clippy::print_stderr,
        reason = "a skip is reported to whoever runs the tests"
    )]
    pub(crate) fn start(port: u16) -> Option<Self> {
        let started = if geteuid().is_root() {
            let possible = Command::new("unshare").args(["--net", "true"]).output();
            if !possible.is_ok_and(|output| output.status.success()) {
                let required =
                    std::env::var("GATEWAY_KERNEL_TESTS").is_ok_and(|value| value == "require");
                assert!(!required, "`unshare --net` does not work here");
                eprintln!("skipped: `unshare --net` does not work here");
                return None;
            }
            let mut command = Command::new("unshare");
            let script = "ip link set lo up && exec \"$0\" \"$@\"";
            command.args(["--net", "sh", "-c", script, env!("CARGO_BIN_EXE_xtask")]);
            start(command, port, true)
        } else {
            start_here(port)
        };
        Some(started.expect("the demo starts"))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.xtask)
    }

    /// Runs a line in a shell, far from the repository.
    pub(crate) fn paste(&self, line: &str) -> Shown {
        let mut command = self.beside("sh");
        let output = command
            .args(["-c", line])
            .current_dir("/")
            .output()
            .expect("a shell");
        Shown {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `program` in the demo's network namespace.
    fn beside(&self, program: &str) -> Command {
        if !self.isolated {
            return Command::new(program);
        }
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.xtask.id()))
            .arg(program);
        command
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("xtask runs");
    }

    /// Waits for xtask to end. Returns whether it ended well, and what it wrote to standard error.
    pub(crate) fn finish(&mut self) -> (bool, String) {
        let mut told = String::new();
        let status = self.xtask.wait().expect("it ends");
        if let Some(mut stderr) = self.xtask.stderr.take() {
            stderr.read_to_string(&mut told).expect("text");
        }
        (status.success(), told)
    }

    /// Whether anything of the demo is pinned in the kernel.
    pub(crate) fn is_pinned(&self) -> bool {
        let pins = PathBuf::from(format!("/sys/fs/bpf/gateway/demo-{}", self.port));
        pins.exists()
    }

    /// xtask's children and theirs.
    pub(crate) fn family(&self) -> Family {
        let mut members = Vec::new();
        let mut parents = vec![self.pid()];
        while let Some(parent) = parents.pop() {
            for child in children(parent) {
                let pidfd = pidfd_open(child, PidfdFlags::empty()).expect("it runs");
                members.push(Member {
                    command: command_line(child),
                    pidfd,
                });
                parents.push(child);
            }
        }
        assert_eq!(
            members.len(),
            3,
            "an upstream, a guard and a gateway: {members:?}"
        );
        Family(members)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let ended = self.xtask.kill().and_then(|()| self.xtask.wait());
        let target = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
        let target = target.ancestors().nth(2).expect("a target directory");
        let removed = fs::remove_dir_all(target.join(format!("demo-{}", self.port)));
        if !std::thread::panicking() {
            ended.expect("xtask ends");
            removed.expect("the demo's directory can be removed");
        }
    }
}

/// Processes held by descriptors, which name them even after others took their numbers.
#[derive(Debug)]
pub(crate) struct Family(Vec<Member>);

#[derive(Debug)]
struct Member {
    command: String,
    pidfd: OwnedFd,
}

impl Family {
    /// Kills the member whose command line starts with `name`, folders apart.
    pub(crate) fn kill(&self, name: &str) {
        let member = self
            .0
            .iter()
            .find(|member| member.command.starts_with(name));
        let member = member.expect("such a process");
        pidfd_send_signal(&member.pidfd, Signal::KILL).expect("it runs");
    }

    /// Waits until none of them runs any more.
    pub(crate) fn all_end(&self) {
        for member in &self.0 {
            let mut polled = [PollFd::new(&member.pidfd, PollFlags::IN)];
            let patience = Timespec {
                tv_sec: END_SECONDS,
                tv_nsec: 0,
            };
            let ended = poll(&mut polled, Some(&patience)).expect("poll");
            assert_eq!(ended, 1, "`{}` still runs", member.command);
        }
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero();
    let listed =
        fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("children");
    listed
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .filter_map(Pid::from_raw)
        .collect()
}

/// The arguments, of the first only the file's name.
fn command_line(pid: Pid) -> String {
    let arguments = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).expect("it runs");
    let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
    let (program, rest) = arguments.split_once(' ').unwrap_or((&arguments, ""));
    format!("{} {rest}", program.rsplit('/').next().unwrap_or(program))
}
