//! Request bodies without their content coding.
//!
//! A body is decoded whole, before anybody looks into it: what is checked and mapped is what the
//! client meant. What it may grow to is bounded like a body that arrives so.
//!
//! Source: Amazon API Gateway Developer Guide, "Payload compression for REST APIs in API Gateway";
//! RFC 9110, section 8.4.

use std::io::{self, Read};

use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::body::{BodyBudget, Buffered, NoMemory};
use crate::exchange::{Reason, Rejection};
use crate::language::accept_encoding::Coding;

/// Bytes that are decoded at once; other requests of the worker have their turn in between.
const PIECE_BYTES: usize = 32 * 1024;

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not in its coding, or ends early or late.
    #[error("the body is not {coding}: {source}")]
    Broken {
        /// What it should be.
        coding: &'static str,
        /// What is wrong.
        source: io::Error,
    },
    /// It grows beyond the limit.
    #[error("the decoded body is larger than the route allows")]
    TooLarge,
    /// All memory for bodies is in use.
    #[error(transparent)]
    Memory(#[from] NoMemory),
}

/// The coding of a request's body.
///
/// # Errors
/// A rejection of every coding that is not read here, and of several at once.
pub fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Rejection> {
    let mut fields = headers.get_all(CONTENT_ENCODING).iter();
    let (Some(field), second) = (fields.next(), fields.next()) else {
        return Ok(None);
    };
    let name = field.to_str().unwrap_or("?").trim();
    if second.is_none() && (name.is_empty() || name.eq_ignore_ascii_case("identity")) {
        return Ok(None);
    }
    let known = Coding::parse(name).filter(|_| second.is_none());
    known.map(Some).ok_or_else(|| Reason::ContentCoding.into())
}

/// Decodes `coded` into at most `bytes_max` bytes of memory that `budget` accounts for. Nothing at
/// all is an empty body.
///
/// # Errors
/// See [`DecodeError`].
///
/// # Cancel safety
/// Dropping the future gives the memory back.
pub async fn decode(
    coding: Coding,
    coded: &[u8],
    bytes_max: u64,
    budget: &BodyBudget,
) -> Result<Buffered, DecodeError> {
    if coded.is_empty() {
        return Ok(budget.growing().finish());
    }
    match coding {
        // A second member is data that is left: resetting the decoder for thousands of empty ones
        // would cost far more than reading them.
        Coding::Gzip => read(GzDecoder::new(coded), coding, bytes_max, budget).await,
        Coding::Deflate => read(ZlibDecoder::new(coded), coding, bytes_max, budget).await,
    }
}

async fn read(
    mut decoder: impl Read + Rest,
    coding: Coding,
    bytes_max: u64,
    budget: &BodyBudget,
) -> Result<Buffered, DecodeError> {
    let broken = |source| DecodeError::Broken {
        coding: coding.name(),
        source,
    };
    let mut whole = budget.growing();
    let mut remaining = bytes_max;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = decoder.read(&mut piece).map_err(broken)?;
        if length == 0 {
            break;
        }
        let grown = u64::try_from(length).unwrap_or(u64::MAX);
        remaining = remaining.checked_sub(grown).ok_or(DecodeError::TooLarge)?;
        whole.push(piece.get(..length).unwrap_or_default())?;
        tokio::task::yield_now().await;
    }
    if decoder.has_rest() {
        return Err(broken(io::Error::other("something follows its end")));
    }
    Ok(whole.finish())
}

/// Whether anything follows what was decoded.
trait Rest {
    fn has_rest(&self) -> bool;
}

impl Rest for GzDecoder<&[u8]> {
    fn has_rest(&self) -> bool {
        !self.get_ref().is_empty()
    }
}

impl Rest for ZlibDecoder<&[u8]> {
    fn has_rest(&self) -> bool {
        !self.get_ref().is_empty()
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
