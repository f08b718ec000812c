use super::*;
use ApiType::{Http, Rest, WebSocket};

const ALL: &[ApiType] = &[Rest, Http, WebSocket];
const REST_HTTP: &[ApiType] = &[Rest, Http];
const REST_SOCKET: &[ApiType] = &[Rest, WebSocket];

/// Rows of the reference: names, and the API types that have them.
const REFERENCE: &[(&str, &[ApiType])] = &[
    ("accountId", REST_HTTP),
    ("apiId", ALL),
    (
        "authorize.error authorize.latency authorize.status",
        REST_SOCKET,
    ),
    (
        "authenticate.error authenticate.latency authenticate.status",
        REST_SOCKET,
    ),
    ("authorizer.error", ALL),
    ("authorizer.latency authorizer.status", REST_SOCKET),
    (
        "authorizer.integrationLatency authorizer.integrationStatus authorizer.requestId",
        REST_SOCKET,
    ),
    (
        "authorizer.claims.sub authorizer.claims.cognito:groups",
        REST_HTTP,
    ),
    ("authorizer.principalId authorizer.tenant", ALL),
    ("awsEndpointRequestId", REST_HTTP),
    ("awsEndpointRequestId2", &[Http]),
    ("cipherSuite tlsVersion", &[Rest]),
    (
        "connectedAt connectionId eventType messageId messageDirection",
        &[WebSocket],
    ),
    ("customDomain.basePathMatched", REST_HTTP),
    ("customDomain.routingRuleIdMatched", &[Rest]),
    ("dataProcessed", &[Http]),
    ("deploymentId", &[Rest]),
    ("domainName domainPrefix", ALL),
    ("endpointType", &[Rest]),
    ("error.message error.messageString error.responseType", ALL),
    ("error.validationErrorString", REST_SOCKET),
    ("extendedRequestId", ALL),
    ("httpMethod", REST_HTTP),
    (
        "identity.accountId identity.caller identity.user identity.userArn identity.principalOrgId",
        ALL,
    ),
    ("identity.apiKey identity.apiKeyId", REST_SOCKET),
    (
        "identity.clientCert.clientCertPem identity.clientCert.subjectDN \
         identity.clientCert.issuerDN identity.clientCert.serialNumber \
         identity.clientCert.validity.notBefore identity.clientCert.validity.notAfter",
        REST_HTTP,
    ),
    (
        "identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType \
         identity.cognitoIdentityId identity.cognitoIdentityPoolId",
        ALL,
    ),
    ("identity.sourceIp identity.userAgent", ALL),
    ("identity.vpcId identity.vpceId", &[Rest]),
    ("integration.error integrationErrorMessage", ALL),
    ("integration.integrationStatus integrationStatus", ALL),
    ("integration.latency integrationLatency", ALL),
    ("integration.requestId integration.status", ALL),
    ("isCanaryRequest", &[Rest]),
    ("path protocol", REST_HTTP),
    ("requestId requestTime requestTimeEpoch", ALL),
    ("resourceId resourcePath", &[Rest]),
    ("responseLatency responseLength", REST_HTTP),
    ("status stage", ALL),
    ("routeKey", &[Http, WebSocket]),
    (
        "waf.error waf.latency waf.status wafResponseCode webaclArn",
        REST_SOCKET,
    ),
    ("xrayTraceId", &[Rest]),
];

#[test]
fn every_row_of_the_reference_is_parsed() {
    for (names, api_types) in REFERENCE {
        for name in names.split_whitespace() {
            let variable = Variable::parse(name).expect(name);
            let dollar = format!("$context.{name}");
            assert_eq!(Variable::parse(&dollar).as_ref(), Ok(&variable));
            assert_eq!(
                Variable::parse(&format!("context.{name}")).as_ref(),
                Ok(&variable)
            );
            assert_eq!(variable.row().api_types, *api_types, "{name}");
            for api_type in ALL {
                assert_eq!(
                    variable.is_of(*api_type),
                    api_types.contains(api_type),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn the_table_holds_what_the_reference_has_and_nothing_else() {
    let reference: Vec<&str> = REFERENCE
        .iter()
        .flat_map(|(names, _)| names.split_whitespace())
        .collect();
    for row in Variable::ROWS.iter().filter(|row| !row.name.ends_with('>')) {
        for name in [Some(row.name), row.alias].into_iter().flatten() {
            assert!(reference.contains(&name), "{name}");
            assert_eq!(Variable::parse(name).expect(name).row(), *row);
        }
    }
}

#[test]
fn what_a_table_row_fixes_comes_before_a_callers_own_name() {
    assert_eq!(
        Variable::parse("authorizer.error"),
        Ok(Variable::AuthorizerError)
    );
    assert_eq!(
        Variable::parse("authorizer.claims.https://example.com/role"),
        Ok(Variable::Claim("https://example.com/role".into()))
    );
    assert_eq!(
        Variable::parse("authorizer.claims"),
        Ok(Variable::AuthorizerProperty("claims".into()))
    );
}

#[test]
fn refuses_names_that_are_no_variable() {
    let long = format!("authorizer.{}", "x".repeat(NAME_CHARACTERS_MAX + 1));
    for name in [
        "",
        "context",
        "$context",
        "$context.",
        "requestID",
        "identity",
        "identity.clientCert",
        "identity.clientCert.validity",
        "authorizer",
        "authorizer.",
        "authorizer.claims.",
        "authorizer.a b",
        "authorizer.a}",
        "context.context.stage",
        "$$context.stage",
        "$stage",
        &long,
    ] {
        assert!(Variable::parse(name).is_err(), "{name}");
    }
}

#[test]
fn stage_variables_are_letters_digits_and_underscores() {
    for name in ["a", "A_9", &"x".repeat(64)] {
        assert_eq!(StageVariable::parse(name).expect(name).name(), name);
    }
    for name in ["", "a-b", "a.b", "ä", &"x".repeat(65)] {
        assert!(StageVariable::parse(name).is_err(), "{name}");
    }
}

#[test]
fn references_name_their_source() {
    assert_eq!(
        Reference::parse("context.stage"),
        Ok(Reference::Context(Variable::Stage))
    );
    assert!(matches!(
        Reference::parse("stageVariables.x"),
        Ok(Reference::Stage(_))
    ));
    for text in [
        "stage",
        "$context.stage",
        "util.x",
        "stageVariables.",
        "context.",
    ] {
        assert!(Reference::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_message_string_is_the_message_quoted() {
    let variables = TestVariables {
        context: vec![("error.message", "no \"such\"\nroute")],
        stage: vec![("backend", "b1")],
    };
    let resolve = |text| Reference::parse(text).expect(text).resolve(&variables);
    let message_string = resolve("context.error.messageString");
    assert_eq!(message_string.as_deref(), Some(r#""no \"such\"\nroute""#));
    assert_eq!(resolve("stageVariables.backend").as_deref(), Some("b1"));
    assert_eq!(resolve("stageVariables.other"), None);
    assert_eq!(resolve("context.stage"), None);
}
