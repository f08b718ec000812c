//! What a configuration means: references resolved, ranges checked, defaults filled in.
//!
//! [`crate::config`] builds these types from what the user wrote and [`crate::snapshot`] compiles
//! them into what runs. Nothing here is read per request, and nothing here knows YAML.

mod api_keys;
mod arn;
mod prefix;
mod ids;
mod identity;
mod process;
mod listener;
mod lookups;
mod certificate;
mod security_policy;
mod endpoint_tls;
mod private;
mod offload;
mod client_certificate;
mod truststore;
mod edge;
mod list;
mod rules;
mod authorizer;
mod aws;
mod oauth;
mod period;
mod penalties;
mod policies;
mod signer;
mod tables;
mod bucket_tables;
mod throttle;
mod upstream;
mod usage_plan;
mod gateway_response;
mod non_proxy;
mod domain;
mod validation;
mod mappings;
mod method_settings;
mod cors;
mod request_sizes;
mod deployment;
mod derived;
mod fleet;
mod function;
mod function_authorizer;
mod stage;
mod stage_throttles;
mod definition;
mod api;

pub use api::{
    Api, ApiKind, Backend, BodyMode, Endpoint, Http, HttpProxy, Integration, Method, Route,
    RouteMethod, Segment, Target,
};
pub use api_keys::{ApiKeySettings, KeyValues};
pub use arn::is_account;
pub use authorizer::{
    Algorithm, Authorizer, AuthorizerKind, Guard, IdentitySource, Issuer, Jwks, JwksFile,
    JwksSource, JwtSettings, RequiredClaim, TokenRules,
};
pub use aws::{Aws, AwsService, AwsTarget, CredentialSource};
pub use bucket_tables::{BucketTables, NoTable};
pub use certificate::{Certificate, Unopened};
pub use client_certificate::{CertificateNames, ClientCertificate, distinguished_name};
pub use cors::{AllowedOrigin, Cors};
pub use definition::Definition;
pub use deployment::{
    CanaryPlacement, DeploymentNumber, Described, DescribedStage, Placement, Placements, Serving,
    Share, ShareError,
};
pub use derived::{derived_id, resource_id};
pub use domain::{BasePath, Domain, DomainName, HeaderCondition, Mapping, RoutingRule};
pub use edge::{AttachMode, Edge, EdgeMode, OnExit, SourceRate, UnparsedToUs};
pub use endpoint_tls::{AccessMode, EndpointTls, TlsTerms};
pub use fleet::{Authorities, Fleet, Redis, RedisLayout, RedisServer, RedisTls, WithoutStore};
pub use function::{FunctionName, FunctionNameError};
pub use function_authorizer::{
    Function, FunctionEvent, FunctionSettings, FunctionSource, PayloadFormat, Unfit,
};
pub use gateway_response::{GatewayResponse, GatewayResponseRule, GatewayResponses};
pub use identity::Identity;
pub use ids::{
    ApiId, ApiKeyId, ApiKeyIdError, ApiName, AuthorizerName, INSTANCE_NAME_BYTES_MAX, InstanceName,
    InstanceNameError, ListName, ListenerName, LookupName, OAuthClientName, PolicySetName,
    PolicyStoreName, RouteKey, RoutingRuleId, StageName, UpstreamName, UsagePlanName,
    UsagePlanNameError,
};
pub use list::{ListAction, ListFormat, ListMode, Lists, NamedList};
pub use listener::{
    ForwardedHeader, Listener, ListenerLimits, ListenerTimeouts, ProxyProtocol, Tls, TlsVersion,
};
pub use lookups::{
    Enrichment, FileRecords, Found, HttpLookup, KEY, KeyedPath, Lookup, LookupSource,
};
pub use mappings::{RequestMappings, ResponseMappings};
pub use method_settings::{Logging, MethodSettings, StageSettings};
pub use non_proxy::{MethodResponse, MethodResponses, NonProxy, ResponseRule};
pub use oauth::{Authorization, BearerToken, ClientAuthentication, OAuthClient};
pub use offload::{Hindrance, OFFLOADED_MAX, offloaded};
pub use penalties::{PenaltyMode, PenaltyRules};
pub use period::{Day, DayError, Period, Span};
pub use policies::{
    CallMap, EntityMap, HttpEngine, ParentsMap, PolicyEngine, PolicySet, PolicySource, PolicyStore,
    QuestionMap, StoreChoice, TokenKind, ValueKind, ValueMap, VerifiedPrincipal, VerifiedStore,
    VerifiedStoreId,
};
pub use prefix::{Prefix, PrefixError};
pub use private::Private;
pub use process::{Admin, Gateway, LogOutput, Telemetry, Whereabouts};
pub use request_sizes::RequestSizes;
pub use rules::{
    ListenerEdge, ListenerRate, OtherTraffic, RULES, SharedRate, Treatments, UnderAttack,
};
pub use security_policy::SecurityPolicy;
pub use signer::{
    Credential, CredentialFile, Credentials, IamSettings, Organization, Principal, PrincipalError,
    PrincipalKind, SecretText, Session, SessionToken, Signer,
};
pub use stage::{Canary, Stage, Track, Variant};
pub use stage_throttles::StageThrottles;
pub use tables::{TableLookup, TableName, TableNameError};
pub use throttle::{
    CALLER_CONCURRENCY_MAX, CALLER_THROTTLES_MAX, CallerConcurrency, CallerKey, CallerThrottle,
    Concurrency, SharedThrottles, Throttle, ThrottleHeaders,
};
pub use truststore::{Root, Truststore, TruststoreId};
pub use upstream::{BackendTls, Remote, Upstream, UpstreamTarget};
pub use usage_plan::{KeySource, PlanStage, Quota, UsagePlan};
pub use validation::{BodyModels, ResponseCheck, Validation};
