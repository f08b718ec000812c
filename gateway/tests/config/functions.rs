//! Definitions that name functions of AWS Lambda: who calls them, and on the way back.

use gateway::config::{
    ExportFormat, ImportOptions, Loaded, Report, Treatment, import, load_text, open,
};
use gateway::model::{Function, Gateway};

use crate::site::Site;

const ARN: &str = "arn:aws:lambda:eu-west-2:111122223333:function:who:live";
const AWS: &str = "aws: {region: eu-west-1}";

/// How the service writes that the function `named` is called.
fn uri(named: &str) -> String {
    format!("arn:aws:apigateway:eu-west-2:lambda:path/2015-03-31/functions/{named}/invocations")
}

/// The definition of one operation, whose authorizer calls `uri`.
fn definition(uri: &str) -> String {
    format!(
        "openapi: 3.0.1
info: {{title: pets, version: '1'}}
paths:
  /pets:
    get:
      security: [{{who: []}}]
      responses: {{'200': {{description: fine}}}}
      x-amazon-apigateway-integration: {{type: http_proxy, httpMethod: GET, uri: 'https://a.example/'}}
components:
  securitySchemes:
    who:
      type: apiKey
      name: Authorization
      in: header
      x-amazon-apigateway-authtype: custom
      x-amazon-apigateway-authorizer: {{type: token, authorizerUri: '{uri}'}}
"
    )
}

fn load(sections: &str, uri: &str) -> Result<Loaded, Report> {
    let site = Site::new();
    std::fs::write(site.path().join("asked.yaml"), definition(uri)).unwrap();
    load_text("gateway.yaml", &configuration(sections), site.path())
}

/// A configuration around the definition, with these sections beside.
fn configuration(sections: &str) -> String {
    format!(
        "listeners: {{public: {{address: '127.0.0.1:8080'}}}}
{sections}
apis: {{pets: {{type: rest, stages: {{prod: {{}}}}, definition: asked.yaml}}}}
"
    )
}

/// The function of AWS Lambda that the only authorizer asks, and the host that it is asked of.
fn asked(gateway: &Gateway) -> (String, String) {
    let [authorizer] = gateway.authorizers.as_slice() else {
        panic!("{:?}", gateway.authorizers);
    };
    match &authorizer.function().unwrap().function {
        Function::Lambda { name, target } => (name.to_string(), target.remote.origin.host.clone()),
        Function::Url(remote) => panic!("{remote:?}"),
    }
}

#[test]
fn a_function_of_a_definition_is_called_as_the_configuration_says() {
    let loaded = load(AWS, &uri(ARN)).unwrap_or_else(|report| panic!("{report}"));
    let host = "lambda.eu-west-2.amazonaws.com".to_owned();
    assert_eq!(asked(&loaded.gateway), (ARN.to_owned(), host));
}

#[test]
fn what_says_not_enough_is_refused_with_what_to_write() {
    let staged = uri("arn:aws:lambda:eu-west-2:111122223333:function:${stageVariables.who}");
    for (sections, uri, expected) in [
        (
            "",
            uri(ARN),
            "write the section `aws` of the configuration, or add `who`",
        ),
        (
            AWS,
            staged,
            "no stage variables stand in for it: write the whole ARN, or add `who`",
        ),
        (
            AWS,
            uri("who"),
            "this is neither a URL nor the ARN of a function: write `https://host/path`, or `arn:",
        ),
        (
            AWS,
            ARN.to_owned(),
            "this is neither a URL nor the ARN of a function: write `https://host/path`, or `arn:",
        ),
    ] {
        let report = load(sections, &uri).unwrap_err().to_string();
        assert!(report.contains("asked.yaml:"), "{report}");
        assert!(report.contains(expected), "{report}");
    }
}

#[test]
fn an_authorizer_of_the_configuration_names_the_same_function() {
    let named = |function: &str| {
        format!(
            "{AWS}\nauthorizers: {{who: {{type: function, event: token, function: {function}}}}}"
        )
    };
    for function in [
        "{url: 'https://f.example/'}",
        "{lambda: 'who:live'}",
        &*format!("{{lambda: '{ARN}'}}"),
    ] {
        let loaded = load(&named(function), &uri(ARN));
        let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(loaded.gateway.authorizers.len(), 1);
    }
    let report = load(&named("{lambda: who}"), &uri(ARN))
        .unwrap_err()
        .to_string();
    let expected = format!("has the `lambda` `who`, not `{ARN}`: make both the same");
    assert!(report.contains(&expected), "{report}");
}

#[test]
fn without_a_configuration_it_is_told_what_calls_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asked.yaml");
    std::fs::write(&path, definition(&uri(ARN))).unwrap();
    let imported = import(&path, &ImportOptions::default()).unwrap();
    let told = imported
        .findings
        .iter()
        .find_map(|found| match &found.treatment {
            Treatment::Approximated(how) => Some(how.to_string()),
            Treatment::Refused(why) => panic!("{why}"),
            _ => None,
        });
    assert_eq!(
        told.unwrap(),
        "it is called as the section `aws` of the configuration says"
    );
    assert!(imported.native.contains(ARN), "{}", imported.native);
}

#[test]
fn a_function_without_an_arn_stays_in_the_configuration() {
    let text = |function: &str| {
        format!(
            "listeners: {{public: {{address: '127.0.0.1:8080'}}}}
{AWS}
authorizers: {{who: {{type: function, event: token, function: {{lambda: '{function}'}}}}}}
apis:
  pets:
    type: rest
    stages: {{prod: {{}}}}
    routes: {{GET /pets: {{authorizer: who, integration: {{uri: 'https://a.example'}}}}}}
"
        )
    };
    for (function, is_left) in [("who:live", true), (ARN, false)] {
        let site = Site::new();
        let path = site.path().join("gateway.yaml");
        std::fs::write(&path, text(function)).unwrap();
        let opened = open(&path).unwrap_or_else(|report| panic!("{report}"));
        let described = opened.described();
        let [api] = described.as_slice() else {
            panic!("{described:?}");
        };
        let exported = opened.export(&api.name, &api.id, &api.text, "1.0", ExportFormat::Yaml);
        let exported = exported.unwrap_or_else(|report| panic!("{report}"));
        let left = exported.left.contains(&"authorizers.who".to_owned());
        assert_eq!(left, is_left, "{:?}", exported.left);
        std::fs::write(site.path().join("asked.yaml"), &exported.text).unwrap();
        let sections = format!(
            "{AWS}\nauthorizers: {{who: {{type: function, event: token, function: {{lambda: '{function}'}}}}}}"
        );
        let again = load_text("gateway.yaml", &configuration(&sections), site.path());
        let again = again.unwrap_or_else(|report| panic!("{report}\n{}", exported.text));
        assert_eq!(asked(&again.gateway).0, function);
        let alone = load_text("gateway.yaml", &configuration(AWS), site.path());
        match (alone, is_left) {
            (Ok(alone), false) => assert_eq!(asked(&alone.gateway).0, function),
            (Err(report), true) => {
                let report = report.to_string();
                assert!(report.contains("add `who` to `authorizers`"), "{report}");
            }
            (alone, _) => panic!("{alone:?}"),
        }
    }
}
