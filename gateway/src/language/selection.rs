//! Which integration response answers: patterns over a status or an error message.
//!
//! Patterns are regular expressions in Java's syntax that must match the whole text. The engine
//! here takes linear time, so what needs backtracking (look-around, backreferences, possessive
//! quantifiers, atomic groups) is refused when a definition is loaded, as is what Java reads
//! differently.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, ErrorKind};

/// Bytes of a pattern, more of which are refused.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// Patterns of one selection, more of which are refused.
pub const PATTERNS_MAX: usize = 256;

/// Bytes of a compiled pattern, and of its cache.
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Depth of groups and classes.
const NEST_MAX: u32 = 64;

/// The responses of an integration, by their order.
#[derive(Debug, Clone)]
pub struct Selection {
    patterns: Vec<(usize, Pattern)>,
    default: Option<usize>,
}

#[derive(Debug, Clone)]
struct Pattern {
    whole: Regex,
    /// Only `.*` itself matches a text that is not there.
    is_anything: bool,
}

/// Why patterns are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// One of them is.
    #[error("pattern {index}")]
    Pattern {
        /// Which, from 0.
        index: usize,
        /// Why.
        source: PatternError,
    },
    /// More than [`PATTERNS_MAX`].
    #[error("there are too many patterns: at most {PATTERNS_MAX}")]
    TooMany,
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

impl Selection {
    /// Compiles the patterns of responses in their order; the first one without a pattern, or with
    /// an empty one, is the default.
    ///
    /// # Errors
    /// See [`SelectionError`].
    pub fn new<'p>(
        patterns: impl IntoIterator<Item = Option<&'p str>>,
    ) -> Result<Self, SelectionError> {
        let mut selection = Self {
            patterns: Vec::new(),
            default: None,
        };
        for (index, pattern) in patterns.into_iter().enumerate() {
            if index == PATTERNS_MAX {
                return Err(SelectionError::TooMany);
            }
            match pattern.filter(|pattern| !pattern.is_empty()) {
                None => selection.default = selection.default.or(Some(index)),
                Some(pattern) => {
                    let compiled = Pattern::parse(pattern);
                    let compiled =
                        compiled.map_err(|source| SelectionError::Pattern { index, source })?;
                    selection.patterns.push((index, compiled));
                }
            }
        }
        Ok(selection)
    }

    /// The response for a status.
    #[must_use]
    pub fn for_status(&self, status: u16) -> Option<usize> {
        self.for_text(Some(&status.to_string()))
    }

    /// The response for a function's error message, `None` if it succeeded: the first one whose
    /// pattern matches, otherwise the default. `None` means that the definition has no answer.
    #[must_use]
    pub fn for_text(&self, text: Option<&str>) -> Option<usize> {
        let mut patterns = self.patterns.iter();
        let matching = patterns.find(|(_, pattern)| match text {
            Some(text) => pattern.whole.is_match(text),
            None => pattern.is_anything,
        });
        matching.map(|(index, _)| *index).or(self.default)
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
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
            is_anything: text == ".*",
        })
    }
}

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

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
