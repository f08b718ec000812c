//! A process that runs one handler.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// What a handler is written in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Language {
    Python,
    Node,
}

impl Language {
    /// Writes the source of the handler `name` down.
    pub(super) fn file(self, directory: &Path, name: &str, source: &str) -> PathBuf {
        let (_, runner, text, ending) = self.parts();
        let path = directory.join(format!("{name}.{ending}"));
        for (path, text) in [(&directory.join(runner), text), (&path, source)] {
            std::fs::write(path, text).expect("temporary files can be written");
        }
        path
    }

    const fn parts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Python => ("python3", "runner.py", include_str!("runner.py"), "py"),
            Self::Node => ("node", "runner.mjs", include_str!("runner.mjs"), "mjs"),
        }
    }
}

/// A handler that waits for events. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Runner {
    process: Child,
    events: ChildStdin,
    outcomes: BufReader<ChildStdout>,
}

impl Runner {
    /// Starts the handler in `file`.
    pub(super) fn start(language: Language, file: &Path) -> Self {
        let (program, runner, ..) = language.parts();
        let mut process = Command::new(program)
            .arg(file.with_file_name(runner))
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the language of the handler is installed");
        let events = process.stdin.take().expect("its input is piped");
        let outcomes = process.stdout.take().expect("its output is piped");
        Self {
            process,
            events,
            outcomes: BufReader::new(outcomes),
        }
    }

    /// What the handler makes of an event; `None` where it died of it.
    pub(super) fn ask(&mut self, call: &Value) -> Option<Value> {
        let mut outcome = String::new();
        writeln!(self.events, "{call}").ok()?;
        self.outcomes.read_line(&mut outcome).ok()?;
        serde_json::from_str(&outcome).ok()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
