//! tmux: `gateway top` in a real terminal, looked at and typed into.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use gateway_tests::client::Client;
use gateway_tests::gateway::{BINARY, Gateway};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::{fail, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::program;

/// How long the screen may take to follow; below the deadline of the whole suite, to say what was
/// on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tmux server of a test's own with one window. Gone when dropped.
struct Terminal {
    program: PathBuf,
    /// Where its socket is.
    directory: TempDir,
}

impl Terminal {
    /// Starts `command` in a window of this size.
    fn start(program: PathBuf, command: &str) -> Self {
        let terminal = Self {
            program,
            directory: tempfile::tempdir().expect("temporary directories can be made"),
        };
        let size = ["-x", "120", "-y", "40"];
        let arguments = [&["new-session", "-d"], &size[..], &[command]].concat();
        terminal.tmux(&arguments);
        terminal
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["-u", "-f", "/dev/null", "-S"]);
        command.arg(self.directory.path().join("socket"));
        command.args(arguments).env("LC_ALL", "C.UTF-8");
        command.output().expect("tmux runs")
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// What the window shows, once it satisfies `condition`.
    async fn screen(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let looking = until(what, || async {
            Some(self.tmux(&["capture-pane", "-p"])).filter(|screen| condition(screen))
        });
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(screen) => screen,
            Err(_elapsed) => {
                let screen = self.tmux(&["capture-pane", "-p"]);
                fail(&format!("no {what} on the screen:\n{screen}"))
            }
        }
    }

    async fn shows(&self, text: &str) -> String {
        self.screen(text, |screen| screen.contains(text)).await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let output = self.output(&["kill-server"]);
        if !std::thread::panicking() {
            assert!(output.status.success(), "{output:?}");
        }
    }
}

/// A gateway that has refused a request, and the command that looks at it: `gateway top`, then what
/// became of it, then the settings of the terminal.
async fn watched() -> (Gateway, String) {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .route("GET /one", json!({"throttle": {"rate": 0.01, "burst": 2}}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let mut refused = 0;
    for _ in 0..3 {
        refused += u32::from(client.get("/one").await.status == 429);
    }
    assert_eq!(refused, 1);
    let top = format!(
        "{} top --interval 100ms --config {}",
        BINARY.display(),
        gateway.config_path().display()
    );
    let command = format!("{top}; echo ended with $?; stty -a; read -r line");
    (gateway, command)
}

/// The terminal is as it was: what was there before is back, and it takes lines again.
async fn given_back(terminal: &Terminal) {
    let screen = terminal.shows("ended with").await;
    assert!(screen.contains("ended with 0"), "{screen}");
    let screen = terminal.shows(" echoke").await;
    let settings: Vec<&str> = screen.split_whitespace().collect();
    for setting in ["icanon", "echo", "isig", "opost"] {
        assert!(settings.contains(&setting), "{setting} in\n{screen}");
    }
    assert!(!screen.contains("throttles and callers"), "{screen}");
    let cursor = terminal.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
    assert_eq!(cursor.trim(), "0 1");
}

#[tokio::test]
async fn top_follows_keys_and_sizes_and_gives_the_terminal_back() {
    let Some(program) = program("tmux") else {
        return;
    };
    let (_gateway, command) = watched().await;
    let terminal = Terminal::start(program, &command);
    // What is drawn last.
    let screen = terminal.shows("q leave").await;
    for text in [
        "main GET /one ",
        "gateway default  no kernel edge: connections counted at accept",
        "pass",
        "new_connection",
        "throttles and callers ",
    ] {
        assert!(screen.contains(text), "{text} in\n{screen}");
    }
    terminal.press(&["?"]);
    terminal.shows("q, Ctrl-C").await;
    terminal.press(&["Escape"]);
    terminal
        .screen("no help", |screen| !screen.contains("q, Ctrl-C"))
        .await;
    terminal.press(&["BTab", "/", "G", "E", "T", " ", "/", "o"]);
    terminal.shows("show only: GET /o_").await;
    terminal.press(&["Enter", "s"]);
    terminal.shows("callers 1, by admitted/s, with").await;
    terminal.press(&["p"]);
    terminal.shows("PAUSED").await;
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    let narrow = |screen: &str| {
        screen.lines().count() == 24 && screen.lines().last().is_some_and(|l| l.contains("q leave"))
    };
    terminal.screen("a smaller frame", narrow).await;
    terminal.press(&["q"]);
    given_back(&terminal).await;
}

#[tokio::test]
async fn top_gives_the_terminal_back_when_a_signal_ends_it() {
    let Some(program) = program("tmux") else {
        return;
    };
    let (_gateway, command) = watched().await;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let terminal = Terminal::start(program.clone(), &command);
        terminal.shows("q leave").await;
        let shell = terminal.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let children = format!("/proc/{0}/task/{0}/children", shell.trim());
        let children = std::fs::read_to_string(children).unwrap();
        let child: i32 = children.trim().parse().unwrap();
        kill_process(Pid::from_raw(child).unwrap(), signal).unwrap();
        given_back(&terminal).await;
    }
}
