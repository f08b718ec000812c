//! An export imports as the same API.

use std::collections::BTreeMap;
use std::path::Path;

use gateway::config::{ExportFormat, Exported, ImportOptions, import, load_text, open};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use gateway::model::{ApiId, ApiName};

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

const POOL: &str = "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_abcDEF123";

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
        "listeners": {"public": {
            "address": "127.0.0.1:8443",
            "interface": "eth1",
            "tls": {"certificates": [{
                "chain": "certs/api.example.com.pem", "key": "certs/api.example.com.key",
            }]},
        }},
        "authorizers": {
            "login": issuer("EdDSA"),
            "Partner-2": issuer("RS256"),
            "several": {"type": "jwt", "claims": {"token_use": ["access"]}, "issuers": [
                {"issuer": "https://a.example.com", "audiences": ["a", "b"]},
                {"issuer": "https://b.example.com", "audiences": ["b"], "algorithms": ["ES256"]},
            ]},
            "pools": {"type": "cognito", "user_pools": [POOL], "leeway": "1s",
                "identity_source": "$request.header.X-Token", "decision_ttl": "1500ms"},
            "signed": {"type": "iam", "credentials": "signers.yaml"},
            "asked": {"type": "function", "identity_sources": ["$request.header.X-Token"],
                "function": {"url": "https://functions.example.com/authorize?v=1"}},
        },
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
    let reached = (
        &api.hosts,
        &api.closed_host,
        api.other_hosts,
        &api.tls,
        &api.sizes,
        &api.private,
    );
    Ok(format!("{definition:#?}\n{reached:#?}"))
}

/// What is exported of the API `name` of the configuration at `path`.
fn export(path: &Path, name: &str, format: ExportFormat) -> Exported {
    let configuration = open(path).unwrap_or_else(|report| panic!("{report}"));
    let mut described = configuration.described().into_iter();
    let api = described.find(|api| api.name.as_str() == name).unwrap();
    let exported = configuration.export(&api.name, &api.id, &api.text, "1.0", format);
    exported.unwrap_or_else(|report| panic!("{report}"))
}

/// The same API, defined by its own export.
fn exported(api: &Value, format: ExportFormat, site: &Site) -> Value {
    let path = site.path().join("gateway.yaml");
    std::fs::write(&path, configuration(api)).unwrap();
    let exported = export(&path, "pets", format);
    std::fs::write(site.path().join("exported"), &exported.text).unwrap();
    for key in ["id", "stages", "hosts"] {
        let is_left = exported.left.contains(&format!("apis.pets.{key}"));
        assert_eq!(is_left, api.get(key).is_some(), "{:?}", exported.left);
    }
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
        let (original, again) = (original.unwrap(), again.unwrap());
        let mut lines = original.lines().zip(again.lines());
        let differs = lines.find(|(one, other)| one != other);
        prop_assert!(original == again, "{differs:?}\n{definition}\n{api:#}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn an_authorizer_is_made_of_its_export((kind, authorizer) in authorizer()) {
        let site = Site::new();
        let api = |rest: Value| {
            let mut api = json!({"type": kind});
            api.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            if kind == "rest" {
                api["stages"] = json!({"prod": {}});
            }
            let listeners = json!({"local": {"address": "127.0.0.1:8080"}});
            let aws = json!({"region": "eu-west-1"});
            json!({"listeners": listeners, "aws": aws, "apis": {"pets": api}})
        };
        let integration = json!({"uri": "https://backend.example.com"});
        let route = json!({"authorizer": "login", "integration": integration});
        let mut configuration = api(json!({"routes": {"GET /": route}}));
        configuration["authorizers"] = json!({"login": authorizer});
        let made = |text: &str| {
            let loaded = load_text("gateway.yaml", text, site.path());
            let loaded = loaded.map_err(|report| report.to_string())?;
            let [made] = loaded.gateway.authorizers.as_slice() else {
                return Err("there is not one authorizer".to_owned());
            };
            Ok(format!("{:#?}", made.kind))
        };
        let original = made(&configuration.to_string());
        let path = site.path().join("gateway.yaml");
        std::fs::write(&path, configuration.to_string()).unwrap();
        let exported = export(&path, "pets", ExportFormat::Yaml);
        prop_assert!(!exported.left.iter().any(|left| left.starts_with("authorizers")));
        std::fs::write(site.path().join("exported"), &exported.text).unwrap();
        let again = made(&api(json!({"definition": "exported"})).to_string());
        prop_assert!(original.is_ok(), "{original:?}");
        prop_assert_eq!(original, again, "{}", exported.text);
    }
}

/// A type of API, and an authorizer of which a definition can say all.
fn authorizer() -> impl Strategy<Value = (&'static str, Value)> {
    let words = |all: Vec<&'static str>| {
        let count = 1..=all.len();
        subsequence(all, count)
    };
    let audiences = words(vec!["a", "https://api.example.com", "c"]);
    let algorithms = words(vec!["RS256", "ES256", "EdDSA", "PS512"]);
    let names = words(vec![
        "https://a.example.com/",
        "https://b.example.com",
        "https://c.test/d",
    ]);
    let source = select(vec![
        None,
        Some("$request.header.X-Token"),
        Some("$request.querystring.Token"),
    ]);
    let jwt = (
        select(&KINDS[..]),
        names,
        audiences,
        proptest::option::of(algorithms),
        source,
    );
    let jwt = jwt.prop_map(|(kind, names, audiences, algorithms, source)| {
        let issuer = |name: &&str| {
            let mut issuer = json!({"issuer": name, "audiences": audiences});
            if let Some(algorithms) = &algorithms {
                issuer["algorithms"] = json!(algorithms);
            }
            issuer
        };
        let mut authorizer = match names.as_slice() {
            [one] => issuer(one),
            several => json!({"issuers": several.iter().map(issuer).collect::<Vec<_>>()}),
        };
        authorizer["type"] = json!("jwt");
        if let Some(source) = source {
            authorizer["identity_source"] = json!(source);
        }
        (kind, authorizer)
    });
    let pools = some_of(vec![
        ("identity_source", json!("$request.header.X-Token")),
        ("identity_validation_expression", json!("app-[0-9]+")),
        ("decision_ttl", json!("2m")),
        ("decision_ttl", json!("0s")),
        ("user_pools", json!([POOL, format!("{POOL}4")])),
    ]);
    let pools = pools.prop_map(|mut pools| {
        pools.insert("type".to_owned(), json!("cognito"));
        pools.entry("user_pools").or_insert_with(|| json!([POOL]));
        ("rest", Value::Object(pools))
    });
    prop_oneof![2 => jwt, 1 => pools, 2 => function()]
}

/// A type of API, and an authorizer that asks a function at a URL or of AWS Lambda.
fn function() -> impl Strategy<Value = (&'static str, Value)> {
    let functions = [
        json!({"url": "https://functions.example.com/authorize?v=1"}),
        json!({"lambda": "arn:aws-cn:lambda:cn-north-1:111122223333:function:who:7"}),
    ];
    select(functions.to_vec()).prop_flat_map(function_at)
}

fn function_at(function: Value) -> impl Strategy<Value = (&'static str, Value)> {
    let made = move |event: &str, mut settings: Map<String, Value>| {
        settings.insert("type".to_owned(), json!("function"));
        settings.insert("function".to_owned(), function.clone());
        settings.insert("event".to_owned(), json!(event));
        Value::Object(settings)
    };
    let of_request = made.clone();
    let token = some_of(vec![
        ("identity_sources", json!(["$request.header.X-Token"])),
        ("identity_validation_expression", json!("Bearer [a-z]+")),
        ("result_ttl", json!("2m")),
        ("result_ttl", json!("0s")),
    ]);
    let token = token.prop_map(move |settings| ("rest", made("token", settings)));
    let sources = subsequence(
        vec![
            "$request.header.Authorization",
            "$request.querystring.tenant",
            "$stageVariables.env",
            "$context.identity.sourceIp",
        ],
        1..=4,
    );
    let of_http = some_of(vec![
        ("payload_format", json!("1.0")),
        ("payload_format", json!("2.0")),
        ("result_ttl", json!("1h")),
        ("result_ttl", json!("0s")),
    ]);
    let request = (select(&KINDS[..]), sources, of_http);
    let request = request.prop_map(move |(kind, sources, mut settings)| {
        if kind == "rest" {
            settings.remove("payload_format");
        } else {
            // A definition has to say what holds by default.
            settings.entry("payload_format").or_insert(json!("2.0"));
        }
        settings.insert("identity_sources".to_owned(), json!(sources));
        (kind, of_request("request", settings))
    });
    prop_oneof![1 => token, 2 => request]
}

/// 64 cases by default; the soak asks for more.
fn cases() -> u32 {
    std::env::var("GATEWAY_SOAK_EXPORTS").map_or(64, |cases| cases.parse().unwrap())
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
        let settings = (settings(kind), reached());
        (routes, default_route(kind), settings).prop_map(move |(routes, default, settings)| {
            let (mut api, reached) = settings;
            api.extend(reached);
            api.insert("hosts".to_owned(), json!(["api.example.com"]));
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

/// How an API is reached, which its definition says too.
fn reached() -> impl Strategy<Value = Map<String, Value>> {
    // Of two with one name the last counts.
    let some = some_of(vec![
        ("id", json!("a1b2c3")),
        ("default_endpoint", json!(false)),
        ("default_endpoint", json!(true)),
        ("security_policy", json!("TLS_1_0")),
        ("security_policy", json!("TLS_1_2")),
        ("security_policy", json!("SecurityPolicy_TLS13_1_3_2025_09")),
        ("endpoint_access_mode", json!("strict")),
        ("endpoint_access_mode", json!("basic")),
        ("private", json!({"interfaces": ["eth1"]})),
        (
            "private",
            json!({"interfaces": ["eth1"], "prefixes": ["192.0.2.0/24"]}),
        ),
        (
            "limits",
            json!({"url_bytes_max": "2KiB", "header_bytes_max": "4KiB"}),
        ),
    ]);
    some.prop_map(|mut reached| {
        let policy = reached.get("security_policy").and_then(Value::as_str);
        if policy.is_some_and(|name| name.starts_with("Sec")) {
            let basic = json!("basic");
            reached.entry("endpoint_access_mode").or_insert(basic);
        }
        reached
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
            (
                "binary_media_types",
                json!(["image/*", "application/octet-stream"]),
            ),
            ("policy_file", json!("policies/legacy.json")),
            ("api_key_source", json!("authorizer")),
            (
                "policy",
                json!({"Statement": [{"Effect": "Allow", "Principal": "*",
                "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/*"}]}),
            ),
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
        if settings.contains_key("policy") {
            settings.remove("policy_file");
        }
        let certain = certain.iter();
        settings.extend(certain.map(|(key, value)| ((*key).to_owned(), value.clone())));
        settings
    })
}

fn route(kind: &'static str, path: &'static str) -> BoxedStrategy<Value> {
    // HTTP APIs have no authorizers of user pools.
    let pools = if kind == "rest" { "pools" } else { "login" };
    let caller = prop_oneof![
        Just(json!({"authorizer": "none"})),
        Just(json!({"authorizer": "login"})),
        Just(json!({"authorizer": "several"})),
        Just(json!({"authorizer": pools})),
        Just(json!({"authorizer": "signed"})),
        Just(json!({"authorizer": "asked"})),
        Just(json!({"authorizer": "Partner-2", "scopes": ["pets.read", "a:b/c"]})),
    ];
    let limits = some_of(vec![
        ("throttle", json!({"rate": 10, "burst": 20})),
        (
            "caller_throttles",
            json!([
                {
                    "key": "$request.header.x-client", "rate": 0.5, "burst": 3,
                    "overflow": {"rate": 1, "burst": 1},
                },
                {"key": "$context.identity.sourceIp", "rate": 5, "burst": 30, "monitor": true},
            ]),
        ),
    ]);
    let checks = if kind == "rest" {
        let keys = some_of(vec![("api_key_required", json!(true))]);
        let both = (checks(path), keys);
        both.prop_map(|(checks, keys)| checks.into_iter().chain(keys).collect())
            .boxed()
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
    let validate = some_of(vec![
        ("parameters", json!(true)),
        ("body", json!(true)),
        ("content_type", json!(true)),
        ("response_body", json!("monitor")),
        ("response_body", json!("enforce")),
    ]);
    let responses = json!({
        "200": {"models": {"application/json": "Pet", "$default": "Empty"}},
        "404": {"parameters": ["header.X-A", "header.x-z"]},
    });
    let some = some_of(vec![
        ("parameters", json!(parameters)),
        ("method_responses", responses),
    ]);
    (some, proptest::option::of(models), validate).prop_map(|(mut checks, models, mut validate)| {
        // Where a model stands for every media type, none can be refused.
        let is_every = |models: &Value| models.get("$default").is_some();
        if models.as_ref().is_none_or(is_every) {
            validate.remove("content_type");
        }
        if !checks.contains_key("method_responses") {
            validate.remove("response_body");
        }
        if let Some(models) = models {
            checks.insert("models".to_owned(), models);
        }
        checks.insert("validate".to_owned(), Value::Object(validate));
        checks
    })
}

fn integration(kind: &'static str, path: &'static str) -> BoxedStrategy<Value> {
    let proxy = proxy(kind, path);
    if kind == "http" {
        return proxy;
    }
    let mapped = mapped();
    let mock = mapped.clone().prop_map(|mut mock| {
        mock.insert("type".to_owned(), json!("mock"));
        Value::Object(mock)
    });
    let http = (proxy.clone(), mapped).prop_map(|(proxy, mapped)| {
        let mut http = proxy.as_object().unwrap().clone();
        http.extend(mapped);
        http.insert("type".to_owned(), json!("http"));
        Value::Object(http)
    });
    let refused = Just(json!({"type": "refused"}));
    prop_oneof![3 => proxy, 3 => mock, 3 => http, 1 => refused].boxed()
}

/// Integrations that pass on what comes.
fn proxy(kind: &'static str, path: &'static str) -> BoxedStrategy<Value> {
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
    proxy.boxed()
}

/// What integrations that are no proxies have besides.
fn mapped() -> BoxedStrategy<Map<String, Value>> {
    let mapped = some_of(vec![
        (
            "request_templates",
            json!({"application/json": "{\"statusCode\": 200}", "$default": "x: \"y\"\n"}),
        ),
        ("passthrough_behavior", json!("never")),
        ("content_handling", json!("convert_to_text")),
    ]);
    let responses = prop_oneof![
        Just(json!({"default": {"status": 200, "content_handling": "convert_to_binary"}})),
        Just(json!({
            "default": {"status": 200, "templates": {"text/html": "<p>\"ok\"\n</p>"}},
            "4\\d{2}": {"status": 404, "parameters": {
                "method.response.header.X-A": "'b: c'", "method.response.header.x-z": "'1'"}},
        })),
    ];
    let mapped = (mapped, responses).prop_map(|(mut mapped, responses)| {
        mapped.insert("responses".to_owned(), responses);
        mapped
    });
    mapped.boxed()
}

/// What is exported of an API that has a part of every kind.
#[test]
fn an_export_reads_as_the_service_writes_it() {
    let site = Site::new();
    let reference = repository().join("examples/reference.yaml");
    let path = site.path().join("gateway.yaml");
    std::fs::copy(reference, &path).unwrap();
    for (api, name) in [("legacy", "legacy.openapi"), ("pets", "pets.openapi")] {
        let text = export(&path, api, ExportFormat::Yaml).text;
        let expected = repository()
            .join("gateway/tests/config/exported")
            .join(name);
        compare(&expected, &text);
    }
}

/// What an export holds of how its API is reached, by the names that the service has for it, is
/// understood by an import that knows no configuration.
#[test]
fn what_is_exported_of_an_endpoint_is_imported_by_itself() {
    let site = Site::new();
    let api = json!({
        "type": "rest", "hosts": ["api.example.com"], "stages": {"prod": {}},
        "default_endpoint": false, "security_policy": "SecurityPolicy_TLS13_1_3_2025_09",
        "endpoint_access_mode": "strict", "private": {"interfaces": ["eth1"]},
        "limits": {"url_bytes_max": "2KiB"},
        "routes": {"GET /": {"authorizer": "login", "integration": {"upstream": "pets"}}},
    });
    let path = site.path().join("gateway.yaml");
    std::fs::write(&path, configuration(&api)).unwrap();
    let exported = export(&path, "pets", ExportFormat::Json);
    let definition: Value = serde_json::from_str(&exported.text).unwrap();
    let endpoint = "x-amazon-apigateway-endpoint-configuration";
    assert_eq!(
        definition["servers"],
        json!([{"url": "/", endpoint: {"disableExecuteApiEndpoint": true}}])
    );
    assert_eq!(
        definition["x-amazon-apigateway-security-policy"],
        "SecurityPolicy_TLS13_1_3_2025_09"
    );
    assert_eq!(
        definition["x-amazon-apigateway-endpoint-access-mode"],
        "STRICT"
    );
    assert_eq!(
        definition["x-gateway-api"],
        json!({"private": {"interfaces": ["eth1"]}, "limits": {"url_bytes_max": "2KiB"}})
    );
    assert_eq!(
        exported.left,
        [
            "apis.pets.hosts",
            "apis.pets.stages",
            "authorizers.login",
            "upstreams.pets"
        ]
    );
    let open = exported.text.replace(
        "\"x-gateway-configured\": true",
        "\"x-gateway-configured\": false",
    );
    let path = site.path().join("exported.json");
    std::fs::write(&path, open).unwrap();
    let import = import(&path, &ImportOptions::default()).unwrap();
    assert!(!import.has_refusals(), "{:#?}", import.findings);
}

/// What a configuration of only the authorizers `configured` exports of the definition `frozen`, whose
/// routes name each of `named`.
fn exported_schemes(
    frozen: &[(&str, Value)],
    configured: &[(&str, Value)],
) -> (Value, Vec<String>) {
    let site = Site::new();
    let written = |authorizers: &[(&str, Value)]| {
        let routes = authorizers.iter().enumerate().map(|(index, (name, _))| {
            let integration = json!({"uri": "https://backend.example.com"});
            let route = json!({"authorizer": name, "integration": integration});
            (format!("GET /{index}"), route)
        });
        let authorizers = authorizers.iter().cloned();
        let authorizers = authorizers.map(|(name, authorizer)| (name.to_owned(), authorizer));
        let pets = json!({"type": "http", "routes": routes.collect::<Map<_, _>>()});
        let authorizers = authorizers.collect::<Map<_, _>>();
        json!({
            "listeners": {"public": {"address": "127.0.0.1:8080"}},
            "authorizers": authorizers,
            "apis": {"pets": pets},
        })
    };
    let path = site.path().join("gateway.yaml");
    std::fs::write(&path, written(frozen).to_string()).unwrap();
    let opened = open(&path).unwrap_or_else(|report| panic!("{report}"));
    let before = opened.described().remove(0);
    std::fs::write(&path, written(configured).to_string()).unwrap();
    let opened = open(&path).unwrap_or_else(|report| panic!("{report}"));
    let exported = opened.export(
        &before.name,
        &before.id,
        &before.text,
        "1",
        ExportFormat::Json,
    );
    let exported = exported.unwrap_or_else(|report| panic!("{report}"));
    let definition: Value = serde_json::from_str(&exported.text).unwrap();
    // Whoever knows no configuration can still tell what each route asks for.
    for (index, (_, authorizer)) in frozen.iter().enumerate() {
        let security = &definition["paths"][format!("/{index}")]["get"]["security"][0];
        let (scheme, _) = security.as_object().unwrap().iter().next().unwrap();
        let scheme = &definition["components"]["securitySchemes"][scheme];
        let said = &scheme["x-amazon-apigateway-authorizer"]["jwtConfiguration"]["issuer"];
        assert_eq!(*said, authorizer["issuer"]);
    }
    let names = definition["components"]["securitySchemes"].as_object();
    (
        json!(names.unwrap().keys().collect::<Vec<_>>()),
        exported.left,
    )
}

#[test]
fn two_authorizers_never_become_one_scheme() {
    let of = |issuer: &str| {
        let issuer = format!("https://{issuer}.example.com/");
        json!({"type": "jwt", "issuer": issuer, "audiences": ["a"]})
    };
    let mut strict = of("strict");
    strict["decision_ttl"] = json!("0s");
    let (login, made, other) = (
        ("login", of("login")),
        ("pets-login", of("made")),
        ("other", of("other")),
    );
    let (none, nameless, nearly) = (
        ("pets-none", of("none")),
        ("pets-", of("nameless")),
        ("pets-none-", of("nearly")),
    );
    let nothing: [String; 0] = [];
    for (frozen, configured, names) in [
        // What is there no more has its API's name in front only where another has what is left.
        (vec![&made], &other, json!(["login"])),
        (vec![&made, &login], &other, json!(["login", "pets-login"])),
        (vec![&made], &login, json!(["pets-login"])),
        (vec![&made], &made, json!(["pets-login"])),
        // What is left would be nothing, or what stands for no authorizer.
        (
            vec![&none, &nameless],
            &other,
            json!(["pets-", "pets-none"]),
        ),
        (vec![&nearly], &other, json!(["none-"])),
    ] {
        let frozen: Vec<_> = frozen.into_iter().cloned().collect();
        let configured = std::slice::from_ref(configured);
        let (found, left) = exported_schemes(&frozen, configured);
        assert_eq!(found, names);
        assert_eq!(left, nothing);
    }
    // What is left to the configuration is what an import looks for there.
    let (found, left) = exported_schemes(&[("pets-login", strict)], &[other]);
    assert_eq!(
        (found, left),
        (
            json!(["pets-login"]),
            vec!["authorizers.pets-login".to_owned()]
        )
    );
}

#[test]
fn an_api_that_is_gone_is_not_exported_with_what_its_successor_says() {
    let site = Site::new();
    let api = json!({
        "type": "http", "id": "abcdefghij", "hosts": ["api.example.com"], "default_endpoint": false,
        "limits": {"url_bytes_max": "2KiB"},
        "routes": {"GET /": {"authorizer": "none", "integration": {"uri": "https://a.example.com"}}},
    });
    let path = site.path().join("gateway.yaml");
    std::fs::write(&path, configuration(&api)).unwrap();
    let opened = open(&path).unwrap();
    let text = opened.described().remove(0).text;
    let exported = |id: &str| {
        let (name, id) = (ApiName::new("pets"), ApiId::new(id));
        let exported = opened.export(&name, &id, &text, "1", ExportFormat::Json);
        exported.unwrap_or_else(|report| panic!("{report}"))
    };
    let own = exported("abcdefghij");
    assert!(own.text.contains("servers") && own.text.contains("url_bytes_max"));
    assert_eq!(own.left, ["apis.pets.hosts", "apis.pets.id"]);
    let gone = exported("klmnopqrst");
    assert!(!gone.text.contains("servers") && !gone.text.contains("url_bytes_max"));
    assert!(gone.left.is_empty(), "{:?}", gone.left);
}
