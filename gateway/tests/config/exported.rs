//! An export imports as the same API.

use std::collections::BTreeMap;

use gateway::config::{ExportFormat, export, load, load_text};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::files::{compare, repository};
use crate::site::Site;

/// Paths of which no two match the same requests.
const PATHS: [&str; 6] = [
    "/",
    "/pets",
    "/pets/{id}",
    "/pets/{id}/toys/{toy}",
    "/a~b/c.d-e_f",
    "/files/{path+}",
];

const METHODS: [&str; 5] = ["GET", "POST", "OPTIONS", "HEAD", "ANY"];

const KINDS: [&str; 2] = ["rest", "http"];

/// The API that is exported, in a configuration that has all it may name.
fn configuration(api: &Value) -> String {
    let issuer = |algorithm: &str| {
        json!({
            "type": "jwt",
            "issuer": "https://login.example.com/",
            "audiences": ["https://api.example.com"],
            "algorithms": [algorithm],
            "jwks": {"file": "keys.json"},
        })
    };
    let configuration = json!({
        "listeners": {"public": {"address": "127.0.0.1:8080"}},
        "authorizers": {"login": issuer("EdDSA"), "Partner-2": issuer("RS256")},
        "upstreams": {"pets": {"url": "http://127.0.0.1:9001"}},
        "apis": {"pets": api},
    });
    serde_json::to_string_pretty(&configuration).unwrap()
}

/// What an API means. Routes in the order of their keys: which of two stands first means nothing.
fn meaning(text: &str, site: &Site) -> Result<String, String> {
    let loaded = load_text("gateway.yaml", text, site.path());
    let mut loaded = loaded.map_err(|report| report.to_string())?;
    let api = loaded.gateway.apis.remove(0);
    let mut definition = (*api.definition).clone();
    let routes = &mut definition.routes;
    routes.sort_by(|a, b| a.key.as_str().cmp(b.key.as_str()));
    Ok(format!("{definition:#?}"))
}

/// The same API, defined by its own export.
fn exported(api: &Value, format: ExportFormat, site: &Site) -> Value {
    let path = site.path().join("gateway.yaml");
    std::fs::write(&path, configuration(api)).unwrap();
    let definition = export(&path, "pets", format).unwrap_or_else(|report| panic!("{report}"));
    std::fs::write(site.path().join("exported"), definition).unwrap();
    let mut imported = Map::new();
    for key in ["type", "id", "stages", "hosts"] {
        if let Some(value) = api.get(key) {
            imported.insert(key.to_owned(), value.clone());
        }
    }
    imported.insert("definition".to_owned(), json!("exported"));
    Value::Object(imported)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn an_export_imports_as_the_same_api(api in api(), is_json in any::<bool>()) {
        let site = Site::new();
        let original = meaning(&configuration(&api), &site);
        prop_assert!(original.is_ok(), "{}\n{api:#}", original.unwrap_err());
        let format = if is_json { ExportFormat::Json } else { ExportFormat::Yaml };
        let again = exported(&api, format, &site);
        let again = meaning(&configuration(&again), &site);
        let definition = std::fs::read_to_string(site.path().join("exported")).unwrap();
        prop_assert!(again.is_ok(), "{}\n{definition}", again.unwrap_err());
        prop_assert_eq!(original.unwrap(), again.unwrap(), "{}", definition);
    }
}

fn cases() -> u32 {
    std::env::var("GATEWAY_EXPORT_CASES").map_or(64, |cases| cases.parse().unwrap())
}

fn api() -> impl Strategy<Value = Value> {
    select(&KINDS[..]).prop_flat_map(|kind| {
        let keys: Vec<(&str, &str)> = PATHS
            .iter()
            .flat_map(|path| METHODS.iter().map(move |method| (*method, *path)))
            .collect();
        let routes = subsequence(keys, 1..8).prop_flat_map(move |keys| {
            let routes: Vec<_> = keys
                .into_iter()
                .map(|(method, path)| {
                    let key = format!("{method} {path}");
                    route(kind, path).prop_map(move |route| (key.clone(), route))
                })
                .collect();
            routes.prop_shuffle()
        });
        let settings = settings(kind);
        (routes, default_route(kind), settings).prop_map(move |(routes, default, settings)| {
            let mut api = settings;
            let mut all: Map<String, Value> = routes.into_iter().collect();
            if let Some(default) = default {
                all.insert("$default".to_owned(), default);
            }
            api.insert("type".to_owned(), json!(kind));
            api.insert("routes".to_owned(), Value::Object(all));
            let stage = json!({"variables": {"host": "backend.example.com"}});
            let name = if kind == "rest" { "prod" } else { "$default" };
            api.insert("stages".to_owned(), json!({name: stage}));
            Value::Object(api)
        })
    })
}

/// The route of whatever no other one matches, which HTTP APIs alone have.
fn default_route(kind: &'static str) -> BoxedStrategy<Option<Value>> {
    match kind {
        "http" => proptest::option::of(route(kind, "")).boxed(),
        _ => Just(None).boxed(),
    }
}

/// Any of `parts` at random.
fn some_of(parts: Vec<(&'static str, Value)>) -> impl Strategy<Value = Map<String, Value>> {
    let all = 0..=parts.len();
    subsequence(parts, all).prop_map(|parts| {
        let parts = parts.into_iter();
        parts.map(|(key, value)| (key.to_owned(), value)).collect()
    })
}

fn settings(kind: &str) -> impl Strategy<Value = Map<String, Value>> + use<> {
    let models = json!({
        "Pet": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"}, "weight": {"type": "number", "minimum": -0.5},
        }},
        "Pets": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
    });
    let (certain, possible) = if kind == "rest" {
        let possible = vec![
            ("minimum_compression_size", json!("1KiB")),
            ("policy_file", json!("policies/legacy.json")),
            (
                "gateway_responses",
                json!({
                    "DEFAULT_4XX": {"parameters": {
                        "gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}},
                    "UNAUTHORIZED": {"status": 403, "templates": {
                        "application/json": "{\"error\": $context.error.messageString}"}},
                }),
            ),
        ];
        (vec![("models", models)], possible)
    } else {
        let cors = |age: &str| {
            json!({
                "allow_origins": ["https://app.example.com", "https://*"],
                "allow_methods": ["GET", "*"], "allow_headers": ["x-a"],
                "expose_headers": ["x-total"], "max_age": age,
            })
        };
        // Of two with one name the last counts.
        (
            Vec::new(),
            vec![("cors", cors("10m")), ("cors", cors("1500ms"))],
        )
    };
    some_of(possible).prop_map(move |mut settings| {
        let certain = certain.iter();
        settings.extend(certain.map(|(key, value)| ((*key).to_owned(), value.clone())));
        settings
    })
}

fn route(kind: &'static str, path: &'static str) -> BoxedStrategy<Value> {
    let caller = prop_oneof![
        Just(json!({"authorizer": "none"})),
        Just(json!({"authorizer": "login"})),
        Just(json!({"authorizer": "Partner-2", "scopes": ["pets.read", "a:b/c"]})),
    ];
    let limits = some_of(vec![
        ("throttle", json!({"rate": 10, "burst": 20})),
        (
            "caller_throttle",
            json!({
                "key": "$request.header.x-client", "rate": 0.5, "burst": 3,
                "overflow": {"rate": 1, "burst": 1},
            }),
        ),
    ]);
    let checks = if kind == "rest" {
        checks(path).boxed()
    } else {
        Just(Map::new()).boxed()
    };
    (caller, limits, checks, integration(kind, path))
        .prop_map(move |(caller, limits, checks, integration)| {
            let mut route = caller.as_object().unwrap().clone();
            route.extend(limits);
            route.extend(checks);
            // What a mapping takes has to be declared.
            let mapped = integration.get("request_parameters").is_some();
            if kind == "rest" && mapped {
                let declared = route.entry("parameters").or_insert_with(|| json!({}));
                declared["header.X-Reason"] = json!("optional");
            }
            route.insert("integration".to_owned(), integration);
            Value::Object(route)
        })
        .boxed()
}

fn checks(path: &str) -> impl Strategy<Value = Map<String, Value>> + use<> {
    let mut parameters = BTreeMap::from([
        ("header.X-Id".to_owned(), "required"),
        ("querystring.q".to_owned(), "optional"),
        ("querystring.page".to_owned(), "required"),
    ]);
    if path.contains("{id}") {
        parameters.insert("path.id".to_owned(), "required");
    }
    let models = prop_oneof![
        Just(json!({"application/json": "Pet"})),
        Just(json!({"application/json": "Pets", "application/xml": "Empty"})),
        Just(json!({"application/json": "Pet", "$default": "Error"})),
    ];
    let validate = (any::<bool>(), any::<bool>());
    let some = some_of(vec![("parameters", json!(parameters))]);
    (some, proptest::option::of(models), validate).prop_map(
        |(mut checks, models, (parameters, body))| {
            if let Some(models) = models {
                checks.insert("models".to_owned(), models);
            }
            checks.insert(
                "validate".to_owned(),
                json!({"parameters": parameters, "body": body}),
            );
            checks
        },
    )
}

fn integration(kind: &'static str, path: &'static str) -> BoxedStrategy<Value> {
    let has_id = path.contains("{id}");
    let target = prop_oneof![
        Just(json!({"upstream": "pets"})),
        Just(json!({"upstream": "pets", "path": if has_id { "/v2/{id}" } else { "/v2" }})),
        Just(json!({"uri": "https://${stageVariables.host}/a?b=c"})),
        Just(
            json!({"uri": if has_id { "http://127.0.0.1:9/{id}" } else { "http://127.0.0.1:9/x" }})
        ),
    ];
    let mut possible = vec![
        ("method", json!("PUT")),
        ("timeout", json!("2s")),
        ("type", json!("http_proxy")),
    ];
    if kind == "rest" {
        possible.push((
            "request_parameters",
            json!({
                "integration.request.header.X-Why": "method.request.header.X-Reason",
                "integration.request.querystring.from": "'gateway'",
            }),
        ));
    } else {
        possible.push((
            "request_parameters",
            json!({
                "append:header.X-Who": "$context.identity.sourceIp",
                "overwrite:querystring.from": "$request.header.x-from",
                "remove:header.cookie": "''",
            }),
        ));
        possible.push((
            "response_parameters",
            json!({
                "403": {"overwrite:statuscode": "404", "append:header.X-Was": "403"},
            }),
        ));
    }
    let proxy = (target, some_of(possible)).prop_map(|(target, some)| {
        let mut proxy = target.as_object().unwrap().clone();
        proxy.extend(some);
        Value::Object(proxy)
    });
    if kind == "http" {
        return proxy.boxed();
    }
    let mock = some_of(vec![
        (
            "request_templates",
            json!({"application/json": "{\"statusCode\": 200}"}),
        ),
        ("passthrough_behavior", json!("never")),
    ]);
    let responses = prop_oneof![
        Just(json!({"default": {"status": 200}})),
        Just(json!({
            "default": {"status": 200, "templates": {"text/html": "<p>\"ok\"\n</p>"}},
            "4\\d{2}": {"status": 404, "parameters": {
                "method.response.header.X-A": "'b: c'", "method.response.header.x-z": "'1'"}},
        })),
    ];
    let mock = (mock, responses).prop_map(|(mut mock, responses)| {
        mock.insert("type".to_owned(), json!("mock"));
        mock.insert("responses".to_owned(), responses);
        Value::Object(mock)
    });
    let refused = Just(json!({"type": "refused"}));
    prop_oneof![4 => proxy, 3 => mock, 1 => refused].boxed()
}

/// What is exported of an API that has a part of every kind.
#[test]
fn an_export_reads_as_the_service_writes_it() {
    let site = Site::new();
    let reference = repository().join("examples/reference.yaml");
    let path = site.path().join("gateway.yaml");
    std::fs::copy(reference, &path).unwrap();
    load(&path).unwrap();
    for (api, name) in [("legacy", "legacy.openapi"), ("pets", "pets.openapi")] {
        let text = export(&path, api, ExportFormat::Yaml).unwrap();
        let expected = repository()
            .join("gateway/tests/config/exported")
            .join(name);
        compare(&expected, &text);
    }
}
