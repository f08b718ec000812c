//! Signing what the gateway sends on its own account.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Request};

use super::credentials::Credentials;
use super::sigv4::{
    ALGORITHM, Canonical, HeaderNotSent, Scope, SignedAt, SignedRequest, SigningKey, payload_hash,
};

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const AMZ_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is called, as signatures name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Such as `lambda`.
    pub name: &'static str,
    /// Such as `eu-west-1`.
    pub region: String,
}

/// A request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A header of it is not there.
    #[error(transparent)]
    Header(#[from] HeaderNotSent),
    /// The region cannot stand in a header.
    #[error("`{0}` cannot be the region of a signature")]
    Region(String),
}

/// Signs `request` to `host` at `now` (seconds since 1970): all of its headers, `Host` among them, its
/// query and its body. What is changed of them afterwards, the service refuses.
///
/// # Errors
/// See [`SignError`].
pub fn sign(
    request: &mut Request<Bytes>,
    host: &HeaderValue,
    service: &Service,
    credentials: &Credentials,
    now: u64,
) -> Result<(), SignError> {
    let at = SignedAt::from_unix_seconds(i64::try_from(now).unwrap_or(i64::MAX));
    let scope = Scope {
        date: at.date(),
        region: service.region.clone(),
        service: service.name.to_owned(),
    };
    let region = || SignError::Region(service.region.clone());
    let date = HeaderValue::from_str(&at.to_string()).map_err(|_invalid| region())?;
    let headers = request.headers_mut();
    headers.remove(AUTHORIZATION);
    headers.insert(HOST, host.clone());
    headers.insert(AMZ_DATE, date);
    if let Some(token) = credentials.session_token() {
        headers.insert(AMZ_TOKEN, token.clone());
    }
    let mut signed: Vec<HeaderName> = headers.keys().cloned().collect();
    signed.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));

    let hash = payload_hash(request.body());
    let signed_request = SignedRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        unsigned_parameter: None,
        headers: request.headers(),
        authority: "",
        signed: &signed,
    };
    let canonical = Canonical::of(&signed_request, &hash)?;
    let key = SigningKey::derive(credentials.secret(), &scope);
    let signature = key.sign(&scope.string_to_sign(&at, &canonical));
    let names: Vec<&str> = signed.iter().map(HeaderName::as_str).collect();
    let claim = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id(),
        names.join(";")
    );
    let mut claim = HeaderValue::from_str(&claim).map_err(|_invalid| region())?;
    claim.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, claim);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sigv4::Claim;
    use super::*;

    /// 2026-01-02T03:04:05Z.
    const NOW: u64 = 1_767_323_045;

    fn credentials(token: Option<&str>) -> Credentials {
        Credentials::new("AKIDEXAMPLE", "secret", token, None).unwrap()
    }

    fn signed(token: Option<&str>) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        *request.uri_mut() = "/2015-03-31/functions/who%3A7/invocations?a=b"
            .parse()
            .unwrap();
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
        let service = Service {
            name: "lambda",
            region: "eu-west-1".to_owned(),
        };
        let host = HeaderValue::from_static("lambda.eu-west-1.amazonaws.com");
        sign(&mut request, &host, &service, &credentials(token), NOW).unwrap();
        request
    }

    #[test]
    fn what_is_signed_is_a_claim_that_verifies() {
        let request = signed(Some("hidden"));
        let query = request.uri().query().unwrap();
        let claim = Claim::of(request.headers(), query).unwrap();
        assert_eq!(claim.access_key_id, "AKIDEXAMPLE");
        assert_eq!(claim.session_token.as_deref(), Some("hidden"));
        assert_eq!(
            claim.scope.to_string(),
            "20260102/eu-west-1/lambda/aws4_request"
        );
        let names: Vec<&str> = claim
            .signed_headers
            .iter()
            .map(HeaderName::as_str)
            .collect();
        let expected = ["content-type", "host", "x-amz-date", "x-amz-security-token"];
        assert_eq!(names, expected);

        let signed_request = SignedRequest {
            method: "GET",
            path: request.uri().path(),
            query,
            unsigned_parameter: None,
            headers: request.headers(),
            authority: "",
            signed: &claim.signed_headers,
        };
        let canonical = Canonical::of(&signed_request, &payload_hash(b"{}"));
        let to_sign = claim
            .scope
            .string_to_sign(&claim.signed_at, &canonical.unwrap());
        let key = SigningKey::derive(credentials(None).secret(), &claim.scope);
        assert!(key.verifies(&to_sign, &claim.signature));
    }

    #[test]
    fn no_credential_is_shown() {
        let request = signed(Some("hidden"));
        let shown = format!("{:?}", request.headers());
        assert!(
            !shown.contains("hidden") && !shown.contains("Signature"),
            "{shown}"
        );
    }

    #[test]
    fn a_region_that_no_header_can_hold_is_refused() {
        let mut request = Request::new(Bytes::new());
        let service = Service {
            name: "lambda",
            region: "eu\nwest".to_owned(),
        };
        let host = HeaderValue::from_static("localhost");
        let refused = sign(&mut request, &host, &service, &credentials(None), NOW);
        assert!(matches!(refused, Err(SignError::Region(_))));
    }
}
