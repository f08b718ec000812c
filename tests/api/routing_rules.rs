//! Routing rules of custom domains lead requests by their headers and paths.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Answer, Client, HOST_NAME, get, tls, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::identities::Issuing;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

const FORBIDDEN: &str = r#"{"message":"Forbidden"}"#;

/// The REST API `shop`, whose backend is told of the stage that a request was led to, and by what; and
/// the HTTP API `main`.
fn setup(upstream: &Upstream) -> Setup {
    let told = json!({
        "integration.request.header.x-led": "context.stage",
        "integration.request.header.x-rule": "context.customDomain.routingRuleIdMatched",
        "integration.request.header.x-mapping": "context.customDomain.basePathMatched",
    });
    let route = json!({
        "authorizer": "none",
        "integration": {"upstream": "main", "request_parameters": told},
    });
    let format = json!({
        "path": "$context.path",
        "requestId": "$context.requestId",
        "rule": "$context.customDomain.routingRuleIdMatched",
        "mapping": "$context.customDomain.basePathMatched",
    });
    let format = format.to_string();
    Setup::forwarding(upstream.address)
        .set(&["apis", "main", "hosts"], json!(["main.test"]))
        .set(
            &["apis", "shop"],
            json!({
                "type": "rest",
                "hosts": ["shop.test"],
                "stages": {
                    "one": {}, "two": {}, "three": {}, "four": {},
                    "logged": {"access_log": {"format": format}},
                },
                "routes": {"ANY /": route, "ANY /{proxy+}": route},
            }),
        )
}

fn rule(priority: u32, stage: &str, conditions: Value) -> Value {
    let mut rule = json!({"priority": priority, "api": "shop", "stage": stage});
    let all = rule.as_object_mut().unwrap();
    all.extend(conditions.as_object().unwrap().clone());
    rule
}

fn header(name: &str, glob: &str) -> Value {
    json!({"header": name, "value_glob": glob})
}

async fn start(setup: Setup, domains: Value) -> (Gateway, Client) {
    let gateway = Gateway::start(setup.set(&["domains"], domains)).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

/// The stage that answered and the path that its backend saw, or the status of a refusal.
async fn led(client: &Client, path: &str, headers: &[(&str, &str)]) -> String {
    led_by(&client.send(with(get(path), headers)).await)
}

fn led_by(answer: &Answer) -> String {
    if answer.status == 200 {
        let answer = answer.json();
        let stage = answer["headers"]["x-led"].as_str().unwrap_or("http");
        return format!("{stage} {}", answer["uri"].as_str().unwrap());
    }
    answer.status.to_string()
}

/// The three examples of the guide that are about modes.
#[tokio::test]
async fn rules_then_mappings_lead_a_request() {
    let upstream = Upstream::echo().await;
    let beta = json!({"match_headers": [header("Cookie", "*ux=beta*")],
                      "match_base_path": "refunds"});
    let rules = json!({
        "pets": rule(1, "one", json!({"match_base_path": "pets"})),
        "beta": rule(5, "two", beta),
    });
    let mappings = json!({
        "refunds": {"api": "shop", "stage": "three"},
        "search": {"api": "shop", "stage": "four"},
    });
    let domains = json!({
        "both.test": {"routing_mode": "routing_rule_then_api_mapping",
                      "routing_rules": rules, "mappings": mappings},
        "rules.test": {"routing_mode": "routing_rule_only", "routing_rules": rules},
        "mappings.test": {"routing_mode": "api_mapping_only", "mappings": mappings},
        "http.test": {"routing_mode": "routing_rule_then_api_mapping",
                      "routing_rules": rules, "mappings": {"/": {"api": "main"}}},
        "unruled.test": {"routing_mode": "routing_rule_then_api_mapping", "mappings": mappings},
    });
    let (gateway, client) = start(setup(&upstream), domains).await;
    let cookie = ("cookie", "lang=en-us;ux=beta");
    for (path, cookies, both, rules, mappings, http) in [
        ("/pets", None, "one /pets", "one /pets", "403", "one /pets"),
        (
            "/refunds",
            Some(cookie),
            "two /refunds",
            "two /refunds",
            "three /",
            "two /refunds",
        ),
        (
            "/refunds/7",
            None,
            "three /7",
            "403",
            "three /7",
            "http /refunds/7",
        ),
        ("/search", None, "four /", "403", "four /", "http /search"),
        ("/", None, "403", "403", "403", "http /"),
        ("/Pets", None, "403", "403", "403", "http /Pets"),
    ] {
        for (host, expected) in [
            ("both.test", both),
            ("rules.test", rules),
            ("mappings.test", mappings),
            ("http.test", http),
            ("unruled.test", mappings),
        ] {
            let mut headers = vec![("host", host)];
            headers.extend(cookies);
            let found = led(&client, path, &headers).await;
            assert_eq!(found, expected, "{host} {path}");
        }
    }
    let answer = client.send(with(get("/none"), &[("host", "rules.test")]));
    let answer = answer.await;
    assert_eq!((answer.status, answer.text().as_str()), (403, FORBIDDEN));
    assert_eq!(answer.header("x-amzn-errortype"), "ForbiddenException");
    assert_eq!(gateway.path("/none").await["reason"], "mapping_not_found");
}

/// The first example of the guide, in an order of its own, over both versions of HTTP; and a reload.
#[tokio::test]
async fn the_lowest_priority_whose_conditions_hold_leads() {
    let upstream = Upstream::echo().await;
    let three = json!({
        "match_headers": [header("Accept", "image/webp"), header("Pet", "Dog-*")],
        "match_base_path": "PetStoreShopper",
    });
    let rules = json!({
        "efg456": rule(100, "three", json!({})),
        "zzz000": rule(50, "two", three),
        "abc123": rule(10, "one", json!({"match_headers": [header("Hello", "World")]})),
    });
    let domain = json!({HOST_NAME: {"routing_mode": "routing_rule_only", "routing_rules": rules}});
    let (mut gateway, client) = start(setup(&upstream), domain).await;
    let clients = [client, Client::http2(gateway.address().await).await];
    let (hello, bella) = (("hello", "World"), ("pet", "Dog-Bella"));
    let webp = ("accept", "image/webp");
    let requests: [(&str, &[_], _); 8] = [
        ("/", &[hello], "one /"),
        (
            "/PetStoreShopper",
            &[hello, bella, webp],
            "one /PetStoreShopper",
        ),
        ("/PetStoreShopper", &[bella, webp], "two /PetStoreShopper"),
        ("/PetStoreShopper", &[bella], "three /PetStoreShopper"),
        (
            "/PetStoreShopper",
            &[("pet", "dog-Bella"), webp],
            "three /PetStoreShopper",
        ),
        ("/petstoreshopper", &[bella, webp], "three /petstoreshopper"),
        (
            "/PetStoreShopperX",
            &[bella, webp],
            "three /PetStoreShopperX",
        ),
        ("/x", &[], "three /x"),
    ];
    for client in &clients {
        for (path, headers, expected) in requests {
            let found = led(client, path, headers).await;
            assert_eq!(found, expected, "{path} {headers:?}");
        }
    }
    let priority = ["domains", HOST_NAME, "routing_rules", "efg456", "priority"];
    gateway.setup().change(&priority, json!(1));
    drop(gateway.setup().write());
    gateway.reload().await;
    for client in &clients {
        assert_eq!(led(client, "/", &[hello]).await, "three /");
    }
}

#[tokio::test]
async fn headers_are_matched_field_by_field() {
    let upstream = Upstream::echo().await;
    let accept = json!({"match_headers": [header("Accept", "*json")]});
    let both = json!({"match_headers": [header("x-version", "b*"), header("X-Version", "*a")]});
    let cookie = json!({"match_headers": [header("cookie", "a=1; b=2")]});
    let domains = json!({
        HOST_NAME: {"routing_mode": "routing_rule_only", "routing_rules": {
            "accept": rule(1, "one", accept),
            "version": rule(2, "two", both),
            "cookie": rule(3, "three", cookie),
        }},
        "*.test": {"routing_mode": "routing_rule_only", "routing_rules": {
            "a": rule(1, "one", json!({"match_headers": [header("Host", "a.test")]})),
            "b": rule(2, "two", json!({"match_headers": [header("Host", "b.*")]})),
            "rest": rule(500, "three", json!({})),
        }},
    });
    let (gateway, client) = start(setup(&upstream), domains).await;
    let over_http2 = Client::http2(gateway.address().await).await;
    let (json_only, text) = (("accept", "application/json"), ("accept", "text/xml"));
    let requests: [(&[_], _); 8] = [
        (&[json_only, text], "one /"),
        (&[text, json_only], "one /"),
        (&[("accept", "application/json,text/xml")], "403"),
        (&[("x-version", "beta")], "two /"),
        (&[("x-version", "backup")], "403"),
        (&[("x-version", "backup"), ("x-version", "alpha")], "two /"),
        (&[("cookie", "a=1; b=2")], "three /"),
        (&[("cookie", "b=2; a=1")], "403"),
    ];
    for client in [&client, &over_http2] {
        for (headers, expected) in requests {
            let found = led(client, "/", headers).await;
            assert_eq!(found, expected, "{headers:?}");
        }
    }
    // HTTP/2 clients may send cookies in pieces.
    let pieces = [("cookie", "a=1"), ("cookie", "b=2")];
    assert_eq!(led(&over_http2, "/", &pieces).await, "three /");
    for (host, expected) in [
        ("a.test", "one /"),
        ("A.test:8443", "one /"),
        ("b.test", "two /"),
        ("c.test", "three /"),
    ] {
        assert_eq!(
            led(&client, "/", &[("host", host)]).await,
            expected,
            "{host}"
        );
    }
}

/// HTTP/2 says in `:authority` what `Host` is asked for.
#[tokio::test]
async fn the_host_is_asked_for_in_every_version_of_http() {
    let upstream = Upstream::echo().await;
    let domains = json!({"*.test": {
        "routing_mode": "routing_rule_only",
        "routing_rules": {
            "own": rule(1, "one", json!({"match_headers": [header("Host", HOST_NAME)]})),
            "others": rule(2, "two", json!({})),
        },
    }});
    let (gateway, client) = start(setup(&upstream), domains).await;
    let over_http2 = Client::http2(gateway.address().await).await;
    assert_eq!(led(&client, "/", &[]).await, "one /");
    assert_eq!(led(&over_http2, "/", &[]).await, "one /");
    assert_eq!(led(&client, "/", &[("host", "b.test")]).await, "two /");
}

/// The table of the guide.
#[tokio::test]
async fn a_base_path_is_seen_unless_it_is_stripped() {
    let upstream = Upstream::echo().await;
    let domain = |path: &str, is_stripped: bool| {
        let conditions = json!({"match_base_path": path, "strip_base_path": is_stripped});
        json!({
            "routing_mode": "routing_rule_only",
            "routing_rules": {"only": rule(1, "one", conditions)},
        })
    };
    let domains = json!({
        "dogs-off.test": domain("PetStoreShopper/dogs", true),
        "dogs.test": domain("PetStoreShopper/dogs", false),
        "shop-off.test": domain("PetStoreShopper", true),
        "shop.test.test": domain("PetStoreShopper", false),
    });
    let (_gateway, client) = start(setup(&upstream), domains).await;
    for (host, path, expected) in [
        ("dogs-off.test", "/PetStoreShopper/dogs", "one /"),
        (
            "dogs.test",
            "/PetStoreShopper/dogs",
            "one /PetStoreShopper/dogs",
        ),
        ("shop-off.test", "/PetStoreShopper/dogs", "one /dogs"),
        (
            "shop.test.test",
            "/PetStoreShopper/dogs",
            "one /PetStoreShopper/dogs",
        ),
        (
            "shop-off.test",
            "/PetStoreShopper?birds=available",
            "one /?birds=available",
        ),
        (
            "shop.test.test",
            "/PetStoreShopper?birds=available",
            "one /PetStoreShopper?birds=available",
        ),
        ("dogs-off.test", "/PetStoreShopper", "403"),
        ("shop-off.test", "/%50etStoreShopper/a%20b", "one /a%20b"),
        // Behind a domain the name of a stage is nothing but a path.
        ("shop-off.test", "/PetStoreShopper/two/x", "one /two/x"),
    ] {
        let found = led(&client, path, &[("host", host)]).await;
        assert_eq!(found, expected, "{host} {path}");
    }
}

#[tokio::test]
async fn the_log_names_the_rule_or_the_mapping() {
    let upstream = Upstream::echo().await;
    let stripped = |extra: Value| {
        let mut conditions = json!({"match_base_path": "ruled", "strip_base_path": true});
        let all = conditions.as_object_mut().unwrap();
        all.extend(extra.as_object().unwrap().clone());
        conditions
    };
    let own = json!({"match_headers": [header("x-own", "*")]});
    let domains = json!({HOST_NAME: {
        "routing_mode": "routing_rule_then_api_mapping",
        "routing_rules": {
            "plain": rule(1, "one", stripped(own)),
            "worded": rule(2, "logged", stripped(json!({}))),
        },
        "mappings": {
            "mapped/v1": {"api": "shop", "stage": "logged"},
            "plain": {"api": "shop", "stage": "one"},
        },
    }});
    let (gateway, client) = start(setup(&upstream), domains).await;
    for (path, rule, mapping) in [
        ("/ruled/a", "worded", "-"),
        ("/mapped/v1/a", "-", "mapped/v1"),
    ] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
        let line = gateway.path(path).await;
        assert_eq!(line["rule"], rule, "{path}");
        assert_eq!(line["mapping"], mapping, "{path}");
    }
    for (path, headers, rule, mapping) in [
        ("/ruled/b", vec![("x-own", "")], json!("plain"), Value::Null),
        ("/plain/b", Vec::new(), Value::Null, json!("plain")),
    ] {
        let answer = client.get_with(path, &headers).await.json();
        assert_eq!(answer["uri"], "/b", "{path}");
        assert_eq!(answer["headers"]["x-rule"], rule, "{path}");
        assert_eq!(answer["headers"]["x-mapping"], mapping, "{path}");
        let record = gateway.path(path).await;
        assert_eq!(record["routing_rule"], rule, "{path}");
        assert_eq!(record["stage"], "one", "{path}");
    }
}

#[tokio::test]
async fn a_private_api_stays_private_behind_a_rule() {
    let upstream = Upstream::echo().await;
    let inner = json!({"match_headers": [header("x-inner", "yes")]});
    let mut inner = rule(1, "one", inner);
    inner["api"] = json!("inner");
    let setup = setup(&upstream).set(
        &["apis", "inner"],
        json!({
            "type": "rest",
            "hosts": ["inner.test"],
            "private": {"prefixes": ["127.0.0.2"]},
            "stages": {"one": {}},
            "routes": {"ANY /": {"authorizer": "none", "integration": {"upstream": "main"}}},
        }),
    );
    let domains = json!({"open.test": {
        "routing_mode": "routing_rule_only",
        "routing_rules": {"inner": inner, "others": rule(2, "two", json!({}))},
    }});
    let (gateway, client) = start(setup, domains).await;
    let known = Client::http1_from("127.0.0.2", gateway.address().await).await;
    let headers = [("host", "open.test"), ("x-inner", "yes")];
    assert_eq!(known.send(with(get("/"), &headers)).await.status, 200);
    // No other rule takes the place of the one that led here.
    assert_eq!(led(&client, "/", &headers).await, "404");
    assert_eq!(led(&client, "/", &headers[..1]).await, "two /");
    let refused = gateway.reason("private_endpoint").await;
    assert_eq!(refused["status"], 404);
}

#[tokio::test]
async fn a_truststore_is_asked_before_any_rule() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let root = Issuing::root("root");
    let setup = setup(&upstream);
    let certificate = authority.write_certificate(setup.directory(), "all", &[HOST_NAME]);
    drop(setup.file("trusted.pem", &root.pem));
    let setup = setup.listener("tls", json!({"certificates": [certificate]}));
    let domains = json!({HOST_NAME: {
        "routing_mode": "routing_rule_only",
        "mutual_tls": {"truststore": "trusted.pem"},
        "routing_rules": {"all": rule(1, "one", json!({}))},
    }});
    let gateway = Gateway::start(setup.set(&["domains"], domains)).await;
    let config = authority.client(&["http/1.1"]);
    let known = root.client("known").presented_by(&config);
    for (config, expected) in [(&config, "403"), (&known, "one /")] {
        let stream = tls(gateway.address().await, config, HOST_NAME).await;
        let client = Client::over_tls(stream.unwrap()).await;
        assert_eq!(led(&client, "/", &[]).await, expected);
    }
    let refused = gateway.reason("client_certificate_missing").await;
    assert_eq!(refused["routing_rule"], Value::Null);
}
