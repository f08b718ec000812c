//! Names under which credentials are sent.
//!
//! Names are compared by their letters and digits alone and without case, because backends read
//! `access_token`, `Access-Token` and `access.token` as one. What is taken for a credential and is none
//! costs a value in a log; the other error costs the credential.

/// Ends of names, of headers and of query parameters.
const ENDS: [&str; 13] = [
    "assertion",
    "authenticate",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "key",
    "password",
    "secret",
    "sessionid",
    "signature",
    "token",
];

/// Whole names that end so and name no credential, also with `X-` in front: of requests that are sent
/// again, of places in stores and caches, and the nonce of a WebSocket (RFC 6455).
const OPEN: [&str; 5] = [
    "idempotencykey",
    "partitionkey",
    "secwebsocketkey",
    "sortkey",
    "surrogatekey",
];

/// Whole names of headers: proofs of possession (RFC 9449), and the claims that load balancers of
/// Amazon pass on.
const HEADERS: [&str; 2] = ["dpop", "xamznoidcdata"];

/// Whole names of query parameters: of OAuth 2.0 and OpenID Connect (RFC 6749, RFC 7636, RFC 8628), of
/// SAML and CAS, of signed URLs, and of what people call passwords, keys and sessions.
const QUERIES: [&str; 21] = [
    "auth",
    "awsaccesskeyid",
    "code",
    "codeverifier",
    "devicecode",
    "hmac",
    "idtokenhint",
    "otp",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "pin",
    "pwd",
    "samlart",
    "samlresponse",
    "session",
    "sid",
    "sig",
    "ticket",
    "usercode",
];

/// Whether a header of this name carries a credential.
pub(super) fn is_header(name: &str) -> bool {
    let bare: String = letters(name).collect();
    is_either(&bare) || HEADERS.contains(&bare.as_str())
}

/// Whether a query parameter of this name, decoded, does. Of `user[token]` and `user.pin` each part
/// counts.
pub(super) fn is_query(name: &str) -> bool {
    let mut parts = std::iter::once(name).chain(name.split(['[', ']', '.']));
    parts.any(|part| {
        let bare: String = letters(part).collect();
        is_either(&bare) || QUERIES.contains(&bare.as_str())
    })
}

/// Whether a name ends in one of `ends`, which are small letters and digits.
pub(super) fn has_end(name: &str, ends: &[&str]) -> bool {
    let bare: String = letters(name).collect();
    ends.iter().any(|end| bare.ends_with(end))
}

/// Whether two names may be read as one.
pub(super) fn alike(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

fn is_either(bare: &str) -> bool {
    let own = bare.strip_prefix('x').unwrap_or(bare);
    ENDS.iter().any(|end| bare.ends_with(end)) && !OPEN.contains(&own)
}

fn letters(name: &str) -> impl Iterator<Item = char> {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_known_by_their_names() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "x-forwarded-authorization",
            "WWW-Authenticate",
            "Cookie",
            "set-cookie",
            "X-Api-Key",
            "x_api_key",
            "X-Auth-Key",
            "x-functions-key",
            "X-Secret-Key",
            "x-other-idempotency-key",
            "X-Credentials",
            "X-Forwarded-Jwt",
            "x-auth-token",
            "X-Amz-Security-Token",
            "x-jwt-assertion",
            "DPoP",
            "x-amzn-oidc-data",
        ] {
            assert!(is_header(name), "{name}");
        }
        for name in [
            "accept",
            "content-type",
            "etag",
            "host",
            "idempotency-key",
            "Sec-WebSocket-Key",
            "surrogate_key",
            "x-amzn-requestid",
            "x-amzn-trace-id",
            "x-code",
            "x-forwarded-for",
            "x-idempotency-key",
            "x-keys",
        ] {
            assert!(!is_header(name), "{name}");
        }
    }

    #[test]
    fn query_parameters_are_known_by_their_names() {
        for name in [
            "code",
            "CODE",
            "assertion",
            "client_assertion",
            "client_secret",
            "sig",
            "signature",
            "Signature",
            "X-Amz-Signature",
            "x_amz_signature",
            "X-Amz-Security-Token",
            "X-Amz-Credential",
            "access_token",
            "accessToken",
            "access.token",
            " token",
            "token[]",
            "user[token]",
            "user.pin",
            "api-key",
            "key",
            "auth_key",
            "secret_key",
            "user[key]",
            "credentials",
            "id_jwt",
            "code_verifier",
            "SAMLResponse",
            "\u{212a}ey",
        ] {
            assert!(is_query(name), "{name}");
        }
        for name in [
            "",
            "a",
            "codes",
            "country_code",
            "client_assertion_type",
            "keys",
            "page",
            "partition_key",
            "sortKey",
            "spin",
            "state",
            "X-Amz-Date",
        ] {
            assert!(!is_query(name), "{name}");
        }
    }
}
