//! What becomes of every field and extension: one table.
//!
//! A field that is not in it is refused: it is misspelt, stands in the wrong place or is newer than
//! this gateway, and none of these may leave a route without what somebody wrote for it. When
//! something that is refused here gets built, its row becomes [`Treatment::Translated`].

use super::finding::Findings;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::model::ApiKind;

/// The objects of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Root,
    Components,
    Server,
    Tag,
    PathItem,
    Operation,
    /// The operation of `x-amazon-apigateway-any-method`.
    AnyMethod,
    SecurityScheme,
    Auth,
    Authorizer,
    JwtConfiguration,
    JwtIssuer,
    JwtClaim,
    Integration,
    IntegrationResponse,
    TlsConfig,
    GatewayResponse,
    Parameter,
    RequestBody,
    MediaType,
    Validator,
    Cors,
    EndpointConfiguration,
}

impl Object {
    const fn name(self) -> &'static str {
        match self {
            Self::Root => "the root",
            Self::Components => "`components`",
            Self::Server => "a server",
            Self::Tag => "a tag",
            Self::PathItem => "a path",
            Self::Operation | Self::AnyMethod => "an operation",
            Self::SecurityScheme => "a security scheme",
            Self::Auth => "`x-amazon-apigateway-auth`",
            Self::Authorizer => "an authorizer",
            Self::JwtConfiguration => "`jwtConfiguration`",
            Self::JwtIssuer => "an issuer",
            Self::JwtClaim => "a claim",
            Self::Integration => "an integration",
            Self::IntegrationResponse => "an integration's response",
            Self::TlsConfig => "`tlsConfig`",
            Self::GatewayResponse => "a gateway response",
            Self::Parameter => "a parameter",
            Self::RequestBody => "a request body",
            Self::MediaType => "a media type",
            Self::Validator => "a request validator",
            Self::Cors => "`x-amazon-apigateway-cors`",
            Self::EndpointConfiguration => "an endpoint configuration",
        }
    }

    /// Whether it is an extension of the service, in which nobody else has fields.
    const fn is_extension(self) -> bool {
        match self {
            Self::Root
            | Self::Components
            | Self::Server
            | Self::Tag
            | Self::PathItem
            | Self::Operation
            | Self::AnyMethod
            | Self::SecurityScheme
            | Self::Parameter
            | Self::RequestBody
            | Self::MediaType => false,
            Self::Auth
            | Self::Authorizer
            | Self::JwtConfiguration
            | Self::JwtIssuer
            | Self::JwtClaim
            | Self::Integration
            | Self::IntegrationResponse
            | Self::TlsConfig
            | Self::GatewayResponse
            | Self::Validator
            | Self::Cors
            | Self::EndpointConfiguration => true,
        }
    }
}

/// Which APIs of the service know a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Both,
    Rest,
    Http,
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// It is translated by a function of its own, which says what became of it.
    Translated,
    /// It only describes.
    Describes,
    /// It has no effect, here and in the service.
    Honoured,
    /// It is served otherwise: how.
    Approximated(&'static str),
    /// It is not served: why, and what to do.
    Refused(&'static str),
}

use Object::{
    AnyMethod, Auth, Authorizer, Components, Cors, EndpointConfiguration, GatewayResponse,
    Integration, IntegrationResponse, JwtClaim, JwtConfiguration, JwtIssuer, MediaType, Operation,
    Parameter, PathItem, RequestBody, Root, SecurityScheme, Server, Tag, TlsConfig, Validator,
};
use Of::{Both, Http, Rest};
use Treatment::{Approximated, Describes, Honoured, Refused, Translated};

pub(super) const CONFIGURED: &str =
    "hosts, base paths and schemes follow from the configuration: `listeners`, `hosts`, `stages`";
const UNPUBLISHED: &str = "it stays in the file and is published nowhere";
const UNCACHED: &str = "responses are not cached, so that every request reaches the backend";
const ENDPOINTS: &str = "an API is private by the `listeners` that it answers on, or by `private`: take this \
     out, and write those in the configuration";
pub(super) const AWS: &str =
    "AWS integrations are built by later work: take it out, or import with `partial`";
const PRIVATE: &str = "private integrations are built by later work: write a `uri` that this gateway reaches, with \
     `connectionType: INTERNET`";

type Row = (&'static str, &'static [Object], Of, Treatment);

const OPERATIONS: &[Object] = &[Operation, AnyMethod];
/// What says of a parameter of Swagger 2.0 what its value may be. The service checks no values.
const VALUES: &[Object] = &[Parameter];

/// Fields and extensions, where they stand, who knows them, and what becomes of them.
const TABLE: &[Row] = &[
    ("openapi", &[Root], Both, Translated),
    ("swagger", &[Root], Both, Translated),
    ("info", &[Root], Both, Describes),
    (
        "externalDocs",
        &[Root, Operation, AnyMethod, Tag],
        Both,
        Describes,
    ),
    (
        "servers",
        &[Root, PathItem, Operation, AnyMethod],
        Both,
        Translated,
    ),
    ("host", &[Root], Both, Approximated(CONFIGURED)),
    ("basePath", &[Root], Both, Approximated(CONFIGURED)),
    (
        "schemes",
        &[Root, Operation, AnyMethod],
        Both,
        Approximated(CONFIGURED),
    ),
    ("consumes", &[Root, Operation, AnyMethod], Both, Honoured),
    ("produces", &[Root, Operation, AnyMethod], Both, Honoured),
    ("paths", &[Root], Both, Translated),
    ("components", &[Root], Both, Translated),
    ("definitions", &[Root], Both, Describes),
    ("parameters", &[Root], Both, Describes),
    ("responses", &[Root], Both, Describes),
    ("securityDefinitions", &[Root], Both, Translated),
    ("security", &[Root, Operation, AnyMethod], Both, Translated),
    ("tags", &[Root], Both, Translated),
    ("tags", OPERATIONS, Both, Describes),
    ("schemas", &[Components], Both, Describes),
    ("responses", &[Components], Both, Describes),
    ("parameters", &[Components], Both, Describes),
    ("examples", &[Components], Both, Describes),
    ("requestBodies", &[Components], Both, Describes),
    ("headers", &[Components], Both, Describes),
    ("securitySchemes", &[Components], Both, Translated),
    ("links", &[Components], Both, Describes),
    ("callbacks", &[Components], Both, Describes),
    ("url", &[Server, Tag], Both, Describes),
    ("variables", &[Server], Both, Describes),
    ("name", &[Tag], Both, Describes),
    (
        "description",
        &[
            Server,
            Tag,
            PathItem,
            Operation,
            AnyMethod,
            SecurityScheme,
            Parameter,
            RequestBody,
        ],
        Both,
        Describes,
    ),
    (
        "summary",
        &[PathItem, Operation, AnyMethod],
        Both,
        Describes,
    ),
    ("$ref", &[PathItem, Integration], Both, Translated),
    (
        "parameters",
        &[PathItem, Operation, AnyMethod],
        Both,
        Translated,
    ),
    ("get", &[PathItem], Both, Translated),
    ("put", &[PathItem], Both, Translated),
    ("post", &[PathItem], Both, Translated),
    ("delete", &[PathItem], Both, Translated),
    ("options", &[PathItem], Both, Translated),
    ("head", &[PathItem], Both, Translated),
    ("patch", &[PathItem], Both, Translated),
    (
        "trace",
        &[PathItem],
        Both,
        Refused("the service has no method TRACE: take it out"),
    ),
    ("operationId", OPERATIONS, Both, Describes),
    ("deprecated", OPERATIONS, Both, Describes),
    ("callbacks", OPERATIONS, Both, Describes),
    ("responses", OPERATIONS, Both, Translated),
    ("requestBody", OPERATIONS, Both, Translated),
    ("isDefaultRoute", &[AnyMethod], Http, Translated),
    (
        "type",
        &[SecurityScheme, Auth, Authorizer, Integration],
        Both,
        Translated,
    ),
    ("name", &[SecurityScheme], Both, Describes),
    ("in", &[SecurityScheme], Both, Describes),
    ("name", &[Parameter], Both, Translated),
    ("in", &[Parameter], Both, Translated),
    ("required", &[Parameter], Both, Translated),
    ("schema", &[Parameter, MediaType], Both, Translated),
    ("content", &[Parameter], Both, Describes),
    ("content", &[RequestBody], Both, Translated),
    ("required", &[RequestBody], Both, Describes),
    ("example", &[Parameter, MediaType], Both, Describes),
    ("examples", &[Parameter, MediaType], Both, Describes),
    ("encoding", &[MediaType], Both, Describes),
    ("deprecated", VALUES, Both, Describes),
    ("allowEmptyValue", VALUES, Both, Describes),
    ("style", VALUES, Both, Describes),
    ("explode", VALUES, Both, Describes),
    ("allowReserved", VALUES, Both, Describes),
    ("collectionFormat", VALUES, Both, Describes),
    ("type", VALUES, Both, Describes),
    ("format", VALUES, Both, Describes),
    ("items", VALUES, Both, Describes),
    ("default", VALUES, Both, Describes),
    ("maximum", VALUES, Both, Describes),
    ("exclusiveMaximum", VALUES, Both, Describes),
    ("minimum", VALUES, Both, Describes),
    ("exclusiveMinimum", VALUES, Both, Describes),
    ("maxLength", VALUES, Both, Describes),
    ("minLength", VALUES, Both, Describes),
    ("pattern", VALUES, Both, Describes),
    ("maxItems", VALUES, Both, Describes),
    ("minItems", VALUES, Both, Describes),
    ("uniqueItems", VALUES, Both, Describes),
    ("enum", VALUES, Both, Describes),
    ("multipleOf", VALUES, Both, Describes),
    ("validateRequestBody", &[Validator], Rest, Translated),
    ("validateRequestParameters", &[Validator], Rest, Translated),
    ("allowOrigins", &[Cors], Http, Translated),
    ("allowMethods", &[Cors], Http, Translated),
    ("allowHeaders", &[Cors], Http, Translated),
    ("exposeHeaders", &[Cors], Http, Translated),
    ("allowCredentials", &[Cors], Http, Translated),
    ("maxAge", &[Cors], Http, Translated),
    (
        "disableExecuteApiEndpoint",
        &[EndpointConfiguration],
        Both,
        Translated,
    ),
    ("ipAddressType", &[EndpointConfiguration], Both, Translated),
    (
        "vpcEndpointIds",
        &[EndpointConfiguration],
        Both,
        Refused(ENDPOINTS),
    ),
    ("scheme", &[SecurityScheme], Both, Describes),
    ("bearerFormat", &[SecurityScheme], Both, Describes),
    ("flow", &[SecurityScheme], Both, Describes),
    ("flows", &[SecurityScheme], Both, Describes),
    ("authorizationUrl", &[SecurityScheme], Both, Describes),
    ("tokenUrl", &[SecurityScheme], Both, Describes),
    ("scopes", &[SecurityScheme], Both, Describes),
    ("openIdConnectUrl", &[SecurityScheme], Both, Describes),
    (
        "x-amazon-apigateway-any-method",
        &[PathItem],
        Both,
        Translated,
    ),
    (
        "x-amazon-apigateway-api-key-source",
        &[Root],
        Rest,
        Translated,
    ),
    ("x-amazon-apigateway-auth", OPERATIONS, Both, Translated),
    (
        "x-amazon-apigateway-authorizer",
        &[SecurityScheme],
        Both,
        Translated,
    ),
    (
        "x-amazon-apigateway-authtype",
        &[SecurityScheme],
        Both,
        Translated,
    ),
    (
        "x-amazon-apigateway-binary-media-types",
        &[Root],
        Rest,
        Translated,
    ),
    ("x-amazon-apigateway-cors", &[Root], Http, Translated),
    (
        "x-amazon-apigateway-documentation",
        &[Root],
        Both,
        Approximated(UNPUBLISHED),
    ),
    (
        "x-amazon-apigateway-endpoint-access-mode",
        &[Root],
        Rest,
        Translated,
    ),
    (
        "x-amazon-apigateway-endpoint-configuration",
        &[Root, Server],
        Both,
        Translated,
    ),
    (
        "x-amazon-apigateway-gateway-responses",
        &[Root],
        Rest,
        Translated,
    ),
    (
        "x-amazon-apigateway-importexport-version",
        &[Root],
        Http,
        Translated,
    ),
    (
        "x-amazon-apigateway-integration",
        OPERATIONS,
        Both,
        Translated,
    ),
    (
        "x-amazon-apigateway-integrations",
        &[Components],
        Http,
        Translated,
    ),
    (
        "x-amazon-apigateway-minimum-compression-size",
        &[Root],
        Rest,
        Translated,
    ),
    ("x-amazon-apigateway-policy", &[Root], Rest, Translated),
    (
        "x-amazon-apigateway-request-validator",
        &[Root, Operation, AnyMethod],
        Rest,
        Translated,
    ),
    (
        "x-amazon-apigateway-request-validators",
        &[Root],
        Rest,
        Translated,
    ),
    (
        "x-amazon-apigateway-security-policy",
        &[Root],
        Both,
        Translated,
    ),
    (
        "x-amazon-apigateway-tag-value",
        &[Tag],
        Http,
        Approximated(UNPUBLISHED),
    ),
    ("x-gateway-api", &[Root], Both, Translated),
    ("x-gateway-route", OPERATIONS, Both, Translated),
    ("x-gateway-configured", &[Authorizer], Both, Translated),
    ("x-gateway-validate", OPERATIONS, Rest, Translated),
    ("x-gateway-declared", &[Parameter], Both, Translated),
    ("x-gateway-integration", &[Integration], Both, Translated),
    ("jwtConfiguration", &[Authorizer], Both, Translated),
    ("identitySource", &[Authorizer], Both, Translated),
    ("name", &[Authorizer], Both, Honoured),
    (
        "authorizerResultTtlInSeconds",
        &[Authorizer],
        Both,
        Translated,
    ),
    ("authorizerUri", &[Authorizer], Both, Translated),
    (
        "authorizerCredentials",
        &[Authorizer],
        Both,
        Approximated("the configuration says how functions are reached"),
    ),
    (
        "authorizerPayloadFormatVersion",
        &[Authorizer],
        Http,
        Translated,
    ),
    ("enableSimpleResponses", &[Authorizer], Http, Translated),
    (
        "identityValidationExpression",
        &[Authorizer],
        Rest,
        Translated,
    ),
    ("providerARNs", &[Authorizer], Rest, Translated),
    ("issuer", &[JwtConfiguration, JwtIssuer], Both, Translated),
    ("audience", &[JwtConfiguration], Both, Translated),
    ("defaultAlgorithms", &[JwtConfiguration], Both, Translated),
    ("issuers", &[JwtConfiguration], Both, Translated),
    ("audiences", &[JwtIssuer], Both, Translated),
    ("additionalClaims", &[JwtIssuer], Both, Translated),
    ("claimName", &[JwtClaim], Both, Translated),
    ("expectedValues", &[JwtClaim], Both, Translated),
    ("format", &[JwtClaim], Both, Translated),
    ("required", &[JwtClaim], Both, Translated),
    ("uri", &[Integration], Both, Translated),
    ("httpMethod", &[Integration], Both, Translated),
    ("timeoutInMillis", &[Integration], Both, Translated),
    ("requestParameters", &[Integration], Both, Translated),
    ("requestTemplates", &[Integration], Both, Translated),
    ("passthroughBehavior", &[Integration], Both, Translated),
    ("responses", &[Integration], Both, Translated),
    ("responseParameters", &[Integration], Http, Translated),
    ("payloadFormatVersion", &[Integration], Both, Translated),
    ("connectionType", &[Integration], Both, Translated),
    ("connectionId", &[Integration], Both, Refused(PRIVATE)),
    ("integrationTarget", &[Integration], Both, Refused(PRIVATE)),
    ("integrationSubtype", &[Integration], Http, Refused(AWS)),
    ("credentials", &[Integration], Both, Refused(AWS)),
    (
        "contentHandling",
        &[Integration, IntegrationResponse],
        Both,
        Translated,
    ),
    (
        "cacheKeyParameters",
        &[Integration],
        Both,
        Approximated(UNCACHED),
    ),
    (
        "cacheNamespace",
        &[Integration],
        Both,
        Approximated(UNCACHED),
    ),
    ("responseTransferMode", &[Integration], Both, Translated),
    ("tlsConfig", &[Integration], Both, Translated),
    ("insecureSkipVerification", &[TlsConfig], Rest, Translated),
    ("serverNameToVerify", &[TlsConfig], Http, Translated),
    (
        "statusCode",
        &[IntegrationResponse, GatewayResponse],
        Both,
        Translated,
    ),
    (
        "responseParameters",
        &[IntegrationResponse, GatewayResponse],
        Both,
        Translated,
    ),
    (
        "responseTemplates",
        &[IntegrationResponse, GatewayResponse],
        Both,
        Translated,
    ),
];

/// Judges every field of the object at `at` by the table. What is translated by functions of its
/// own is left to them.
pub(super) fn judge(at: &Cursor<'_>, object: Object, kind: ApiKind, findings: &mut Findings) {
    if !findings.is_mapping(at) {
        return;
    }
    for (key, at) in at.entries() {
        findings.judged(&at);
        match treatment(key, object) {
            None => unknown(key, &at, object, findings),
            Some((of, treatment)) => match (of, kind, treatment) {
                (Http, ApiKind::Rest, _) => findings.refused(
                    &at,
                    "only HTTP APIs have this: import as `http`, or take it out",
                ),
                (Rest, ApiKind::Http, _) => findings.refused(
                    &at,
                    "only REST APIs have this: import as `rest`, or take it out",
                ),
                (_, _, Translated | Describes) => {}
                (_, _, Honoured) => findings.honoured(&at),
                (_, _, Approximated(how)) => findings.approximated(&at, how),
                (_, _, Refused(why)) => findings.refused(&at, why),
            },
        }
    }
}

fn treatment(key: &str, object: Object) -> Option<(Of, Treatment)> {
    let mut rows = TABLE.iter();
    let row = rows.find(|(name, objects, ..)| *name == key && objects.contains(&object));
    row.map(|(_, _, of, treatment)| (*of, *treatment))
}

/// Judges a key that no row is for.
fn unknown(key: &str, at: &Cursor<'_>, object: Object, findings: &mut Findings) {
    const OURS: &str = "x-amazon-apigateway-";
    if key.starts_with("x-") && !key.starts_with(OURS) && !object.is_extension() {
        findings.ignored(at);
        return;
    }
    let shown = shortened(key);
    findings.refused(
        at,
        match elsewhere(key) {
            Some(place) if key.starts_with(OURS) => {
                format!("`{shown}` does not belong here: move it to {place}")
            }
            _ => {
                let known = TABLE
                    .iter()
                    .filter(|(_, objects, ..)| objects.contains(&object));
                // What somebody meant begins as what they wrote.
                let known = known.map(|(name, ..)| *name);
                let known = known.filter(|name| name.starts_with(OURS) == key.starts_with(OURS));
                let fix = suggestion(key, known, "take it out");
                format!("{} has no `{shown}`{fix}", object.name())
            }
        },
    );
}

/// Where an extension belongs.
fn elsewhere(key: &str) -> Option<&'static str> {
    let row = TABLE.iter().find(|(name, ..)| *name == key)?;
    row.1.first().map(|object| object.name())
}

/// Judges an extension of the service that stands where no object has one.
pub(super) fn misplaced(key: &str, at: &Cursor<'_>, findings: &mut Findings) {
    let shown = shortened(key);
    findings.refused(
        at,
        match elsewhere(key) {
            Some(place) => format!("`{shown}` does not belong here: move it to {place}"),
            None => {
                let known = TABLE.iter().map(|(name, ..)| *name);
                let known = known.filter(|name| name.starts_with("x-"));
                let fix = suggestion(key, known, "take it out");
                format!("there is no extension `{shown}`{fix}")
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The extensions of the service: 16 of docs/semantics.md.
    const EXTENSIONS: [&str; 20] = [
        "any-method",
        "api-key-source",
        "auth",
        "authorizer",
        "authtype",
        "binary-media-types",
        "cors",
        "documentation",
        "endpoint-access-mode",
        "endpoint-configuration",
        "gateway-responses",
        "importexport-version",
        "integration",
        "integrations",
        "minimum-compression-size",
        "policy",
        "request-validator",
        "request-validators",
        "security-policy",
        "tag-value",
    ];

    #[test]
    fn every_extension_of_the_service_has_a_row() {
        for name in EXTENSIONS {
            let name = format!("x-amazon-apigateway-{name}");
            assert!(elsewhere(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn no_field_of_an_object_has_two_rows() {
        for (index, (name, objects, ..)) in TABLE.iter().enumerate() {
            for (other, others, ..) in &TABLE[..index] {
                let both = objects.iter().any(|object| others.contains(object));
                assert!(name != other || !both, "{name}");
            }
        }
    }
}
