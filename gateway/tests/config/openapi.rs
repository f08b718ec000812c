//! OpenAPI definitions: what becomes of them, and what is said about it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gateway::config::{ImportOptions, Loaded, Treatment, import, load, load_settings, load_text};
use gateway::model::{AccessMode, Algorithm, Integration, JwksSource, SecurityPolicy};

use crate::files::{compare, file_name, repository, yaml_files};
use crate::fix::without_fix;
use crate::site::Site;

/// What stands for the placeholders of the examples.
const VARIABLES: [(&str, &str); 2] = [("Project", "acme"), ("Timeout", "2000")];

fn directory() -> PathBuf {
    repository().join("examples/openapi")
}

fn examples() -> Vec<PathBuf> {
    let mut files = yaml_files(&directory());
    let json = std::fs::read_dir(directory()).unwrap();
    let json = json.map(|entry| entry.unwrap().path());
    files.extend(json.filter(|path| path.extension().is_some_and(|end| end == "json")));
    files.sort();
    files
}

/// The variables that stand for something in the definition at `path`.
fn variables(path: &Path) -> Vec<(&'static str, &'static str)> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut variables = VARIABLES.to_vec();
    variables.retain(|(name, _)| text.contains(&format!("${{{name}}}")));
    variables
}

fn gateway_import(path: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.arg("import").arg(file_name(path)).args(options);
    for (name, value) in variables(path) {
        command.args(["--variable", &format!("{name}={value}")]);
    }
    command
        .current_dir(path.parent().unwrap())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What is said behind the report of a definition of which a part is refused.
const WAY_OUT: &str =
    "error: parts of it are refused: change them, or accept the others with --partial\n";

/// What is said where no other part is left.
const NO_WAY: &str = "error: no route of it can be served: change what is refused\n";

/// How many routes a report counts, and how many of them answer 500.
fn routes(report: &str) -> (u32, u32) {
    let (_, counts) = report.trim_end().rsplit_once(" API, ").unwrap();
    let number = |text: &str| text.split(' ').next().unwrap().parse().unwrap();
    let refused = counts.split_once("of which ");
    (number(counts), refused.map_or(0, |(_, text)| number(text)))
}

/// What a command says besides what probably should change.
fn unwarned(output: &Output) -> String {
    let lines = text(&output.stderr).split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("warning: "))
        .collect()
}

/// What is reported of every example stands beside it.
#[test]
fn the_report_names_every_part_once() {
    let files = examples();
    assert!(files.len() >= 20, "{files:?}");
    for path in files {
        let output = gateway_import(&path, &[]);
        let report = text(&output.stdout);
        let is_refused = report.contains(": refused: ");
        let way_out = match routes(report) {
            _ if !is_refused => "",
            (all, refused) if all == refused => NO_WAY,
            _ => WAY_OUT,
        };
        assert_eq!(unwarned(&output), way_out);
        assert_eq!(
            output.status.code(),
            Some(i32::from(is_refused)),
            "{report}"
        );
        let mut lines: Vec<&str> = report.lines().collect();
        let count = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), count, "{report}");
        compare(&path.with_extension("report"), report);
        let partial = gateway_import(&path, &["--partial"]);
        assert_eq!(partial.status.code(), Some(0));
        assert_eq!(text(&partial.stdout), report);
    }
}

fn gateway_import_text(written: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pets.yaml");
    std::fs::write(&path, written).unwrap();
    gateway_import(&path, &[])
}

#[test]
fn what_has_no_usable_part_is_not_to_be_accepted_in_part() {
    let refused =
        "{responses: {}, x-amazon-apigateway-integration: {type: aws_proxy, uri: 'arn:a'}}";
    let mock = "{responses: {'200': {description: ok}}, x-amazon-apigateway-integration: {type: mock, responses: {default: {statusCode: '200'}}}}";
    for (paths, expected) in [
        (String::new(), NO_WAY),
        (format!("paths: {{/a: {{get: {refused}}}}}"), NO_WAY),
        (
            format!("paths: {{/a: {{get: {refused}}}, /b: {{get: {mock}}}}}"),
            WAY_OUT,
        ),
    ] {
        let output = gateway_import_text(&format!("openapi: 3.0.1\n{paths}\n"));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stderr), expected, "{paths}");
    }
}

/// What a definition should not say and may is told where it stands, as by those that load it.
#[test]
fn what_probably_should_change_is_told_of_an_import_too() {
    let output = gateway_import_text(
        "openapi: 3.0.1
paths:
  /a:
    get:
      responses: {}
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: GET
        uri: https://backend.example/a?role=guest
",
    );
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("warning: pets.yaml:9:")
            && told.contains(
                "paths.\"/a\".get.x-amazon-apigateway-integration.uri: the `role` that a client"
            )
            && told.lines().count() == 1,
        "{told}"
    );
}

const LISTENERS: &str = "listeners: {local: {address: '127.0.0.1:8080'}}";

/// A configuration around `api`, which is written in flow style or as a block.
fn around(api: &str) -> String {
    format!(
        "{LISTENERS}
authorizers:
  login:
    type: jwt
    issuer: https://login.example.com/
    audiences: [https://api.example.com]
    algorithms: [RS256]
    jwks: {{url: https://login.example.com/keys}}
apis:
{api}
"
    )
}

fn defined(file: &str, settings: &str) -> String {
    let variables: Vec<String> = variables(&directory().join(file))
        .iter()
        .map(|(name, value)| format!("{name}: '{value}'"))
        .collect();
    let variables = variables.join(", ");
    let name = file.split('.').next().unwrap();
    format!("  {name}: {{definition: {file}, variables: {{{variables}}}, {settings}}}")
}

#[track_caller]
fn loaded(text: &str) -> Loaded {
    load_text("gateway.yaml", text, &directory())
        .unwrap_or_else(|report| panic!("refused:\n{report}\n{text}"))
}

/// What is printed means what the definition means.
#[test]
fn what_is_printed_is_the_same_api() {
    for path in examples() {
        let file = file_name(&path);
        let output = gateway_import(&path, &["--print", "--partial"]);
        assert_eq!(output.status.code(), Some(0), "{file}");
        let printed = text(&output.stdout);
        let around = format!("{LISTENERS}\naws: {{region: eu-west-1}}");
        let whole = format!("{around}\n{printed}");
        // What is said of TLS belongs to hosts, which nobody but the configuration knows.
        if printed.contains("endpoint_access_mode") {
            let report = load_text("gateway.yaml", &whole, &directory()).unwrap_err();
            let errors = report.errors.iter();
            assert!(errors.clone().count() > 0);
            for error in errors {
                let message = &error.message;
                assert!(
                    message.contains("hosts") || message.contains("`tls`"),
                    "{report}"
                );
            }
            continue;
        }
        let pasted = loaded(&whole).gateway;
        let stages = if printed.contains("type: rest") {
            "stages: {prod: {variables: {host: stage.invalid}}}"
        } else {
            "stages: {$default: {}}"
        };
        let settings = format!("partial: true, {stages}");
        let defined = defined(&file, &settings);
        let mut defined = loaded(&format!("{around}\napis:\n{defined}\n")).gateway;
        let authorizers = |gateway: &gateway::model::Gateway| format!("{:#?}", gateway.authorizers);
        assert_eq!(authorizers(&pasted), authorizers(&defined), "{file}");
        let (pasted, defined) = (&pasted.apis[0], &mut defined.apis[0]);
        if !printed.contains("stage.invalid") {
            defined.stages[0].variables.clear();
        }
        assert_eq!(format!("{pasted:#?}"), format!("{defined:#?}"), "{file}");
    }
}

#[test]
fn without_partial_nothing_is_printed_of_what_was_refused() {
    let output = gateway_import(&directory().join("lambda-rest.yaml"), &["--print"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("are built by later work"));
}

/// `definitions/*.yaml` beside what is said of them.
#[test]
fn every_mistake_in_a_definition_is_named_where_it_stands() {
    let files = yaml_files(&repository().join("gateway/tests/config/definitions"));
    assert!(files.len() >= 25, "{files:?}");
    for path in files {
        let found = match import(&path, &ImportOptions::default()) {
            Err(report) => format!("{report}\n"),
            Ok(import) => {
                assert!(import.has_refusals(), "{} was accepted", path.display());
                let refused = import.findings.iter();
                let refused =
                    refused.filter(|found| matches!(found.treatment, Treatment::Refused(_)));
                refused.map(|found| format!("{found}\n")).collect()
            }
        };
        let folder = format!("{}/", path.parent().unwrap().display());
        let helpless = without_fix(found.lines());
        assert!(helpless.is_empty(), "no fix: {helpless:#?}");
        for line in found.lines() {
            let place = line.strip_prefix(&*path.display().to_string());
            assert!(place.is_some_and(|rest| rest.starts_with(':')), "{line}");
        }
        compare(
            &path.with_extension("expected"),
            &found.replace(&folder, ""),
        );
    }
}

/// None of them opens a route either: with `partial`, what is loaded answers 500.
#[test]
fn no_mistake_opens_a_route() {
    let folder = repository().join("gateway/tests/config/definitions");
    for name in [
        "security",
        "authorizers",
        "misspelt-fields",
        "unknown-extension",
        "scheme-names",
        "root-security-names",
        "root-security-mapping",
        "consumes",
        "lists-for-words",
    ] {
        let config = around(&format!(
            "  a: {{definition: {name}.yaml, partial: true, stages: {{prod: {{}}}}}}"
        ));
        let loaded = load_text("gateway.yaml", &config, &folder)
            .unwrap_or_else(|report| panic!("{name}: {report}"));
        for route in &loaded.gateway.apis[0].definition.routes {
            assert_eq!(
                route.integration,
                Integration::Refused,
                "{name} {}",
                route.key
            );
        }
        assert!(!loaded.warnings.is_empty());
    }
}

#[track_caller]
fn check_refused(config: &str, expected: &[&str]) {
    let report = load_text("gateway.yaml", config, &directory()).unwrap_err();
    let found = report.to_string();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_definition_stands_for_what_it_defines() {
    let api = |settings: &str| around(&format!("  a: {{{settings}}}"));
    check_refused(
        &api("definition: proxy-http.yaml, routes: {}, gateway_responses: {}"),
        &[
            "gateway.yaml:10:36: apis.a.routes: the definition says this: take one of both out",
            "gateway.yaml:10:48: apis.a.gateway_responses: the definition says this: take one of \
             both out",
        ],
    );
    check_refused(
        &api(
            "type: http, partial: true, variables: {}, routes: {$default: {authorizer: none, \
              integration: {uri: 'http://a.example'}}}",
        ),
        &[
            "gateway.yaml:10:19: apis.a.partial: this belongs to a `definition`: name one or take \
             this out",
            "gateway.yaml:10:34: apis.a.variables: this belongs to a `definition`: name one or \
             take this out",
        ],
    );
    check_refused(
        &api("definition: nowhere.yaml"),
        &[
            "gateway.yaml:10:19: apis.a.definition: cannot read `nowhere.yaml`: No such file or \
             directory (os error 2): put it there, or name another",
        ],
    );
    check_refused(
        &api("definition: shared"),
        &[
            "gateway.yaml:10:19: apis.a.definition: cannot read `shared`: it is a directory: name a file",
        ],
    );
    check_refused(
        &api("definition: [a]"),
        &["gateway.yaml:10:19: apis.a.definition: expected text, found a list"],
    );
    check_refused(
        &api("definition: proxy-http.yaml, type: soap"),
        &[
            "gateway.yaml:10:36: apis.a.type: an API is of type `http` or `rest`: write one, or \
             leave it to the definition",
        ],
    );
    check_refused(
        &api("definition: petstore-rest.json"),
        &[
            "gateway.yaml:10:3: apis.a: a REST API is reached through a stage, the first segment of \
           the path: write `stages: {prod: {}}`",
        ],
    );
    check_refused(
        &api("definition: stages-rest.yaml, type: soap"),
        &[
            "gateway.yaml:10:37: apis.a.type: an API is of type `http` or `rest`: write one, or \
             leave it to the definition",
        ],
    );
}

#[test]
fn a_type_that_is_written_decides() {
    let api = around("  a: {definition: petstore-rest.json, type: http}");
    let report = load_text("gateway.yaml", &api, &directory()).unwrap_err();
    let mocks = report.errors.iter().filter(|error| {
        error.message == "only REST APIs have mocks: import as `rest`, or take it out"
    });
    assert_eq!((mocks.count(), report.errors.len()), (2, 3), "{report}");

    let api = around("  a: {definition: proxy-http.yaml, type: rest, stages: {prod: {}}}");
    let report = load_text("gateway.yaml", &api, &directory()).unwrap_err();
    let found = report.to_string();
    assert!(
        found.contains("x-amazon-apigateway-importexport-version: only HTTP APIs have this"),
        "{found}"
    );
}

#[test]
fn the_authorizer_of_a_scheme_is_the_one_of_its_name() {
    let with = |name: &str, issuer: &str, audience: &str| {
        format!(
            "listeners: {{local: {{address: '127.0.0.1:8080'}}}}
authorizers:
  {name}:
    {{type: jwt, issuer: '{issuer}', audiences: [{audience}], algorithms: [RS256],
     jwks: {{url: 'https://login.example.com/keys'}}}}
apis: {{orders: {{definition: orders-jwt.yaml}}}}
"
        )
    };
    let (issuer, audience) = ("https://login.example.com/", "'https://api.example.com'");
    let gateway = loaded(&with("login", issuer, audience)).gateway;
    let routes = &gateway.apis[0].definition.routes;
    assert_eq!(routes[0].authorizer.as_ref().unwrap().as_str(), "login");
    assert_eq!(routes[0].scopes, ["orders.read", "orders.write"]);
    assert_eq!(routes[1].authorizer, None);

    let at = "components.securitySchemes.login.x-amazon-apigateway-authorizer";
    // Without one, the definition makes it, as it is in the service.
    let gateway = loaded(&with("other", issuer, audience)).gateway;
    let route = &gateway.apis[0].stages[0].definition.routes[0];
    let name = route.authorizer.as_ref().unwrap().as_str();
    assert_eq!(name, "orders-login");
    let made = gateway.authorizers.iter();
    let made: Vec<_> = made.filter(|made| made.name.as_str() == name).collect();
    assert_eq!((made.len(), gateway.authorizers.len()), (1, 2));
    let jwt = made[0].jwt().unwrap();
    let [made] = jwt.issuers.as_slice() else {
        panic!("one issuer")
    };
    assert_eq!((made.name.as_str(), made.audiences.len()), (issuer, 1));
    let rsa = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];
    assert_eq!(made.algorithms, rsa);
    assert!(matches!(made.jwks.source, JwksSource::Discovery { .. }));
    check_refused(
        &with("orders-login", issuer, audience),
        &[&format!(
            "orders-jwt.yaml:30:7: {at}: its authorizer would be called `orders-login`, and there is \
             one of this name already: rename the scheme, or add an authorizer `login` to \
             `authorizers` of the configuration"
        )],
    );
    check_refused(
        &with("login", "https://else.example/", "b, a"),
        &[
            &format!(
                "orders-jwt.yaml:34:11: {at}.jwtConfiguration.issuer: the authorizer `login` of \
                 the configuration has the issuer `https://else.example/`, not `{issuer}`: make \
                 both the same"
            ),
            &format!(
                "orders-jwt.yaml:35:11: {at}.jwtConfiguration.audience: the authorizer `login` of \
                 the configuration has the audiences `a, b`, not `https://api.example.com`: make \
                 both the same"
            ),
        ],
    );
}

/// Every key of a definition in which every operation is secured, misspelt one after the other and
/// without its colon.
#[test]
fn no_misspelt_key_opens_a_route() {
    let text = std::fs::read_to_string(directory().join("orders-jwt.yaml")).unwrap();
    let text = text.replace("security: []", "security: [{ login: [] }]");
    let folder = tempfile::tempdir().unwrap();
    let config = around("  a: {definition: a.yaml, partial: true}");
    let mut judged = 0;
    for (at, _) in text.match_indices(':') {
        let (before, behind) = text.split_at(at);
        let Some(shorter) = before.strip_suffix(|c: char| c.is_ascii_alphanumeric()) else {
            continue;
        };
        let without = behind.strip_prefix(':').unwrap();
        for misspelt in [
            format!("{before}x{behind}"),
            format!("{shorter}{behind}"),
            format!("{before}{without}"),
        ] {
            std::fs::write(folder.path().join("a.yaml"), &misspelt).unwrap();
            let Ok(loaded) = load_text("gateway.yaml", &config, folder.path()) else {
                continue;
            };
            judged += 1;
            for route in &loaded.gateway.apis[0].definition.routes {
                let is_open =
                    route.authorizer.is_none() && route.integration != Integration::Refused;
                assert!(!is_open, "{}\n{misspelt}", route.key);
            }
        }
    }
    assert!(judged > 20, "{judged}");
}

#[test]
fn what_cannot_be_served_is_refused_or_answers_500() {
    let settings = "stages: {prod: {}}";
    let text = around(&defined("partners-partial.yaml", settings));
    let report = load_text("gateway.yaml", &text, &directory()).unwrap_err();
    assert_eq!(report.errors.len(), 4, "{report}");
    assert!(
        report
            .errors
            .iter()
            .all(|error| &*error.file == "partners-partial.yaml")
    );

    let settings = format!("{settings}, partial: true");
    let text = around(&defined("partners-partial.yaml", &settings));
    let loaded = loaded(&text);
    let warnings = loaded.warnings.iter();
    let told = warnings.filter(|warning| &*warning.file == "partners-partial.yaml");
    assert_eq!(told.count(), 4);
    let routes = &loaded.gateway.apis[0].definition.routes;
    let refused: Vec<&str> = routes
        .iter()
        .filter(|route| route.integration == Integration::Refused)
        .map(|route| route.key.as_str())
        .collect();
    assert_eq!(refused, ["GET /quotes", "POST /quotes", "GET /internal"]);
}

#[test]
fn large_definitions_are_read_and_larger_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.json");
    let operation = r#"{"get": {"responses": {}, "x-amazon-apigateway-integration":
        {"type": "http_proxy", "httpMethod": "GET", "uri": "https://a.example/"}}}"#;
    let mut text = String::from("{\n\t\"swagger\": \"2.0\",\n\t\"paths\": {\n");
    let padding = "x".repeat(2_000);
    for index in 0..2_800 {
        let comma = if index == 0 { "" } else { ",\n" };
        text.push_str(&format!("{comma}\t\"/a{index}\": {operation}"));
    }
    text.push_str(&format!(
        "\n\t}},\n\t\"info\": {{\"description\": [\"{padding}\""
    ));
    while text.len() < 6_000_000 {
        text.push_str(&format!(",\n\t\t\"{padding}\""));
    }
    text.push_str("]}\n}\n");
    std::fs::write(&path, &text).unwrap();
    let import = import(&path, &ImportOptions::default()).unwrap();
    assert_eq!((import.routes, import.has_refusals()), (2_800, false));

    std::fs::write(&path, vec![b' '; 50_000_000]).unwrap();
    let report = gateway::config::import(&path, &ImportOptions::default()).unwrap_err();
    assert!(
        report
            .to_string()
            .ends_with("cannot be read: it has too many bytes: at most 8388608"),
        "{report}"
    );
}

#[test]
fn a_definition_is_read_where_it_is_named_and_only_to_serve_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.yaml");
    std::fs::write(&config, around("  a: {definition: apis/a.yaml}")).unwrap();
    // Commands that only ask where a gateway keeps things do not need it.
    assert!(load_settings(&config).is_ok());
    std::fs::create_dir(folder.path().join("apis")).unwrap();
    let definition = folder.path().join("apis/a.yaml");
    std::fs::write(&definition, b"openapi: 3.0.1\ninfo: \xff\n").unwrap();
    let report = load(&config).unwrap_err().to_string();
    let expected = format!(
        "{}:2:7: this is not UTF-8: save the file as UTF-8",
        definition.display()
    );
    assert_eq!(report, expected);
    std::fs::copy(directory().join("proxy-http.yaml"), &definition).unwrap();
    assert_eq!(
        load(&config).unwrap().gateway.apis[0]
            .definition
            .routes
            .len(),
        3
    );
}

#[test]
fn files_and_references_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let operation = "{get: {responses: {}, x-amazon-apigateway-integration: \
                     {type: http_proxy, uri: 'https://a.example/'}}}";
    let path = folder.path().join("api.yaml");
    let write = |others: usize, chain: usize| {
        let mut text = String::from("openapi: 3.0.1\npaths:\n");
        for index in 0..others {
            text.push_str(&format!("  /{index}: {{$ref: 'file-{index}.yaml'}}\n"));
            let other = folder.path().join(format!("file-{index}.yaml"));
            std::fs::write(other, operation).unwrap();
        }
        for index in 0..chain {
            text.push_str(&format!(
                "  /c{index}: {{$ref: '#/paths/~1c{}'}}\n",
                index + 1
            ));
        }
        text.push_str(&format!("  /c{chain}: {operation}\n"));
        std::fs::write(&path, text).unwrap();
        import(&path, &ImportOptions::default())
    };
    assert_eq!(write(63, 32).unwrap().routes, 63 + 32 + 1);
    let report = write(64, 0).unwrap_err().to_string();
    assert!(
        report.contains("api.yaml:66:15: paths.\"/63\".$ref: there are more than 64 files"),
        "{report}"
    );
    let report = write(0, 33).unwrap_err().to_string();
    assert!(
        report.contains("leads through more than 32 references"),
        "{report}"
    );
}

#[test]
fn references_do_not_leave_the_directory() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("api");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(outer.path().join("secret.yaml"), "get: {}\n").unwrap();
    std::os::unix::fs::symlink(outer.path().join("secret.yaml"), inner.join("link.yaml")).unwrap();
    std::fs::write(
        inner.join("api.yaml"),
        "openapi: 3.0.1\npaths:\n  /a: {$ref: ../secret.yaml}\n  /b: {$ref: link.yaml}\n",
    )
    .unwrap();
    let report = import(&inner.join("api.yaml"), &ImportOptions::default()).unwrap_err();
    let leads = report.errors.iter();
    let leads = leads.filter(|error| error.message.contains("out of the definition's directory"));
    assert_eq!(leads.count(), 2, "{report}");
}

#[test]
fn what_a_definition_says_of_tls_is_of_the_hosts_of_its_api() {
    let site = Site::new();
    let definition = "openapi: 3.0.1
x-amazon-apigateway-security-policy: SecurityPolicy_TLS13_1_3_2025_09
x-amazon-apigateway-endpoint-access-mode: STRICT
x-amazon-apigateway-endpoint-configuration: { disableExecuteApiEndpoint: true }
paths:
  /a:
    get:
      responses: {}
      x-amazon-apigateway-integration: { type: http_proxy, uri: 'https://a.example/' }
";
    std::fs::write(site.path().join("a.yaml"), definition).unwrap();
    let config = |hosts: &str| {
        format!(
            "listeners:
  l:
    address: '127.0.0.1:80'
    tls:
      certificates:
        - {{chain: certs/api.example.com.pem, key: certs/api.example.com.key}}
apis: {{a: {{definition: a.yaml, {hosts}stages: {{prod: {{}}}}}}}}
"
        )
    };
    let loaded = crate::site::accepted("a.yaml", &config("hosts: [api.example.com], "), &site);
    let api = &loaded.gateway.apis[0];
    assert_eq!(
        api.tls.policy,
        SecurityPolicy::named("SecurityPolicy_TLS13_1_3_2025_09")
    );
    assert_eq!(api.tls.access, AccessMode::Strict);
    assert_eq!(api.hosts, ["api.example.com"]);
    assert!(api.closed_host.is_some());
    // Nobody else knows which hosts it is about.
    let report = load_text("gateway.yaml", &config(""), site.path()).unwrap_err();
    let errors: Vec<_> = report.errors.iter().collect();
    assert_eq!(errors.len(), 2, "{report}");
    assert!(
        errors
            .iter()
            .all(|error| &*error.file == "a.yaml" && error.message.contains("`hosts`"))
    );
}
