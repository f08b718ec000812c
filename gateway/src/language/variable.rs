//! `$context` and stage variables: which exist, for whom, and from when on.
//!
//! The names are those of the page "Variables for API Gateway" of Amazon's guide and of its pages
//! on access logs. Languages parse a name once and ask [`Variables`] for its value per request.

use std::borrow::Cow;

use serde_json::Value;

/// Types of APIs, as far as they decide which variables exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiType {
    /// "REST API".
    Rest,
    /// "HTTP API".
    Http,
    /// "WebSocket API".
    WebSocket,
}

/// From when on a variable may have a value: moments in the order of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// A route is found.
    Routed,
    /// The authorizer has answered.
    Authorized,
    /// The integration has answered.
    Integrated,
    /// The request has failed, or its answer is about to be written.
    Answering,
    /// The answer has left: only the access log still reads variables.
    Answered,
}

/// What is fixed about a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The name behind `$context.`; a part in angle brackets stands for the caller's own name.
    pub name: &'static str,
    /// A second name of the same value.
    pub alias: Option<&'static str>,
    /// Where it exists.
    pub api_types: &'static [ApiType],
    /// From when on it may have a value.
    pub known: Moment,
}

macro_rules! variables {
    (
        fixed { $($variant:ident $name:literal $(= $alias:literal)? [$($api:ident)*] $known:ident $doc:literal,)* }
        named { $($of:ident $prefix:literal [$($of_api:ident)*] $of_known:ident $of_doc:literal,)* }
    ) => {
        /// A `$context` variable.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Variable {
            $(#[doc = $doc] $variant,)*
            $(#[doc = $of_doc] $of(Box<str>),)*
        }

        impl Variable {
            /// Every variable, in the order of the variants.
            pub const ROWS: &'static [Row] = &[
                $(Row {
                    name: $name,
                    alias: variables!(@alias $($alias)?),
                    api_types: &[$(ApiType::$api,)*],
                    known: Moment::$known,
                },)*
                $(Row {
                    name: concat!($prefix, "<name>"),
                    alias: None,
                    api_types: &[$(ApiType::$of_api,)*],
                    known: Moment::$of_known,
                },)*
            ];

            /// What is fixed about this one.
            #[must_use]
            pub const fn row(&self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        name: $name,
                        alias: variables!(@alias $($alias)?),
                        api_types: &[$(ApiType::$api,)*],
                        known: Moment::$known,
                    },)*
                    $(Self::$of(_) => Row {
                        name: concat!($prefix, "<name>"),
                        alias: None,
                        api_types: &[$(ApiType::$of_api,)*],
                        known: Moment::$of_known,
                    },)*
                }
            }

            fn fixed(name: &str) -> Option<Self> {
                match name {
                    $($name $(| $alias)? => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Prefixes are tried in the order of the table, so a longer one stands first.
            fn named(name: &str) -> Option<Self> {
                $(if let Some(own) = name.strip_prefix($prefix) && is_own_name(own) {
                    return Some(Self::$of(own.into()));
                })*
                None
            }
        }
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
}

variables! {
    fixed {
        AccountId "accountId" [Rest Http] Routed "The account of the API's owner.",
        ApiId "apiId" [Rest Http WebSocket] Routed "The API.",
        AuthorizeError "authorize.error" [Rest WebSocket] Authorized "What policies had against the request.",
        AuthorizeLatency "authorize.latency" [Rest WebSocket] Authorized "Milliseconds of evaluating policies.",
        AuthorizeStatus "authorize.status" [Rest WebSocket] Authorized "What policies came to, as a status.",
        AuthenticateError "authenticate.error" [Rest WebSocket] Authorized "What was wrong with the credentials.",
        AuthenticateLatency "authenticate.latency" [Rest WebSocket] Authorized "Milliseconds of checking credentials.",
        AuthenticateStatus "authenticate.status" [Rest WebSocket] Authorized "What the credentials came to, as a status.",
        AuthorizerError "authorizer.error" [Rest Http WebSocket] Authorized "What the authorizer had against the request.",
        AuthorizerLatency "authorizer.latency" [Rest WebSocket] Authorized "Milliseconds of asking the authorizer.",
        AuthorizerStatus "authorizer.status" [Rest WebSocket] Authorized "The authorizer's status.",
        AuthorizerIntegrationLatency "authorizer.integrationLatency" [Rest WebSocket] Authorized "Milliseconds that the authorizer's function took.",
        AuthorizerIntegrationStatus "authorizer.integrationStatus" [Rest WebSocket] Authorized "The status of calling the authorizer's function.",
        AuthorizerRequestId "authorizer.requestId" [Rest WebSocket] Authorized "The id of calling the authorizer's function.",
        AuthorizerPrincipalId "authorizer.principalId" [Rest Http WebSocket] Authorized "Whom the authorizer named.",
        AwsEndpointRequestId "awsEndpointRequestId" [Rest Http] Integrated "The backend's `x-amz-request-id` or `x-amzn-requestId`.",
        AwsEndpointRequestId2 "awsEndpointRequestId2" [Http] Integrated "The backend's `x-amz-id-2`.",
        CipherSuite "cipherSuite" [Rest] Routed "The negotiated cipher suite.",
        TlsVersion "tlsVersion" [Rest] Routed "The negotiated version of TLS.",
        ConnectedAt "connectedAt" [WebSocket] Routed "When the connection was made.",
        ConnectionId "connectionId" [WebSocket] Routed "The connection.",
        EventType "eventType" [WebSocket] Routed "`CONNECT`, `MESSAGE` or `DISCONNECT`.",
        MessageId "messageId" [WebSocket] Routed "The message.",
        MessageDirection "messageDirection" [WebSocket] Routed "`IN` or `OUT`.",
        BasePathMatched "customDomain.basePathMatched" [Rest Http] Routed "The path of the API mapping.",
        RoutingRuleIdMatched "customDomain.routingRuleIdMatched" [Rest] Routed "The routing rule that led to it.",
        DataProcessed "dataProcessed" [Http] Answered "Bytes that were processed.",
        DeploymentId "deploymentId" [Rest] Routed "The deployment that the stage points at.",
        DomainName "domainName" [Rest Http WebSocket] Routed "The host that was asked.",
        DomainPrefix "domainPrefix" [Rest Http WebSocket] Routed "The first label of the host.",
        EndpointType "endpointType" [Rest] Routed "`EDGE`, `REGIONAL` or `PRIVATE`.",
        ErrorMessage "error.message" [Rest Http WebSocket] Answering "What the gateway refused the request with.",
        ErrorMessageString "error.messageString" [Rest Http WebSocket] Answering "The same as a JSON string.",
        ErrorResponseType "error.responseType" [Rest Http WebSocket] Answering "The type of the gateway response.",
        ErrorValidation "error.validationErrorString" [Rest WebSocket] Answering "What the validator found.",
        ExtendedRequestId "extendedRequestId" [Rest Http WebSocket] Routed "The second id of the request, always made by the gateway.",
        HttpMethod "httpMethod" [Rest Http] Routed "The verb.",
        IdentityAccountId "identity.accountId" [Rest Http WebSocket] Authorized "The account of the signer.",
        IdentityCaller "identity.caller" [Rest Http WebSocket] Authorized "The principal of the signer.",
        IdentityUser "identity.user" [Rest Http WebSocket] Authorized "The user of the signer.",
        IdentityUserArn "identity.userArn" [Rest Http WebSocket] Authorized "The ARN of the signer.",
        IdentityPrincipalOrgId "identity.principalOrgId" [Rest Http WebSocket] Authorized "The organization of the signer.",
        IdentityApiKey "identity.apiKey" [Rest WebSocket] Authorized "The API key, masked in logs.",
        IdentityApiKeyId "identity.apiKeyId" [Rest WebSocket] Authorized "The id of the API key.",
        ClientCertPem "identity.clientCert.clientCertPem" [Rest Http] Routed "The client's certificate as PEM.",
        ClientCertSubject "identity.clientCert.subjectDN" [Rest Http] Routed "Its subject.",
        ClientCertIssuer "identity.clientCert.issuerDN" [Rest Http] Routed "Its issuer.",
        ClientCertSerialNumber "identity.clientCert.serialNumber" [Rest Http] Routed "Its serial number.",
        ClientCertNotBefore "identity.clientCert.validity.notBefore" [Rest Http] Routed "The start of its validity.",
        ClientCertNotAfter "identity.clientCert.validity.notAfter" [Rest Http] Routed "The end of its validity.",
        CognitoAuthenticationProvider "identity.cognitoAuthenticationProvider" [Rest Http WebSocket] Authorized "Providers of a Cognito identity.",
        CognitoAuthenticationType "identity.cognitoAuthenticationType" [Rest Http WebSocket] Authorized "`authenticated` or `unauthenticated`.",
        CognitoIdentityId "identity.cognitoIdentityId" [Rest Http WebSocket] Authorized "The Cognito identity.",
        CognitoIdentityPoolId "identity.cognitoIdentityPoolId" [Rest Http WebSocket] Authorized "Its pool.",
        SourceIp "identity.sourceIp" [Rest Http WebSocket] Routed "The client's address.",
        UserAgent "identity.userAgent" [Rest Http WebSocket] Routed "The client's `User-Agent`.",
        VpcId "identity.vpcId" [Rest] Routed "The VPC of a private API's caller.",
        VpceId "identity.vpceId" [Rest] Routed "The endpoint of a private API's caller.",
        IntegrationError "integration.error" = "integrationErrorMessage" [Rest Http WebSocket] Integrated "Why the integration failed.",
        IntegrationInvocationStatus "integration.integrationStatus" = "integrationStatus" [Rest Http WebSocket] Integrated "The status of calling a function, not the one it returned.",
        IntegrationLatency "integration.latency" = "integrationLatency" [Rest Http WebSocket] Integrated "Milliseconds that the integration took.",
        IntegrationRequestId "integration.requestId" [Rest Http WebSocket] Integrated "The id of calling the integration.",
        IntegrationStatus "integration.status" [Rest Http WebSocket] Integrated "The status that the integration returned.",
        IsCanaryRequest "isCanaryRequest" [Rest] Routed "Whether the canary serves the request.",
        Path "path" [Rest Http] Routed "The path with its stage.",
        Protocol "protocol" [Rest Http] Routed "`HTTP/1.1`, also over HTTP/2.",
        RequestId "requestId" [Rest Http WebSocket] Routed "The request's id.",
        RequestTime "requestTime" [Rest Http WebSocket] Routed "When it arrived, as common logs write it.",
        RequestTimeEpoch "requestTimeEpoch" [Rest Http WebSocket] Routed "When it arrived, in milliseconds.",
        ResourceId "resourceId" [Rest] Routed "The resource.",
        ResourcePath "resourcePath" [Rest] Routed "The path of the resource, with its variables.",
        ResponseLatency "responseLatency" [Rest Http] Answered "Milliseconds until the answer.",
        ResponseLength "responseLength" [Rest Http] Answered "Bytes of the answer's body.",
        Status "status" [Rest Http WebSocket] Answering "The answer's status.",
        RouteKey "routeKey" [Http WebSocket] Routed "The route.",
        Stage "stage" [Rest Http WebSocket] Routed "The stage.",
        WafError "waf.error" [Rest WebSocket] Authorized "Why the firewall failed.",
        WafLatency "waf.latency" [Rest WebSocket] Authorized "Milliseconds of asking the firewall.",
        WafStatus "waf.status" [Rest WebSocket] Authorized "The firewall's status.",
        WafResponseCode "wafResponseCode" [Rest WebSocket] Authorized "`WAF_ALLOW` or `WAF_BLOCK`.",
        WebAclArn "webaclArn" [Rest WebSocket] Authorized "The firewall's list.",
        XrayTraceId "xrayTraceId" [Rest] Routed "The trace.",
    }
    named {
        Claim "authorizer.claims." [Rest Http] Authorized "A claim of the token.",
        AuthorizerProperty "authorizer." [Rest Http WebSocket] Authorized "An entry of the context that a function returned; `claims` alone is none and has no value.",
    }
}

/// Characters of a name, more of which are refused: no claim or stage variable comes near.
pub const NAME_CHARACTERS_MAX: usize = 256;

/// A name that is no variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// No row of the table has it.
    #[error("there is no variable `$context.{0}`: write one that there is")]
    UnknownContext(Box<str>),
    /// Not letters, digits and `_`, or more than 64 of them.
    #[error("`{0}` is no name of a stage variable: write 1 to 64 letters, digits and `_`")]
    StageVariableName(Box<str>),
    /// Neither `context.` nor `stageVariables.`.
    #[error("`{0}` names neither `context` nor `stageVariables`: write one of them")]
    UnknownSource(Box<str>),
}

impl Variable {
    /// The variable of this name, which may begin with `context.` or `$context.`.
    ///
    /// # Errors
    /// [`VariableError::UnknownContext`] if there is none.
    pub fn parse(name: &str) -> Result<Self, VariableError> {
        let bare = name.strip_prefix('$').unwrap_or(name);
        let bare = bare.strip_prefix("context.").unwrap_or(name);
        Self::fixed(bare)
            .or_else(|| Self::named(bare))
            .ok_or_else(|| VariableError::UnknownContext(shown(bare)))
    }

    /// Whether APIs of this type have it.
    #[must_use]
    pub fn is_of(&self, api_type: ApiType) -> bool {
        self.row().api_types.contains(&api_type)
    }
}

/// Whether a claim or an entry of a context may be called so. Claims are often URIs.
fn is_own_name(name: &str) -> bool {
    let is_plain =
        |character: char| character.is_ascii_graphic() && !"\"'$\\{}<>".contains(character);
    !name.is_empty()
        && name.len() <= NAME_CHARACTERS_MAX
        && name.chars().all(is_plain)
        && !name.ends_with('.')
}

/// The name of a stage variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StageVariable(Box<str>);

impl StageVariable {
    /// From the name alone: letters, digits and `_`, at most 64.
    ///
    /// # Errors
    /// [`VariableError::StageVariableName`] for any other.
    pub fn parse(name: &str) -> Result<Self, VariableError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if (1..=64).contains(&name.len()) && name.bytes().all(is_name) {
            Ok(Self(name.into()))
        } else {
            Err(VariableError::StageVariableName(shown(name)))
        }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.0
    }
}

/// What every language may read: a `$context` variable or a stage variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `context.X`.
    Context(Variable),
    /// `stageVariables.X`.
    Stage(StageVariable),
}

impl Reference {
    /// From `context.X` or `stageVariables.X`; a `$` in front is the caller's to take off.
    ///
    /// # Errors
    /// See [`VariableError`].
    pub fn parse(text: &str) -> Result<Self, VariableError> {
        if let Some(name) = text.strip_prefix("context.") {
            Variable::parse(name).map(Self::Context)
        } else if let Some(name) = text.strip_prefix("stageVariables.") {
            StageVariable::parse(name).map(Self::Stage)
        } else {
            Err(VariableError::UnknownSource(shown(text)))
        }
    }

    /// Its value; `None` when it is unset.
    #[must_use]
    pub fn resolve<'v>(&self, variables: &'v impl Variables) -> Option<Cow<'v, str>> {
        match self {
            Self::Context(Variable::ErrorMessageString) => {
                match variables.context(&Variable::ErrorMessage) {
                    Some(message) => Some(Cow::Owned(quoted(&message))),
                    // An error of which nothing is said.
                    None => {
                        let kind = variables.context(&Variable::ErrorResponseType);
                        kind.map(|_| Cow::Borrowed("null"))
                    }
                }
            }
            Self::Context(variable) => variables.context(variable),
            Self::Stage(variable) => variables.stage_variable(variable.name()).map(Cow::Borrowed),
        }
    }
}

/// Where values come from.
pub trait Variables {
    /// The value of a `$context` variable; `None` when it is unset. `error.messageString` is never
    /// asked for: it is made of `error.message`.
    fn context(&self, variable: &Variable) -> Option<Cow<'_, str>>;

    /// The value of a stage variable; `None` when it is unset.
    fn stage_variable(&self, name: &str) -> Option<&str>;

    /// A claim as the issuer wrote it, for those who read lists too; `None` where there is none, or
    /// claims are not known as such.
    fn claim(&self, _name: &str) -> Option<Value> {
        None
    }

    /// The record that the lookup of this name found; `None` where it found none, or nothing is looked
    /// up.
    fn record(&self, _lookup: &str) -> Option<&Value> {
        None
    }
}

/// `text` as a JSON string with its quotes.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The part of a name that an error shows.
pub(super) fn shown(name: &str) -> Box<str> {
    name.chars()
        .take(NAME_CHARACTERS_MAX)
        .collect::<String>()
        .into()
}

/// Variables and stage variables for the tests of other languages.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct TestVariables {
    pub(super) context: Vec<(&'static str, &'static str)>,
    pub(super) stage: Vec<(&'static str, &'static str)>,
}

#[cfg(test)]
impl Variables for TestVariables {
    fn context(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let mut known = self.context.iter();
        let found = known.find(|(name, _)| Variable::parse(name).as_ref() == Ok(variable))?;
        Some(Cow::Borrowed(found.1))
    }

    fn stage_variable(&self, name: &str) -> Option<&str> {
        let found = self.stage.iter().find(|(known, _)| *known == name)?;
        Some(found.1)
    }
}

#[cfg(test)]
#[path = "variable_tests.rs"]
mod tests;
