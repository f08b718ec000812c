//! What becomes of parts of a definition that depend on others, or on what is around it.

use gateway::config::{ImportOptions, import, load_text};
use gateway::model::Integration;

const LISTENERS: &str = "listeners: {local: {address: '127.0.0.1:8080'}}";

/// A definition of a REST API: what stands at its root, and what in its only operation.
fn definition(root: &str, operation: &str) -> String {
    format!(
        "openapi: 3.0.1
{root}
paths:
  /a:
    post:
      {operation}
      responses: {{}}
      x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'https://a.example/' }}
"
    )
}

#[test]
fn a_wrong_model_takes_those_with_it_that_need_it() {
    let folder = tempfile::tempdir().unwrap();
    let route = |path: &str, model: &str| {
        format!(
            "  /{path}:
    post:
      requestBody: {{ content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/{model}' }} }} }} }}
      responses: {{ '200': {{ description: '', content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/Wrong' }} }} }} }} }}
      x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'https://a.example/' }}
"
        )
    };
    let text = format!(
        "openapi: 3.0.1
x-amazon-apigateway-request-validators: {{ body: {{ validateRequestBody: true }} }}
x-amazon-apigateway-request-validator: body
paths:
{}{}{}components:
  schemas:
    Sound: {{ type: object }}
    Wrong: {{ type: objekt }}
    Needing: {{ type: object, properties: {{ wrong: {{ $ref: '#/components/schemas/Wrong' }} }} }}
    Other: {{ type: object, required: true }}
",
        route("sound", "Sound"),
        route("wrong", "Wrong"),
        route("needing", "Needing"),
    );
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    let config = format!(
        "{LISTENERS}\napis: {{a: {{definition: a.yaml, partial: true, stages: {{prod: {{}}}}}}}}\n"
    );
    let loaded = load_text("gateway.yaml", &config, folder.path())
        .unwrap_or_else(|report| panic!("{report}"));
    let definition = &loaded.gateway.apis[0].definition;
    let served: Vec<&str> = definition
        .routes
        .iter()
        .filter(|route| route.integration != Integration::Refused)
        .map(|route| route.key.as_str())
        .collect();
    assert_eq!(served, ["POST /sound"]);
    assert_eq!(definition.models.keys().collect::<Vec<_>>(), ["Sound"]);
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let told = |name: &str| {
        warnings
            .iter()
            .any(|line| line.contains(&format!("model `{name}`")))
    };
    assert!(told("Wrong") && told("Other"), "{warnings:#?}");
}

#[test]
fn a_reference_into_a_schema_is_held_against_that_part_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = "x-amazon-apigateway-request-validators: { body: { validateRequestBody: true } }
x-amazon-apigateway-request-validator: body
components:
  schemas:
    Tag: { type: object, properties: { parentTag: { type: string } } }";
    let part = "#/components/schemas/Tag/properties/parentTag";
    let body = format!("requestBody: {{ content: {{ a/b: {{ schema: {{ $ref: '{part}' }} }} }} }}");
    std::fs::write(folder.path().join("a.yaml"), definition(root, &body)).unwrap();
    let config =
        format!("{LISTENERS}\napis: {{a: {{definition: a.yaml, stages: {{prod: {{}}}}}}}}\n");
    let loaded = load_text("gateway.yaml", &config, folder.path())
        .unwrap_or_else(|report| panic!("{report}"));
    let definition = &loaded.gateway.apis[0].definition;
    let models = definition.routes[0].validation.body.as_ref().unwrap();
    let (media_type, name) = &models.by_media_type[0];
    assert_eq!((media_type.as_str(), name.as_str()), ("a/b", "post.a"));
    assert_eq!(definition.models[name]["$ref"], part);
}

#[test]
fn variables_that_stand_for_nothing_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let text = definition("", "x-a: b").replace("a.example", "${Host}");
    std::fs::write(&path, text).unwrap();
    let config = format!(
        "{LISTENERS}
apis: {{a: {{definition: a.yaml, variables: {{Host: a.example, Hots: a}}, stages: {{prod: {{}}}}}}}}
"
    );
    let loaded = load_text("gateway.yaml", &config, folder.path())
        .unwrap_or_else(|report| panic!("{report}"));
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "gateway.yaml:2:61: apis.a.variables.Hots: nothing in the definition is `${Hots}`: take this out"
        ]
    );
    let variables = [("Host", "a.example"), ("Hots", "a")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = ImportOptions {
        kind: None,
        variables: variables.to_vec(),
    };
    assert_eq!(import(&path, &options).unwrap().unused, ["Hots"]);
}

/// What is said of the policy whose statement allows `resources`, in an API that answers at
/// `abc123` in `eu-west-1` where it was exported, and is `own` here.
fn policy(resources: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let root = format!(
        "servers: [{{ url: 'https://abc123.execute-api.eu-west-1.amazonaws.com/prod' }}]
x-amazon-apigateway-policy:
  Statement: {{ Effect: Allow, Principal: {{ AWS: '444455556666' }}, Action: 'execute-api:Invoke', Resource: {resources} }}"
    );
    std::fs::write(&path, definition(&root, "x-a: b")).unwrap();
    let import = import(&path, &ImportOptions::default()).unwrap();
    let findings = import.findings.iter();
    let told = findings.filter(|found| found.path.contains("Resource"));
    let told: Vec<String> = told.map(|found| found.to_string()).collect();
    let lines = told.iter().filter_map(|line| line.split_once(".Resource"));
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn a_name_of_another_account_is_brought_home_where_it_plainly_means_this_api() {
    for same in [
        "'*'",
        "'execute-api:/prod/*'",
        "'arn:aws:execute-api:*:*:*/prod/GET/a'",
    ] {
        assert_eq!(policy(same), "", "{same}");
    }
    let home = |arn: &str, here: &str| {
        format!(
            ": approximated: `{arn}` names this API where it was exported; here it is `{here}`\n"
        )
    };
    for (arn, here) in [
        (
            "arn:aws:execute-api:eu-west-1:111122223333:abc123/*",
            "execute-api:/*",
        ),
        (
            "arn:aws:execute-api:eu-west-1:*:*/prod/GET/a",
            "execute-api:/prod/GET/a",
        ),
        ("arn:aws:execute-api:eu-west-1:*:*", "execute-api:/*"),
        ("arn:aws:execute-api:eu-west-1:*", "execute-api:/*"),
        (
            "arn:aws:execute-api:*:*:abc123/prod/*",
            "execute-api:/prod/*",
        ),
    ] {
        assert_eq!(policy(&format!("'{arn}'")), home(arn, here), "{arn}");
    }
    for foreign in [
        "arn:aws:execute-api:eu-west-1:111122223333:other/*",
        "arn:aws:execute-api:us-east-1:111122223333:abc123/*",
        "arn:aws:execute-api:eu-west-?:111122223333:abc123/*",
        "arn:aws:execute-api:eu-west-1:111122223333:abc123",
        // None of these names anything of this API, neither here nor there.
        "arn:aws:execute-api:ap-*:*:*/prod/DELETE/*",
        "arn:aws:execute-*:ap-*:*:*/prod/DELETE/*",
        "arn:aws:execute-api:ap-south-1:*",
        "arn:aws:execute-api:ap-south-1:*:*",
        "arn:aws-cn:execute-api:*:*:*",
        "arn:aws:execute-api:*:*:zz*/prod/GET/a",
        // Nothing says that the API is of this account.
        "arn:aws:execute-api:eu-west-1:111122223333:*/prod/GET/a",
        "arn:aws:execute-api:eu-west-1:111122223333:*",
    ] {
        let told = policy(&format!("'{foreign}'"));
        assert!(
            told.contains("refused: ") && told.contains("does not plainly name this API"),
            "{told}"
        );
    }
    // The id of this API tells its account to the other names, whichever stands first.
    let told = policy(
        "['arn:aws:execute-api:eu-west-1:111122223333:*/prod/GET/a', \
          'arn:aws:execute-api:eu-west-1:111122223333:abc123/*']",
    );
    assert!(
        told.contains("[0]: approximated") && told.contains("[1]: approximated"),
        "{told}"
    );
    // One API is of one account.
    let two = "['arn:aws:execute-api:eu-west-1:111122223333:abc123/*', \
               'arn:aws:execute-api:eu-west-1:999999999999:abc123/*']";
    let told = policy(two);
    assert!(
        told.contains("[0]: refused") && told.contains("[1]: refused"),
        "{told}"
    );
}
