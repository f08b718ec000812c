//! Parameter mappings of REST APIs, as of the page "Parameter mapping examples for REST APIs" of
//! Amazon's guide.
//!
//! A mapping sets one parameter from one source. A source that is missing sets nothing.

use std::borrow::Cow;

use super::{
    BodySource, MappingError, NAME_BYTES_MAX, VALUE_BYTES_MAX, joined, unknown_source,
    unknown_target,
};
use crate::language::message::{Body, InvalidJson, Parameters, Place, Request, Response};
use crate::language::variable::{Reference, StageVariable, Variable, Variables, shown};

const REQUEST_TARGETS: &str = "`integration.request.{header|querystring|path}.NAME`";
const RESPONSE_TARGETS: &str = "`method.response.header.NAME`";
const GATEWAY_RESPONSE_TARGETS: &str = "`gatewayresponse.{header|querystring|path}.NAME`";
const REQUEST_SOURCES: &str = "`method.request.{header|querystring|path|multivalueheader|multivaluequerystring}.NAME`, \
     `method.request.body[.PATH]`, `context.NAME`, `stageVariables.NAME` or `'text'`";
const RESPONSE_SOURCES: &str = "`integration.response.{header|multivalueheader}.NAME`, \
     `integration.response.body[.PATH]`, `context.NAME`, `stageVariables.NAME` or `'text'`";
const GATEWAY_RESPONSE_SOURCES: &str = "`method.request.{header|querystring|path}.NAME`, `context.NAME`, `stageVariables.NAME` or `'text'`";
const NAMES: &str = "letters, digits, `.`, `_`, `$` and `-`";

/// The name of a header or a parameter: `^[a-zA-Z0-9._$-]+$`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// From its text.
    ///
    /// # Errors
    /// [`MappingError::Name`] for any other.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._$-".contains(&byte);
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_name) {
            Ok(Self(text.into()))
        } else {
            Err(MappingError::Name {
                name: shown(text),
                expected: NAMES,
            })
        }
    }

    /// The name as it is written.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.0
    }
}

/// Whether no integration request may have this header from a mapping: the call fails with 500.
#[must_use]
pub fn is_illegal_header(name: &str) -> bool {
    const ILLEGAL: [&str; 4] = [
        "content-length",
        "transfer-encoding",
        "x-amzn-trace-id",
        "x-amzn-apigateway-api-id",
    ];
    ILLEGAL
        .iter()
        .any(|illegal| name.eq_ignore_ascii_case(illegal))
}

/// Whether a response may not have this header from a mapping: it says how the message ends, or is
/// about its connection alone, and a wrong one would let two readers see two messages.
#[must_use]
pub fn is_illegal_response_header(name: &str) -> bool {
    const ILLEGAL: [&str; 9] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amzn-trace-id",
    ];
    ILLEGAL
        .iter()
        .any(|illegal| name.eq_ignore_ascii_case(illegal))
}

/// Whether [`is_illegal_header`], or the header is one that integrations of type `AWS` and
/// `AWS_PROXY` set themselves.
#[must_use]
pub fn is_illegal_header_for_aws(name: &str) -> bool {
    const ILLEGAL: [&str; 5] = [
        "authorization",
        "connection",
        "expect",
        "proxy-authenticate",
        "te",
    ];
    is_illegal_header(name)
        || ILLEGAL
            .iter()
            .any(|illegal| name.eq_ignore_ascii_case(illegal))
}

/// An entry of an integration's `requestParameters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMapping {
    /// Where the parameter is set.
    pub place: Place,
    /// Its name.
    pub name: Name,
    source: RequestSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum RequestSource {
    Last(Place, Name),
    All(Place, Name),
    Body(BodySource),
    Given(Given),
}

impl RequestMapping {
    /// From an entry's key and value.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn parse(key: &str, value: &str) -> Result<Self, MappingError> {
        let (place, name) = place_and_name(key, "integration.request.", REQUEST_TARGETS)?;
        let source = RequestSource::parse(value)?;
        Ok(Self {
            place,
            name,
            source,
        })
    }

    /// The parameter it reads, which the method must declare.
    #[must_use]
    pub const fn declared(&self) -> Option<(Place, &Name)> {
        match &self.source {
            RequestSource::Last(place, name) | RequestSource::All(place, name) => {
                Some((*place, name))
            }
            RequestSource::Body(_) | RequestSource::Given(_) => None,
        }
    }

    /// Whether the body must be at hand.
    #[must_use]
    pub const fn reads_body(&self) -> bool {
        matches!(self.source, RequestSource::Body(_))
    }

    /// Whether its value is the definition's own, a variable or fixed text: nothing of it is the
    /// client's to say.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self.source, RequestSource::Given(_))
    }

    /// Whether it reads a `context` or stage variable: what the gateway knows, and may not know.
    #[must_use]
    pub const fn reads_variables(&self) -> bool {
        matches!(
            self.source,
            RequestSource::Given(Given::Reference(
                Reference::Context(_) | Reference::Stage(_)
            ))
        )
    }

    /// Whether what it sets may be a secret: a text or a variable that the configuration holds, an API
    /// key, or a parameter of the request for which `hides` says so. In a path all that came elsewhere
    /// counts: paths are told also where headers, queries and bodies are not.
    pub fn may_carry_secret(&self, hides: impl Fn(Place, &str) -> bool) -> bool {
        let is_path = self.place == Place::Path;
        match &self.source {
            RequestSource::Last(place, name) | RequestSource::All(place, name) => {
                (is_path && *place != Place::Path) || hides(*place, name.text())
            }
            RequestSource::Body(_) => is_path,
            RequestSource::Given(Given::Static(_)) => true,
            RequestSource::Given(Given::Reference(reference)) => may_be_secret(reference),
        }
    }

    /// The stage variable that it reads.
    #[must_use]
    pub const fn stage_variable(&self) -> Option<&StageVariable> {
        match &self.source {
            RequestSource::Given(Given::Reference(Reference::Stage(variable))) => Some(variable),
            RequestSource::Last(..)
            | RequestSource::All(..)
            | RequestSource::Body(_)
            | RequestSource::Given(_) => None,
        }
    }

    /// The values to set: none if the source is missing, several only for a query parameter that
    /// is read with all its values. Those of a header are joined by commas.
    ///
    /// # Errors
    /// [`InvalidJson`] if the mapping reads the body and cannot; the client gets 400.
    pub fn evaluate<'v>(
        &'v self,
        request: &'v impl Request,
        variables: &'v impl Variables,
    ) -> Result<Vec<Cow<'v, str>>, InvalidJson> {
        let one = match &self.source {
            RequestSource::All(Place::Header, name) => {
                joined(request.all(Place::Header, name.text()))
            }
            RequestSource::All(place, name) => return Ok(request.all(*place, name.text())),
            RequestSource::Last(place, name) => request.last(*place, name.text()),
            RequestSource::Body(source) => source.strictly(request.body())?,
            RequestSource::Given(given) => given.evaluate(variables),
        };
        Ok(one.into_iter().collect())
    }
}

impl RequestSource {
    fn parse(text: &str) -> Result<Self, MappingError> {
        let unknown = || unknown_source(text, REQUEST_SOURCES);
        let Some(own) = text.strip_prefix("method.request.") else {
            return Given::parse(text, REQUEST_SOURCES).map(Self::Given);
        };
        if let Some(path) = own.strip_prefix("body") {
            return BodySource::parse(path).ok_or_else(unknown)?.map(Self::Body);
        }
        if let Some((place, name)) = own.strip_prefix("multivalue").and_then(Place::split) {
            return match place {
                Place::Header | Place::Querystring => Ok(Self::All(place, Name::parse(name)?)),
                Place::Path => Err(unknown()),
            };
        }
        let (place, name) = Place::split(own).ok_or_else(unknown)?;
        Ok(Self::Last(place, Name::parse(name)?))
    }
}

/// An entry of an integration response's `responseParameters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseMapping {
    /// The header that is set.
    pub name: Name,
    source: ResponseSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ResponseSource {
    Last(Name),
    All(Name),
    Body(BodySource),
    Given(Given),
}

impl ResponseMapping {
    /// From an entry's key and value.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn parse(key: &str, value: &str) -> Result<Self, MappingError> {
        let name = key.strip_prefix("method.response.header.");
        let name = name.ok_or_else(|| unknown_target(key, RESPONSE_TARGETS))?;
        Ok(Self {
            name: Name::parse(name)?,
            source: ResponseSource::parse(value)?,
        })
    }

    /// Whether the body must be at hand.
    #[must_use]
    pub const fn reads_body(&self) -> bool {
        matches!(self.source, ResponseSource::Body(_))
    }

    /// Whether what it sets may be a secret: a variable of the stage, an API key, or a header of the
    /// integration's answer for which `hides` says so. A fixed text is none: every client gets it.
    pub fn may_carry_secret(&self, hides: impl Fn(&str) -> bool) -> bool {
        match &self.source {
            ResponseSource::Last(name) | ResponseSource::All(name) => hides(name.text()),
            ResponseSource::Body(_) | ResponseSource::Given(Given::Static(_)) => false,
            ResponseSource::Given(Given::Reference(reference)) => may_be_secret(reference),
        }
    }

    /// The header's value; `None` if the source is missing.
    ///
    /// # Errors
    /// [`InvalidJson`] if the mapping reads the body and cannot.
    pub fn evaluate<'v>(
        &'v self,
        response: &'v impl Response,
        variables: &'v impl Variables,
    ) -> Result<Option<Cow<'v, str>>, InvalidJson> {
        match &self.source {
            ResponseSource::Last(name) => Ok(response.header(name.text())),
            ResponseSource::All(name) => Ok(joined(response.header_values(name.text()))),
            ResponseSource::Body(source) => source.strictly(response.body()),
            ResponseSource::Given(given) => Ok(given.evaluate(variables)),
        }
    }
}

impl ResponseSource {
    fn parse(text: &str) -> Result<Self, MappingError> {
        let unknown = || unknown_source(text, RESPONSE_SOURCES);
        let Some(own) = text.strip_prefix("integration.response.") else {
            return Given::parse(text, RESPONSE_SOURCES).map(Self::Given);
        };
        if let Some(path) = own.strip_prefix("body") {
            return BodySource::parse(path).ok_or_else(unknown)?.map(Self::Body);
        }
        if let Some(name) = own.strip_prefix("multivalueheader.") {
            return Name::parse(name).map(Self::All);
        }
        let name = own.strip_prefix("header.").ok_or_else(unknown)?;
        Name::parse(name).map(Self::Last)
    }
}

/// An entry of a gateway response's `responseParameters`. Only headers come to anything; the other
/// places are read because definitions hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayResponseMapping {
    /// Where the parameter would be set.
    pub place: Place,
    /// Its name.
    pub name: Name,
    source: GatewayResponseSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum GatewayResponseSource {
    Last(Place, Name),
    Given(Given),
}

impl GatewayResponseMapping {
    /// From an entry's key and value.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn parse(key: &str, value: &str) -> Result<Self, MappingError> {
        let (place, name) = place_and_name(key, "gatewayresponse.", GATEWAY_RESPONSE_TARGETS)?;
        let source = match value.strip_prefix("method.request.") {
            Some(own) => {
                let unknown = || unknown_source(value, GATEWAY_RESPONSE_SOURCES);
                let (place, name) = Place::split(own).ok_or_else(unknown)?;
                GatewayResponseSource::Last(place, Name::parse(name)?)
            }
            None => GatewayResponseSource::Given(Given::parse(value, GATEWAY_RESPONSE_SOURCES)?),
        };
        Ok(Self {
            place,
            name,
            source,
        })
    }

    /// As [`ResponseMapping::may_carry_secret`], of a parameter of the client's request.
    pub fn may_carry_secret(&self, hides: impl Fn(Place, &str) -> bool) -> bool {
        match &self.source {
            GatewayResponseSource::Last(place, name) => hides(*place, name.text()),
            GatewayResponseSource::Given(Given::Static(_)) => false,
            GatewayResponseSource::Given(Given::Reference(reference)) => may_be_secret(reference),
        }
    }

    /// The value; `None` if the source is missing.
    #[must_use]
    pub fn evaluate<'v>(
        &'v self,
        parameters: &'v impl Parameters,
        variables: &'v impl Variables,
    ) -> Option<Cow<'v, str>> {
        match &self.source {
            GatewayResponseSource::Last(place, name) => parameters.last(*place, name.text()),
            GatewayResponseSource::Given(given) => given.evaluate(variables),
        }
    }
}

/// What every mapping may read, whatever the message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Reference(Reference),
    Static(Box<str>),
}

impl Given {
    fn parse(text: &str, expected: &'static str) -> Result<Self, MappingError> {
        if text.len() > VALUE_BYTES_MAX {
            return Err(MappingError::TooLong(text.len()));
        }
        let fixed = text
            .strip_prefix('\'')
            .and_then(|open| open.strip_suffix('\''));
        if let Some(fixed) = fixed {
            if fixed.chars().any(char::is_control) {
                return Err(MappingError::Control);
            }
            return Ok(Self::Static(fixed.into()));
        }
        if text.starts_with("context.") || text.starts_with("stageVariables.") {
            return Ok(Self::Reference(Reference::parse(text)?));
        }
        Err(unknown_source(text, expected))
    }

    fn evaluate<'v>(&'v self, variables: &'v impl Variables) -> Option<Cow<'v, str>> {
        match self {
            Self::Reference(reference) => reference.resolve(variables),
            Self::Static(text) => Some(Cow::Borrowed(text)),
        }
    }
}

/// Whether a variable may hold a secret: any of the stage, because its owner alone knows what is in
/// it, and an API key.
const fn may_be_secret(reference: &Reference) -> bool {
    match reference {
        Reference::Stage(_) => true,
        Reference::Context(variable) => matches!(variable, Variable::IdentityApiKey),
    }
}

impl BodySource {
    /// The value, also of a whole body only if it is JSON.
    fn strictly<'v>(&self, body: &'v Body<'_>) -> Result<Option<Cow<'v, str>>, InvalidJson> {
        match self {
            Self::Whole => {
                body.value()?;
                let text = body.text().filter(|text| !text.is_empty());
                Ok(Some(Cow::Borrowed(text.unwrap_or("{}"))))
            }
            Self::Path(path) => Self::at_path(path, body),
        }
    }
}

fn place_and_name(
    key: &str,
    prefix: &str,
    expected: &'static str,
) -> Result<(Place, Name), MappingError> {
    let target = key.strip_prefix(prefix).and_then(Place::split);
    let (place, name) = target.ok_or_else(|| unknown_target(key, expected))?;
    Ok((place, Name::parse(name)?))
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
