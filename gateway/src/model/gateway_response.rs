//! Gateway responses of REST APIs: what a client reads of a request that was refused.
//!
//! Source: Amazon API Gateway Developer Guide, "Gateway response types for API Gateway" and
//! "Gateway responses in API Gateway".

use std::collections::BTreeMap;

use http::StatusCode;

use crate::language::mapping::rest::GatewayResponseMapping;
use crate::language::template::GatewayResponseTemplate;

macro_rules! gateway_responses {
    ($($variant:ident $name:literal $status:tt $message:tt $error_type:literal,)*) => {
        /// Types of gateway responses, as documented, and `FORBIDDEN`: what is refused before an
        /// API and its gateway responses are known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum GatewayResponse {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl GatewayResponse {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

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
    AccessDenied "ACCESS_DENIED" FORBIDDEN
        "User is not authorized to access this resource" "AccessDeniedException",
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

impl GatewayResponse {
    /// The types that can be customized, which are those that the service documents as such.
    pub fn customizable() -> impl Iterator<Item = Self> + Clone {
        let fixed = [Self::Forbidden, Self::RequestTooLarge];
        let all = Self::ALL.iter().copied();
        all.filter(move |answer| !fixed.contains(answer))
    }

    /// What is customized in its stead: the class of `status`, its status by default.
    #[must_use]
    pub fn fallback(self, status: StatusCode) -> Option<Self> {
        match self {
            Self::Forbidden | Self::RequestTooLarge => None,
            _ if status.is_server_error() => Some(Self::Default5xx),
            _ => Some(Self::Default4xx),
        }
    }
}

/// How a REST API changes one type of gateway response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayResponseRule {
    /// Its status; `None` leaves it as it is.
    pub status: Option<u16>,
    /// Headers of the response. Mappings to other places come to nothing, as in the service.
    pub mappings: Vec<GatewayResponseMapping>,
    /// Bodies by media type, in the order of the definition; empty leaves the body as it is.
    pub templates: Vec<(String, GatewayResponseTemplate)>,
}

/// What a REST API changes about its gateway responses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayResponses(pub BTreeMap<GatewayResponse, GatewayResponseRule>);

impl GatewayResponses {
    /// The rule for a response whose status by default is `status`: its own, or that of its class.
    #[must_use]
    pub fn rule(
        &self,
        answer: GatewayResponse,
        status: StatusCode,
    ) -> Option<&GatewayResponseRule> {
        let own = self.0.get(&answer);
        own.or_else(|| self.0.get(&answer.fallback(status)?))
    }

    /// Whether a rule may read the parameters of the request.
    #[must_use]
    pub fn are_customized(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the service's guide, and the types of errors that were recorded.
    const DOCUMENTED: [(&str, u16, &str); 17] = [
        ("ACCESS_DENIED", 403, "AccessDeniedException"),
        (
            "API_CONFIGURATION_ERROR",
            500,
            "InternalServerErrorException",
        ),
        (
            "AUTHORIZER_CONFIGURATION_ERROR",
            500,
            "AuthorizerConfigurationException",
        ),
        ("AUTHORIZER_FAILURE", 500, "AuthorizerFailureException"),
        ("BAD_REQUEST_PARAMETERS", 400, "BadRequestException"),
        ("BAD_REQUEST_BODY", 400, "BadRequestException"),
        ("EXPIRED_TOKEN", 403, "ExpiredTokenException"),
        ("INTEGRATION_FAILURE", 504, "InternalServerErrorException"),
        ("INTEGRATION_TIMEOUT", 504, "InternalServerErrorException"),
        ("INVALID_API_KEY", 403, "ForbiddenException"),
        ("INVALID_SIGNATURE", 403, "InvalidSignatureException"),
        (
            "MISSING_AUTHENTICATION_TOKEN",
            403,
            "MissingAuthenticationTokenException",
        ),
        ("QUOTA_EXCEEDED", 429, "LimitExceededException"),
        ("RESOURCE_NOT_FOUND", 404, "ResourceNotFoundException"),
        ("THROTTLED", 429, "TooManyRequestsException"),
        ("UNAUTHORIZED", 401, "UnauthorizedException"),
        ("UNSUPPORTED_MEDIA_TYPE", 415, "BadRequestException"),
    ];

    #[test]
    fn types_are_as_documented() {
        let found = |name: &str| {
            let mut all = GatewayResponse::customizable();
            all.find(|answer| answer.name() == name)
        };
        for (name, status, error_type) in DOCUMENTED {
            let answer = found(name).unwrap_or_else(|| panic!("{name}"));
            let by_default = answer.status().expect("types have a status");
            assert_eq!(by_default.as_u16(), status, "{name}");
            assert_eq!(answer.error_type(), error_type, "{name}");
            let class = if status < 500 {
                "DEFAULT_4XX"
            } else {
                "DEFAULT_5XX"
            };
            let fallback = answer.fallback(by_default).map(GatewayResponse::name);
            assert_eq!(fallback, Some(class), "{name}");
        }
        // The two classes, and what firewalls filter.
        let others = GatewayResponse::customizable().count() - DOCUMENTED.len();
        assert_eq!(others, 3);
        assert_eq!(found("REQUEST_TOO_LARGE"), None);
    }
}
