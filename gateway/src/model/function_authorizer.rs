//! Functions that authorize callers: Lambda authorizers, and whatever takes and gives the same over HTTP.

use std::time::Duration;

use super::{ApiKind, AwsTarget, FunctionName, IdentitySource, Remote};
use crate::language::pattern::Pattern;
use crate::language::variable::{ApiType, Moment, Reference};

/// What an authorizer asks of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSettings {
    /// The function.
    pub function: Function,
    /// What it is told of a request.
    pub event: FunctionEvent,
    /// Longest time that what it returned is remembered; 0 asks it for every request.
    pub result_ttl: Duration,
    /// How long it may take; `None` is the default of the type of API, see [`Self::timeout_for`].
    pub timeout: Option<Duration>,
}

/// A function that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Function {
    /// What answers at a URL: it gets the event by POST and answers with what a function returns.
    Url(Remote),
    /// A function of AWS Lambda.
    Lambda {
        /// Which.
        name: FunctionName,
        /// Where the service is asked to run it.
        target: AwsTarget,
    },
}

/// What a function is told of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionEvent {
    /// The value of one header, and which method is called: type `TOKEN`. REST APIs only.
    Token {
        /// The header.
        source: IdentitySource,
        /// What its value has to match, whole; `None` takes any.
        expression: Option<Pattern>,
    },
    /// The request but for its body: type `REQUEST`.
    Request {
        /// What has to be there, in the order of the file; all of it together tells callers apart. May be
        /// empty, but not where results are remembered.
        sources: Vec<FunctionSource>,
        /// In which form HTTP APIs tell it; `None` is 2.0. REST APIs know one form.
        format: Option<PayloadFormat>,
        /// Whether the function answers yes or no instead of with a policy. HTTP APIs with form 2.0 only.
        simple_responses: bool,
    },
}

/// Something that a caller is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionSource {
    /// What the client sends.
    Sent(IdentitySource),
    /// What the gateway knows: a variable of the request or of its stage.
    Known(Reference),
}

/// Forms in which HTTP APIs tell functions of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadFormat {
    /// As REST APIs do.
    V1,
    /// The shorter one.
    V2,
}

/// What keeps an authorizer from an API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// HTTP APIs have no TOKEN authorizers.
    #[error(
        "the function of this authorizer is told of a token alone, which only REST APIs do: name one with `event: request`"
    )]
    Token,
    /// REST APIs have no simple responses.
    #[error(
        "the function of this authorizer answers yes or no, which only HTTP APIs understand: name one without `simple_responses`"
    )]
    SimpleResponses,
    /// REST APIs have one form of events.
    #[error("the `payload_format` of this authorizer is one of HTTP APIs: name one without it")]
    PayloadFormat,
    /// More than APIs of this type wait.
    #[error("an HTTP API waits at most {} s for its authorizer, and this one has a longer `timeout`: name one with a shorter", HTTP_TIMEOUT.as_secs())]
    Timeout,
    /// A variable of the other type of API.
    #[error(
        "APIs of this type have no `$context.{0}`, by which this authorizer knows callers: name another"
    )]
    Variable(&'static str),
}

/// How long an HTTP API waits for its authorizer (3.6 of docs/semantics.md).
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a REST API does: as long as for an integration.
const REST_TIMEOUT: Duration = Duration::from_secs(29);

impl FunctionSettings {
    /// What of a request itself it reads.
    pub fn sent(&self) -> impl Iterator<Item = &IdentitySource> {
        let (token, sources) = match &self.event {
            FunctionEvent::Token { source, .. } => (Some(source), &[][..]),
            FunctionEvent::Request { sources, .. } => (None, &sources[..]),
        };
        let sent = sources.iter().filter_map(|source| match source {
            FunctionSource::Sent(source) => Some(source),
            FunctionSource::Known(_) => None,
        });
        token.into_iter().chain(sent)
    }

    /// Where the function is asked.
    #[must_use]
    pub const fn remote(&self) -> &Remote {
        match &self.function {
            Function::Url(remote) => remote,
            Function::Lambda { target, .. } => &target.remote,
        }
    }

    /// Whether it answers yes or no instead of with a policy.
    #[must_use]
    pub const fn answers_simply(&self) -> bool {
        match self.event {
            FunctionEvent::Token { .. } => false,
            FunctionEvent::Request {
                simple_responses, ..
            } => simple_responses,
        }
    }

    /// How long the function may take for an API of this kind: what is configured, else 29 s of REST
    /// APIs and 10 s of HTTP APIs.
    #[must_use]
    pub fn timeout_for(&self, kind: ApiKind) -> Duration {
        let default = match kind {
            ApiKind::Rest => REST_TIMEOUT,
            ApiKind::Http => HTTP_TIMEOUT,
        };
        self.timeout.unwrap_or(default)
    }

    /// Whether routes of APIs of this kind may have it.
    ///
    /// # Errors
    /// What of it is only there for the other kind.
    pub fn fits(&self, kind: ApiKind) -> Result<(), Unfit> {
        match (kind, &self.event) {
            (ApiKind::Http, FunctionEvent::Token { .. }) => return Err(Unfit::Token),
            (ApiKind::Rest, FunctionEvent::Token { .. })
            | (ApiKind::Http, FunctionEvent::Request { .. }) => {}
            (
                ApiKind::Rest,
                FunctionEvent::Request {
                    simple_responses: true,
                    ..
                },
            ) => {
                return Err(Unfit::SimpleResponses);
            }
            (
                ApiKind::Rest,
                FunctionEvent::Request {
                    format: Some(_), ..
                },
            ) => {
                return Err(Unfit::PayloadFormat);
            }
            (ApiKind::Rest, FunctionEvent::Request { .. }) => {}
        }
        if kind == ApiKind::Http && self.timeout.is_some_and(|timeout| timeout > HTTP_TIMEOUT) {
            return Err(Unfit::Timeout);
        }
        let of = match kind {
            ApiKind::Rest => ApiType::Rest,
            ApiKind::Http => ApiType::Http,
        };
        let mut unknown = self.known().filter(|variable| match variable {
            Reference::Context(variable) => !variable.is_of(of),
            Reference::Stage(_) => false,
        });
        match unknown.next() {
            Some(Reference::Context(variable)) => Err(Unfit::Variable(variable.row().name)),
            Some(Reference::Stage(_)) | None => Ok(()),
        }
    }

    fn known(&self) -> impl Iterator<Item = &Reference> {
        let sources = match &self.event {
            FunctionEvent::Token { .. } => &[][..],
            FunctionEvent::Request { sources, .. } => &sources[..],
        };
        sources.iter().filter_map(|source| match source {
            FunctionSource::Known(reference) => Some(reference),
            FunctionSource::Sent(_) => None,
        })
    }
}

impl FunctionSource {
    /// Whether it has its value before an authorizer is asked.
    #[must_use]
    pub fn is_known_before(&self) -> bool {
        match self {
            Self::Sent(_) | Self::Known(Reference::Stage(_)) => true,
            Self::Known(Reference::Context(variable)) => variable.row().known == Moment::Routed,
        }
    }
}
