//! Definitions that ask for signatures: an authorizer of the configuration stands for them.

use crate::site::Site;
use gateway::config::{ImportOptions, Loaded, Report, Treatment, import, load_text};

/// The definition of one operation, with what stands beside its integration and at the end.
fn definition(beside: &str, schemes: &str) -> String {
    format!(
        "openapi: 3.0.1
info: {{title: pets, version: '1'}}
paths:
  /pets:
    get:
      responses: {{'200': {{description: fine}}}}
      x-amazon-apigateway-integration: {{type: http_proxy, httpMethod: GET, uri: 'https://a.example/'}}
{beside}
{schemes}
"
    )
}

const AUTH: &str = "      x-amazon-apigateway-auth: {type: AWS_IAM}";
const SECURITY: &str = "      security: [{partners: []}]";
const SCHEME: &str = "components: {securitySchemes: {partners: {type: apiKey, name: Authorization,
    in: header, x-amazon-apigateway-authtype: awsSigv4}}}";

const ONE: &str = "partners: {type: iam, credentials: signers.yaml}";
const TWO: &str = "partners: {type: iam, credentials: signers.yaml}
  others: {type: iam, credentials: signers.yaml}";
const OTHER: &str = "partners: {type: jwt, issuer: 'https://a.example', audiences: [a]}";

fn load(authorizers: &str, definition: &str, kind: &str) -> Result<Loaded, Report> {
    let site = Site::new();
    std::fs::write(site.path().join("asked.yaml"), definition).unwrap();
    let text = format!(
        "listeners: {{public: {{address: '127.0.0.1:8080'}}}}
authorizers:
  {authorizers}
upstreams: {{a: {{url: 'https://a.example'}}}}
apis: {{pets: {{type: {kind}, stages: {{prod: {{}}}}, definition: asked.yaml}}}}
"
    );
    load_text("gateway.yaml", &text, site.path())
}

/// The authorizer of the only route.
fn authorizer(loaded: &Loaded) -> String {
    let definition = &loaded.gateway.apis[0].definition;
    definition.routes[0]
        .authorizer
        .as_ref()
        .unwrap()
        .to_string()
}

#[test]
fn an_authorizer_of_the_configuration_verifies_what_a_definition_asks_for() {
    for kind in ["rest", "http"] {
        for (authorizers, beside, schemes) in [
            (ONE, AUTH, ""),
            (ONE, SECURITY, SCHEME),
            (TWO, SECURITY, SCHEME),
            (TWO, &*format!("{AUTH}\n{SECURITY}"), SCHEME),
        ] {
            let loaded = load(authorizers, &definition(beside, schemes), kind);
            let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(authorizer(&loaded), "partners");
        }
    }
}

#[test]
fn what_stands_for_nothing_is_refused() {
    let both = format!("{AUTH}\n{SECURITY}");
    let token = "components: {securitySchemes: {partners: {type: oauth2,
    x-amazon-apigateway-authorizer: {type: jwt, identitySource: $request.header.Authorization,
      jwtConfiguration: {issuer: 'https://a.example', audience: [a]}}}}}";
    for (authorizers, beside, schemes, kind, expected) in [
        (
            OTHER,
            AUTH,
            "",
            "rest",
            "add one to `authorizers` of the configuration",
        ),
        (
            OTHER,
            SECURITY,
            SCHEME,
            "rest",
            "add one called `partners` to `authorizers`",
        ),
        (TWO, AUTH, "", "rest", "several authorizers of type `iam`"),
        (
            OTHER,
            &*both,
            token,
            "http",
            "and `security` for something else",
        ),
    ] {
        let report = load(authorizers, &definition(beside, schemes), kind);
        let report = report.unwrap_err().to_string();
        assert!(report.contains(expected), "{report}");
        assert!(report.contains("asked.yaml:"), "{report}");
    }
}

#[test]
fn without_a_configuration_nobody_stands_for_signers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asked.yaml");
    std::fs::write(&path, definition(AUTH, "")).unwrap();
    let found = import(&path, &ImportOptions::default()).unwrap().findings;
    let refused = found.iter().find_map(|found| match &found.treatment {
        Treatment::Refused(why) => Some(why.to_string()),
        _ => None,
    });
    let why = refused.unwrap();
    let expected = "in a configuration that has one under `authorizers`";
    assert!(why.contains(expected), "{why}");
}
