//! What a caller says of its signature, in the `Authorization` header or in the query.
//!
//! Everything is judged here that can be judged without the secret and without the body, so that a
//! request which cannot be right costs neither. What is refused besides malformed claims: two
//! claims in one request, headers that AWS gives a meaning (`x-amz-*`) and that are not signed,
//! and signatures over several regions or over chunks.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, DATE, HOST};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use super::{ALGORITHM, Scope, SignedAt, TERMINATOR};

/// Most headers that one signature covers. Clients sign about five.
pub const SIGNED_HEADERS_MAX: usize = 100;

/// Longest validity of a signature in a query, in seconds: seven days.
const EXPIRES_MAX: u32 = 604_800;

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const AMZ_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const AMZ_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// A signature and what its caller says about it. Nothing of it is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim<'r> {
    /// How it was sent.
    pub form: Form,
    /// Whose secret it is made with.
    pub access_key_id: Cow<'r, str>,
    /// The session token that goes with a temporary access key.
    pub session_token: Option<Cow<'r, str>>,
    /// What its key is good for.
    pub scope: Scope,
    /// When it was made.
    pub signed_at: SignedAt,
    /// The headers it covers, in the order of the alphabet.
    pub signed_headers: Vec<HeaderName>,
    /// What it says of the payload.
    pub payload: Payload,
    /// The signature.
    pub signature: [u8; 32],
}

/// How a signature was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query, which may be handed on (a presigned URL).
    Query {
        /// Seconds that it is good for: 1 to 604,800.
        expires: u32,
    },
}

/// What a signature says of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing of its own: the hash of the body that comes is signed.
    Body,
    /// It has this SHA-256, in lower-case hexadecimal digits.
    Hash(String),
    /// It is not signed.
    Unsigned,
}

/// Why a request bears no usable claim. What it displays is for the client, and may go to logs: it
/// holds nothing that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There is none.
    #[error("Missing Authentication Token")]
    Missing,
    /// There are several.
    #[error("Only one auth mechanism allowed; a request is signed in one header or in its query")]
    Several,
    /// The header is no list of `key=value`.
    #[error(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 \
         and encoded with Base64): '{0}'."
    )]
    NoPairs(String),
    /// Parts of the header are not there.
    #[error("{0}")]
    HeaderLacks(String),
    /// A parameter of the query is not there.
    #[error(
        "AWS query-string parameters must include '{0}'. Re-examine the query-string parameters."
    )]
    QueryLacks(&'static str),
    /// Another algorithm, such as that of signatures over several regions.
    #[error("Unsupported AWS 'algorithm': '{0}'")]
    Algorithm(String),
    /// A part that cannot be read.
    #[error("{name} is not usable: {fault}")]
    Malformed {
        /// Which.
        name: &'static str,
        /// What is wrong.
        fault: &'static str,
    },
    /// What has to be signed is not.
    #[error("'{0}' must be a 'SignedHeader' in the AWS Authorization.")]
    NotSigned(HeaderName),
    /// The day of the scope is another than that of the request.
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '{scope}' != '{date}', from '{at}'."
    )]
    ScopeDate {
        /// Of the scope.
        scope: String,
        /// Of the request.
        date: String,
        /// The request's time.
        at: SignedAt,
    },
}

impl<'r> Claim<'r> {
    /// Reads the claim of a request from its headers and its query.
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub fn of(headers: &'r HeaderMap, query: &'r str) -> Result<Self, ClaimError> {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let in_query = presigned(query);
        let claim = match (sent.next(), sent.next(), in_query) {
            (None, _, false) => return Err(ClaimError::Missing),
            (Some(header), None, false) => {
                let header = header.to_str().map_err(|_not_text| ClaimError::Malformed {
                    name: "Authorization",
                    fault: "it is no text",
                })?;
                Self::of_header(header, headers)?
            }
            (None, _, true) => Self::of_query(query, headers)?,
            (Some(_), _, _) => return Err(ClaimError::Several),
        };
        claim.judged(headers)
    }

    fn of_header(header: &'r str, headers: &'r HeaderMap) -> Result<Self, ClaimError> {
        let (algorithm, pairs) = header.split_once(' ').unwrap_or(("", header));
        let mut parts = [
            ("Credential", None),
            ("Signature", None),
            ("SignedHeaders", None),
        ];
        for pair in pairs.split(',') {
            let pair = pair.trim().split_once('=');
            let (name, value) = pair.ok_or_else(|| ClaimError::NoPairs(hashed(header)))?;
            let part = parts.iter_mut().find(|(known, _)| *known == name);
            // A second one may differ: two readers could take two different ones.
            let (_, place) =
                part.filter(|(_, place)| place.is_none())
                    .ok_or(ClaimError::Malformed {
                        name: "Authorization",
                        fault: "it holds what is unknown, or something twice",
                    })?;
            *place = Some(value);
        }
        let dated = [AMZ_DATE, DATE]
            .into_iter()
            .find(|name| headers.contains_key(name));
        let [
            (_, Some(credential)),
            (_, Some(signature)),
            (_, Some(signed)),
        ] = parts
        else {
            return Err(lacking(&parts, dated.is_some(), header));
        };
        let Some(dated) = dated else {
            return Err(lacking(&parts, false, header));
        };
        if algorithm != ALGORITHM {
            return Err(ClaimError::Algorithm(algorithm.to_owned()));
        }
        let (access_key_id, scope) = credential_of(credential)?;
        let date = one_value(headers, &dated)?.ok_or(ClaimError::Missing)?;
        let signed_at = if dated == DATE {
            http_date(date)
        } else {
            SignedAt::parse(date)
        };
        let claim = Self {
            form: Form::Header,
            access_key_id: Cow::Owned(access_key_id),
            session_token: one_value(headers, &AMZ_TOKEN)?.map(Cow::Borrowed),
            scope,
            signed_at: signed_at.ok_or(ClaimError::Malformed {
                name: "X-Amz-Date",
                fault: "it is no date such as 20260102T030405Z",
            })?,
            signed_headers: names_of(signed)?,
            payload: payload_of(headers)?,
            signature: signature_of(signature)?,
        };
        claim.covers(&dated)?;
        Ok(claim)
    }

    fn of_query(query: &'r str, headers: &'r HeaderMap) -> Result<Self, ClaimError> {
        let required = |name| parameter(query, name)?.ok_or(ClaimError::QueryLacks(name));
        let algorithm = required("X-Amz-Algorithm")?;
        if algorithm != ALGORITHM {
            return Err(ClaimError::Algorithm(algorithm.into_owned()));
        }
        let (access_key_id, scope) = credential_of(&required("X-Amz-Credential")?)?;
        let signed_at = SignedAt::parse(&required("X-Amz-Date")?).ok_or(ClaimError::Malformed {
            name: "X-Amz-Date",
            fault: "it is no date such as 20260102T030405Z",
        })?;
        let expires = required("X-Amz-Expires")?;
        let expires = expires
            .parse()
            .ok()
            .filter(|seconds| (1..=EXPIRES_MAX).contains(seconds));
        Ok(Self {
            form: Form::Query {
                expires: expires.ok_or(ClaimError::Malformed {
                    name: "X-Amz-Expires",
                    fault: "it is no number of seconds from 1 to 604800",
                })?,
            },
            access_key_id: Cow::Owned(access_key_id),
            session_token: parameter(query, "X-Amz-Security-Token")?,
            scope,
            signed_at,
            signed_headers: names_of(&required("X-Amz-SignedHeaders")?)?,
            payload: payload_of(headers)?,
            signature: signature_of(&required("X-Amz-Signature")?)?,
        })
    }

    /// What holds for both forms.
    fn judged(self, headers: &HeaderMap) -> Result<Self, ClaimError> {
        self.covers(&HOST)?;
        for name in headers.keys() {
            if name.as_str().starts_with("x-amz-") {
                self.covers(name)?;
            }
        }
        let date = self.signed_at.date();
        if self.scope.date != date {
            return Err(ClaimError::ScopeDate {
                scope: self.scope.date,
                date,
                at: self.signed_at,
            });
        }
        Ok(self)
    }

    fn covers(&self, name: &HeaderName) -> Result<(), ClaimError> {
        if self.signed_headers.contains(name) {
            return Ok(());
        }
        Err(ClaimError::NotSigned(name.clone()))
    }
}

impl std::fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim")
            .field("form", &self.form)
            .field("scope", &self.scope)
            .field("signed_at", &self.signed_at)
            .finish_non_exhaustive()
    }
}

/// Whether any parameter of the query is part of a signature.
fn presigned(query: &str) -> bool {
    ["X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential"]
        .into_iter()
        .any(|name| query.split('&').any(|piece| name_of(piece) == name))
}

fn name_of(piece: &str) -> Cow<'_, str> {
    let name = piece.split_once('=').map_or(piece, |(name, _)| name);
    percent_decode_str(name).decode_utf8_lossy()
}

/// The one value of a parameter.
fn parameter<'q>(query: &'q str, name: &'static str) -> Result<Option<Cow<'q, str>>, ClaimError> {
    let mut values = query.split('&').filter(|piece| name_of(piece) == name);
    let piece = match (values.next(), values.next()) {
        (Some(piece), None) => piece,
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(ClaimError::Malformed {
                name,
                fault: "it is there twice",
            });
        }
    };
    let value = piece.split_once('=').map_or("", |(_, value)| value);
    let text = percent_decode_str(value).decode_utf8();
    text.map(Some).map_err(|_not_text| ClaimError::Malformed {
        name,
        fault: "it is no text",
    })
}

/// The one value of a header.
fn one_value<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, ClaimError> {
    let mut values = headers.get_all(name).iter();
    let malformed = ClaimError::Malformed {
        name: "a header of the signature",
        fault: "it is there twice, or no text",
    };
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map(Some).map_err(|_not_text| malformed),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(malformed),
    }
}

/// `AKID/20260102/us-east-1/execute-api/aws4_request`.
fn credential_of(written: &str) -> Result<(String, Scope), ClaimError> {
    let malformed = |fault| ClaimError::Malformed {
        name: "Credential",
        fault,
    };
    let parts: Vec<&str> = written.split('/').collect();
    let [id, date, region, service, terminator] = parts.as_slice() else {
        return Err(malformed(
            "it has to be <access key id>/<date>/<region>/<service>/aws4_request",
        ));
    };
    if *terminator != TERMINATOR {
        return Err(malformed("its scope has to end with aws4_request"));
    }
    let scope = Scope {
        date: (*date).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
    };
    Ok(((*id).to_owned(), scope))
}

/// Names of headers in the one order there is.
fn names_of(written: &str) -> Result<Vec<HeaderName>, ClaimError> {
    let malformed = |fault| ClaimError::Malformed {
        name: "SignedHeaders",
        fault,
    };
    if written.split(';').count() > SIGNED_HEADERS_MAX {
        return Err(malformed("it names more than 100 headers"));
    }
    if written.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(malformed("its names have to be lower case"));
    }
    let names = written
        .split(';')
        .map(|name| HeaderName::from_bytes(name.as_bytes()));
    let names: Vec<HeaderName> = names
        .collect::<Result<_, _>>()
        .map_err(|_no_name| malformed("it names what cannot be a header"))?;
    if !names.is_sorted_by(|one, next| one.as_str() < next.as_str()) {
        return Err(malformed("its names have to be sorted, each once"));
    }
    Ok(names)
}

fn payload_of(headers: &HeaderMap) -> Result<Payload, ClaimError> {
    let malformed = |fault| ClaimError::Malformed {
        name: "X-Amz-Content-Sha256",
        fault,
    };
    match one_value(headers, &AMZ_HASH)? {
        None => Ok(Payload::Body),
        Some("UNSIGNED-PAYLOAD") => Ok(Payload::Unsigned),
        Some(text) if text.starts_with("STREAMING-") => Err(malformed(
            "payloads that are signed in chunks are not supported",
        )),
        Some(text) if digits(text).is_some() => Ok(Payload::Hash(text.to_owned())),
        Some(_) => Err(malformed(
            "it is no SHA-256 in lower-case hexadecimal digits",
        )),
    }
}

fn signature_of(written: &str) -> Result<[u8; 32], ClaimError> {
    digits(written).ok_or(ClaimError::Malformed {
        name: "Signature",
        fault: "it is not 64 lower-case hexadecimal digits",
    })
}

/// 32 bytes, each as two lower-case hexadecimal digits: one text for one value.
fn digits(text: &str) -> Option<[u8; 32]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`, which a `Date` may be.
fn http_date(text: &str) -> Option<SignedAt> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs())
        .ok()
        .map(SignedAt::from_unix_seconds)
}

/// Everything that is not there, as the service strings it together. It goes to logs as well, so that
/// the header itself is not repeated.
fn lacking(parts: &[(&str, Option<&str>)], dated: bool, header: &str) -> ClaimError {
    let lacks = parts.iter().filter(|(_, value)| value.is_none());
    let lacks = lacks.map(|(name, _)| format!("Authorization header requires '{name}' parameter."));
    let undated = (!dated).then(|| {
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
            .to_owned()
    });
    let sentences: Vec<String> = lacks.chain(undated).collect();
    ClaimError::HeaderLacks(format!(
        "{} (Hashed with SHA-256 and encoded with Base64) Authorization={}",
        sentences.join(" "),
        hashed(header)
    ))
}

/// What stands for a header that may be a secret, such as a token.
fn hashed(header: &str) -> String {
    STANDARD.encode(digest(&SHA256, header.as_bytes()))
}
