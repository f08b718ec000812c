//! Bodies of gateway responses, as of the page "Gateway responses in API Gateway" of Amazon's guide.
//!
//! This is plain substitution: `$context.*`, `$stageVariables.*` and
//! `$method.request.{header,path,querystring}.*` are replaced, and everything else is text, also
//! directives and names that are no variable. Values are put in as they are; only
//! `$context.error.messageString` is a JSON string with its quotes.

use super::TEMPLATE_BYTES_MAX;
use crate::language::message::{Parameters, Place};
use crate::language::variable::{
    NAME_CHARACTERS_MAX, Reference, StageVariable, Variable, Variables,
};

/// Substitutions of one template, more of which are refused: a body is at most as long as the
/// template and this many values.
pub const REFERENCES_MAX: usize = 256;

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayResponseTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Reference(Reference),
    Parameter(Place, Box<str>),
}

/// Why a template is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Longer than [`TEMPLATE_BYTES_MAX`].
    #[error("the template has {0} bytes: at most {TEMPLATE_BYTES_MAX}")]
    TooLong(usize),
    /// More than [`REFERENCES_MAX`].
    #[error("the template has too many variables: at most {REFERENCES_MAX}")]
    TooManyReferences,
}

impl GatewayResponseTemplate {
    /// Compiles; only size is refused.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateError::TooLong(text.len()));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut references = 0_usize;
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            literal.push_str(before);
            rest = behind;
            let Some((piece, behind)) = variable(behind) else {
                literal.push('$');
                continue;
            };
            references += 1;
            if references > REFERENCES_MAX {
                return Err(TemplateError::TooManyReferences);
            }
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            }
            pieces.push(piece);
            rest = behind;
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal.into()));
        Ok(Self(pieces))
    }

    /// The body. What is unset is empty, but the message string is then `null`.
    #[must_use]
    pub fn render(&self, parameters: &impl Parameters, variables: &impl Variables) -> String {
        let mut body = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Reference(reference) => match reference.resolve(variables) {
                    Some(value) => body.push_str(&value),
                    None if *reference == Reference::Context(Variable::ErrorMessageString) => {
                        body.push_str("null");
                    }
                    None => {}
                },
                Piece::Parameter(place, name) => {
                    body.push_str(&parameters.last(*place, name).unwrap_or_default());
                }
            }
        }
        body
    }
}

/// The variable that `text`, which stands behind a `$`, begins with, and what follows it.
fn variable(text: &str) -> Option<(Piece, &str)> {
    if let Some(behind) = text.strip_prefix("context.") {
        context(behind)
    } else if let Some(behind) = text.strip_prefix("stageVariables.") {
        let (name, behind) = run(behind, "_");
        let variable = StageVariable::parse(name).ok()?;
        Some((Piece::Reference(Reference::Stage(variable)), behind))
    } else {
        let (name, _) = run(text.strip_prefix("method.request.")?, "._-");
        // A full stop at the end belongs to the sentence.
        let (place, name) = Place::split(name.trim_end_matches('.'))?;
        let prefix = "method.request.".len() + place.name().len() + 1;
        let behind = text.get(prefix + name.len()..)?;
        (!name.is_empty()).then(|| (Piece::Parameter(place, name.into()), behind))
    }
}

/// The longest variable that `text`, which stands behind `$context.`, begins with. Names end where
/// one of their punctuation marks may also be text: `$context.requestId.` ends a sentence.
fn context(text: &str) -> Option<(Piece, &str)> {
    const MARKS: [char; 3] = ['.', '-', ':'];
    let (mut name, _) = run(text, "._-:");
    loop {
        name = name.trim_end_matches(MARKS);
        if name.is_empty() {
            return None;
        }
        if let Ok(variable) = Variable::parse(name) {
            let behind = text.get(name.len()..)?;
            return Some((Piece::Reference(Reference::Context(variable)), behind));
        }
        (name, _) = name.rsplit_once(MARKS)?;
    }
}

/// The letters, digits and `marks` that `text` begins with, as many as a name may have, and the rest.
fn run<'t>(text: &'t str, marks: &str) -> (&'t str, &'t str) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || marks.as_bytes().contains(&byte);
    let length = text
        .bytes()
        .take(NAME_CHARACTERS_MAX)
        .take_while(|byte| is_name(*byte))
        .count();
    text.split_at_checked(length).unwrap_or(("", text))
}

#[cfg(test)]
#[path = "gateway_response_tests.rs"]
mod tests;
