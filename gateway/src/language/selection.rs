//! Which integration response answers: patterns over a status or an error message.

use super::pattern::{Pattern, PatternError};

/// Patterns of one selection, more of which are refused.
pub const PATTERNS_MAX: usize = 256;

/// The responses of an integration, by their order.
#[derive(Debug, Clone)]
pub struct Selection {
    patterns: Vec<(usize, Pattern)>,
    default: Option<usize>,
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
            Some(text) => pattern.matches(text),
            None => pattern.is_anything(),
        });
        matching.map(|(index, _)| *index).or(self.default)
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
