//! Mapping templates without a template language: fixed text.

use super::TEMPLATE_BYTES_MAX;

/// A template that is its own output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal(Box<str>);

/// Why a template is not literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLiteral {
    /// It has a reference or a directive.
    #[error(
        "line {line}, column {column}: `{character}` begins what fixed text cannot hold: mapping \
         templates are built by later work: write fixed text without `$` and `#`"
    )]
    Special {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// `$` or `#`.
        character: char,
    },
    /// Longer than [`TEMPLATE_BYTES_MAX`].
    #[error("the template has {0} bytes: at most {TEMPLATE_BYTES_MAX}")]
    TooLong(usize),
}

impl Literal {
    /// A template that is fixed text.
    ///
    /// # Errors
    /// [`NotLiteral::Special`] at the first `$` or `#`, whether or not it would mean something.
    pub fn parse(text: &str) -> Result<Self, NotLiteral> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(NotLiteral::TooLong(text.len()));
        }
        for (line, content) in (1..).zip(text.split('\n')) {
            let mut characters = (1..).zip(content.chars());
            if let Some((column, character)) =
                characters.find(|(_, found)| matches!(found, '$' | '#'))
            {
                return Err(NotLiteral::Special {
                    line,
                    column,
                    character,
                });
            }
        }
        Ok(Self(text.into()))
    }

    /// The output.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(usize, usize, char)>) {
        let expected = match expected {
            None => Ok(Literal(text.into())),
            Some((line, column, character)) => Err(NotLiteral::Special {
                line,
                column,
                character,
            }),
        };
        assert_eq!(Literal::parse(text), expected, "{text}");
    }

    #[test]
    fn only_dollar_and_number_signs_are_special() {
        check("", None);
        check("{\"statusCode\": 200}\r\n", None);
        check("$", Some((1, 1, '$')));
        check("{\n  \"ü\": $input.body #\n}", Some((2, 8, '$')));
        check("a\n#set($x = 1)", Some((2, 1, '#')));
        check("C# costs $5", Some((1, 2, '#')));
    }

    #[test]
    fn its_size_is_bounded() {
        let longest = "x".repeat(TEMPLATE_BYTES_MAX);
        check(&longest, None);
        let error = Literal::parse(&format!("{longest}x"));
        assert_eq!(error, Err(NotLiteral::TooLong(TEMPLATE_BYTES_MAX + 1)));
    }
}
