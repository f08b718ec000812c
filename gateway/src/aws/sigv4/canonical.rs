//! The one form of a request that both ends sign.
//!
//! Nothing here trusts the request: whoever changes a byte that a backend could read differently
//! gets another form. Two spellings share one only where the algorithm says so: the order of query
//! parameters, `+` and `%20` in a query, runs of spaces in a header, and `.`, `..` and empty
//! segments of a path.
//!
//! Some clients, botocore among them, take the query of a URL that they are given whole into the form as
//! it stands there, where that is not escaped in the one way. That is another form of the same request, and
//! of no other: what is not escaped in the one way is the escaped form of nothing.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// As sent.
    pub method: &'a str,
    /// As sent: what is escaped stays escaped.
    pub path: &'a str,
    /// As sent, without its `?`; empty for none.
    pub query: &'a str,
    /// The parameter of the query that holds the signature, and is therefore not signed.
    pub unsigned_parameter: Option<&'a str>,
    /// As sent.
    pub headers: &'a HeaderMap,
    /// What stands for `Host` where there is no such header: `:authority` of HTTP/2.
    pub authority: &'a str,
    /// Names of the signed headers, in the order of the alphabet.
    pub signed: &'a [HeaderName],
}

/// A header is called signed and was not sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signed header `{0}` is not there")]
pub struct HeaderNotSent(pub HeaderName);

/// A canonical request. Headers need not be text, so neither is this.
#[derive(Clone, PartialEq, Eq)]
pub struct Canonical(Vec<u8>);

/// A canonical request whose payload is not known yet: its body may still be on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalHead(Vec<u8>);

// It holds headers, among them session tokens.
impl std::fmt::Debug for Canonical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canonical(..)")
    }
}

impl std::fmt::Debug for CanonicalHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CanonicalHead(..)")
    }
}

impl CanonicalHead {
    /// The canonical form of `request`, up to its payload.
    ///
    /// # Errors
    /// A signed header is not there.
    pub fn of(request: &SignedRequest<'_>) -> Result<Self, HeaderNotSent> {
        Self::with_query(request, &query(request.query, request.unsigned_parameter))
    }

    /// The form with the query as it was sent; `None` where that is [`Self::of`].
    ///
    /// # Errors
    /// A signed header is not there.
    pub fn as_sent(request: &SignedRequest<'_>) -> Result<Option<Self>, HeaderNotSent> {
        let sent = query_as_sent(request.query, request.unsigned_parameter);
        if sent == query(request.query, request.unsigned_parameter) {
            return Ok(None);
        }
        Self::with_query(request, &sent).map(Some)
    }

    fn with_query(request: &SignedRequest<'_>, query: &str) -> Result<Self, HeaderNotSent> {
        let mut form = Vec::with_capacity(512);
        form.extend_from_slice(request.method.as_bytes());
        form.push(b'\n');
        form.extend_from_slice(path(request.path).as_bytes());
        form.push(b'\n');
        form.extend_from_slice(query.as_bytes());
        form.push(b'\n');
        for name in request.signed {
            header(&mut form, name, request)?;
        }
        form.push(b'\n');
        let names: Vec<&str> = request.signed.iter().map(HeaderName::as_str).collect();
        form.extend_from_slice(names.join(";").as_bytes());
        form.push(b'\n');
        Ok(Self(form))
    }

    /// The whole form. `payload` is the hash of the payload, or what is signed instead of one.
    #[must_use]
    pub fn with(mut self, payload: &str) -> Canonical {
        self.0.extend_from_slice(payload.as_bytes());
        Canonical(self.0)
    }
}

impl Canonical {
    /// The canonical form of `request` with `payload`, as [`CanonicalHead::with`] takes it.
    ///
    /// # Errors
    /// A signed header is not there.
    pub fn of(request: &SignedRequest<'_>, payload: &str) -> Result<Self, HeaderNotSent> {
        CanonicalHead::of(request).map(|head| head.with(payload))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its SHA-256, in hexadecimal digits.
    pub(super) fn hash(&self) -> String {
        super::hexadecimal(digest(&SHA256, &self.0).as_ref())
    }
}

/// Empty and dotted segments are resolved, and what is left is escaped once more.
fn path(sent: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in sent.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut path = String::with_capacity(sent.len() + 8);
    for segment in &segments {
        path.push('/');
        path.extend(percent_encode(segment.as_bytes(), ESCAPED));
    }
    if path.is_empty() || sent.ends_with('/') {
        path.push('/');
    }
    path
}

/// Parameters in the order of their escaped names and values.
fn query(sent: &str, unsigned: Option<&str>) -> String {
    let pieces = sent.split('&').filter(|piece| !piece.is_empty());
    let mut pairs: Vec<(String, String)> = pieces
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
        .map(|(name, value)| (parameter(name), parameter(value)))
        .filter(|(name, _)| unsigned != Some(name.as_str()))
        .collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// Parameters in the order of their names and values, which are left as they are.
fn query_as_sent(sent: &str, unsigned: Option<&str>) -> String {
    let pieces = sent.split('&').filter(|piece| !piece.is_empty());
    let mut pairs: Vec<(&str, &str)> = pieces
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
        .filter(|(name, _)| unsigned != Some(*name))
        .collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// One name or value: unescaped, and escaped in the one way. `+` is a space, as in forms: clients
/// that build their query as one sign it so.
fn parameter(sent: &str) -> String {
    let spaced = sent.replace('+', " ");
    let bytes: Cow<'_, [u8]> = percent_decode_str(&spaced).into();
    percent_encode(&bytes, ESCAPED).to_string()
}

/// `name:value`, with all values of the name and with one space where there are several.
fn header(
    form: &mut Vec<u8>,
    name: &HeaderName,
    request: &SignedRequest<'_>,
) -> Result<(), HeaderNotSent> {
    let mut values = request
        .headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes);
    let first = values.next();
    let authority = (name == HOST).then_some(request.authority.as_bytes());
    let first = first
        .or(authority)
        .ok_or_else(|| HeaderNotSent(name.clone()))?;
    form.extend_from_slice(name.as_str().as_bytes());
    form.push(b':');
    trimmed(form, first);
    for value in values {
        form.push(b',');
        trimmed(form, value);
    }
    form.push(b'\n');
    Ok(())
}

/// A value without white space around it, and with single spaces in it.
fn trimmed(form: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t'));
    let mut words = words.filter(|word| !word.is_empty());
    form.extend_from_slice(words.next().unwrap_or_default());
    for word in words {
        form.push(b' ');
        form.extend_from_slice(word);
    }
}
