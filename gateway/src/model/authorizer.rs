//! Who proves a caller's identity, and how.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_common::limit::Limit;

use super::{AuthorizerName, FunctionSettings, IamSettings, Remote};
use crate::language::pattern::Pattern;
use crate::language::policy::Authorization;

/// An authorizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// Its name.
    pub name: AuthorizerName,
    /// How it knows callers.
    pub kind: AuthorizerKind,
    /// How often it decides what it does not remember.
    pub guard: Guard,
    /// Whether it is only watched: it decides, and requests go on as if there were none. Default:
    /// no.
    pub monitor: bool,
    /// Whether a deployment has kept it, and the file says something else now or nothing.
    pub is_frozen: bool,
}

/// Limits of decisions that are not remembered, in decisions. Default: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// For each source: an IPv4 address, or a /64 of IPv6.
    pub source: Option<Limit>,
    /// For all together.
    pub total: Option<Limit>,
}

/// How an authorizer knows callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizerKind {
    /// By JSON Web Tokens.
    Jwt(JwtSettings),
    /// By what a function says of them.
    Function(FunctionSettings),
    /// By signatures of version 4.
    Iam(IamSettings),
}

impl Authorizer {
    /// What of a request it reads.
    pub fn identity_sources(&self) -> impl Iterator<Item = &IdentitySource> {
        let (token, function) = match &self.kind {
            AuthorizerKind::Jwt(settings) => (Some(&settings.identity_source), None),
            AuthorizerKind::Function(settings) => (None, Some(settings.sent())),
            // Signatures stand where everybody knows that credentials do.
            AuthorizerKind::Iam(_) => (None, None),
        };
        token.into_iter().chain(function.into_iter().flatten())
    }

    /// The servers that it asks about every caller whom it does not know yet.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote> {
        let remote: Option<&Remote> = match &self.kind {
            // Keys are fetched by others, and not for any caller.
            AuthorizerKind::Jwt(_) | AuthorizerKind::Iam(_) => None,
            AuthorizerKind::Function(settings) => Some(settings.remote()),
        };
        remote.into_iter()
    }

    /// What it asks of tokens; `None` where it knows callers otherwise.
    #[must_use]
    pub const fn jwt(&self) -> Option<&JwtSettings> {
        match &self.kind {
            AuthorizerKind::Jwt(settings) => Some(settings),
            AuthorizerKind::Function(_) | AuthorizerKind::Iam(_) => None,
        }
    }

    /// What it asks of a function; `None` where it knows callers otherwise.
    #[must_use]
    pub const fn function(&self) -> Option<&FunctionSettings> {
        match &self.kind {
            AuthorizerKind::Function(settings) => Some(settings),
            AuthorizerKind::Jwt(_) | AuthorizerKind::Iam(_) => None,
        }
    }

    /// What it asks of signatures; `None` where it knows callers otherwise.
    #[must_use]
    pub const fn iam(&self) -> Option<&IamSettings> {
        match &self.kind {
            AuthorizerKind::Iam(settings) => Some(settings),
            AuthorizerKind::Function(_) => None,
            AuthorizerKind::Jwt(_) => None,
        }
    }

    /// Which row of the rules for resource policies is its.
    #[must_use]
    pub const fn authorization(&self) -> Authorization {
        match &self.kind {
            AuthorizerKind::Jwt(_) => Authorization::CognitoOrJwt,
            // A function that answers yes or no brings no policy either.
            AuthorizerKind::Function(settings) if settings.answers_simply() => {
                Authorization::CognitoOrJwt
            }
            AuthorizerKind::Function(_) => Authorization::Lambda,
            // Of whom it is asked when somebody is known: see `crate::step::policy`.
            AuthorizerKind::Iam(_) => Authorization::IamSameAccount,
        }
    }
}

/// What a JWT authorizer asks of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSettings {
    /// Where the token stands; default `$request.header.Authorization`.
    pub identity_source: IdentitySource,
    /// Who may have issued it. Never empty, and no two of one name.
    pub issuers: Vec<Issuer>,
    /// Claims that it must have besides. Default: none.
    pub claims: Vec<RequiredClaim>,
    /// What kind of token it has to be.
    pub tokens: TokenRules,
    /// Clock difference tolerated in `exp`, `nbf` and `iat`; default 0.
    pub leeway: Duration,
    /// Longest time a decision is remembered; it never outlives `exp`. Default 300 s, 0 turns the
    /// cache off.
    pub decision_ttl: Duration,
    /// Longest time that the refusal of a signature, or of what was signed, is remembered; at most
    /// 10 s. Default 5 s, 0 turns that off.
    pub refusal_ttl: Duration,
}

/// What kind of token an authorizer takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRules {
    /// Any of a configured audience.
    Audience,
    /// What Amazon Cognito user pools issue: ID tokens on routes without scopes, and access tokens on
    /// routes with scopes.
    Cognito {
        /// What `aud` of ID tokens has to match, whole; `None` takes any.
        audience: Option<Pattern>,
    },
}

/// Who issues tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Value of `iss`, compared byte for byte.
    pub name: String,
    /// Accepted values of `aud`, or of `client_id` where a token has no `aud`. Never empty, but of user
    /// pools, whose tokens are judged by their kind.
    pub audiences: Vec<String>,
    /// Accepted values of the header's `alg`. Never empty.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub jwks: Jwks,
}

/// A claim that tokens must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Its name.
    pub name: String,
    /// Values of which it has to be one, or hold one where it is a list. Never empty.
    pub values: Vec<String>,
}

/// Where a request carries its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// `$request.header.<name>`, lower-cased.
    Header(http::HeaderName),
    /// `$request.querystring.<name>`.
    Query(String),
}

/// Signature algorithms of RFC 7518 and RFC 8037 that can be named. HMAC and `none` cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// Where it is.
    pub source: JwksSource,
    /// Deadline of one fetch; default 1.5 s.
    pub timeout: Duration,
    /// Largest accepted document; default 150,000 bytes.
    pub bytes_max: usize,
    /// Time between two background fetches; default 10 min.
    pub refresh: Duration,
}

/// Where a key set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// A local file, read at start and on reload.
    File(JwksFile),
    /// An HTTPS URL, verified against the system's roots.
    Url(http::Uri),
    /// Where the issuer's discovery document says (OpenID Connect Discovery 1.0).
    Discovery {
        /// The issuer, which the document has to name.
        issuer: String,
        /// The document, on HTTPS as well.
        document: http::Uri,
    },
}

/// A key set in a file.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksFile {
    /// The file.
    pub path: PathBuf,
    /// What it held when the configuration was read; otherwise why that is not known.
    pub document: Result<Arc<[u8]>, String>,
}

impl fmt::Debug for JwksFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}
