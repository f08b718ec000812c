//! Why a request was refused: one table.
//!
//! A [`Rejection`] keeps apart what the client may read and what only the log may hold. The
//! response type decides status and body, which are those of Amazon API Gateway's HTTP APIs; the
//! reason goes to the access log and the metrics and is stable.

use std::borrow::Cow;

use http::StatusCode;

/// Gateway response types, named as Amazon API Gateway names them where it has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    AccessDenied,
    /// 404.
    RouteNotFound,
    /// 408.
    RequestTimeout,
    /// 413.
    RequestTooLarge,
    /// 431.
    HeadersTooLarge,
    /// 429.
    Throttled,
    /// 500.
    Internal,
    /// 502.
    IntegrationFailure,
    /// 503.
    Unavailable,
    /// 504.
    IntegrationTimeout,
}

impl ResponseType {
    /// The status line's code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::AccessDenied => StatusCode::FORBIDDEN,
            Self::RouteNotFound => StatusCode::NOT_FOUND,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::IntegrationFailure => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::IntegrationTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The whole body, the documented one of HTTP APIs where there is one.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self {
            Self::BadRequest => r#"{"message":"Bad Request"}"#,
            Self::Unauthorized => r#"{"message":"Unauthorized"}"#,
            Self::AccessDenied => r#"{"message":"Forbidden"}"#,
            Self::RouteNotFound => r#"{"message":"Not Found"}"#,
            Self::RequestTimeout => r#"{"message":"Request Timeout"}"#,
            Self::RequestTooLarge => r#"{"message":"Request Entity Too Large"}"#,
            Self::HeadersTooLarge => r#"{"message":"Request Header Fields Too Large"}"#,
            Self::Throttled => r#"{"message":"Too Many Requests"}"#,
            Self::Internal => r#"{"message":"Internal Server Error"}"#,
            Self::IntegrationFailure => r#"{"message":"Bad Gateway"}"#,
            Self::Unavailable => r#"{"message":"Service Unavailable"}"#,
            Self::IntegrationTimeout => r#"{"message":"Gateway Timeout"}"#,
        }
    }
}

macro_rules! reasons {
    ($($variant:ident $response:ident $name:literal $doc:literal,)*) => {
        /// Reasons of rejections, as the access log and the metrics name them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $doc] $variant,)*
        }

        impl Reason {
            /// Every reason with its name, in the order of the discriminants.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the client is told.
            #[must_use]
            pub const fn response_type(self) -> ResponseType {
                match self { $(Self::$variant => ResponseType::$response,)* }
            }
        }
    };
}

reasons! {
    BadFraming BadRequest "bad_framing" "Both Content-Length and Transfer-Encoding, or neither readable.",
    TooManyHeaders HeadersTooLarge "too_many_headers" "More header fields, or more bytes of them, than the listener allows, over HTTP/2.",
    BadHost BadRequest "bad_host" "No host, several, or one that is no host name.",
    BadPath BadRequest "bad_path" "Dot segments, bad percent-encoding or control characters in the path.",
    RouteNotFound RouteNotFound "route_not_found" "No API or no route answers this host, method and path.",
    TokenMissing Unauthorized "token_missing" "The identity source is absent or empty.",
    TokenMalformed Unauthorized "token_malformed" "The credential is no JSON Web Token.",
    TokenTooLarge Unauthorized "token_too_large" "The credential is larger than any token may be.",
    TokenAlgorithm Unauthorized "token_algorithm" "The token names an algorithm that the authorizer does not accept.",
    TokenUnknownKey Unauthorized "token_unknown_key" "The issuer has no key of that name.",
    TokenSignature Unauthorized "token_signature" "The signature does not verify.",
    TokenIssuer Unauthorized "token_issuer" "Another issuer.",
    TokenAudience Unauthorized "token_audience" "Another audience.",
    TokenExpired Unauthorized "token_expired" "The token has expired.",
    TokenNotYetValid Unauthorized "token_not_yet_valid" "The token is not valid yet.",
    TokenIssuedInFuture Unauthorized "token_issued_in_future" "The token was issued in the future.",
    KeysUnavailable Unauthorized "keys_unavailable" "The issuer's keys could not be had; nothing can be verified.",
    InsufficientScope AccessDenied "insufficient_scope" "None of the route's scopes is in the token.",
    RouteThrottled Throttled "route_throttled" "The route's bucket is empty.",
    CallerThrottled Throttled "caller_throttled" "The caller's bucket is empty.",
    BodyTooLarge RequestTooLarge "body_too_large" "The request body exceeds the route's limit.",
    BodyTimeout RequestTimeout "body_timeout" "The request body stopped arriving.",
    BodyBroken BadRequest "body_broken" "The request body ended early or was framed wrongly.",
    BodyMemory Unavailable "body_memory" "All memory for buffered bodies is in use.",
    UpstreamRefused IntegrationFailure "upstream_refused" "The upstream refused the connection or its name did not resolve.",
    UpstreamTls IntegrationFailure "upstream_tls" "The upstream's TLS handshake failed.",
    UpstreamReset IntegrationFailure "upstream_reset" "The upstream closed or reset the connection before it answered.",
    UpstreamInvalid IntegrationFailure "upstream_invalid" "The upstream's answer is not HTTP.",
    UpstreamConnectTimeout IntegrationTimeout "upstream_connect_timeout" "The upstream did not accept the connection in time.",
    UpstreamTimeout IntegrationTimeout "upstream_timeout" "The upstream did not answer in time.",
    UpstreamAddress Internal "upstream_address" "The request could not be addressed to the upstream.",
}

/// A refused request.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Why; decides status and body.
    pub reason: Reason,
    /// More for the log; never sent.
    pub detail: Option<Cow<'static, str>>,
    /// Whole seconds for `Retry-After`.
    pub retry_after_seconds: Option<u64>,
    /// Value for `WWW-Authenticate`.
    pub challenge: Option<String>,
}

impl Rejection {
    /// A rejection without more to say.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: None,
            retry_after_seconds: None,
            challenge: None,
        }
    }

    /// With more for the log.
    #[must_use]
    pub fn detailed(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(reason)
        }
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::access_log::{REASON_CLIENT_LEFT, REASON_UPSTREAM_BROKE_OFF};
    use crate::telemetry::metrics::ConnectionEvent;

    #[test]
    fn the_guide_explains_every_reason() {
        let guide = include_str!("../../../docs/observing.md");
        let named = Reason::NAMES
            .iter()
            .copied()
            .chain([REASON_CLIENT_LEFT, REASON_UPSTREAM_BROKE_OFF])
            .chain(ConnectionEvent::ALL.map(ConnectionEvent::name));
        for name in named {
            assert!(guide.contains(&format!("`{name}`")), "`{name}` is missing");
        }
    }
}
