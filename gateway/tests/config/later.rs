//! What later work builds is refused by name until then, and never passed over.

use std::path::Path;

use gateway::config::{ImportOptions, Treatment, import, load_text};

/// Checks that of the definition `text` exactly the parts at `expected` are refused, each for a
/// reason that holds these words.
#[track_caller]
fn check_definition(text: &str, expected: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.yaml");
    std::fs::write(&path, text).unwrap();
    let import = import(&path, &ImportOptions::default())
        .unwrap_or_else(|report| panic!("{report}\n{text}"));
    let refused: Vec<(String, String)> = import
        .findings
        .iter()
        .filter_map(|found| match &found.treatment {
            Treatment::Refused(why) => Some((found.to_string(), why.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(refused.len(), expected.len(), "{refused:#?}");
    for ((line, why), (at, words)) in refused.iter().zip(expected) {
        let place = format!(": {at}: refused: ");
        assert!(line.contains(&place), "{line}\nis not about {at}");
        assert!(why.contains(words), "{line}\ndoes not say {words}");
    }
}

/// An operation with this integration, and what stands beside it.
fn with_integration(integration: &str, beside: &str) -> String {
    format!(
        "openapi: 3.0.1
info: {{title: a, version: '1'}}
paths:
  /a:
    get:
      responses: {{'200': {{description: fine}}}}
      {beside}
      x-amazon-apigateway-integration: {integration}
"
    )
}

const AT: &str = "paths.\"/a\".get.x-amazon-apigateway-integration";

#[test]
fn functions_and_services_of_aws() {
    for kind in ["aws", "aws_proxy", "AWS_PROXY"] {
        let function = format!("{{type: {kind}, uri: 'arn:aws:apigateway:x:lambda:path/y'}}");
        check_definition(
            &with_integration(&function, ""),
            &[
                (
                    &format!("{AT}.type"),
                    "AWS integrations are built by later work",
                ),
                (&format!("{AT}.uri"), "goes with its integration"),
            ],
        );
    }
    check_definition(
        &with_integration(
            "{type: http_proxy, uri: 'https://a.example/', credentials: 'arn:aws:iam::1:role/x'}",
            "",
        ),
        &[(&format!("{AT}.credentials"), "built by later work")],
    );
}

#[test]
fn private_integrations() {
    check_definition(
        &with_integration(
            "{type: http_proxy, uri: 'https://a.example/', connectionType: VPC_LINK, connectionId: x}",
            "",
        ),
        &[
            (
                &format!("{AT}.connectionType"),
                "private integrations are built by later work",
            ),
            (
                &format!("{AT}.connectionId"),
                "private integrations are built by later work",
            ),
        ],
    );
}

#[test]
fn templates_that_are_more_than_text() {
    for template in [
        "{\"statusCode\": $input.params(\"a\")}",
        "#set($x = 1){\"statusCode\": 200}",
        "{\"statusCode\": 200, \"x\": \"$stageVariables.x\"}",
    ] {
        check_definition(
            &with_integration(
                &format!(
                    "{{type: mock, requestTemplates: {{application/json: '{template}'}}, \
                     responses: {{default: {{statusCode: '200'}}}}}}"
                ),
                "",
            ),
            &[(
                &format!("{AT}.requestTemplates.\"application/json\""),
                "mapping templates are built by later work",
            )],
        );
    }
    check_definition(
        &with_integration(
            "{type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, \
             responses: {default: {statusCode: '200', \
             responseTemplates: {application/json: '$input.json(\"$\")'}}}}",
            "",
        ),
        &[(
            &format!("{AT}.responses.default.responseTemplates.\"application/json\""),
            "mapping templates are built by later work",
        )],
    );
}

/// Checks that the native form refuses `text`, saying just this.
#[track_caller]
fn check_native(text: &str, expected: &[&str]) {
    let report = load_text("gateway.yaml", text, Path::new("."))
        .map(|loaded| panic!("accepted: {loaded:?}"))
        .unwrap_err();
    let said: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), expected.len(), "{report}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said}\ndoes not say {expected}");
    }
}

/// A REST API `a` with these settings, of itself, its stage, its route and its domain.
fn native(kind: &str, api: &str, stage: &str, route: &str, domain: &str) -> String {
    format!(
        "listeners: {{l: {{address: '127.0.0.1:8080'}}}}
upstreams: {{u: {{url: 'http://127.0.0.1:9000'}}}}
domains: {{a.example: {{mappings: {{/: {{api: a, stage: prod}}}}, {domain}}}}}
apis:
  a:
    type: {kind}
    {api}
    stages: {{prod: {{{stage}}}}}
    routes:
      GET /a: {{authorizer: none, integration: {{upstream: u}}, {route}}}
"
    )
}

#[test]
fn websocket_apis() {
    check_native(
        &native("websocket", "", "", "", ""),
        &["apis.a.type: `websocket` is not a choice: choose from `http` and `rest`"],
    );
}

#[test]
fn response_caches() {
    check_native(
        &native(
            "rest",
            "",
            "cache_cluster: {size: 0.5}",
            "cache: {ttl: 5m}",
            "",
        ),
        &[
            "apis.a.stages.prod: unknown key `cache_cluster`",
            "apis.a.routes.\"GET /a\": unknown key `cache`",
        ],
    );
}

#[test]
fn firewalls_and_traces() {
    check_native(
        &native("rest", "waf: {}", "tracing: true", "", ""),
        &[
            "apis.a: unknown key `waf`",
            "apis.a.stages.prod: unknown key `tracing`",
        ],
    );
}

#[test]
fn private_endpoints() {
    let served = with_integration("{type: http_proxy, uri: 'https://a.example/'}", "");
    check_definition(
        &format!(
            "{served}x-amazon-apigateway-endpoint-configuration: {{vpcEndpointIds: [vpce-1]}}\n"
        ),
        &[(
            "x-amazon-apigateway-endpoint-configuration.vpcEndpointIds",
            "an API is private by the `listeners`",
        )],
    );
    check_native(
        &native("rest", "endpoint: private", "", "", ""),
        &["apis.a: unknown key `endpoint`"],
    );
}

#[test]
fn canaries_in_the_file() {
    check_native(
        &native("rest", "", "canary: {percent: 10}", "", ""),
        &["apis.a.stages.prod: unknown key `canary`"],
    );
}

#[test]
fn caches_by_method() {
    check_native(
        &native(
            "rest",
            "",
            "caching: true, routes: {GET /a: {throttle: {rate: 1, burst: 1}, cache_ttl: 5m}}",
            "",
            "",
        ),
        &[
            "apis.a.stages.prod: unknown key `caching`",
            "apis.a.stages.prod.routes.\"GET /a\": unknown key `cache_ttl`",
        ],
    );
}
