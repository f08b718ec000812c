//! Why a credential was refused.

use crate::exchange::Reason;

/// A refused credential. What it displays is for the log and holds nothing of the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The identity source is absent or empty.
    #[error("the request carries no token")]
    Missing,
    /// The token is larger than a token may be.
    #[error("the token is larger than {} bytes", super::TOKEN_BYTES_MAX)]
    TooLarge,
    /// Not a JWT in compact form, or a claim that is judged has the wrong type.
    #[error("the token is not a well-formed JWT")]
    Malformed,
    /// The header names extensions that must be understood (`crit`); none are.
    #[error("the token demands extensions that are not supported")]
    CriticalHeader,
    /// `alg` is not one of the authorizer's, or not one the named key may be used with.
    #[error("the token's algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// There is no `kid`: which of the issuer's keys has signed it nobody can tell.
    #[error("the token names no key")]
    NoKeyNamed,
    /// The issuer was seen to publish no key of that name since the first token asked for it: it has not
    /// signed this one.
    #[error("the token's key is not one of the issuer's")]
    UnknownKey,
    /// The key is not at hand, and the token says itself that it has expired: it may well be of a key that
    /// the issuer has withdrawn since.
    #[error(
        "the token says that it has expired, and its key is not one that the issuer is known to have"
    )]
    ExpiredOfUnknownKey,
    /// The key is not at hand, and the issuer could not be asked whether it has it.
    #[error("the token's key is not at hand, and the issuer's keys could not be fetched anew")]
    KeysOutdated,
    /// The issuer publishes a key of that name, and none that can verify a token here.
    #[error("the token's key is one that cannot be used, though the issuer publishes it")]
    UnusableKey,
    /// The issuer's keys were never obtained, so nothing can be judged.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// The key is unknown, and as many requests as may wait for keys already do.
    #[error("too many requests wait for the issuer's keys")]
    TooManyWait,
    /// The issuer would have to be asked for the key, and is not, because nobody sent the token.
    #[error("the issuer would be asked for the token's key")]
    NotAsked,
    /// The signature is not that of the key.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// `iss` is absent or differs.
    #[error("the token is not from the configured issuer")]
    WrongIssuer,
    /// Neither `aud` nor, in its absence, `client_id` holds a configured audience.
    #[error("the token is not for a configured audience")]
    WrongAudience,
    /// A claim that the authorizer asks for is absent or has another value.
    #[error("the token lacks a claim that the authorizer asks for")]
    ClaimNotAccepted,
    /// It is no token of the kind that the route takes: an access token for an ID token, or the other
    /// way round.
    #[error("the token is of another kind than the route takes")]
    TokenUse,
    /// None of the route's scopes is in the access token of a user pool.
    #[error("the token has none of the route's scopes")]
    NoScope,
    /// There is no `exp`.
    #[error("the token has no expiry")]
    NoExpiry,
    /// `exp` has come.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` has not come.
    #[error("the token was issued in the future")]
    IssuedInFuture,
}

impl Refusal {
    /// The row of the rejection table.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Missing => Reason::TokenMissing,
            Self::TooLarge => Reason::TokenTooLarge,
            Self::Malformed | Self::CriticalHeader | Self::NoKeyNamed | Self::NoExpiry => {
                Reason::TokenMalformed
            }
            Self::AlgorithmNotAllowed => Reason::TokenAlgorithm,
            Self::UnknownKey => Reason::TokenUnknownKey,
            Self::KeysOutdated | Self::UnusableKey => Reason::TokenKeyUnavailable,
            Self::KeysUnavailable => Reason::KeysUnavailable,
            Self::TooManyWait => Reason::KeysBusy,
            Self::NotAsked => Reason::NotAsked,
            Self::BadSignature => Reason::TokenSignature,
            Self::WrongIssuer => Reason::TokenIssuer,
            Self::WrongAudience => Reason::TokenAudience,
            Self::ClaimNotAccepted => Reason::TokenClaim,
            Self::TokenUse => Reason::TokenUse,
            Self::NoScope => Reason::TokenScope,
            Self::Expired | Self::ExpiredOfUnknownKey => Reason::TokenExpired,
            Self::NotYetValid => Reason::TokenNotYetValid,
            Self::IssuedInFuture => Reason::TokenIssuedInFuture,
        }
    }

    /// Whether it holds for some time, whatever the clock says and the issuer publishes: only then may
    /// it be remembered.
    pub(super) const fn lasts(self) -> bool {
        match self {
            Self::Malformed
            | Self::BadSignature
            | Self::WrongAudience
            | Self::ClaimNotAccepted
            | Self::NoExpiry
            | Self::Expired => true,
            Self::Missing
            | Self::TooLarge
            | Self::CriticalHeader
            | Self::AlgorithmNotAllowed
            | Self::NoKeyNamed
            | Self::UnknownKey
            | Self::ExpiredOfUnknownKey
            | Self::KeysOutdated
            | Self::UnusableKey
            | Self::NotAsked
            | Self::KeysUnavailable
            | Self::TooManyWait
            | Self::WrongIssuer
            | Self::TokenUse
            | Self::NoScope
            | Self::NotYetValid
            | Self::IssuedInFuture => false,
        }
    }

    /// The `error_description` a client may read in `www-authenticate`; none without a token,
    /// where the header is `Bearer` alone.
    ///
    /// Only the two cases that an honest client can act on, and that Amazon API Gateway tells,
    /// are told; for the rest, more would help to forge.
    #[must_use]
    pub const fn client_error_description(&self) -> Option<&'static str> {
        match self {
            Self::Missing => None,
            Self::WrongAudience => Some("the token does not have a valid audience"),
            Self::Expired => Some("the token has expired"),
            Self::TooLarge
            | Self::Malformed
            | Self::CriticalHeader
            | Self::AlgorithmNotAllowed
            | Self::NoKeyNamed
            | Self::UnknownKey
            | Self::ExpiredOfUnknownKey
            | Self::KeysOutdated
            | Self::UnusableKey
            | Self::KeysUnavailable
            | Self::TooManyWait
            | Self::NotAsked
            | Self::BadSignature
            | Self::WrongIssuer
            | Self::ClaimNotAccepted
            | Self::TokenUse
            | Self::NoScope
            | Self::NoExpiry
            | Self::NotYetValid
            | Self::IssuedInFuture => Some("the token is not valid"),
        }
    }
}
