//! Lines that a process writes, kept and awaited.

use std::io::{BufRead as _, BufReader, Read};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::process::joined;
use crate::wait::{DEADLINE, fail};

/// Everything a process has written to one of its outputs so far.
#[derive(Debug)]
pub struct Lines {
    seen: watch::Receiver<Vec<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    /// Reads `output` to its end on a thread.
    pub fn read(output: impl Read + Send + 'static) -> Self {
        let (lines, seen) = watch::channel(Vec::new());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                lines.send_modify(|lines: &mut Vec<String>| {
                    lines.push(String::from_utf8_lossy(&line).into_owned());
                });
            }
        });
        Self {
            seen,
            reader: Some(reader),
        }
    }

    /// The lines so far.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    /// All lines, once the process has closed its output. A test that is failing already takes what
    /// there is when it waited too long.
    ///
    /// # Panics
    /// When the output is not closed within the deadline.
    #[must_use]
    pub fn finish(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            let what = "the end of an output, which something holds open";
            if let Some(outcome) = joined(reader, what) {
                outcome.expect("the reading thread does not panic");
            }
        }
        self.all()
    }

    /// What `pick` makes of the first line it knows.
    ///
    /// # Panics
    /// When there is none within the deadline.
    pub async fn find<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let mut seen = self.seen.clone();
        let pick_first = |lines: &Vec<String>| lines.iter().find_map(|line| pick(line));
        let waiting = seen.wait_for(|lines| pick_first(lines).is_some());
        let found = match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(Ok(lines)) => pick_first(&lines),
            Ok(Err(_)) | Err(_) => None,
        };
        found.unwrap_or_else(|| {
            fail(&format!(
                "no line with {what} in:\n{}",
                self.all().join("\n")
            ))
        })
    }
}
