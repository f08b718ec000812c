//! Texts with wildcards and policy variables.
//!
//! `${aws:username}` stands for what the request holds for that key, and `${aws:username, 'nobody'}`
//! has something to stand for where it holds nothing. `${*}`, `${?}` and `${$}` are those characters
//! themselves. What a variable stands for is taken literally: a caller whose name has a `*` does not
//! match more than others.

use std::borrow::Cow;

use super::glob::{self, Case, Glob, Glyph};
use super::key::{Key, KeyError, Kind};
use super::truth::Truth;
use super::value::{Context, Value};

/// A text to compare with.
#[derive(Debug, Clone)]
pub(super) struct Template {
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// Without variables, which is ready to be compared.
    Fixed(Glob),
    Open(Vec<Part>),
}

/// One element of a text.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Glyph(Glyph),
    Variable(Variable),
}

/// Stands for a value of the request.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    key: Key,
    default: Option<String>,
}

/// What has a meaning of its own inside a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// Whether `*` and `?` match others than themselves.
    pub(super) wildcards: bool,
    /// Whether the document's version has variables.
    pub(super) variables: bool,
}

/// Why a text with `${` is none that can be compared with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// In a document of the older version.
    #[error(
        "`${{` starts a variable only in a policy with `Version` `2012-10-17`: set that version"
    )]
    Version,
    /// No `}`.
    #[error(
        "a variable starts in `{0}` and does not end: close it with `}}`, or write `${{$}}` for a `$`"
    )]
    Unclosed(String),
    /// The key is no condition key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key with several values.
    #[error("`{0}` has several values, and a variable stands for one: write a key that has one")]
    SeveralValues(Key),
    /// Something behind the key that is no default.
    #[error(
        "`{0}` is not a default value: write it in single quotes, `${{aws:username, 'nobody'}}`"
    )]
    Default(String),
}

impl Template {
    /// # Errors
    ///
    /// When a variable is none.
    pub(super) fn parse(written: &str, syntax: Syntax) -> Result<Self, TemplateError> {
        parts(written, syntax).map(Self::from)
    }

    /// Whether `text` is this. Unknown where a variable stands for nothing.
    pub(super) fn matches(&self, text: &str, case: Case, context: &dyn Context) -> Truth {
        let parts = match &self.form {
            Form::Fixed(glob) => return glob.matches(text, case).into(),
            Form::Open(parts) => parts,
        };
        match glyphs(parts, context) {
            Some(glyphs) => glob::matches(&glyphs, text, case).into(),
            None => Truth::Unknown,
        }
    }

    /// Whether every text that starts like one that matches does so as well.
    pub(super) fn is_open_ended(&self) -> bool {
        match &self.form {
            Form::Fixed(glob) => glob.is_open_ended(),
            Form::Open(parts) => matches!(parts.last(), Some(Part::Glyph(Glyph::Run))),
        }
    }

    /// Whether the request decides what this is.
    pub(super) const fn has_variables(&self) -> bool {
        matches!(self.form, Form::Open(_))
    }
}

impl Part {
    /// Whether it is a character that stands for itself.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self, Self::Glyph(Glyph::Char(_)))
    }
}

/// What `parts` stand for in a request; `None` where a variable stands for nothing.
fn glyphs(parts: &[Part], context: &dyn Context) -> Option<Vec<Glyph>> {
    let mut glyphs = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Glyph(glyph) => glyphs.push(*glyph),
            Part::Variable(variable) => {
                let value = variable.value(context)?;
                glyphs.extend(value.chars().map(Glyph::Char));
            }
        }
    }
    Some(glyphs)
}

impl From<Vec<Part>> for Template {
    fn from(parts: Vec<Part>) -> Self {
        let glyph = |part: &Part| match part {
            Part::Glyph(glyph) => Some(*glyph),
            Part::Variable(_) => None,
        };
        let form = match parts.iter().map(glyph).collect::<Option<Vec<_>>>() {
            Some(glyphs) => Form::Fixed(glyphs.into()),
            None => Form::Open(parts),
        };
        Self { form }
    }
}

impl Variable {
    fn value(&self, context: &dyn Context) -> Option<String> {
        match context.find(&self.key).values() {
            [] => self.default.clone(),
            [value] => Value::text(value, &self.key).map(Cow::into_owned),
            _ => None,
        }
    }

    /// From what stands between the braces.
    fn parse(written: &str) -> Result<Self, TemplateError> {
        let (key, default) = match written.split_once(',') {
            Some((key, default)) => (key, Some(default.trim_start())),
            None => (written, None),
        };
        let key: Key = key.parse()?;
        if key.kind() == Kind::Texts {
            return Err(TemplateError::SeveralValues(key));
        }
        let default = match default {
            None => None,
            Some(quoted) => {
                let inner = quoted.strip_prefix('\'');
                let inner = inner.and_then(|rest| rest.strip_suffix('\''));
                let inner = inner.filter(|inner| !inner.contains('\''));
                Some(
                    inner
                        .ok_or_else(|| TemplateError::Default(quoted.to_owned()))?
                        .to_owned(),
                )
            }
        };
        Ok(Self { key, default })
    }
}

/// The elements of `written`.
///
/// # Errors
///
/// When a variable is none.
pub(super) fn parts(written: &str, syntax: Syntax) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some(first) = rest.chars().next() {
        let Some(inside) = rest.strip_prefix("${") else {
            parts.push(Part::Glyph(match first {
                '*' if syntax.wildcards => Glyph::Run,
                '?' if syntax.wildcards => Glyph::One,
                other => Glyph::Char(other),
            }));
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        if !syntax.variables {
            return Err(TemplateError::Version);
        }
        let Some((name, after)) = inside.split_once('}') else {
            return Err(TemplateError::Unclosed(rest.to_owned()));
        };
        parts.push(match name {
            "*" => Part::Glyph(Glyph::Char('*')),
            "?" => Part::Glyph(Glyph::Char('?')),
            "$" => Part::Glyph(Glyph::Char('$')),
            name => Part::Variable(Variable::parse(name)?),
        });
        rest = after;
    }
    Ok(parts)
}
