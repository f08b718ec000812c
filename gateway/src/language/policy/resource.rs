//! The resources of statements.

use std::borrow::Cow;

use super::arn::{Arn, ArnPattern, ArnPatternError};
use super::truth::Truth;
use super::value::Context;

/// The API that a resource policy belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiScope {
    /// `aws`.
    pub partition: String,
    /// The region.
    pub region: String,
    /// The account that owns the API.
    pub account: String,
    /// The API's id.
    pub api_id: String,
}

impl ApiScope {
    /// What the names of all the API's methods start with; stage, method and path follow.
    #[must_use]
    pub fn root(&self) -> String {
        let Self {
            partition,
            region,
            account,
            api_id,
        } = self;
        format!("arn:{partition}:execute-api:{region}:{account}:{api_id}/")
    }
}

/// The whole name for `execute-api:/stage/METHOD/path`, in which only what an API cannot know of
/// itself is written; `execute-api:/*` is all of it. Everything else stays as it is.
#[must_use]
pub fn expand<'w>(written: &'w str, scope: &ApiScope) -> Cow<'w, str> {
    match written.strip_prefix(SHORTHAND) {
        Some(rest) => Cow::Owned(scope.root() + rest),
        None => Cow::Borrowed(written),
    }
}

const SHORTHAND: &str = "execute-api:/";

/// What a statement says of resources.
#[derive(Debug, Clone)]
pub(super) enum Resource {
    /// `*`.
    Any,
    Arn(ArnPattern),
}

/// Why a text is no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// None of the forms.
    #[error("`{0}` is not a resource: write `*`, `execute-api:/stage/METHOD/path` or an ARN")]
    Form(String),
    /// The short form in a policy that belongs to no API.
    #[error(
        "`{0}` names a resource of the policy's own API, but this policy belongs to none: write the whole ARN"
    )]
    Shorthand(String),
    /// An ARN that is none.
    #[error(transparent)]
    Arn(#[from] ArnPatternError),
}

impl Resource {
    /// Without a scope the policy belongs to no API.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(super) fn parse(
        written: &str,
        scope: Option<&ApiScope>,
        variables: bool,
    ) -> Result<Self, ResourceError> {
        if written == "*" {
            return Ok(Self::Any);
        }
        let whole = match scope {
            Some(scope) => expand(written, scope),
            None if written.starts_with(SHORTHAND) => {
                return Err(ResourceError::Shorthand(written.to_owned()));
            }
            None => Cow::Borrowed(written),
        };
        if !whole.starts_with("arn:") {
            return Err(ResourceError::Form(written.to_owned()));
        }
        Ok(Self::Arn(ArnPattern::parse_shortened(&whole, variables)?))
    }

    pub(super) fn matches(&self, arn: Arn<'_>, context: &dyn Context) -> Truth {
        match self {
            Self::Any => Truth::Yes,
            Self::Arn(pattern) => pattern.matches(arn, context),
        }
    }

    /// Whether every name that starts with `root` is meant, in every request.
    pub(super) fn covers(&self, root: Arn<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Arn(pattern) => pattern.covers(root),
        }
    }
}
