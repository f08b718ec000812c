//! What is wrong in the texts of a store, and where.

use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;

/// A text with the name that messages have for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Such as the path of its file.
    pub name: Arc<str>,
    /// What it says.
    pub text: Arc<str>,
}

/// Where the lines of a text end, for who asks for many of them.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// The line of a byte, from 1 on.
    pub(super) fn of(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

// Policies may name people.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// Where something is wrong in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Nobody knows.
    Whole,
    /// At this line and column, both from 1 on; columns count characters.
    Position(usize, usize),
    /// In this item of a list, from 0 on.
    Item(usize),
}

/// A mistake, or something that is probably one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The text.
    pub source: Arc<str>,
    /// Where in it.
    pub at: At,
    /// Cause and, where known, fix.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            at,
            message,
        } = self;
        match at {
            At::Whole => write!(f, "{source}: {message}"),
            At::Position(line, column) => write!(f, "{source}:{line}:{column}: {message}"),
            At::Item(index) => write!(f, "{source}: item {index}: {message}"),
        }
    }
}

impl Source {
    /// What `found` says of this text; where it says no place, that of the byte `otherwise`.
    pub(super) fn diagnosed(&self, found: &dyn Diagnostic, otherwise: Option<usize>) -> Problem {
        let label = found.labels().and_then(|mut labels| labels.next());
        let offset = label.as_ref().map(miette::LabeledSpan::offset);
        Problem {
            source: Arc::clone(&self.name),
            at: offset
                .or(otherwise)
                .map_or(At::Whole, |offset| self.position(offset)),
            message: told(found, label.as_ref().and_then(miette::LabeledSpan::label)),
        }
    }

    /// The problem `message` at the byte `offset`.
    pub(super) fn problem(&self, offset: Option<usize>, message: impl Into<String>) -> Problem {
        Problem {
            source: Arc::clone(&self.name),
            at: offset.map_or(At::Whole, |offset| self.position(offset)),
            message: message.into(),
        }
    }

    /// The problem `message` in an item.
    pub(super) fn problem_in(&self, item: usize, message: impl Into<String>) -> Problem {
        Problem {
            source: Arc::clone(&self.name),
            at: At::Item(item),
            message: message.into(),
        }
    }

    /// Where its lines end.
    pub(super) fn lines(&self) -> Lines {
        Lines(self.text.match_indices('\n').map(|(end, _)| end).collect())
    }

    fn position(&self, offset: usize) -> At {
        let characters = self.text.char_indices();
        let before = characters.take_while(|(at, _)| *at < offset);
        let (mut line, mut column) = (1, 1);
        for (_, character) in before {
            if character == '\n' {
                line += 1;
                column = 1;
            } else {
                column += 1;
            }
        }
        At::Position(line, column)
    }
}

/// A message of Cedar with its causes, the label of its place and its advice, in one line.
pub(super) fn told(found: &dyn Diagnostic, label: Option<&str>) -> String {
    let mut message = found.to_string();
    let mut cause = std::error::Error::source(found);
    // Those that are only wrapped say the same again.
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = inner.source();
    }
    if let Some(label) = label.filter(|label| !message.contains(label)) {
        message.push_str(": ");
        message.push_str(label);
    }
    let help = found.help().map(|help| help.to_string());
    if let Some(help) = &help {
        message.push_str(": ");
        message.push_str(help);
    }
    if !help.is_some_and(|help| help.starts_with("did you mean")) {
        message.push_str(": correct it");
    }
    message.replace('\n', " ")
}
