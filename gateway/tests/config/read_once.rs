//! Every file that a configuration names counts as it was when the configuration was read.

use std::path::Path;
use std::sync::Arc;

use gateway::config::{Configuration, open_text};
use gateway::model::{
    ApiName, Certificate, DeploymentNumber, JwksSource, Placement, Placements, Serving, StageName,
};

use crate::site::Site;

const CONFIG: &str = r#"
listeners:
  web:
    address: "127.0.0.1:0"
    tls:
      certificates: [{chain: certs/www.example.com.pem, key: certs/www.example.com.key}]
authorizers:
  staff: {type: jwt, issuer: "https://issuer.example", audiences: [pets], algorithms: [EdDSA], jwks: {file: keys.json}}
apis:
  native:
    type: rest
    hosts: [native.test]
    stages: {prod: {}}
    policy_file: policies/legacy.json
    routes:
      GET /pets: {authorizer: staff, integration: {type: mock, responses: {default: {status: 200}}}}
  defined:
    hosts: []
    stages: {prod: {}}
    definition: defined.json
domains:
  api.example.com:
    certificate: {chain: certs/api.example.com.pem, key: certs/api.example.com.key}
    mutual_tls: {truststore: certs/clients.pem}
    mappings: {/: {api: native, stage: prod}}
"#;

const DEFINED: &str = r##"{"openapi": "3.0.1", "info": {"title": "t", "version": "1"},
    "paths": {"/a": {"$ref": "shared.json#/a"}}}"##;

const SHARED: &str = r#"{"a": {"get": {
    "responses": {"200": {"description": "ok"}},
    "x-amazon-apigateway-integration": {"type": "mock",
        "responses": {"default": {"statusCode": "200"}}}}}}"#;

/// Every file, each of another kind.
const FILES: [&str; 9] = [
    "policies/legacy.json",
    "keys.json",
    "certs/www.example.com.pem",
    "certs/www.example.com.key",
    "certs/api.example.com.pem",
    "certs/api.example.com.key",
    "certs/clients.pem",
    "defined.json",
    "shared.json",
];

fn site() -> Site {
    let site = Site::new();
    std::fs::write(site.path().join("defined.json"), DEFINED).unwrap();
    std::fs::write(site.path().join("shared.json"), SHARED).unwrap();
    site
}

fn opened(base: &Path) -> Configuration {
    let opened = open_text("gateway.yaml", CONFIG, base);
    opened.unwrap_or_else(|report| panic!("{report}"))
}

/// Stages that serve what the configuration says.
fn placements() -> Placements {
    let placement = Placement {
        base: Serving {
            number: DeploymentNumber(2),
            text: None,
        },
        promoted: [].into(),
        canary: None,
    };
    let key = |api: &str| (ApiName::new(api), StageName::new("prod"));
    Placements::from([
        (key("native"), placement.clone()),
        (key("defined"), placement),
    ])
}

/// All that a placed configuration means, with what comes out of files.
fn meaning(configuration: &Configuration) -> String {
    let placed = configuration.placed(&placements());
    let placed = placed.unwrap_or_else(|report| panic!("{report}"));
    let gateway = placed.gateway;
    let jwt = gateway.authorizers[0].jwt().unwrap();
    let JwksSource::File(keys) = &jwt.issuers[0].jwks.source else {
        panic!("keys in a file")
    };
    let shown = |certificate: &Certificate| {
        let pair = certificate.pair.as_ref().unwrap();
        format!("{:?}", pair.cert)
    };
    let truststore = gateway.domains[0].tls.truststore.as_ref().unwrap();
    let definitions: Vec<String> = gateway
        .apis
        .iter()
        .flat_map(|api| {
            api.stages
                .iter()
                .map(|stage| format!("{:?}", stage.definition))
        })
        .collect();
    let texts = configuration.described();
    let texts: Vec<&Arc<str>> = texts.iter().map(|api| &api.text).collect();
    [
        format!("{definitions:?}"),
        format!("{:?}", keys.document),
        shown(&gateway.listeners[0].tls.as_ref().unwrap().certificates[0]),
        shown(gateway.domains[0].tls.certificate.as_ref().unwrap()),
        format!("{:?}", truststore.id),
        format!("{texts:?}"),
        format!("{:?}", placed.warnings),
    ]
    .join("\n")
}

#[test]
fn what_happens_to_a_file_afterwards_changes_nothing() {
    for name in FILES {
        let site = site();
        let path = site.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        let configuration = opened(site.path());
        let before = meaning(&configuration);
        for content in [Some(&whole[..whole.len() / 2]), Some(b""), None] {
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            assert_eq!(meaning(&configuration), before, "{name}");
            // Whoever reads the configuration now finds out.
            let again = open_text("gateway.yaml", CONFIG, site.path());
            assert!(again.is_err(), "{name}: {content:?}");
        }
    }
}

#[test]
fn another_policy_counts_once_the_configuration_is_read_again() {
    let site = site();
    let path = site.path().join("policies/legacy.json");
    let configuration = opened(site.path());
    let before = meaning(&configuration);
    let other = std::fs::read_to_string(&path)
        .unwrap()
        .replace("Allow", "Deny");
    std::fs::write(&path, other).unwrap();
    assert_eq!(meaning(&configuration), before);
    assert_ne!(meaning(&opened(site.path())), before);
}

#[test]
fn nothing_of_a_private_key_is_shown() {
    let site = site();
    let configuration = opened(site.path());
    let shown = format!("{configuration:?} {:?}", configuration.gateway());
    let key = std::fs::read_to_string(site.path().join(FILES[3])).unwrap();
    let secret = key.lines().nth(1).unwrap();
    assert!(!shown.contains(secret) && !shown.contains("PRIVATE KEY"));
    assert!(shown.contains("www.example.com.key"));
}
