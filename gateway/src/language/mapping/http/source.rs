//! What variables of mappings stand for.

use std::borrow::Cow;

use super::text::Source;
use crate::language::mapping::{BodySource, MappingError, NAME_BYTES_MAX, joined, unknown_source};
use crate::language::message::{Body, Place, Request, Response};
use crate::language::variable::{Reference, Variables, shown};

const REQUEST_SOURCES: &str = "`request.{header|querystring|path}.NAME`, `request.path`, \
     `request.body[.PATH]`, `context.NAME` or `stageVariables.NAME`";
const RESPONSE_SOURCES: &str =
    "`response.header.NAME`, `response.body[.PATH]`, `context.NAME` or `stageVariables.NAME`";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestSource {
    Parameter(Place, Box<str>),
    Path,
    Body(BodySource),
    Reference(Reference),
}

impl Source for RequestSource {
    fn parse(name: &str) -> Result<Self, MappingError> {
        let unknown = || unknown_source(name, REQUEST_SOURCES);
        let Some(own) = name.strip_prefix("request.") else {
            return reference(name, REQUEST_SOURCES).map(Self::Reference);
        };
        if own == "path" {
            return Ok(Self::Path);
        }
        if let Some(path) = own.strip_prefix("body") {
            return BodySource::parse(path).ok_or_else(unknown)?.map(Self::Body);
        }
        let (place, name) = Place::split(own).ok_or_else(unknown)?;
        let name = match place {
            Place::Header => header(name)?,
            Place::Path | Place::Querystring => parameter(name)?,
        };
        Ok(Self::Parameter(place, name))
    }
}

impl RequestSource {
    /// Whether it is a `$context` or stage variable.
    pub(super) const fn is_variable(&self) -> bool {
        matches!(self, Self::Reference(_))
    }

    /// Whether it is in the body.
    pub(super) const fn is_body(&self) -> bool {
        matches!(self, Self::Body(_))
    }

    pub(super) fn evaluate<'v>(
        &'v self,
        request: &'v impl Request,
        variables: &'v impl Variables,
    ) -> Option<Cow<'v, str>> {
        match self {
            Self::Parameter(place, name) => joined(request.all(*place, name)),
            Self::Path => Some(Cow::Borrowed(request.path())),
            Self::Body(source) => source.leniently(request.body()),
            Self::Reference(reference) => reference.resolve(variables),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResponseSource {
    Header(Box<str>),
    Body(BodySource),
    Reference(Reference),
}

impl Source for ResponseSource {
    fn parse(name: &str) -> Result<Self, MappingError> {
        let unknown = || unknown_source(name, RESPONSE_SOURCES);
        let Some(own) = name.strip_prefix("response.") else {
            return reference(name, RESPONSE_SOURCES).map(Self::Reference);
        };
        if let Some(path) = own.strip_prefix("body") {
            return BodySource::parse(path).ok_or_else(unknown)?.map(Self::Body);
        }
        let name = own.strip_prefix("header.").ok_or_else(unknown)?;
        header(name).map(Self::Header)
    }
}

impl ResponseSource {
    pub(super) fn evaluate<'v>(
        &'v self,
        response: &'v impl Response,
        variables: &'v impl Variables,
    ) -> Option<Cow<'v, str>> {
        match self {
            Self::Header(name) => joined(response.header_values(name)),
            Self::Body(source) => source.leniently(response.body()),
            Self::Reference(reference) => reference.resolve(variables),
        }
    }
}

impl BodySource {
    /// The value; a body that cannot be read has none.
    fn leniently<'v>(&self, body: &'v Body<'_>) -> Option<Cow<'v, str>> {
        match self {
            Self::Whole => body
                .text()
                .filter(|text| !text.is_empty())
                .map(Cow::Borrowed),
            Self::Path(path) => Self::at_path(path, body).ok().flatten(),
        }
    }
}

fn reference(name: &str, expected: &'static str) -> Result<Reference, MappingError> {
    if name.starts_with("context.") || name.starts_with("stageVariables.") {
        Ok(Reference::parse(name)?)
    } else {
        Err(unknown_source(name, expected))
    }
}

/// A name of RFC 9110, without the dollar sign, which begins variables.
pub(super) fn header(name: &str) -> Result<Box<str>, MappingError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#%&'*+-.^_`|~".contains(&byte);
    checked(
        name,
        is_token,
        "the name of a header, and braces around one variable of several",
    )
}

/// The name of a path or query parameter.
pub(super) fn parameter(name: &str) -> Result<Box<str>, MappingError> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"${}".contains(&byte);
    checked(
        name,
        is_plain,
        "the name of a parameter, and braces around one variable of several",
    )
}

fn checked(
    name: &str,
    is_good: impl Fn(u8) -> bool,
    expected: &'static str,
) -> Result<Box<str>, MappingError> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_good) {
        Ok(name.into())
    } else {
        Err(MappingError::Name {
            name: shown(name),
            expected,
        })
    }
}
