//! Values of mappings: fixed text, variables, and both together.

use std::borrow::Cow;

use crate::language::mapping::{MappingError, VALUE_BYTES_MAX};

/// Variables of one value, more of which are refused.
pub const VARIABLES_MAX: usize = 32;

/// Text with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<S>(Vec<Piece<S>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<S> {
    Fixed(Box<str>),
    Source(S),
}

/// What a variable stands for.
pub(super) trait Source: Sized {
    /// What begins one that stands alone.
    const VARIABLES: &'static [&'static str] =
        &["$request.", "$response.", "$context.", "$stageVariables."];

    /// From its name without the dollar sign.
    fn parse(name: &str) -> Result<Self, MappingError>;
}

impl<S: Source> Text<S> {
    /// From text with variables.
    pub(super) fn parse(text: &str) -> Result<Self, MappingError> {
        if text.len() > VALUE_BYTES_MAX {
            return Err(MappingError::TooLong(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(MappingError::Control);
        }
        if begins_variable::<S>(text) {
            let name = text.strip_prefix('$').unwrap_or(text);
            return Ok(Self(vec![Piece::Source(S::parse(name)?)]));
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some((fixed, behind)) = text.get(at..).and_then(|rest| rest.split_once("${")) {
            push_fixed(&mut pieces, fixed, at)?;
            let open = at + fixed.len();
            let (name, _) = behind.split_once('}').ok_or(MappingError::Unclosed(open))?;
            pieces.push(Piece::Source(S::parse(name)?));
            at = open + name.len() + "${}".len();
        }
        push_fixed(&mut pieces, text.get(at..).unwrap_or_default(), at)?;
        let parsed = Self(pieces);
        if parsed.sources().count() > VARIABLES_MAX {
            return Err(MappingError::TooManyVariables(VARIABLES_MAX));
        }
        Ok(parsed)
    }
}

impl<S> Text<S> {
    /// The value of `remove`, which may be written as two quotes.
    pub(super) fn nothing(text: &str) -> Result<Self, MappingError> {
        match text {
            "" | "''" => Ok(Self(Vec::new())),
            _ => Err(MappingError::RemoveTakesNothing),
        }
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &S> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Fixed(_) => None,
            Piece::Source(source) => Some(source),
        })
    }

    /// The variable that it is and nothing else.
    pub(super) fn only(&self) -> Option<&S> {
        match self.0.as_slice() {
            [Piece::Source(source)] => Some(source),
            _ => None,
        }
    }

    /// The text in front of the first variable; `None` if a variable begins it.
    pub(super) fn fixed_start(&self) -> Option<&str> {
        match self.0.first() {
            None => Some(""),
            Some(Piece::Fixed(text)) => Some(text),
            Some(Piece::Source(_)) => None,
        }
    }

    /// The text, if it has no variables.
    pub(super) fn fixed(&self) -> Option<&str> {
        self.fixed_start()
            .filter(|_| self.sources().next().is_none())
    }

    pub(super) fn render<'v>(
        &'v self,
        value: impl Fn(&'v S) -> Option<Cow<'v, str>>,
    ) -> Option<Cow<'v, str>> {
        let piece = |piece: &'v Piece<S>| match piece {
            Piece::Fixed(text) => Some(Cow::Borrowed(text.as_ref())),
            Piece::Source(source) => value(source),
        };
        if let [only] = self.0.as_slice() {
            return piece(only);
        }
        self.0
            .iter()
            .map(piece)
            .collect::<Option<String>>()
            .map(Cow::Owned)
    }
}

/// Adds fixed text, in which a variable without braces is a mistake.
fn push_fixed<S: Source>(
    pieces: &mut Vec<Piece<S>>,
    fixed: &str,
    at: usize,
) -> Result<(), MappingError> {
    let mut dollars = fixed.match_indices('$');
    let variable =
        dollars.find(|(dollar, _)| fixed.get(*dollar..).is_some_and(begins_variable::<S>));
    if let Some((dollar, _)) = variable {
        return Err(MappingError::BracesNeeded(at + dollar));
    }
    if !fixed.is_empty() {
        pieces.push(Piece::Fixed(fixed.into()));
    }
    Ok(())
}

fn begins_variable<S: Source>(text: &str) -> bool {
    S::VARIABLES.iter().any(|source| text.starts_with(source))
}
