//! Gateway responses of REST APIs: what a client reads of a request that was refused.
//!
//! Source: Amazon API Gateway Developer Guide, "Gateway response types for API Gateway".

use http::StatusCode;

macro_rules! gateway_responses {
    ($($variant:ident $name:literal $status:tt $message:tt $error_type:literal,)*) => {
        /// Types of gateway responses, as documented, and `FORBIDDEN`: what is refused before an
        /// API and its gateway responses are known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum GatewayResponse {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl GatewayResponse {
            /// Its documented name, such as `MISSING_AUTHENTICATION_TOKEN`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its status where none is configured; `None` where it follows from the error.
            #[must_use]
            pub const fn status(self) -> Option<StatusCode> {
                match self { $(Self::$variant => gateway_responses!(@status $status),)* }
            }

            /// Its message where the error has none of its own; `None` where it follows from it.
            #[must_use]
            pub const fn message(self) -> Option<&'static str> {
                match self { $(Self::$variant => gateway_responses!(@message $message),)* }
            }

            /// What `x-amzn-ErrorType` says.
            #[must_use]
            pub const fn error_type(self) -> &'static str {
                match self { $(Self::$variant => $error_type,)* }
            }
        }
    };
    (@status _) => { None };
    (@status $status:ident) => { Some(StatusCode::$status) };
    (@message _) => { None };
    (@message $message:literal) => { Some($message) };
}

gateway_responses! {
    AccessDenied "ACCESS_DENIED" FORBIDDEN _ "AccessDeniedException",
    ApiConfigurationError "API_CONFIGURATION_ERROR" INTERNAL_SERVER_ERROR
        "Internal server error" "InternalServerErrorException",
    AuthorizerConfigurationError "AUTHORIZER_CONFIGURATION_ERROR" INTERNAL_SERVER_ERROR
        _ "AuthorizerConfigurationException",
    AuthorizerFailure "AUTHORIZER_FAILURE" INTERNAL_SERVER_ERROR
        _ "AuthorizerFailureException",
    BadRequestParameters "BAD_REQUEST_PARAMETERS" BAD_REQUEST _ "BadRequestException",
    BadRequestBody "BAD_REQUEST_BODY" BAD_REQUEST "Invalid request body" "BadRequestException",
    Default4xx "DEFAULT_4XX" _ _ "BadRequestException",
    Default5xx "DEFAULT_5XX" _ _ "InternalServerErrorException",
    ExpiredToken "EXPIRED_TOKEN" FORBIDDEN
        "The security token included in the request is expired" "ExpiredTokenException",
    Forbidden "FORBIDDEN" FORBIDDEN "Forbidden" "ForbiddenException",
    IntegrationFailure "INTEGRATION_FAILURE" GATEWAY_TIMEOUT
        "Network error communicating with endpoint" "InternalServerErrorException",
    IntegrationTimeout "INTEGRATION_TIMEOUT" GATEWAY_TIMEOUT
        "Endpoint request timed out" "InternalServerErrorException",
    InvalidApiKey "INVALID_API_KEY" FORBIDDEN "Forbidden" "ForbiddenException",
    InvalidSignature "INVALID_SIGNATURE" FORBIDDEN _ "InvalidSignatureException",
    MissingAuthenticationToken "MISSING_AUTHENTICATION_TOKEN" FORBIDDEN
        "Missing Authentication Token" "MissingAuthenticationTokenException",
    QuotaExceeded "QUOTA_EXCEEDED" TOO_MANY_REQUESTS "Limit Exceeded" "LimitExceededException",
    RequestTooLarge "REQUEST_TOO_LARGE" PAYLOAD_TOO_LARGE _ "RequestTooLargeException",
    ResourceNotFound "RESOURCE_NOT_FOUND" NOT_FOUND "Not Found" "ResourceNotFoundException",
    Throttled "THROTTLED" TOO_MANY_REQUESTS "Too Many Requests" "TooManyRequestsException",
    Unauthorized "UNAUTHORIZED" UNAUTHORIZED "Unauthorized" "UnauthorizedException",
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" UNSUPPORTED_MEDIA_TYPE
        "Unsupported Media Type" "BadRequestException",
    WafFiltered "WAF_FILTERED" FORBIDDEN "Forbidden" "ForbiddenException",
}
