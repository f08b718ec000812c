//! What becomes of parts of a definition that depend on others, or on what is around it.

use std::sync::mpsc;
use std::time::Duration;

use gateway::config::{Import, ImportOptions, Treatment, import, load_text, parse_id};
use gateway::model::{Definition, Integration, KeySource, SecurityPolicy};

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

/// The API that `text` defines, of which what is refused answers 500, beside the upstream `pets`.
fn served(text: &str) -> Definition {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    let config = format!(
        "{LISTENERS}
upstreams: {{pets: {{url: 'http://127.0.0.1:9000'}}}}
apis: {{a: {{definition: a.yaml, partial: true, stages: {{prod: {{}}}}}}}}
"
    );
    let mut loaded = load_text("gateway.yaml", &config, folder.path())
        .unwrap_or_else(|report| panic!("{report}"));
    (*loaded.gateway.apis.remove(0).definition).clone()
}

fn imported(text: &str) -> Import {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, text).unwrap();
    import(&path, &ImportOptions::default()).unwrap_or_else(|report| panic!("{report}"))
}

/// What is refused of it, with the line and the column.
fn refused(import: &Import) -> Vec<String> {
    let findings = import.findings.iter();
    let refused = findings.filter(|found| matches!(found.treatment, Treatment::Refused(_)));
    let lines = refused.map(|found| {
        let place = found.place;
        let line = found.to_string();
        let (_, said) = line.split_once(": refused: ").unwrap();
        format!("{}:{}: {said}", place.line, place.column)
    });
    lines.collect()
}

/// A scheme of API keys and one of an authorizer, beside an operation that asks for what `security` says.
fn keyed(security: &str) -> String {
    let text = definition(
        "x-amazon-apigateway-api-key-source: AUTHORIZER
components:
  securitySchemes:
    key: { type: apiKey, name: X-Api-Key, in: header }
    login:
      type: apiKey
      name: Authorization
      in: header
      x-amazon-apigateway-authtype: custom
      x-amazon-apigateway-authorizer:
        type: token
        authorizerUri: 'https://functions.example/login'",
        &format!("security: {security}"),
    );
    text.replace(
        "openapi: 3.0.1",
        "openapi: 3.0.1\ninfo: { title: a, version: '1' }",
    )
}

#[test]
fn an_operation_asks_for_an_api_key_where_its_security_names_a_scheme_of_keys() {
    for (security, asks, authorizer) in [
        ("[{ key: [] }]", true, None),
        ("[{ key: [], login: [] }]", true, Some("a-login")),
        ("[{ login: [] }, { key: [] }]", true, Some("a-login")),
        ("[{ login: [] }]", false, Some("a-login")),
        ("[]", false, None),
    ] {
        let text = keyed(security);
        assert_eq!(
            refused(&imported(&text)),
            Vec::<String>::new(),
            "{security}"
        );
        let served = served(&text);
        assert_eq!(served.key_source, KeySource::Authorizer);
        let route = &served.routes[0];
        assert_ne!(route.integration, Integration::Refused, "{security}");
        let found = route.authorizer.as_ref().map(ToString::to_string);
        assert_eq!(
            (route.api_key_required, found.is_some()),
            (asks, authorizer.is_some()),
            "{security}"
        );
    }
    // What could be had without the key as well is not opened by it.
    for security in [
        "[{ key: [] }, {}]",
        "[{ login: [] }, {}]",
        "[{ key: [], nobody: [] }]",
    ] {
        let text = keyed(security);
        assert_eq!(refused(&imported(&text)).len(), 1, "{security}");
        assert_eq!(served(&text).routes[0].integration, Integration::Refused);
    }
}

#[test]
fn http_apis_do_not_ask_for_api_keys() {
    let text = "openapi: 3.0.1
info: { title: a, version: '1' }
paths:
  /a:
    get:
      security: [{ key: [] }]
      responses: {}
      x-amazon-apigateway-integration:
        { type: http_proxy, httpMethod: GET, uri: 'https://a.example/', payloadFormatVersion: '1.0' }
components:
  securitySchemes:
    key: { type: apiKey, name: x-api-key, in: header }
";
    let refused = refused(&imported(text));
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].contains("only REST APIs ask for API keys"),
        "{refused:?}"
    );
}

const VALIDATED: &str =
    "x-amazon-apigateway-request-validators: { body: { validateRequestBody: true } }
x-amazon-apigateway-request-validator: body";

#[test]
fn a_model_of_every_media_type_is_the_one_of_those_without_their_own() {
    let body = |media_type: &str| {
        format!("requestBody: {{ content: {{ {media_type}: {{ schema: {{ type: object }} }} }} }}")
    };
    let definition_of = |media_type: &str| definition(VALIDATED, &body(media_type));
    let served = served(&definition_of("'*/*'"));
    let models = served.routes[0].validation.body.as_ref().unwrap();
    assert_eq!(models.otherwise.as_deref(), Some("post.a"));
    assert!(models.by_media_type.is_empty());
    let why = "is a range, which no body has for its type: name each media type";
    assert_eq!(
        refused(&imported(&definition_of("image/*"))),
        [format!("7:33: `image/*` {why}")]
    );
    // Two models for the same bodies.
    let both = "'*/*': { schema: { type: object } }, $default";
    assert_eq!(
        refused(&imported(&definition_of(both))),
        [format!("7:33: `*/*` {why}")]
    );
}

#[test]
fn a_template_of_every_media_type_is_the_one_of_those_without_their_own() {
    let text = definition("", "x-a: b").replace(
        "{ type: http_proxy, uri: 'https://a.example/' }",
        "{ type: mock, requestTemplates: { '*/*': '{\"statusCode\": 200}' }, responses: { default: { statusCode: 200 } } }",
    );
    let text = text.replace("responses: {}", "responses: { '200': { description: d } }");
    let served = served(&text);
    let Integration::Mock(mock) = &served.routes[0].integration else {
        panic!("{served:#?}");
    };
    assert!(format!("{mock:?}").contains("otherwise: Some"), "{mock:?}");
}

#[test]
fn routes_to_an_upstream_of_the_configuration_are_served() {
    let text = definition("", "x-a: b").replace(
        "{ type: http_proxy, uri: 'https://a.example/' }",
        "{ type: http_proxy, x-gateway-integration: { upstream: pets } }",
    );
    let integration = &served(&text).routes[0].integration;
    assert_ne!(*integration, Integration::Refused);
    assert_eq!(refused(&imported(&text)), Vec::<String>::new());
    let text = text.replace("pets", "pet");
    assert_eq!(served(&text).routes[0].integration, Integration::Refused);
}

#[test]
fn operations_that_share_a_body_share_its_model() {
    let root = format!(
        "{VALIDATED}
components:
  requestBodies:
    thing: {{ content: {{ application/json: {{ schema: {{ type: object }} }} }} }}"
    );
    let text = definition(
        &root,
        "requestBody: { $ref: '#/components/requestBodies/thing' }",
    );
    let (_, operation) = text.split_once("  /a:\n").unwrap();
    let served = served(&format!("{text}  /b:\n{operation}"));
    assert_eq!(served.routes.len(), 2);
    assert_eq!(served.models.keys().collect::<Vec<_>>(), ["post.a"]);
}

#[test]
fn references_lead_to_so_much_in_all() {
    let shared = |paths: usize| {
        let paths: String = (0..paths)
            .map(|path| format!("  /{path}: {{ $ref: '#/x-shared' }}\n"))
            .collect();
        let parameters: String = (0..1_000)
            .map(|name| {
                let text = "n".repeat(1_000);
                format!("    - {{ name: p{name}, in: query, description: {text} }}\n")
            })
            .collect();
        format!(
            "openapi: 3.0.1
x-shared:
  parameters:
{parameters}  get:
    responses: {{}}
    x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'https://a.example/' }}
paths:
{paths}"
        )
    };
    assert_eq!(refused(&imported(&shared(3))), Vec::<String>::new());
    let import = imported(&shared(30));
    let why = "its references lead to more than 64 MiB, counted each time: refer to less, or make \
               several definitions";
    assert_eq!(refused(&import), [format!("1007:1: {why}")]);
    // Those that were not followed any more are there as well.
    assert_eq!((import.routes, import.refused_routes), (30, 30));
}

/// Each of these took time that grew with the square of its size.
#[test]
fn definitions_take_time_that_grows_with_their_size() {
    let (done, end) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        judge_large_definitions();
        done.send(()).unwrap();
    });
    end.recv_timeout(Duration::from_secs(60)).unwrap();
}

fn judge_large_definitions() {
    let text = definition("", &format!("x-a: '{}'", "${".repeat(1_000_000)));
    assert_eq!(refused(&imported(&text)), Vec::<String>::new());
    let schemas: String = (0..20_000)
        .map(|number| format!("a/{number}: {{ schema: {{}} }}, "))
        .collect();
    let body = format!("requestBody: {{ content: {{ {schemas} }} }}");
    assert!(!refused(&imported(&definition(VALIDATED, &body))).is_empty());
    let parameters: String = (0..50_000)
        .map(|number| format!("{{ name: p{number}, in: query }}, "))
        .collect();
    let text = definition("", &format!("parameters: [{parameters}]"));
    assert_eq!(refused(&imported(&text)), Vec::<String>::new());
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
        ..ImportOptions::default()
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

#[test]
fn the_older_security_policies_hold_for_the_hosts_of_their_api() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let credentials = rcgen::generate_simple_self_signed(["api.example.com".to_owned()]).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("chain.pem", credentials.cert.pem());
    write("key.pem", credentials.signing_key.serialize_pem());
    let policy_of = |listener: &str, api: &str| {
        let config = format!(
            "listeners:
  web: {{address: '127.0.0.1:8443', tls: {{certificates: [{{chain: chain.pem, key: key.pem}}]{listener}}}}}
  plain: {{address: '127.0.0.1:8080'}}
apis: {{a: {{definition: a.yaml, stages: {{prod: {{}}}}{api}}}}}
"
        );
        let loaded = load_text("gateway.yaml", &config, folder.path());
        let mut loaded = loaded.map_err(|report| report.to_string())?;
        Ok::<_, String>(loaded.gateway.apis.remove(0).tls.policy)
    };
    for policy in [SecurityPolicy::Tls10, SecurityPolicy::Tls12] {
        let root = format!("x-amazon-apigateway-security-policy: {policy}");
        std::fs::write(&path, definition(&root, "x-a: b")).unwrap();
        let import = import(&path, &ImportOptions::default()).unwrap();
        let mut findings = import.findings.iter().map(ToString::to_string);
        let found = findings.find(|line| line.contains("security-policy"));
        let found = found.unwrap();
        let narrower = ": approximated: narrower here: ";
        assert!(found.contains(narrower), "{policy}: {found}");

        let hosts = ", listeners: [web], hosts: [api.example.com]";
        assert_eq!(policy_of("", hosts), Ok(Some(policy)));
        // Without hosts it can only be said of listeners.
        let refused = policy_of("", ", listeners: [web]").unwrap_err();
        let told = "this is about hosts, and the API answers for every one: write `hosts`, or say it \
                    for the listener";
        assert!(refused.contains(told), "{refused}");
        let same = format!(", security_policy: {policy}");
        assert_eq!(policy_of(&same, ", listeners: [web]"), Ok(None));
        assert_eq!(policy_of(&same, ""), Ok(None));
        let wider = ", security_policy: SecurityPolicy_TLS13_1_2_PQ_2025_09";
        assert!(policy_of(wider, ", listeners: [web]").is_err());
        // There is no TLS of which it could say anything.
        assert_eq!(policy_of("", ", listeners: [plain]"), Ok(None));
    }
}

#[test]
fn what_an_export_leaves_to_the_configuration_is_asked_of_it() {
    let text = |configured: &str| {
        format!(
            "openapi: 3.0.1
paths:
  /a:
    get:
      security: [{{ login: [] }}]
      responses: {{}}
      x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'https://a.example/' }}
components:
  securitySchemes:
    login:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        x-gateway-configured: {configured}
        jwtConfiguration: {{ issuer: 'https://login.example.com/', audience: [pets] }}
"
        )
    };
    let more = "where this was exported, the configuration said more of the authorizer than a \
                definition can: ";
    let by_itself = format!(
        "12:7: {more}name this file as `definition` in a configuration that has `login` under \
         `authorizers`"
    );
    let import = imported(&text("true"));
    assert_eq!(refused(&import), [by_itself]);
    assert_eq!(import.refused_routes, 1);
    let word = "14:9: found the text `true`: write `true` or `false` without quotes";
    assert_eq!(refused(&imported(&text("'true'"))), [word]);
    assert_eq!(refused(&imported(&text("false"))), Vec::<String>::new());

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), text("true")).unwrap();
    let load = |authorizers: &str| {
        let config = format!(
            "{LISTENERS}\n{authorizers}apis: {{a: {{definition: a.yaml, stages: {{prod: {{}}}}}}}}\n"
        );
        load_text("gateway.yaml", &config, folder.path())
            .map(|loaded| loaded.gateway)
            .map_err(|report| report.to_string())
    };
    let report = load("").unwrap_err();
    let expected = format!("{more}add `login` to `authorizers` of the configuration");
    assert!(report.contains(&expected), "{report}");
    let gateway = load(
        "authorizers: {login: {type: jwt, issuer: 'https://login.example.com/', audiences: [pets], \
         algorithms: [ES256], jwks: {url: 'https://login.example.com/keys'}}}\n",
    )
    .unwrap();
    assert_eq!(gateway.authorizers.len(), 1);
    let route = &gateway.apis[0].definition.routes[0];
    assert_eq!(route.authorizer.as_ref().unwrap().as_str(), "login");
}

/// What a refusal says to do is done.
#[test]
fn a_policy_speaks_of_the_api_by_the_id_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let root = "x-amazon-apigateway-policy:
  Statement: { Effect: Allow, Principal: '*', Action: 'execute-api:Invoke',
    Resource: 'arn:aws:execute-api:eu-west-1:111122223333:z9y8x7w6v5/*' }";
    std::fs::write(&path, definition(root, "x-a: b")).unwrap();
    let refusals = refused(&import(&path, &ImportOptions::default()).unwrap());
    let fix = "or give the API the id that it has there: `id` beside `definition`, `--id` of `gateway \
               import`";
    assert!(refusals[0].ends_with(fix), "{refusals:?}");
    let import = import(
        &path,
        &ImportOptions {
            id: Some(parse_id("z9y8x7w6v5").unwrap()),
            ..ImportOptions::default()
        },
    );
    let import = import.unwrap();
    assert_eq!(refused(&import), Vec::<String>::new());
    let found = import.findings.iter().map(ToString::to_string);
    let found = found.collect::<Vec<_>>().join("\n");
    assert!(found.contains("here it is `execute-api:/*`"), "{found}");
    assert!(
        import.native.contains("id: z9y8x7w6v5\n"),
        "{}",
        import.native
    );
    assert!(parse_id("Z9").is_err() && parse_id("").is_err());
}
