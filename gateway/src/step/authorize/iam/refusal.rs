//! How a signature that is refused is told, in the words of the service.

use crate::aws::sigv4::{ClaimError, TimeError};
use crate::exchange::{Reason, Rejection};

/// Why a signature proves nobody. What it displays is what clients of REST APIs read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// There is none, or it cannot be read.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// It is good in another region.
    #[error("Credential should be scoped to a valid region.")]
    Region,
    /// It is good for another service.
    #[error("Credential should be scoped to correct service: 'execute-api'.")]
    Service,
    /// It leaves the body open, which this authorizer does not take.
    #[error("The payload has to be signed: X-Amz-Content-Sha256 is UNSIGNED-PAYLOAD.")]
    Unsigned,
    /// The key is not on file, or its session token is another.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session has ended.
    #[error("The security token included in the request is expired")]
    SessionExpired,
    /// It is not good now.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// It is not that of the request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// The body is not the one that was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    Payload,
}

impl Refusal {
    const fn reason(&self) -> Reason {
        match self {
            Self::Claim(ClaimError::Missing) => Reason::SignatureMissing,
            Self::Claim(
                ClaimError::Several
                | ClaimError::NoPairs(_)
                | ClaimError::HeaderLacks(_)
                | ClaimError::QueryLacks(_)
                | ClaimError::Algorithm(_)
                | ClaimError::Malformed { .. },
            ) => Reason::SignatureIncomplete,
            Self::Claim(ClaimError::NotSigned(_)) | Self::Unsigned => Reason::SignatureCoverage,
            Self::Claim(ClaimError::ScopeDate { .. }) | Self::Region | Self::Service => {
                Reason::SignatureScope
            }
            Self::UnknownKey => Reason::SignatureUnknownKey,
            Self::SessionExpired => Reason::SessionExpired,
            Self::Time(_) => Reason::SignatureTime,
            Self::Mismatch => Reason::SignatureMismatch,
            Self::Payload => Reason::PayloadMismatch,
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        let told = refusal.to_string();
        Self {
            message: Some(told.clone().into()),
            ..Self::detailed(refusal.reason(), told)
        }
    }
}
