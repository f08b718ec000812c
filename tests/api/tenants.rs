//! Policy stores of tenants: each request is judged by what a lookup has for the tenant of its caller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gateway_tests::client::{Answer, Client};
use gateway_tests::site::Site;
use gateway_tests::upstream::{Upstream, reply};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What a registry has for each tenant, which it says when it is asked.
struct Registry {
    records: Arc<Mutex<BTreeMap<String, Value>>>,
    server: Upstream,
}

impl Registry {
    async fn start(tenants: &[(&str, Value)]) -> Self {
        let records = tenants.iter().cloned();
        let records = records.map(|(name, record)| (name.to_owned(), record));
        let records = Arc::new(Mutex::new(records.collect::<BTreeMap<_, _>>()));
        let known = Arc::clone(&records);
        let server = Upstream::http(move |request| {
            let name = request.uri().path().rsplit('/').next().unwrap().to_owned();
            let record = known.lock().unwrap().get(&name).map(Value::to_string);
            async move {
                match record {
                    Some(record) => reply(200, record),
                    None => reply(404, ""),
                }
            }
        });
        let server = server.await;
        Self { records, server }
    }

    fn put(&self, tenant: &str, record: Value) {
        let mut records = self.records.lock().unwrap();
        records.insert(tenant.to_owned(), record);
    }

    fn questions(&self) -> u64 {
        self.server.seen().requests
    }
}

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] = { level?: Long };
entity Path;
action "GET /{any+}" appliesTo { principal: [User], resource: [Path] };
"#;

/// An API whose one route asks the store that the registry has for the caller's tenant, of whose
/// entities it may know the schema.
async fn start(registry: &Registry, schema: Option<&str>) -> Site {
    Site::start(|setup| {
        let gold = setup.file(
            "gold.cedar",
            "@id(\"gold\") permit (principal, action, resource);",
        );
        let url = format!("http://{}/tenants/{{key}}", registry.server.address);
        let mut store = json!({
            "lookup": "tenants", "key": "$context.authorizer.claims.tenant", "at": "store",
        });
        if let Some(schema) = schema {
            store["schema"] = json!(setup.file("tenants.cedarschema", schema));
        }
        let set = json!({
            "type": "cedar",
            "store": store,
            "principal": {
                "type": "User",
                "id": "$context.authorizer.claims.sub",
                "parents": [{"type": "Role", "ids": "$context.authorizer.claims.roles"}],
            },
            "resource": {"type": "Path", "id": "$request.path"},
        });
        setup
            .set(
                &["policy_stores", "gold"],
                json!({"type": "files", "policies": [gold]}),
            )
            .set(
                &["lookups", "tenants"],
                json!({"type": "http", "url": url, "ttl": "1h"}),
            )
            .set(&["policies", "orders"], set)
            .route(
                "GET /{any+}",
                json!({"authorizer": "main", "policies": "orders"}),
            )
    })
    .await
}

async fn send(site: &Site, caller: Value, path: &str) -> Answer {
    site.get(path, &site.bearer(caller)).await
}

async fn status_of(site: &Site, tenant: &str, path: &str) -> u16 {
    let caller = json!({"sub": "ann", "tenant": tenant});
    send(site, caller, path).await.status
}

async fn parses(site: &Site) -> f64 {
    let metrics = site.gateway.metrics().await;
    metrics.get(r#"gateway_decisions_misses_total{authorizer="policies/orders"}"#)
}

/// A store in which one path is permitted.
fn only(path: &str) -> Value {
    let policies = format!(r#"permit (principal, action, resource == Path::"{path}");"#);
    json!({"store": {"policies": policies}})
}

#[tokio::test]
async fn one_tenants_policies_never_decide_for_another() {
    let tenants = [("red", only("/red")), ("blue", only("/blue"))];
    let registry = Registry::start(&tenants).await;
    let site = start(&registry, None).await;
    let check = async |site: &Site, when: &str| {
        // The same subject and the same paths, in every order.
        for tenant in ["red", "blue", "blue", "red", "red"] {
            for path in ["/red", "/blue"] {
                let expected = if path.ends_with(tenant) { 200 } else { 403 };
                assert_eq!(
                    status_of(site, tenant, path).await,
                    expected,
                    "{tenant} {path} {when}"
                );
            }
        }
    };
    check(&site, "at first").await;
    assert_eq!(registry.questions(), 2);
    assert_eq!(parses(&site).await, 2.0);
    for order in [
        json!({"do": "cache_flush", "lookup": "tenants"}),
        json!({"do": "cache_flush", "principal": "red"}),
        json!({"do": "cache_flush", "principal": "ann"}),
        json!({"do": "cache_flush", "authorizer": "policies/orders"}),
    ] {
        let answer = site.gateway.admin(&order.to_string()).await;
        assert_eq!(answer["answer"], "done", "{answer}");
        check(&site, &order.to_string()).await;
    }
    assert_eq!(site.gateway.reload().await["answer"], "done");
    check(&site, "after a reload").await;
    // They change places, and what is remembered of either must not stay behind.
    let swapped = [("red", only("/blue")), ("blue", only("/red"))];
    for (name, record) in swapped {
        registry.put(name, record);
    }
    let order = json!({"do": "cache_flush", "lookup": "tenants"}).to_string();
    assert_eq!(site.gateway.admin(&order).await["answer"], "done");
    for (tenant, path, status) in [
        ("red", "/red", 403),
        ("blue", "/blue", 403),
        ("red", "/blue", 200),
        ("blue", "/red", 200),
    ] {
        assert_eq!(
            status_of(&site, tenant, path).await,
            status,
            "{tenant} {path}"
        );
    }
}

#[tokio::test]
async fn tenants_that_call_at_once_are_judged_by_their_own() {
    let paths = ["/a", "/b", "/c", "/d"];
    let tenants = paths.map(|path| (path.trim_start_matches('/'), only(path)));
    let registry = Registry::start(&tenants).await;
    let site = start(&registry, None).await;
    let address = site.gateway.address().await;
    let mut callers = JoinSet::new();
    for number in 0..32_usize {
        let tenant = paths[number % 4].trim_start_matches('/').to_owned();
        let token = site.bearer(json!({"sub": "ann", "tenant": tenant}));
        callers.spawn(async move {
            let client = Client::http1(address).await;
            for path in paths {
                let headers = [("authorization", token.as_str())];
                let expected = if path.ends_with(&tenant) { 200 } else { 403 };
                let status = client.get_with(path, &headers).await.status;
                assert_eq!(status, expected, "{tenant} {path}");
            }
        });
    }
    callers.join_all().await;
    assert_eq!(registry.questions(), 4, "each once");
}

#[tokio::test]
async fn a_store_is_read_once_and_again_when_it_says_something_else() {
    let registry = Registry::start(&[("red", only("/a"))]).await;
    let site = start(&registry, None).await;
    for _ in 0..3 {
        assert_eq!(status_of(&site, "red", "/a").await, 200);
    }
    let flush = json!({"do": "cache_flush", "lookup": "tenants"}).to_string();
    site.gateway.admin(&flush).await;
    assert_eq!(status_of(&site, "red", "/a").await, 200);
    assert_eq!(registry.questions(), 2);
    assert_eq!(parses(&site).await, 1.0, "it says what it said");
    let other = only("/b");
    registry.put("red", other);
    assert_eq!(
        status_of(&site, "red", "/a").await,
        200,
        "for as long as it is believed"
    );
    site.gateway.admin(&flush).await;
    assert_eq!(status_of(&site, "red", "/a").await, 403);
    assert_eq!(status_of(&site, "red", "/b").await, 200);
    assert_eq!(parses(&site).await, 2.0);
}

#[tokio::test]
async fn a_record_may_name_a_store_and_have_entities_of_its_own() {
    let roles = json!({"store": {
        "policies": [
            r#"permit (principal in Role::"keepers", action, resource);"#,
            r#"@id("not-secret") forbid (principal, action, resource == Path::"/secret");"#,
        ],
        "entities": [
            {"uid": {"type": "Role", "id": "vets"}, "attrs": {},
             "parents": [{"type": "Role", "id": "keepers"}]},
        ],
    }});
    let tenants = [
        ("named", json!({"store": "gold", "plan": "premium"})),
        ("own", roles),
    ];
    let registry = Registry::start(&tenants).await;
    let site = start(&registry, None).await;
    assert_eq!(status_of(&site, "named", "/named").await, 200);
    let record = site.gateway.path("/named").await;
    assert_eq!(record["policies"], json!(["gold"]));
    let vet = json!({"sub": "ann", "tenant": "own", "roles": ["vets"]});
    assert_eq!(send(&site, vet.clone(), "/a").await.status, 200);
    assert_eq!(
        site.gateway.path("/a").await["policies"],
        json!(["policies[0]:1"])
    );
    assert_eq!(send(&site, vet, "/secret").await.status, 403);
    let record = site.gateway.path("/secret").await;
    assert_eq!(record["detail"], "forbidden by `not-secret`");
    assert_eq!(status_of(&site, "own", "/b").await, 403);
}

/// What becomes of a request: its status, the reason, and a part of the detail.
type Outcome = (u16, &'static str, &'static str);

const NOTHING: Outcome = unavailable("nothing where `store.at` says");
const SHAPE: Outcome = unavailable("neither the name of a policy store nor an object");

const fn unavailable(detail: &'static str) -> Outcome {
    (500, "decision_unavailable", detail)
}

/// Records, of which one is missing, and what becomes of requests of their tenants.
fn unusable() -> Vec<(Option<Value>, Outcome)> {
    let long = "// long\n".repeat(20_000);
    let policies = |policies: Value| json!({"policies": policies});
    let mut rows = vec![
        (
            None,
            (403, "decision_failed", "has no record for the request"),
        ),
        (Some(json!({})), NOTHING),
    ];
    let stores = [
        (json!(null), NOTHING),
        (json!(7), SHAPE),
        (json!([]), SHAPE),
        (json!({}), SHAPE),
        (policies(json!([1])), SHAPE),
        (json!({"policies": "", "policy": ""}), SHAPE),
        (json!({"policies": "", "entities": {}}), SHAPE),
        (
            json!("silver"),
            unavailable("no policy store of the configuration"),
        ),
        (
            policies(json!("permit (principal, action, resource")),
            unavailable("policies:1:36: "),
        ),
        (
            policies(json!(["", "permit (principal, action, thing);"])),
            unavailable("policies[1]:1:28: "),
        ),
        (
            json!({"policies": "", "entities": [{"uid": 1}]}),
            unavailable("entities: item 0: "),
        ),
        (
            policies(json!(long)),
            unavailable("bytes of policies and entities: at most "),
        ),
        (
            policies(json!("")),
            (403, "decision_denied", "no policy permits it"),
        ),
    ];
    rows.extend(stores.map(|(store, outcome)| (Some(json!({"store": store})), outcome)));
    rows
}

#[tokio::test]
async fn without_a_store_that_can_be_used_nobody_is_let_in() {
    let rows = unusable();
    let tenants: Vec<(String, Value)> = rows
        .iter()
        .enumerate()
        .filter_map(|(number, (record, ..))| Some((format!("t{number}"), record.clone()?)))
        .collect();
    let tenants: Vec<_> = tenants
        .iter()
        .map(|(name, record)| (name.as_str(), record.clone()))
        .collect();
    let registry = Registry::start(&tenants).await;
    let site = start(&registry, None).await;
    for (number, (_, (status, reason, detail))) in rows.iter().enumerate() {
        let path = format!("/of-{number}");
        for _ in 0..2 {
            assert_eq!(
                status_of(&site, &format!("t{number}"), &path).await,
                *status,
                "{detail}"
            );
        }
        let record = site.gateway.path(&path).await;
        assert_eq!(record["reason"], *reason, "{detail}");
        let told = record["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{number}: {told}");
        assert!(told.len() < 512, "{told}");
    }
    let nobody = send(&site, json!({"sub": "ann"}), "/nobody").await;
    assert_eq!(nobody.status, 403, "without a tenant");
    let said = site
        .gateway
        .errors
        .find("what cannot be used", |line| {
            let is_it = line.contains("policy set `orders` refuses requests: lookup `tenants`");
            is_it.then(|| line.to_owned())
        })
        .await;
    assert!(!said.contains("ann"), "{said}");
}

#[tokio::test]
async fn no_text_of_a_tenant_ends_the_gateway() {
    let when =
        |condition: &str| format!("permit (principal, action, resource) when {{ {condition} }};");
    let deep = |open: &str, inner: &str, close: &str| {
        let times = 100_000 / (open.len() + close.len());
        let (open, close) = (open.repeat(times), close.repeat(times));
        json!({"store": {"policies": when(&format!("{open}{inner}{close}"))}})
    };
    // Each of the entities is in the next.
    let chain = |length: usize| {
        let named = |number: usize| json!({"type": "Group", "id": number.to_string()});
        let entity = |number: usize| json!({"uid": named(number), "attrs": {}, "parents": [named(number + 1)]});
        (0..length).map(entity).collect::<Vec<_>>()
    };
    let tenants = [
        ("parentheses", deep("(", "true", ")")),
        ("lists", deep("[", "1", "]")),
        ("records", deep("{a:", "1", "}")),
        ("branches", deep("if true then ", "true", " else false")),
        ("members", deep("", "principal", ".a")),
        ("calls", deep("f(", "1", ")")),
        ("conjunctions", deep("true && ", "true", "")),
        ("sums", deep("1 + ", "1", "")),
        ("negations", deep("!", "true", "")),
        ("minuses", deep("-", "1", "")),
        (
            "as-deep-as-may-be",
            json!({"store": {"policies": when(&format!(
                "{}true{}", "(".repeat(23), ")".repeat(23)
            ))}}),
        ),
        (
            "as-long-as-may-be",
            json!({"store": {"policies": when(&format!("{}1 > 0", "1 + ".repeat(250)))}}),
        ),
        (
            "ancestors",
            json!({"store": {"policies": "", "entities": chain(250)}}),
        ),
        (
            "deep-entities",
            json!({"store": {"policies": "", "entities": [{
                "uid": {"type": "User", "id": "ann"},
                "parents": [],
                "attrs": {"a": (0..100).fold(json!(1), |inner, _| json!({"a": inner}))},
            }]}}),
        ),
    ];
    let registry = Registry::start(&tenants).await;
    let site = start(&registry, None).await;
    for (tenant, _) in &tenants {
        let path = tenant.split('-').next().unwrap();
        let status = status_of(&site, tenant, &format!("/{path}")).await;
        let expected: &[u16] = match path {
            "as" => &[200],
            "deep" => &[403, 500],
            _ => &[500],
        };
        assert!(expected.contains(&status), "{tenant}: {status}");
    }
    assert_eq!(status_of(&site, "nobody", "/a").await, 403, "it runs");
}

#[tokio::test]
async fn stores_of_tenants_are_held_against_the_schema() {
    let of = |policies: &str| json!({"store": {"policies": policies}});
    let tenants = [
        (
            "good",
            of("permit (principal, action, resource) unless { principal has level };"),
        ),
        (
            "bad",
            of("permit (principal, action, resource) when { principal.grade > 1 };"),
        ),
    ];
    let registry = Registry::start(&tenants).await;
    let site = start(&registry, Some(SCHEMA)).await;
    assert_eq!(status_of(&site, "good", "/a").await, 200);
    assert_eq!(status_of(&site, "bad", "/a").await, 500);
    let record = site.gateway.reason("decision_unavailable").await;
    let told = record["detail"].as_str().unwrap();
    assert!(told.contains("`grade`"), "{told}");
}

#[tokio::test]
async fn what_is_remembered_of_a_tenant_outlasts_the_registry_and_not_a_reload() {
    let registry = Registry::start(&[("red", only("/a"))]).await;
    let site = start(&registry, None).await;
    assert_eq!(status_of(&site, "red", "/a").await, 200);
    drop(registry);
    assert_eq!(status_of(&site, "red", "/a").await, 200);
    assert_eq!(
        status_of(&site, "blue", "/a").await,
        500,
        "of which nothing is known"
    );
    site.gateway.reload().await;
    assert_eq!(status_of(&site, "red", "/a").await, 500);
}
