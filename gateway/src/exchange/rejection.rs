//! Why a request was refused: one table.
//!
//! A [`Rejection`] keeps apart what the client may read and what only the log may hold. The
//! response type decides status and body, which are those of Amazon API Gateway's HTTP APIs; the
//! gateway response does for REST APIs. The reason goes to the access log and the metrics and is
//! stable.

use std::borrow::Cow;

use http::StatusCode;

use crate::body::NoMemory;
use crate::model::{ApiKind, GatewayResponse};

macro_rules! response_types {
    ($($variant:ident $status:ident $message:literal,)*) => {
        /// What HTTP APIs answer, named as Amazon API Gateway names it where it has a name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ResponseType {
            $(#[doc = $message] $variant,)*
        }

        impl ResponseType {
            /// The status line's code.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// What the body says.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }

            /// The whole body, the documented one of HTTP APIs where there is one.
            #[must_use]
            pub const fn body(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!(r#"{"message":""#, $message, r#""}"#),)*
                }
            }
        }
    };
}

response_types! {
    BadRequest BAD_REQUEST "Bad Request",
    Unauthorized UNAUTHORIZED "Unauthorized",
    AccessDenied FORBIDDEN "Forbidden",
    RouteNotFound NOT_FOUND "Not Found",
    RequestTimeout REQUEST_TIMEOUT "Request Timeout",
    RequestTooLarge PAYLOAD_TOO_LARGE "Request Entity Too Large",
    HeadersTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "Request Header Fields Too Large",
    UriTooLong URI_TOO_LONG "Request URI too long",
    Misdirected MISDIRECTED_REQUEST "Misdirected Request",
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type",
    Throttled TOO_MANY_REQUESTS "Too Many Requests",
    Internal INTERNAL_SERVER_ERROR "Internal Server Error",
    BadGateway BAD_GATEWAY "Bad Gateway",
    Unavailable SERVICE_UNAVAILABLE "Service Unavailable",
}

macro_rules! reasons {
    ($($variant:ident $response:ident $rest:ident $name:literal $doc:literal,)*) => {
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

            /// What it means, for operators.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// What the client of an HTTP API is told.
            #[must_use]
            pub const fn response_type(self) -> ResponseType {
                match self { $(Self::$variant => ResponseType::$response,)* }
            }

            /// What the client of a REST API is told.
            #[must_use]
            pub const fn gateway_response(self) -> GatewayResponse {
                match self { $(Self::$variant => GatewayResponse::$rest,)* }
            }
        }
    };
}

impl Reason {
    /// What `x-amzn-ErrorType` of a REST API says: in two cases more than the gateway response.
    #[must_use]
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::SignatureIncomplete => "IncompleteSignatureException",
            Self::SignatureUnknownKey => "UnrecognizedClientException",
            _ => self.gateway_response().error_type(),
        }
    }
}

reasons! {
    BadFraming BadRequest Default4xx "bad_framing" "Both Content-Length and Transfer-Encoding, or neither readable.",
    TooManyHeaders HeadersTooLarge Default4xx "too_many_headers" "More header fields over HTTP/2, or more bytes of them, than the listener or the API allows.",
    BadHost BadRequest Default4xx "bad_host" "No host, several, or one that is no host name.",
    BadPath BadRequest Default4xx "bad_path" "Dot segments, bad percent-encoding or control characters in the path.",
    ClientDenied AccessDenied AccessDenied "client_denied" "A list denies the client, on whose behalf a proxy asks.",
    ClientFull Throttled Throttled "client_full" "The client has as many requests under way through proxies, and connections, as a source may.",
    PrivateEndpoint RouteNotFound MissingAuthenticationToken "private_endpoint" "The API or domain is private, and the client does not come from where it may.",
    Misdirected Misdirected Default4xx "misdirected" "The connection's handshake was for another host, whose terms are not this one's, or there was none because its listener had no TLS yet.",
    ClientCertificateMissing AccessDenied Forbidden "client_certificate_missing" "The custom domain asks for a client certificate, and there is none.",
    ClientCertificateUntrusted AccessDenied Forbidden "client_certificate_untrusted" "The truststore of the custom domain does not vouch for the client's certificate.",
    RouteNotFound RouteNotFound MissingAuthenticationToken "route_not_found" "No API or no route answers this host, method and path.",
    MappingNotFound AccessDenied Forbidden "mapping_not_found" "Neither a routing rule nor a mapping of the custom domain is for this request.",
    SignatureIncomplete AccessDenied Default4xx "signature_incomplete" "The credentials are no signature that could be verified; a REST API says so also where no route answers.",
    EndpointClosed RouteNotFound Forbidden "endpoint_closed" "The API does not answer on its own endpoint.",
    StageNotFound RouteNotFound Forbidden "stage_not_found" "No stage of the API answers this path.",
    TokenMissing Unauthorized Unauthorized "token_missing" "The identity source is absent or empty.",
    TokenMalformed Unauthorized Unauthorized "token_malformed" "The credential is no JSON Web Token, or names no key.",
    TokenTooLarge Unauthorized Unauthorized "token_too_large" "The credential is larger than any token may be.",
    TokenAlgorithm Unauthorized Unauthorized "token_algorithm" "The token names an algorithm that the authorizer does not accept.",
    TokenUnknownKey Unauthorized Unauthorized "token_unknown_key" "The issuer has no key of that name, and so has not signed the token.",
    TokenSignature Unauthorized Unauthorized "token_signature" "The signature does not verify.",
    TokenIssuer Unauthorized Unauthorized "token_issuer" "Another issuer.",
    TokenAudience Unauthorized Unauthorized "token_audience" "Another audience.",
    TokenClaim Unauthorized Unauthorized "token_claim" "A claim that the authorizer asks for is absent or another.",
    TokenUse Unauthorized Unauthorized "token_use" "An access token of a user pool where the route takes ID tokens, or the other way round.",
    TokenScope Unauthorized Unauthorized "token_scope" "None of the route's scopes is in the access token of a user pool.",
    TokenExpired Unauthorized Unauthorized "token_expired" "The token has expired, or says so and names a key that is not known.",
    TokenNotYetValid Unauthorized Unauthorized "token_not_yet_valid" "The token is not valid yet.",
    TokenIssuedInFuture Unauthorized Unauthorized "token_issued_in_future" "The token was issued in the future.",
    KeysUnavailable Unauthorized Unauthorized "keys_unavailable" "The issuer's keys could not be had; nothing can be verified.",
    TokenKeyUnavailable Unauthorized Unauthorized "token_key_unavailable" "The token's key is not at hand, and the issuer could not be asked for it, or publishes it so that it cannot be used.",
    NotAsked Unauthorized Unauthorized "not_asked" "Others would be asked to decide, which `gateway explain` does with `--call` alone; of no request.",
    KeysBusy Unavailable Default5xx "keys_busy" "The token's key is not known, and too many requests wait for the issuer's keys already.",
    TokenPattern Unauthorized Unauthorized "token_pattern" "The credential does not match the expression of its authorizer.",
    FunctionUnauthorized Unauthorized Unauthorized "function_unauthorized" "The authorizer's function says that it does not know the caller.",
    FunctionDenied AccessDenied AccessDenied "function_denied" "The authorizer's function says no.",
    FunctionError Internal AuthorizerConfigurationError "function_error" "The authorizer's function failed.",
    FunctionAnswer Internal AuthorizerConfigurationError "function_answer" "What the authorizer's function returned is not what it has to be.",
    FunctionRefused Internal AuthorizerConfigurationError "function_refused" "The gateway may not call the authorizer's function, or not so.",
    FunctionCredentials Internal AuthorizerConfigurationError "function_credentials" "There are no credentials of AWS that the call of the authorizer's function could be signed with.",
    FunctionUnreachable Internal AuthorizerFailure "function_unreachable" "The authorizer's function could not be called.",
    FunctionBusy Unavailable Default5xx "function_busy" "Too many requests wait for what the authorizer's function returns to others.",
    FunctionTimeout Internal AuthorizerFailure "function_timeout" "The authorizer's function did not answer in time.",
    CallerPolicyDenied AccessDenied AccessDenied "caller_policy_denied" "The caller's own policy does not allow the request.",
    SignatureMissing AccessDenied MissingAuthenticationToken "signature_missing" "The request is not signed.",
    SignatureCoverage AccessDenied InvalidSignature "signature_coverage" "What has to be signed is not: the host, a header `x-amz-*`, or the body.",
    SignatureScope AccessDenied InvalidSignature "signature_scope" "The signature is for another day, region or service.",
    SignatureUnknownKey AccessDenied InvalidSignature "signature_unknown_key" "The access key is not on file, or its session token is another.",
    SessionExpired AccessDenied ExpiredToken "session_expired" "The session of the access key has ended.",
    SignatureTime AccessDenied InvalidSignature "signature_time" "The signature is too old, or of the future.",
    SignatureMismatch AccessDenied InvalidSignature "signature_mismatch" "The signature is not that of the request.",
    PayloadMismatch AccessDenied InvalidSignature "payload_mismatch" "The body is not the one whose hash was signed.",
    PolicyDenied AccessDenied AccessDenied "policy_denied" "The API's resource policy, or that of the caller, does not allow the request.",
    AuthorizerThrottled Throttled Throttled "authorizer_throttled" "What the authorizer would have to find out is limited, for this source or in all.",
    DecisionDenied AccessDenied AccessDenied "decision_denied" "The policy set of the route does not allow the request.",
    DecisionFailed AccessDenied AccessDenied "decision_failed" "The policy set of the route cannot judge the request: it lacks something, or a policy failed on it.",
    DecisionUnavailable Internal AuthorizerFailure "decision_unavailable" "The server that the policy set of the route asks gave no answer that could be understood.",
    UriTooLong UriTooLong Default4xx "uri_too_long" "Path and query are longer than the API allows, or the method's ARN than a policy or an authorizer can be asked about.",
    InsufficientScope AccessDenied AccessDenied "insufficient_scope" "None of the route's scopes is in the token.",
    ApiKeyMissing AccessDenied InvalidApiKey "api_key_missing" "The route asks for an API key, and the request has none, or two.",
    ApiKeyUnknown AccessDenied InvalidApiKey "api_key_unknown" "No API key has this value.",
    ApiKeyDisabled AccessDenied InvalidApiKey "api_key_disabled" "The API key is disabled.",
    ApiKeyWithoutPlan AccessDenied InvalidApiKey "api_key_without_plan" "No usage plan of the API key has the stage.",
    QuotaExceeded Throttled QuotaExceeded "quota_exceeded" "The API key has used all requests that its usage plan gives it in the period.",
    PlanRouteThrottled Throttled Throttled "plan_route_throttled" "The API key's bucket for the route is empty.",
    PlanThrottled Throttled Throttled "plan_throttled" "The API key's bucket under its usage plan is empty.",
    KeyThrottled Throttled Throttled "key_throttled" "The API key's own bucket is empty.",
    SourceThrottled Throttled Throttled "source_throttled" "A bucket of the client's address is empty.",
    CallerThrottled Throttled Throttled "caller_throttled" "A bucket of the caller is empty.",
    RouteThrottled Throttled Throttled "route_throttled" "The route's bucket is empty.",
    StageThrottled Throttled Throttled "stage_throttled" "The bucket that all requests to the stage share is empty.",
    ApiThrottled Throttled Throttled "api_throttled" "The bucket that all requests to the API share is empty.",
    AccountThrottled Throttled Throttled "account_throttled" "The bucket that all requests share is empty.",
    CallerConcurrency Throttled Throttled "caller_concurrency" "The caller has as many requests under way as it may.",
    RouteConcurrency Throttled Throttled "route_concurrency" "As many requests to the route are under way as there may be.",
    ParameterMissing BadRequest BadRequestParameters "parameter_missing" "A parameter that the method requires is absent or blank.",
    BodyInvalid BadRequest BadRequestBody "body_invalid" "The request body is not what its model says.",
    BodyNotJson BadRequest Default4xx "body_not_json" "A mapping reads the request body, which is no JSON.",
    BodyTooLarge RequestTooLarge RequestTooLarge "body_too_large" "The request body exceeds the route's limit.",
    BodyTimeout RequestTimeout Default4xx "body_timeout" "The request body stopped arriving.",
    BodyBroken BadRequest Default4xx "body_broken" "The request body ended early or was framed wrongly.",
    BodyMemory Unavailable Default5xx "body_memory" "All memory for buffered bodies is in use.",
    ContentCoding UnsupportedMediaType UnsupportedMediaType "content_coding" "The request body has a content coding that is not read, or is not in it.",
    UpstreamRefused Unavailable IntegrationFailure "upstream_refused" "The upstream refused the connection or its name did not resolve.",
    UpstreamConcurrency Unavailable Default5xx "upstream_concurrency" "The upstream is asked by as many requests as it may be.",
    UpstreamTls Unavailable IntegrationFailure "upstream_tls" "The upstream's TLS handshake failed.",
    UpstreamReset Unavailable IntegrationFailure "upstream_reset" "The upstream closed or reset the connection before it answered.",
    UpstreamInvalid Unavailable IntegrationFailure "upstream_invalid" "The upstream's answer is not HTTP.",
    UpstreamConnectTimeout Unavailable IntegrationTimeout "upstream_connect_timeout" "The upstream did not accept the connection in time.",
    UpstreamTimeout Unavailable IntegrationTimeout "upstream_timeout" "The upstream did not answer in time.",
    UnsupportedMediaType UnsupportedMediaType UnsupportedMediaType "unsupported_media_type" "The integration has no template for the request's media type.",
    ContentType UnsupportedMediaType UnsupportedMediaType "content_type" "The method has no model for the request's media type, and accepts no other.",
    PayloadEncoding Internal ApiConfigurationError "payload_encoding" "A body that has to be decoded is no base64.",
    ResponseTooLarge BadGateway Default5xx "response_too_large" "The upstream's answer is larger than one that is read whole may be.",
    ResponseInvalid BadGateway Default5xx "response_invalid" "The answer is not what its model says.",
    IntegrationTemplate Internal ApiConfigurationError "integration_template" "A template of the integration did not come to what it has to.",
    IntegrationResponse Internal ApiConfigurationError "integration_response" "No integration response answers for the status, or the one that does is broken.",
    RefusedDefinition Internal ApiConfigurationError "refused_definition" "The route was imported in part, and what it cannot do without was refused.",
    UpstreamAddress Internal Default5xx "upstream_address" "The request could not be addressed to the upstream.",
}

/// A refused request.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Why; decides status and body.
    pub reason: Reason,
    /// What the client of a REST API reads instead of the gateway response's own message.
    pub message: Option<Cow<'static, str>>,
    /// What the validator found: for gateway responses that ask for it, and not for the log,
    /// because it may quote the body.
    pub validation: Option<Box<str>>,
    /// More for the log; never sent.
    pub detail: Option<Cow<'static, str>>,
    /// Whole seconds for `Retry-After`.
    pub retry_after_seconds: Option<u64>,
    /// Value for `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// Whose bucket is empty or who has no seat left, where that is a caller's own.
    pub throttled: Option<Box<ThrottledCaller>>,
}

/// A caller whose bucket is empty, or who has as many requests under way as it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottledCaller {
    /// Tag of the limit: of a throttle that of its slot.
    pub throttle: u64,
    /// What it is told by, as operators may read it.
    pub caller: Box<str>,
}

impl Rejection {
    /// What logs say of it: the name of its reason, and more.
    #[must_use]
    pub const fn logged(&self) -> (&'static str, Option<&Cow<'static, str>>) {
        (self.reason.name(), self.detail.as_ref())
    }

    /// A rejection without more to say.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            message: None,
            validation: None,
            detail: None,
            retry_after_seconds: None,
            challenge: None,
            throttled: None,
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

impl Rejection {
    /// The status that a client is told, as long as no gateway response says another.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.reason.gateway_response().status() {
            Some(status) => status,
            None => self.reason.response_type().status(),
        }
    }

    /// What the client of an API of this kind may read of it.
    #[must_use]
    pub fn message_for(&self, kind: ApiKind) -> Option<&str> {
        match kind {
            ApiKind::Http => Some(self.reason.response_type().message()),
            ApiKind::Rest => self.rest_message(),
        }
    }

    /// What the client of a REST API may read of it; `None` of a function that was of no help, of which
    /// the service says nothing.
    #[must_use]
    pub fn rest_message(&self) -> Option<&str> {
        let answer = self.reason.gateway_response();
        let is_untold = matches!(
            answer,
            GatewayResponse::AuthorizerConfigurationError | GatewayResponse::AuthorizerFailure
        );
        let message = self.message.as_deref().or(answer.message());
        message.or_else(|| (!is_untold).then(|| self.reason.response_type().message()))
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl From<NoMemory> for Rejection {
    fn from(NoMemory: NoMemory) -> Self {
        Self::new(Reason::BodyMemory)
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
