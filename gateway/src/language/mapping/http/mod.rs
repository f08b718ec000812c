//! Parameter mappings of HTTP APIs, as of the page "Transform API requests and responses for HTTP
//! APIs" of Amazon's guide.
//!
//! A value is one variable, fixed text, or text with variables in braces:
//! `$request.header.id`, `blue`, `${request.path.a}-${context.requestId}`. If any of its variables
//! has no value, nothing is set.

use std::borrow::Cow;

use super::{MappingError, unknown_target};
use crate::language::message::{Body, Place, Request, Response};
use crate::language::variable::{Reference, StageVariable, Variables, shown};

mod request_text;
mod source;
mod text;

pub use request_text::RequestText;
pub use text::VARIABLES_MAX;

use source::{RequestSource, ResponseSource, header, parameter};
use text::Text;

/// Bytes of a body that mappings look at. What follows is cut off, so a path into a longer body
/// leads nowhere.
pub const BODY_BYTES_MAX: usize = 100 * 1024;

const REQUEST_TARGETS: &str =
    "`{append|overwrite|remove}:{header|querystring}.NAME` or `overwrite:path`";
const RESPONSE_TARGETS: &str = "`{append|overwrite|remove}:header.NAME` or `overwrite:statuscode`";

/// The part of a body that mappings look at.
#[must_use]
pub fn body(bytes: &[u8]) -> Body<'_> {
    Body::truncated(bytes, BODY_BYTES_MAX)
}

/// What is done to a header or a query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The value joins those that are there.
    Append,
    /// The value takes their place.
    Overwrite,
    /// They are taken away.
    Remove,
}

/// What a mapping of a request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestTarget {
    /// A header that is not reserved.
    Header(Change, Box<str>),
    /// A query parameter.
    Querystring(Change, Box<str>),
    /// The whole path.
    Path,
}

/// What a mapping of a response changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseTarget {
    /// A header that is not reserved.
    Header(Change, Box<str>),
    /// The status.
    StatusCode,
}

/// An entry of a request's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMapping {
    /// What it changes.
    pub target: RequestTarget,
    value: Text<RequestSource>,
}

/// An entry of a response's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseMapping {
    /// What it changes.
    pub target: ResponseTarget,
    value: Text<ResponseSource>,
}

impl RequestMapping {
    /// From an entry's key and value.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn parse(key: &str, value: &str) -> Result<Self, MappingError> {
        let target = RequestTarget::parse(key)?;
        if let RequestTarget::Header(Change::Remove, _)
        | RequestTarget::Querystring(Change::Remove, _) = target
        {
            let value = Text::nothing(value)?;
            return Ok(Self { target, value });
        }
        let value: Text<RequestSource> = Text::parse(value)?;
        if target == RequestTarget::Path
            && let Some(fixed) = value.fixed_start()
            && !fixed.starts_with('/')
        {
            return Err(MappingError::Path(shown(fixed)));
        }
        Ok(Self { target, value })
    }

    /// Whether the body must be at hand.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.value
            .sources()
            .any(|source| matches!(source, RequestSource::Body(_)))
    }

    /// Whether its value is the definition's own: one with a variable of `$context` or of the stage,
    /// or without any. Of what is removed it is.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.reads_variables() || self.value.sources().next().is_none()
    }

    /// Whether it reads a `$context` or stage variable: what the gateway knows, and may not know.
    #[must_use]
    pub fn reads_variables(&self) -> bool {
        self.value.sources().any(RequestSource::is_variable)
    }

    /// The stage variables that it reads.
    pub fn stage_variables(&self) -> impl Iterator<Item = &StageVariable> {
        self.value.sources().filter_map(|source| match source {
            RequestSource::Reference(Reference::Stage(variable)) => Some(variable),
            RequestSource::Reference(Reference::Context(_))
            | RequestSource::Parameter(..)
            | RequestSource::Path
            | RequestSource::Body(_) => None,
        })
    }

    /// The value to append or to overwrite with, a path as it must be encoded yet. `None` if the
    /// mapping must be left out: a variable has no value, or a path does not begin with a slash or
    /// would have nothing where a `$context` variable stands. Of what is removed the value is empty.
    #[must_use]
    pub fn evaluate<'v>(
        &'v self,
        request: &'v impl Request,
        variables: &'v impl Variables,
    ) -> Option<Cow<'v, str>> {
        let is_path = self.target == RequestTarget::Path;
        let value = self.value.render(|source| {
            let value = source.evaluate(request, variables)?;
            let is_hole = is_path && value.is_empty() && source.is_variable();
            (!is_hole).then_some(value)
        })?;
        (!is_path || value.starts_with('/')).then_some(value)
    }
}

impl ResponseMapping {
    /// From an entry's key and value.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn parse(key: &str, value: &str) -> Result<Self, MappingError> {
        let target = ResponseTarget::parse(key)?;
        if let ResponseTarget::Header(Change::Remove, _) = target {
            let value = Text::nothing(value)?;
            return Ok(Self { target, value });
        }
        let value: Text<ResponseSource> = Text::parse(value)?;
        if target == ResponseTarget::StatusCode
            && let Some(fixed) = value.fixed()
        {
            status(fixed)?;
        }
        Ok(Self { target, value })
    }

    /// Whether the body must be at hand.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.value
            .sources()
            .any(|source| matches!(source, ResponseSource::Body(_)))
    }

    /// The value to append or to overwrite with. `None` if the mapping must be left out: a
    /// variable has no value, or what should be a status is none.
    #[must_use]
    pub fn evaluate<'v>(
        &'v self,
        response: &'v impl Response,
        variables: &'v impl Variables,
    ) -> Option<Cow<'v, str>> {
        let value = self
            .value
            .render(|source| source.evaluate(response, variables))?;
        (self.target != ResponseTarget::StatusCode || status(&value).is_ok()).then_some(value)
    }
}

/// A status that mappings of a response are for, or that one sets: 200 to 599.
///
/// # Errors
/// [`MappingError::Status`] for any other.
pub fn status(text: &str) -> Result<u16, MappingError> {
    let is_short = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let status = text
        .parse()
        .ok()
        .filter(|status| is_short && (200..=599).contains(status));
    status.ok_or_else(|| MappingError::Status(shown(text)))
}

impl Change {
    /// Splits `append:`, `overwrite:` or `remove:` off.
    fn split(key: &str) -> Option<(Self, &str)> {
        match key.split_once(':')? {
            ("append", rest) => Some((Self::Append, rest)),
            ("overwrite", rest) => Some((Self::Overwrite, rest)),
            ("remove", rest) => Some((Self::Remove, rest)),
            _ => None,
        }
    }
}

impl RequestTarget {
    fn parse(key: &str) -> Result<Self, MappingError> {
        let unknown = || unknown_target(key, REQUEST_TARGETS);
        let (change, target) = Change::split(key).ok_or_else(unknown)?;
        if (change, target) == (Change::Overwrite, "path") {
            return Ok(Self::Path);
        }
        match Place::split(target).ok_or_else(unknown)? {
            (Place::Header, name) => Ok(Self::Header(change, settable_header(name)?)),
            (Place::Querystring, name) => Ok(Self::Querystring(change, parameter(name)?)),
            (Place::Path, _) => Err(unknown()),
        }
    }
}

impl ResponseTarget {
    fn parse(key: &str) -> Result<Self, MappingError> {
        let unknown = || unknown_target(key, RESPONSE_TARGETS);
        let (change, target) = Change::split(key).ok_or_else(unknown)?;
        if (change, target) == (Change::Overwrite, "statuscode") {
            return Ok(Self::StatusCode);
        }
        let name = target.strip_prefix("header.").ok_or_else(unknown)?;
        Ok(Self::Header(change, settable_header(name)?))
    }
}

/// Whether mappings may not touch a header of this name.
#[must_use]
pub fn is_reserved_header(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["access-control-", "apigw-", "x-amz-", "x-amzn-"];
    const NAMES: [&str; 18] = [
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-location",
        "forwarded",
        "keep-alive",
        "origin",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn settable_header(name: &str) -> Result<Box<str>, MappingError> {
    let name = header(name)?;
    if is_reserved_header(&name) {
        return Err(MappingError::ReservedHeader(name));
    }
    Ok(name)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
