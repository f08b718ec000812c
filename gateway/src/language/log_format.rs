//! Formats of access logs, as of the pages on access logs of Amazon's guide.
//!
//! A format is one line of text in which `$context.*` is replaced; it has to name the request. Other
//! variables are refused, as are those that APIs of the type do not have. An API key is never told: its id
//! tells which one it is.
//!
//! Values are escaped as within a JSON string, wherever they stand, so that no client can end a line
//! or leave the quotes around a value. What is unset is `-`.

use crate::language::variable::{
    ApiType, NAME_CHARACTERS_MAX, Reference, Variable, VariableError, Variables,
};

/// Bytes of a format (15.2 of docs/semantics.md).
pub const FORMAT_BYTES_MAX: usize = 3 << 10;

/// Bytes of a line; a value that would make it longer is left out as if it were unset. What the
/// format itself says and the numbers of [`Late`] values always stand.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// What stands for the value of an API key.
const MASK: &str = "****";

/// What stands for a variable that is unset.
const UNSET: &str = "-";

/// A compiled format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Variable(Variable),
    Late(Late),
}

/// What is only known when the answer has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Milliseconds from the request's head to the last byte of the answer.
    Latency,
    /// Bytes of the answer's body.
    Length,
    /// Bytes of both bodies.
    Data,
}

/// Why a format is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Longer than [`FORMAT_BYTES_MAX`].
    #[error("the format has {0} bytes: at most {FORMAT_BYTES_MAX}")]
    TooLong(usize),
    /// More than one line, or a character that terminals act on.
    #[error(
        "the format holds the control character U+{0:04X}: write it in one line, in YAML behind `>-`"
    )]
    ControlCharacter(u32),
    /// No name of the request.
    #[error(
        "the format does not name the request: write `$context.requestId` or \
         `$context.extendedRequestId` into it"
    )]
    Unnamed,
    /// Something behind a `$` that is no `context.`.
    #[error("`${0}` cannot be logged: write `$context` variables alone, without braces")]
    NotContext(Box<str>),
    /// No such variable.
    #[error(transparent)]
    Unknown(#[from] VariableError),
    /// A variable of APIs of other types.
    #[error("APIs of this type have no variable `$context.{0}`: take it out")]
    OtherType(Box<str>),
}

impl LogFormat {
    /// Compiles the format `text` of an API of this type.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn parse(text: &str, api_type: ApiType) -> Result<Self, FormatError> {
        if text.len() > FORMAT_BYTES_MAX {
            return Err(FormatError::TooLong(text.len()));
        }
        if let Some(control) = text.chars().find(|character| is_control(*character)) {
            return Err(FormatError::ControlCharacter(control.into()));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            literal.push_str(before);
            rest = behind;
            if !behind.starts_with(|first: char| first.is_ascii_alphabetic() || first == '{') {
                literal.push('$');
                continue;
            }
            let (variable, behind) = variable(behind, api_type)?;
            rest = behind;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            }
            pieces.push(match Late::of(&variable) {
                Some(late) => Piece::Late(late),
                None => Piece::Variable(variable),
            });
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal.into()));
        let names_request = |piece: &Piece| {
            use Variable::{ExtendedRequestId, RequestId};
            matches!(piece, Piece::Variable(RequestId | ExtendedRequestId))
        };
        if !pieces.iter().any(names_request) {
            return Err(FormatError::Unnamed);
        }
        Ok(Self(pieces))
    }

    /// The line, as far as `variables` know it.
    #[must_use]
    pub fn render(&self, variables: &impl Variables) -> LogLine {
        let mut line = LogLine::default();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.text.push_str(text),
                Piece::Late(late) => line.late.push((line.text.len(), *late)),
                Piece::Variable(Variable::ErrorMessageString) => {
                    let value = variables.context(&Variable::ErrorMessage);
                    line.push(value.as_deref(), "\"");
                }
                Piece::Variable(variable @ Variable::IdentityApiKey) => {
                    let value = variables.context(variable).map(|_secret| MASK);
                    line.push(value, "");
                }
                Piece::Variable(variable) => {
                    let value = Reference::Context(variable.clone());
                    line.push(value.resolve(variables).as_deref(), "");
                }
            }
        }
        line
    }
}

impl Late {
    const fn of(variable: &Variable) -> Option<Self> {
        match variable {
            Variable::ResponseLatency => Some(Self::Latency),
            Variable::ResponseLength => Some(Self::Length),
            Variable::DataProcessed => Some(Self::Data),
            _ => None,
        }
    }
}

/// One line of the log, without its end, that still waits for what is [`Late`].
#[derive(Debug, Default)]
pub struct LogLine {
    text: String,
    /// Where late values go, in rising order.
    late: Vec<(usize, Late)>,
}

impl LogLine {
    /// Appends the line to `to`, with the late values.
    pub fn write(&self, to: &mut Vec<u8>, value: impl Fn(Late) -> u64) {
        let mut done = 0;
        for (at, late) in &self.late {
            to.extend(self.text.get(done..*at).unwrap_or_default().as_bytes());
            to.extend(value(*late).to_string().as_bytes());
            done = *at;
        }
        to.extend(self.text.get(done..).unwrap_or_default().as_bytes());
    }

    /// Puts `value` between two `quote`s, or says that it is unset: an empty one is, too, because
    /// columns are counted.
    fn push(&mut self, value: Option<&str>, quote: &str) {
        let start = self.text.len();
        let room = LINE_BYTES_MAX.saturating_sub(start);
        let fits = |value: &&str| !value.is_empty() && value.len() <= room;
        if let Some(value) = value.filter(fits) {
            self.text.push_str(quote);
            push_escaped(&mut self.text, value);
            self.text.push_str(quote);
            if self.text.len() <= LINE_BYTES_MAX {
                return;
            }
            self.text.truncate(start);
        }
        self.text.push_str(UNSET);
    }
}

fn push_escaped(to: &mut String, value: &str) {
    for character in value.chars() {
        if is_control(character) {
            to.push_str(&format!("\\u{:04x}", u32::from(character)));
            continue;
        }
        if matches!(character, '"' | '\\') {
            to.push('\\');
        }
        to.push(character);
    }
}

/// Whether some reader takes it for the end of a line, or a terminal for a command.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The variable that `text`, which stands behind a `$`, begins with, and what follows it.
fn variable(text: &str, api_type: ApiType) -> Result<(Variable, &str), FormatError> {
    let Some(behind) = text.strip_prefix("context.") else {
        let word = text.split([' ', '"', '$']).next().unwrap_or(text);
        return Err(FormatError::NotContext(shortened(word)));
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-:".contains(byte);
    let bytes = behind.bytes().take(NAME_CHARACTERS_MAX);
    let length = bytes.take_while(is_name).count();
    let run = behind.get(..length).unwrap_or_default();
    // Marks at the end are text, and those that no fixed name holds end one. Claims may hold them.
    let longest = run.trim_end_matches(['.', '-', ':']);
    let shortest = longest.split(['-', ':']).next().unwrap_or(longest);
    let parse = |name: &str| Variable::parse(&format!("context.{name}"));
    let (name, variable) = match parse(longest) {
        Ok(variable) => (longest, variable),
        Err(error) => match parse(shortest) {
            Ok(variable) => (shortest, variable),
            Err(_) => return Err(error.into()),
        },
    };
    if !variable.is_of(api_type) {
        return Err(FormatError::OtherType(shortened(name)));
    }
    Ok((variable, behind.get(name.len()..).unwrap_or_default()))
}

/// As much of a mistake as is worth repeating.
fn shortened(text: &str) -> Box<str> {
    const SHOWN_BYTES_MAX: usize = 64;
    let end = text.floor_char_boundary(SHOWN_BYTES_MAX);
    text.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
#[path = "log_format_tests.rs"]
mod tests;
