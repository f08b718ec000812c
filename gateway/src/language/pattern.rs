//! Regular expressions in Java's syntax that must match the whole text.
//!
//! The engine here takes linear time, so what needs backtracking (look-around, backreferences,
//! possessive quantifiers, atomic groups) is refused when a definition is loaded, as is what Java reads
//! differently.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, ErrorKind};

/// Bytes of a pattern, more of which are refused.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// Bytes of a compiled pattern, and of its cache.
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Depth of groups and classes.
const NEST_MAX: u32 = 64;

/// A compiled pattern. Two are equal that are written alike.
#[derive(Debug, Clone)]
pub struct Pattern {
    whole: Regex,
    text: Box<str>,
}

/// Why a pattern is refused. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Longer than [`PATTERN_BYTES_MAX`].
    #[error("the pattern has {0} bytes: at most {PATTERN_BYTES_MAX}")]
    TooLong(usize),
    /// `(?=`, `(?!`, `(?<=` or `(?<!`.
    #[error("column {0}: look-around is not supported: write a pattern without it")]
    LookAround(usize),
    /// `\1` or `\k<name>`.
    #[error("column {0}: backreferences are not supported: write a pattern without them")]
    Backreference(usize),
    /// A `+` behind a quantifier.
    #[error("column {0}: possessive quantifiers are not supported: write a pattern without them")]
    Possessive(usize),
    /// `(?>`.
    #[error("column {0}: atomic groups are not supported: write a pattern without them")]
    AtomicGroup(usize),
    /// `--` or `~~` within a class, which Java reads as characters.
    #[error("column {0}: `--` and `~~` in a class need a backslash: write one before each sign")]
    ClassOperator(usize),
    /// No regular expression.
    #[error("column {column}: {problem}: correct the pattern there")]
    Syntax {
        /// Where.
        column: usize,
        /// In the words of the engine.
        problem: Box<str>,
    },
    /// Too large when compiled, or not to be joined to the ends of a text.
    #[error(
        "the pattern cannot be compiled within {PROGRAM_BYTES_MAX} bytes: write one with fewer repetitions"
    )]
    Program,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong(text.len()));
        }
        let tree = ast::parse::ParserBuilder::new()
            .nest_limit(NEST_MAX)
            .build()
            .parse(text);
        let tree = tree.map_err(|error| refused(text, &error))?;
        ast::visit(&tree, JavaOnly(text))?;
        // What `.` does not match is a line's end, of which Java knows more than the engine.
        let whole = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .crlf(true)
            .nest_limit(NEST_MAX + 2)
            .size_limit(PROGRAM_BYTES_MAX)
            .dfa_size_limit(PROGRAM_BYTES_MAX)
            .build();
        Ok(Self {
            whole: whole.map_err(|_error| PatternError::Program)?,
            text: text.into(),
        })
    }

    /// Whether it matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// Whether it matches a text that is not there, which only `.*` itself does.
    #[must_use]
    pub fn is_anything(&self) -> bool {
        &*self.text == ".*"
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// What the engine would not parse.
fn refused(text: &str, error: &ast::Error) -> PatternError {
    let column = column(text, error.span());
    let at = text.get(error.span().start.offset..).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnsupportedLookAround => PatternError::LookAround(column),
        ErrorKind::UnsupportedBackreference => PatternError::Backreference(column),
        ErrorKind::EscapeUnrecognized if at.starts_with(r"\k") => {
            PatternError::Backreference(column)
        }
        ErrorKind::FlagUnrecognized if at.starts_with('>') => PatternError::AtomicGroup(column),
        kind => PatternError::Syntax {
            column,
            problem: kind.to_string().into(),
        },
    }
}

fn column(text: &str, span: &ast::Span) -> usize {
    let before = text.get(..span.start.offset).unwrap_or_default();
    before.chars().count() + 1
}

/// Finds what both engines parse and Java reads differently.
struct JavaOnly<'t>(&'t str);

impl ast::Visitor for JavaOnly<'_> {
    type Output = ();
    type Err = PatternError;

    fn finish(self) -> Result<(), PatternError> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), PatternError> {
        match tree {
            Ast::Repetition(outer)
                if matches!(outer.op.kind, ast::RepetitionKind::OneOrMore)
                    && matches!(*outer.ast, Ast::Repetition(_)) =>
            {
                Err(PatternError::Possessive(column(self.0, &outer.op.span)))
            }
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(
        &mut self,
        operation: &ast::ClassSetBinaryOp,
    ) -> Result<(), PatternError> {
        match operation.kind {
            ast::ClassSetBinaryOpKind::Intersection => Ok(()),
            ast::ClassSetBinaryOpKind::Difference
            | ast::ClassSetBinaryOpKind::SymmetricDifference => Err(PatternError::ClassOperator(
                column(self.0, operation.rhs.span()) - 2,
            )),
        }
    }
}
