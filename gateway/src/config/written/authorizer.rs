//! Who proves a caller's identity.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{DurationText, FunctionAuthorizer, Named, Rate, Size};

/// One authorizer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Authorizer {
    /// Verifies JSON Web Tokens.
    Jwt(JwtAuthorizer),
    /// Verifies tokens of Amazon Cognito user pools; REST APIs only.
    Cognito(CognitoAuthorizer),
    /// Asks a function, as Lambda authorizers do.
    Function(FunctionAuthorizer),
    /// Verifies signatures of version 4, as clients of AWS make them.
    Iam(IamAuthorizer),
}

/// What an authorizer of signatures asks of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IamAuthorizer {
    /// File with the access keys, which its owner alone may read; read at start and on reload.
    pub(crate) credentials: String,
    /// Whether a request may say that its body is not signed (`UNSIGNED-PAYLOAD`). Default false.
    pub(crate) allow_unsigned_payload: Option<bool>,
    /// How often it decides what it does not remember; beyond it a request gets 429. Default: as often
    /// as it is asked.
    pub(crate) guard: Option<Guard>,
    /// Whether it is only watched: it decides, the log says what it would have done, and requests go on
    /// as if there were none. Default `false`.
    #[serde(default)]
    pub(crate) monitor: bool,
}

impl Authorizer {
    /// How often it decides what it does not remember, and whether it is only watched.
    pub(crate) const fn held(&self) -> (Option<&Guard>, bool) {
        match self {
            Self::Jwt(jwt) => (jwt.guard.as_ref(), jwt.monitor),
            Self::Cognito(pools) => (pools.guard.as_ref(), pools.monitor),
            Self::Function(function) => (function.guard.as_ref(), function.monitor),
            Self::Iam(iam) => (iam.guard.as_ref(), iam.monitor),
        }
    }
}

/// Limits of decisions that are not remembered, in decisions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guard {
    /// For each source: an IPv4 address, or a /64 of IPv6.
    pub(crate) per_source: Option<Rate>,
    /// For all together.
    pub(crate) total: Option<Rate>,
}

/// What a JWT authorizer asks of tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtAuthorizer {
    /// Where the token stands: `$request.header.<name>` or `$request.querystring.<name>`. Default
    /// `$request.header.Authorization`.
    pub(crate) identity_source: Option<String>,
    /// Required value of the claim `iss`, compared byte for byte. Several go under `issuers`.
    pub(crate) issuer: Option<String>,
    /// Accepted values of the claim `aud`, or of `client_id` where a token has no `aud`.
    #[schemars(length(min = 1))]
    pub(crate) audiences: Option<Vec<String>>,
    /// Accepted signature algorithms. Default RS256, RS384 and RS512 where the keys are found by
    /// discovery; required where `jwks` says where they are.
    #[schemars(length(min = 1))]
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    /// The issuer's keys. Default: those that the issuer's discovery document names.
    pub(crate) jwks: Option<Jwks>,
    /// Several issuers, of which a token names one: instead of `issuer`, `audiences`, `algorithms` and
    /// `jwks`. At most 16.
    #[schemars(length(min = 1, max = 16))]
    pub(crate) issuers: Option<Vec<Issuer>>,
    /// Claims that a token must have besides, such as `token_use: [access]`: each has to be one of these
    /// values, or a list that holds one. Default: none. At most 16.
    #[serde(default)]
    pub(crate) claims: Named<ClaimValues>,
    /// Clock difference tolerated in `exp`, `nbf` and `iat`: 0s to 5m. Default 0s.
    pub(crate) leeway: Option<DurationText>,
    /// Longest time a decision is remembered, never beyond `exp`: 0s to 1h, 0s turns the cache
    /// off. Default 5m.
    pub(crate) decision_ttl: Option<DurationText>,
    /// Longest time that the refusal of a signature, or of what was signed, is remembered: 0s to 10s,
    /// 0s turns that off. Default 5s.
    pub(crate) refusal_ttl: Option<DurationText>,
    /// How often it decides what it does not remember; beyond it a request gets 429. Default: as often
    /// as it is asked.
    pub(crate) guard: Option<Guard>,
    /// Whether it is only watched: it decides, the log says what it would have done, and requests go on
    /// as if there were none. Default `false`.
    #[serde(default)]
    pub(crate) monitor: bool,
}

/// What an authorizer of user pools asks of tokens. A route without scopes takes ID tokens, one with
/// scopes access tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CognitoAuthorizer {
    /// The ARNs of the pools, such as `arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_abc`.
    /// At most 16.
    #[schemars(length(min = 1, max = 16))]
    pub(crate) user_pools: Vec<String>,
    /// Where the token stands: `$request.header.<name>`. Default `$request.header.Authorization`.
    pub(crate) identity_source: Option<String>,
    /// Regular expression in Java's syntax that the claim `aud` of ID tokens has to match, whole.
    /// Default: none.
    pub(crate) identity_validation_expression: Option<String>,
    /// HTTPS URL under which `{pool}/.well-known/jwks.json` is, without the slash behind it. Default
    /// `https://cognito-idp.{region}.amazonaws.com`.
    pub(crate) endpoint: Option<String>,
    /// Clock difference tolerated in `exp`, `nbf` and `iat`: 0s to 5m. Default 0s.
    pub(crate) leeway: Option<DurationText>,
    /// Longest time a decision is remembered, never beyond `exp`: 0s to 1h, 0s turns the cache
    /// off. Default 5m.
    pub(crate) decision_ttl: Option<DurationText>,
    /// Longest time that the refusal of a signature, or of what was signed, is remembered: 0s to 10s,
    /// 0s turns that off. Default 5s.
    pub(crate) refusal_ttl: Option<DurationText>,
    /// How often it decides what it does not remember; beyond it a request gets 429. Default: as often
    /// as it is asked.
    pub(crate) guard: Option<Guard>,
    /// Whether it is only watched: it decides, the log says what it would have done, and requests go on
    /// as if there were none. Default `false`.
    #[serde(default)]
    pub(crate) monitor: bool,
}

/// Values of a claim, at most 64.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct ClaimValues(#[schemars(length(min = 1, max = 64))] pub(crate) Vec<String>);

/// One of several issuers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// Value of the claim `iss`, compared byte for byte.
    pub(crate) issuer: String,
    /// Accepted values of the claim `aud`, or of `client_id` where a token has no `aud`.
    #[schemars(length(min = 1))]
    pub(crate) audiences: Vec<String>,
    /// Accepted signature algorithms. Default RS256, RS384 and RS512 where the keys are found by
    /// discovery; required where `jwks` says where they are.
    #[schemars(length(min = 1))]
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    /// The issuer's keys. Default: those that the issuer's discovery document names.
    pub(crate) jwks: Option<Jwks>,
}

/// A JSON Web Key Set: one of `url` and `file`, or neither for discovery at
/// `{issuer}/.well-known/openid-configuration`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jwks {
    /// HTTPS URL, verified against the system's roots.
    pub(crate) url: Option<String>,
    /// Local file, read at start and on reload.
    pub(crate) file: Option<String>,
    /// Deadline of one fetch, of the keys and of the discovery document each: 50ms to 30s. Default
    /// 1500ms.
    pub(crate) timeout: Option<DurationText>,
    /// Largest accepted document: 1KiB to 16MiB. Default 150000.
    pub(crate) bytes_max: Option<Size>,
    /// Time between two background fetches: 1s to 24h. Default 10m.
    pub(crate) refresh: Option<DurationText>,
}

/// Signature algorithms of RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Algorithm {
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

impl JsonSchema for Algorithm {
    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let hmac = "HMAC would need the issuer's secret here, and whoever can verify could also \
                    sign: use an algorithm with a public key, such as RS256 or ES256";
        json_schema!({
            "type": "string",
            "enum": [
                "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
                "EdDSA"
            ],
            "x-refused": {
                "none": "a token without signature proves nothing: name the algorithms your \
                         issuer signs with",
                "HS256": hmac,
                "HS384": hmac,
                "HS512": hmac,
                "ES256K": "it is not supported: take it out, and have the issuer sign with ES256 or ES384",
            }
        })
    }
}
