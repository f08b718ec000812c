//! What a REST API says of a request that no method is for.
//!
//! The service takes credentials of such a request for a signature, and tells what they lack of one.
//! A header may be a secret, so that only its hash is repeated.
//!
//! Source: recorded answers of the service, 1.2 of docs/semantics.md.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE, HeaderName};

use crate::exchange::{Reason, Rejection};

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// What an `Authorization` that is a signature holds.
const PARTS: [&str; 3] = ["Credential", "Signature", "SignedHeaders"];

/// The rejection of a request with these headers.
pub(super) fn unmatched(headers: &HeaderMap) -> Rejection {
    let Some(credentials) = headers.get(AUTHORIZATION) else {
        return Reason::RouteNotFound.into();
    };
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, credentials.as_bytes()));
    let text = String::from_utf8_lossy(credentials.as_bytes());
    // Before the first space stands the scheme.
    let parts = text.split_once(' ').map_or(&*text, |(_, parts)| parts);
    if !parts.split(',').all(|part| part.contains('=')) {
        return incomplete(format!(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with \
             SHA-256 and encoded with Base64): '{hash}'."
        ));
    }
    let names: Vec<&str> = parts
        .split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(name, _)| name.trim())
        .collect();
    let missing = PARTS.iter().filter(|part| !names.contains(part));
    let mut sentences: Vec<String> = missing
        .map(|part| format!("Authorization header requires '{part}' parameter."))
        .collect();
    if !headers.contains_key(X_AMZ_DATE) && !headers.contains_key(DATE) {
        let date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                    header.";
        sentences.push(date.to_owned());
    }
    if sentences.is_empty() {
        return Reason::RouteNotFound.into();
    }
    sentences.push(format!(
        "(Hashed with SHA-256 and encoded with Base64) Authorization={hash}"
    ));
    incomplete(sentences.join(" "))
}

fn incomplete(message: String) -> Rejection {
    Rejection {
        message: Some(message.into()),
        ..Rejection::new(Reason::SignatureIncomplete)
    }
}
