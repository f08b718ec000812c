//! References of a definition, whatever the keys around them are called, and operations that are not
//! there: none of them leaves a route without what was written for it.

use gateway::config::{Import, ImportOptions, import, load_text};
use gateway::model::{Definition, Integration};

/// Keys that are sections or data in one place, and names that somebody chose in another.
const NAMES: [&str; 6] = [
    "schema",
    "schemas",
    "definitions",
    "example",
    "examples",
    "default",
];

/// The one path of a definition, which stands in another file, and refers to a third.
fn files(name: &str, shared: &str) -> Vec<(&'static str, String)> {
    let main = format!(
        "openapi: 3.0.1
x-amazon-apigateway-request-validators:
  all: {{ validateRequestBody: true, validateRequestParameters: true }}
paths:
  /{name}: {{ $ref: 'paths.yaml#/{name}' }}
"
    );
    let paths = format!(
        "{name}:
  post:
    x-amazon-apigateway-request-validator: all
    parameters: [{{ $ref: 'common.yaml#/{name}/tenant' }}]
    requestBody: {{ $ref: 'common.yaml#/{name}/body' }}
    responses: {{}}
    x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'https://a.example/' }}
"
    );
    let common = format!("{name}:\n{shared}");
    vec![
        ("a.yaml", main),
        ("paths.yaml", paths),
        ("common.yaml", common),
    ]
}

const SHARED: &str = "  tenant: { name: X-Tenant, in: header, required: true }
  body: { content: { application/json: { schema: { type: object, required: [id] } } } }
";

fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn imported(files: &[(&str, String)]) -> Result<Import, String> {
    let folder = folder(files);
    let path = folder.path().join("a.yaml");
    let shown = format!("{}/", folder.path().display());
    import(&path, &ImportOptions::default())
        .map_err(|report| report.to_string().replace(&shown, ""))
}

/// What is served of the definition, of which what is refused answers 500.
fn served(files: &[(&str, String)], kind: &str) -> Definition {
    let folder = folder(files);
    let config = format!(
        "listeners: {{local: {{address: '127.0.0.1:8080'}}}}
apis: {{a: {{type: {kind}, definition: a.yaml, partial: true, stages: {{'{}': {{}}}}}}}}
",
        if kind == "rest" { "prod" } else { "$default" },
    );
    let mut loaded = load_text("gateway.yaml", &config, folder.path())
        .unwrap_or_else(|report| panic!("{report}"));
    (*loaded.gateway.apis.remove(0).definition).clone()
}

#[test]
fn references_are_followed_below_whatever_name() {
    for name in NAMES {
        let files = files(name, SHARED);
        let import = imported(&files).unwrap();
        assert!(!import.has_refusals(), "{name}: {:#?}", import.findings);
        let served = served(&files, "rest");
        let validation = &served.routes[0].validation;
        assert!(validation.body.is_some(), "{name}");
        assert!(
            format!("{validation:?}").contains("X-Tenant"),
            "{name}: {validation:?}"
        );
    }
}

#[test]
fn references_are_held_against_what_they_lead_to_below_whatever_name() {
    for name in NAMES {
        let (tenant, body) = SHARED.split_once('\n').unwrap();
        for (shared, expected) in [
            (
                body.to_owned(),
                format!(
                    "paths.yaml:4:26: {name}.post.parameters[0].$ref: `common.yaml#/{name}/tenant` \
                     leads nowhere: add what it names, or write what is there"
                ),
            ),
            (
                format!("  tenant: {{ $ref: tenant.yaml, required: true }}\n{body}"),
                format!(
                    "common.yaml:2:19: {name}.tenant.$ref: `required` beside a reference would be \
                     passed over: move it to what is meant"
                ),
            ),
            (
                format!("{tenant}\n  body: {{ $ref: '#/{name}/body' }}\n"),
                format!(
                    "common.yaml:3:17: {name}.body.$ref: `#/{name}/body` leads to itself: write \
                     what is meant in one place"
                ),
            ),
        ] {
            let report = imported(&files(name, &shared)).unwrap_err();
            assert!(report.contains(&expected), "{report}\n{expected}");
        }
    }
}

#[test]
fn properties_may_be_called_as_keywords_are() {
    let schemas = "openapi: 3.0.1
components:
  schemas:
    pet: { properties: { example: { $ref: '#/components/schemas/none' } } }
    shop: { example: { $ref: '#/components/schemas/none' } }
";
    let report = imported(&[("a.yaml", schemas.to_owned())]).unwrap_err();
    let expected = "a.yaml:4:43: components.schemas.pet.properties.example.$ref: \
                    `#/components/schemas/none` leads nowhere: add what it names, or write what is there";
    assert_eq!(report, expected);
}

#[test]
fn a_reference_does_not_stand_for_a_section() {
    let text = "openapi: 3.0.1
paths:
  /a:
    get:
      responses: { $ref: '#/components/responses' }
      x-amazon-apigateway-integration: { type: http_proxy, uri: 'https://a.example/' }
components: { responses: { '200': { description: d } } }
";
    let report = imported(&[("a.yaml", text.to_owned())]).unwrap_err();
    let expected = "a.yaml:5:26: paths.\"/a\".get.responses.$ref: a reference stands for one thing, \
                    not for several with names: write one at each name";
    assert_eq!(report, expected);
}

/// What cannot be understood at a path is not left to the greedy route beside it.
#[test]
fn of_too_many_references_none_is_followed() {
    let many = "{$ref: a},".repeat(100_001);
    let text = format!("openapi: 3.0.1\npaths:\n  /a:\n    get:\n      parameters: [{many}]\n");
    let report = imported(&[("a.yaml", text)]).err().unwrap();
    let told: Vec<&str> = report
        .lines()
        .filter(|line| line.contains("references"))
        .collect();
    let [told] = told.as_slice() else {
        panic!("{} lines", told.len());
    };
    let expected = "there are more than 100000 references: divide the definition, or write out what \
                    is small";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn a_refused_path_is_there_for_every_method() {
    const ANSWERED: &str =
        "x-amazon-apigateway-integration: { type: http_proxy, uri: 'https://a.example/' }";
    for kind in ["rest", "http"] {
        for (item, routes) in [
            ("{ Get: { security: [{ jwt: [] }] } }", &["ANY /admin"][..]),
            ("[]", &["ANY /admin"]),
            ("", &["ANY /admin"]),
            ("get", &["ANY /admin"]),
            ("{ trace: { responses: {} } }", &["ANY /admin"]),
            (
                "{ get: { responses: {} }, Post: { responses: {} } }",
                &["ANY /admin", "GET /admin"],
            ),
        ] {
            let text = format!(
                "openapi: 3.0.1
paths:
  /admin: {item}
  /{{proxy+}}:
    x-amazon-apigateway-any-method:
      responses: {{}}
      {ANSWERED}
"
            );
            let files = [("a.yaml", text)];
            assert!(imported(&files).unwrap().has_refusals(), "{item}");
            let mut refused: Vec<String> = Vec::new();
            for route in &served(&files, kind).routes {
                let is_refused = route.integration == Integration::Refused;
                assert_eq!(is_refused, route.key.as_str() != "ANY /{proxy+}", "{item}");
                if is_refused {
                    refused.push(route.key.as_str().to_owned());
                }
            }
            refused.sort();
            assert_eq!(refused, routes, "{kind}: {item}");
        }
    }
}
