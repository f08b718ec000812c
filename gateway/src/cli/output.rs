//! The only place that prints.
#![expect(clippy::print_stderr, reason = "this is where printing happens")]

use std::io::Write as _;

/// Standard output and standard error. A closed pipe ends printing, not the program.
#[derive(Debug)]
pub(super) struct Output {
    closed: bool,
}

impl Output {
    pub(super) const fn standard() -> Self {
        Self { closed: false }
    }

    /// Whether the reader has gone, as in `gateway stats --watch | head`.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// One line, or several, to standard output.
    pub(super) fn line(&mut self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        if writeln!(stdout, "{text}")
            .and_then(|()| stdout.flush())
            .is_err()
        {
            self.closed = true;
        }
    }

    /// One line, or several, to standard error.
    pub(super) fn error(&mut self, text: &str) {
        eprintln!("{text}");
    }
}
