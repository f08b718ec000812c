//! What is found wrong only where a definition has become the native form is told in the words of
//! the definition: its file, line and column, and the part that stands there.

use gateway::config::{ImportOptions, import, load_text};

use crate::site::Site;

/// Marks in a definition what a message points at.
const MARK: &str = "@@";

/// The definition without its mark, and the line and column of that.
fn marked(text: &str) -> (String, usize, usize) {
    let (before, after) = text.split_once(MARK).expect("a mark");
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (format!("{before}{after}"), line, column)
}

/// A definition of a REST API with more at its root, and one operation.
fn rest(root: &str, path: &str, operation: &str) -> String {
    format!(
        "openapi: 3.0.1
info: {{title: a, version: '1'}}
{root}
paths:
  /first:
    get:
      x-amazon-apigateway-integration: {{type: http_proxy, httpMethod: GET, uri: 'https://a.example/'}}
  {path}:
    post:
{operation}
"
    )
}

fn with_integration(members: &str) -> String {
    let operation = format!(
        "      responses: {{'200': {{}}, '400': {{}}, '99': {{}}}}
      x-amazon-apigateway-integration:
        httpMethod: GET
{members}"
    );
    rest("", "/second/{id}", &operation)
}

const PROXY: &str = "      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: 'https://a.example/'}";

/// Definitions, each with a mark, the part that stands there, and words of what is said of it.
fn rows() -> Vec<(String, &'static str, &'static str)> {
    let integration = "paths.\"/second/{id}\".post.x-amazon-apigateway-integration";
    let member = |name: &str| -> &'static str { format!("{integration}.{name}").leak() };
    vec![
        (
            rest("", "second", PROXY).replace("    post:", "    @@post:"),
            "paths.second.post",
            "a path starts with `/`",
        ),
        (
            rest("", "/second/{a}", PROXY).replace("    post:", "    post:\n      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: 'https://a.example/'}\n  /second/{b}:\n    @@post:"),
            "paths.\"/second/{b}\".post",
            "matches the same requests",
        ),
        (
            with_integration("        type: http_proxy\n        uri: @@'ftp://a.example/'"),
            member("uri"),
            "http",
        ),
        (
            with_integration("        type: http_proxy\n        uri: @@'https://a.example/{name}'"),
            member("uri"),
            "no parameter `name`",
        ),
        (
            with_integration(
                "        type: http_proxy\n        uri: 'https://a.example/'\n        timeoutInMillis: @@31000",
            ),
            member("timeoutInMillis"),
            "29s",
        ),
        (
            with_integration(
                "        type: http_proxy\n        uri: 'https://a.example/'\n        requestParameters: {integration.request.body.a: @@\"'b'\"}",
            ),
            member("requestParameters.\"integration.request.body.a\""),
            "is no target",
        ),
        (
            with_integration(
                "        type: http_proxy\n        uri: 'https://a.example/'\n        requestParameters: {integration.request.header.A: @@method.request.header.B}",
            ),
            member("requestParameters.\"integration.request.header.A\""),
            "B",
        ),
        (
            with_integration(
                "        type: mock\n        responses:\n          default: {statusCode: 200}\n          @@'4(?=0)': {statusCode: 400}",
            ),
            member("responses.\"4(?=0)\""),
            "look",
        ),
        (
            with_integration(
                "        type: mock\n        responses:\n          default: {statusCode: 200}\n          '4..': {statusCode: @@99}",
            ),
            member("responses.\"4..\".statusCode"),
            "99",
        ),
        (
            rest(
                "x-amazon-apigateway-gateway-responses: {DEFAULT_4XX: {statusCode: @@teapot}}",
                "/second",
                PROXY,
            ),
            "x-amazon-apigateway-gateway-responses.DEFAULT_4XX.statusCode",
            "whole number",
        ),
        (
            rest(
                "x-amazon-apigateway-policy: {Statement: {Effect: @@Perhaps, Principal: '*', Action: 'execute-api:Invoke', Resource: 'execute-api:/*'}}",
                "/second",
                PROXY,
            ),
            "x-amazon-apigateway-policy.Statement.Effect",
            "`Perhaps` is no effect",
        ),
        (
            rest(
                "x-amazon-apigateway-minimum-compression-size: @@10485761",
                "/second",
                PROXY,
            ),
            "x-amazon-apigateway-minimum-compression-size",
            "10MiB",
        ),
        (
            rest(
                "x-amazon-apigateway-binary-media-types: [image/png, @@nothing]",
                "/second",
                PROXY,
            ),
            "x-amazon-apigateway-binary-media-types[1]",
            "nothing",
        ),
        (
            rest(
                "components: {securitySchemes: {login: {type: oauth2, x-amazon-apigateway-authorizer: {type: jwt, jwtConfiguration: {issuer: @@'no url', audience: [a]}}}}}",
                "/second",
                &format!("      security: [{{login: []}}]\n{PROXY}"),
            ),
            "components.securitySchemes.login.x-amazon-apigateway-authorizer.jwtConfiguration.issuer",
            "https",
        ),
        (
            rest(
                "",
                "/second",
                &format!("      x-gateway-route: {{throttle: {{rate: @@0, burst: 1}}}}\n{PROXY}"),
            ),
            "paths.\"/second\".post.x-gateway-route.throttle.rate",
            "would never admit anything",
        ),
        (
            rest(
                "components: {schemas: {Pet: {@@type: cat}}}
x-amazon-apigateway-request-validators: {all: {validateRequestBody: true}}",
                "/second",
                &format!(
                    "      x-amazon-apigateway-request-validator: all
      requestBody: {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/Pet'}}}}}}}}\n{PROXY}"
                ),
            ),
            "components.schemas.Pet.type",
            "cat",
        ),
        (
            rest(
                "x-amazon-apigateway-request-validators: {all: {validateRequestBody: true}}",
                "/second",
                &format!(
                    "      x-amazon-apigateway-request-validator: all
      requestBody: {{content: {{@@image/*: {{schema: {{type: object}}}}}}}}\n{PROXY}"
                ),
            ),
            "paths.\"/second\".post.requestBody.content.\"image/*\"",
            "is a range",
        ),
    ]
}

#[test]
fn what_is_found_late_is_told_where_the_definition_says_it() {
    let mut wrong = Vec::new();
    for (text, path, words) in rows() {
        let (text, line, column) = marked(&text);
        let site = Site::new();
        let file = site.path().join("a.yaml");
        std::fs::write(&file, &text).unwrap();
        let config = "listeners: {l: {address: '127.0.0.1:8080'}}
apis: {a: {type: rest, definition: a.yaml, stages: {prod: {}}}}";
        let report = load_text("g.yaml", config, site.path())
            .unwrap_err()
            .to_string();
        let expected = format!("a.yaml:{line}:{column}: {path}: ");
        let is_alone = report.lines().count() == 1;
        if !is_alone || !report.starts_with(&expected) || !report.contains(words) {
            wrong.push(format!("{expected} {words}\n{report}"));
        }
        // The report of an import names each part by its key.
        let findings = import(&file, &ImportOptions::default()).unwrap().findings;
        let is_told = findings.iter().any(|finding| {
            let told = finding.to_string();
            finding.place.line == line && told.contains(&format!(": {path}: refused: "))
        });
        if !is_told {
            wrong.push(format!("not in the report of the import: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What another file says is told there, and what only a configuration lacks is told of the part of
/// the definition that needs it.
#[test]
fn what_is_found_late_is_told_in_the_file_that_says_it() {
    let site = Site::new();
    let write = |name: &str, text: &str| std::fs::write(site.path().join(name), text).unwrap();
    let shared = "      x-amazon-apigateway-integration: {$ref: 'shared.yaml#/proxy'}";
    write("a.yaml", &rest("", "/second", shared));
    let config = "limits: aws
listeners: {l: {address: '127.0.0.1:8080'}}
apis: {a: {type: rest, definition: a.yaml, stages: {prod: {}}}}";
    let report = || {
        load_text("g.yaml", config, site.path())
            .unwrap_err()
            .to_string()
    };
    write(
        "shared.yaml",
        "proxy:\n  type: http_proxy\n  httpMethod: GET\n  uri: 'ftp://a.example'",
    );
    let expected = "shared.yaml:4:8: proxy.uri: the scheme has to be";
    assert!(report().starts_with(expected), "{}", report());
    let uri =
        "proxy:\n  type: http_proxy\n  httpMethod: GET\n  uri: 'https://${stageVariables.h}/'";
    write("shared.yaml", uri);
    let expected = "shared.yaml:4:8: proxy.uri: ";
    assert!(
        report().starts_with(expected) && report().contains("stage `prod`"),
        "{}",
        report()
    );
    let more = (0..300).map(|index| format!("  /s{index}:\n    get:\n{PROXY}\n"));
    let text = rest("", "/second", PROXY) + &more.collect::<String>();
    write("a.yaml", &text);
    let expected = "a.yaml:4:1: paths: 303 are too many with `limits: aws`";
    assert!(report().starts_with(expected), "{}", report());
}

/// Warnings are told so too.
#[test]
fn what_is_probably_not_meant_is_told_where_the_definition_says_it() {
    let site = Site::new();
    let declared = "      parameters: [{name: q, in: query, required: true}]";
    let text = rest("", "/second", &format!("{declared}\n{PROXY}"));
    std::fs::write(site.path().join("a.yaml"), text).unwrap();
    let config = "listeners: {l: {address: '127.0.0.1:8080'}}
apis: {a: {type: rest, definition: a.yaml, stages: {prod: {}}}}";
    let warnings = load_text("g.yaml", config, site.path()).unwrap().warnings;
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let expected =
        "a.yaml:9:5: paths.\"/second\".post: nothing checks that those which are required";
    assert!(
        told.iter().any(|told| told.starts_with(expected)),
        "{told:?}"
    );
}
