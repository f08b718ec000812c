//! Which answers are compressed, and compressing them.
//!
//! An answer is compressed piece by piece while it leaves, so its size does not matter; but it must
//! be known, or nobody could tell whether it is worth it. What has no known size, such as a stream
//! of events, would be held back by a compressor anyway.
//!
//! Source: Amazon API Gateway Developer Guide, "Payload compression for REST APIs in API Gateway";
//! RFC 9110, sections 7.7, 8.4 and 12.5.3.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue};

use crate::body::{BodyBudget, BudgetLease};
use crate::language::accept_encoding::{Coding, negotiate};

/// What one compressor takes of the memory for bodies.
pub const ENCODER_BYTES: usize = 384 * 1024;

/// What one API compresses.
#[derive(Clone, Copy, Debug)]
pub struct CompressPlan {
    /// Bytes of the smallest body that is.
    pub bytes_min: u64,
}

/// What a client says that it takes.
#[must_use]
pub fn accepted(headers: &HeaderMap) -> Option<String> {
    let fields = headers.get_all(ACCEPT_ENCODING).iter();
    let fields: Vec<&str> = fields.filter_map(|field| field.to_str().ok()).collect();
    (!fields.is_empty()).then(|| fields.join(","))
}

/// The coding for an answer with these headers and a body of `length` bytes; `None` leaves it as it
/// is. Where the client decides, the headers say so to caches.
pub fn coding(
    plan: CompressPlan,
    accepted: Option<&str>,
    headers: &mut HeaderMap,
    length: Option<u64>,
) -> Option<Coding> {
    let is_worth_it = length.is_some_and(|length| length > 0 && length >= plan.bytes_min);
    // A range is one of the body as it was, and what a backend coded it has chosen itself.
    let is_fixed = headers.contains_key(CONTENT_ENCODING)
        || headers.contains_key(CONTENT_RANGE)
        || says(headers, &CACHE_CONTROL, "no-transform");
    if !is_worth_it || is_fixed {
        return None;
    }
    if !says(headers, &VARY, "accept-encoding") && !says(headers, &VARY, "*") {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    negotiate(accepted)
}

/// Tells the coding of an answer that is compressed.
pub fn announce(coding: Coding, headers: &mut HeaderMap) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(CONTENT_LENGTH);
    // The same content, and not the same bytes.
    if let Some(strong) = headers
        .get(ETAG)
        .filter(|tag| tag.as_bytes().starts_with(b"\""))
    {
        let weak = [b"W/", strong.as_bytes()].concat();
        match HeaderValue::from_bytes(&weak) {
            Ok(weak) => headers.insert(ETAG, weak),
            Err(_invalid) => headers.remove(ETAG),
        };
    }
}

/// Whether a list of words in a header has this one.
fn says(headers: &HeaderMap, name: &http::HeaderName, word: &str) -> bool {
    let fields = headers.get_all(name).iter();
    let mut words = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    words.any(|known| known.trim().eq_ignore_ascii_case(word))
}

/// A body on its way through a compressor.
#[derive(Debug)]
pub struct Encoder {
    writer: Writer,
    _lease: BudgetLease,
}

#[derive(Debug)]
enum Writer {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

/// A compressor failed, which those that write to memory do not.
#[derive(Debug, thiserror::Error)]
#[error("compressing: {0}")]
pub struct EncodeError(#[from] std::io::Error);

impl Encoder {
    /// A compressor; `None` if there is no memory for it, and the answer leaves as it is.
    #[must_use]
    pub fn new(coding: Coding, budget: &BodyBudget) -> Option<Self> {
        let lease = budget.lend(ENCODER_BYTES).ok()?;
        let level = Compression::default();
        let writer = match coding {
            Coding::Gzip => Writer::Gzip(GzEncoder::new(Vec::new(), level)),
            Coding::Deflate => Writer::Deflate(ZlibEncoder::new(Vec::new(), level)),
        };
        Some(Self {
            writer,
            _lease: lease,
        })
    }

    /// Takes a piece, and gives what is compressed by then, which may be nothing.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn write(&mut self, piece: &[u8]) -> Result<Bytes, EncodeError> {
        let made = match &mut self.writer {
            Writer::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
            Writer::Deflate(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
        };
        Ok(Bytes::from(std::mem::take(made)))
    }

    /// Gives the rest.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn finish(self) -> Result<Bytes, EncodeError> {
        let rest = match self.writer {
            Writer::Gzip(encoder) => encoder.finish()?,
            Writer::Deflate(encoder) => encoder.finish()?,
        };
        Ok(Bytes::from(rest))
    }
}

#[cfg(test)]
#[path = "compress_tests.rs"]
mod tests;
