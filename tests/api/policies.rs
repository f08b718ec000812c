//! What callers may do, as policies of the gateway's own say.

use gateway_tests::client::{Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] = { level?: Long };
entity Pet;
action "GET /pets/{id}", "DELETE /pets/{id}", "GET /secret" appliesTo {
    principal: [User],
    resource: [Pet],
    context: { ip: ipaddr, seal?: Bool },
};
"#;

const POLICIES: &str = r#"
@id("keepers-see")
permit (principal in Role::"keeper", action == Action::"GET /pets/{id}", resource);

@id("seniors-delete")
permit (principal, action == Action::"DELETE /pets/{id}", resource)
when { principal has level && principal.level >= 3 };

@id("not-rex")
forbid (principal, action == Action::"DELETE /pets/{id}", resource == Pet::"rex");

@id("sealed")
permit (principal, action == Action::"GET /secret", resource) when { context.ip.isLoopback() };

@id("overflow")
forbid (principal, action == Action::"GET /secret", resource)
when { principal has level && principal.level + 9223372036854775807 > 0 };
"#;

/// Routes of an API `main` of this type that asks its policy set.
async fn start(kind: &str, set: Value) -> (Gateway, Client, Key, Upstream) {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let setup = authorize(Setup::new().upstream("main", upstream.address), &[&key]);
    let file = |name: &str, text: &str| json!(setup.file(name, text));
    let store = json!({
        "type": "files",
        "policies": [file("pets.cedar", POLICIES)],
        "schema": file("pets.cedarschema", SCHEMA),
    });
    let mut setup = setup
        .set(&["policy_stores", "pets"], store)
        .set(&["policies", "pets"], set)
        .set(&["apis", "main", "type"], json!(kind))
        .set(&["apis", "main", "policies"], json!("pets"));
    if kind == "rest" {
        setup.change(&["apis", "main", "stages"], json!({"prod": {}}));
    }
    for route in ["GET /pets/{id}", "DELETE /pets/{id}", "GET /secret"] {
        setup = setup.route(route, json!({"authorizer": "main"}));
    }
    let setup = setup.route("GET /open", json!({"policies": "none"}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client, key, upstream)
}

fn set() -> Value {
    json!({
        "type": "cedar",
        "store": "pets",
        "principal": {
            "type": "User",
            "id": "$context.authorizer.claims.sub",
            "attributes": {"level": {"value": "$request.header.x-level", "as": "long"}},
            "parents": [{"type": "Role", "ids": "$context.authorizer.claims.roles"}],
        },
        "resource": {"type": "Pet", "id": "pet ${request.path}"},
        "context": {"ip": {"value": "$context.identity.sourceIp", "as": "ip"}},
    })
}

/// As [`set`], of pets that the path names.
fn by_id() -> Value {
    let mut set = set();
    set["resource"]["id"] = json!("${context.httpMethod}");
    set
}

struct Asked<'a> {
    client: &'a Client,
    key: &'a Key,
    prefix: &'a str,
}

impl Asked<'_> {
    async fn send(
        &self,
        method: Method,
        path: &str,
        caller: Value,
        headers: &[(&str, &str)],
    ) -> gateway_tests::client::Answer {
        let token = format!("Bearer {}", self.key.token(&claims(caller)));
        let asked = request(method, &format!("{}{path}", self.prefix), whole(""));
        let asked = with(asked, &[("authorization", &token)]);
        self.client.send(with(asked, headers)).await
    }
}

#[tokio::test]
async fn policies_decide_by_claims_headers_and_paths() {
    let (gateway, client, key, _upstream) = start("http", set()).await;
    let asked = Asked {
        client: &client,
        key: &key,
        prefix: "",
    };
    let keeper = json!({"roles": ["guest", "keeper"]});
    let answer = asked
        .send(Method::GET, "/pets/1", keeper.clone(), &[])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = gateway.path("/pets/1").await;
    assert_eq!(record["policies"], json!(["keepers-see"]));
    let answer = asked.send(Method::GET, "/pets/2", json!({}), &[]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json(), json!({"message": "Forbidden"}));
    let record = gateway.path("/pets/2").await;
    assert_eq!(record["reason"], "decision_denied");
    assert_eq!(record["detail"], "no policy permits it");
    for (level, status) in [("2", 403), ("3", 200)] {
        let headers = [("x-level", level)];
        let path = format!("/pets/of-{level}");
        let answer = asked
            .send(Method::DELETE, &path, keeper.clone(), &headers)
            .await;
        assert_eq!(answer.status, status, "{level}");
    }
    // What cannot be read is no level, and nobody guesses one.
    for (path, level) in [("/pets/a", "high"), ("/pets/b", "3.5"), ("/pets/c", "")] {
        let headers = [("x-level", level)];
        let answer = asked.send(Method::DELETE, path, json!({}), &headers).await;
        assert_eq!(answer.status, 403, "{level}");
        assert_eq!(gateway.path(path).await["reason"], "decision_failed");
    }
    let answer = client.get("/open").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_policy_that_fails_refuses_and_is_named() {
    let (gateway, client, key, _upstream) = start("http", set()).await;
    let asked = Asked {
        client: &client,
        key: &key,
        prefix: "",
    };
    let answer = asked.send(Method::GET, "/secret", json!({}), &[]).await;
    assert_eq!(answer.status, 200);
    // The `forbid` overflows, and what it would have said nobody knows.
    let headers = [("x-level", "1")];
    let answer = asked
        .send(Method::GET, "/secret", json!({}), &headers)
        .await;
    assert_eq!(answer.status, 403);
    let record = gateway.reason("decision_failed").await;
    assert_eq!(record["detail"], "policies failed: `overflow`");
    assert_eq!(record["policies"], json!(["sealed"]));
}

#[tokio::test]
async fn clients_of_rest_apis_read_whether_a_policy_forbids() {
    let mut own = by_id();
    own["resource"]["id"] = json!("rex");
    let (_gateway, client, key, _upstream) = start("rest", own).await;
    let asked = Asked {
        client: &client,
        key: &key,
        prefix: "/prod",
    };
    let headers = [("x-level", "5")];
    for (method, caller, end) in [
        (Method::GET, json!({"roles": "guest"}), ""),
        (Method::DELETE, json!({}), " with an explicit deny"),
    ] {
        let answer = asked.send(method, "/pets/1", caller, &headers).await;
        assert_eq!(answer.status, 403);
        let message = format!("User is not authorized to access this resource{end}");
        assert_eq!(answer.json(), json!({"Message": message}));
        assert_eq!(answer.header("x-amzn-errortype"), "AccessDeniedException");
    }
    let keeper = json!({"roles": "guest keeper"});
    let answer = asked.send(Method::GET, "/pets/1", keeper, &headers).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_set_that_monitors_refuses_nothing_and_tells_what_it_would() {
    let mut own = set();
    own["monitor"] = json!(true);
    let (gateway, client, key, _upstream) = start("http", own).await;
    let asked = Asked {
        client: &client,
        key: &key,
        prefix: "",
    };
    let answer = asked.send(Method::GET, "/pets/1", json!({}), &[]).await;
    assert_eq!(answer.status, 200);
    let record = gateway.path("/pets/1").await;
    assert_eq!(record["monitored"], "decision_denied");
    assert_eq!(record["detail"], "no policy permits it");
    assert_eq!(record["reason"], Value::Null);
    gateway
        .errors
        .find("what it would refuse", |line| {
            line.contains("policy set `pets` would refuse")
                .then_some(())
        })
        .await;
    let keeper = json!({"roles": ["keeper"]});
    let answer = asked.send(Method::GET, "/pets/3", keeper, &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(gateway.path("/pets/3").await["monitored"], "allow");
}

#[tokio::test]
async fn a_reload_puts_other_policies_in_force_and_keeps_those_that_were_broken_out() {
    let (mut gateway, client, key, _upstream) = start("http", set()).await;
    let asked = Asked {
        client: &client,
        key: &key,
        prefix: "",
    };
    let keeper = json!({"roles": ["keeper"]});
    let answer = asked
        .send(Method::GET, "/pets/1", keeper.clone(), &[])
        .await;
    assert_eq!(answer.status, 200);
    let setup = gateway.setup();
    drop(setup.file("pets.cedar", "permit (principal, action, resource"));
    let report = gateway.reload().await;
    let text = report.to_string();
    assert!(text.contains("pets.cedar:1:"), "{text}");
    let answer = asked
        .send(Method::GET, "/pets/1", keeper.clone(), &[])
        .await;
    assert_eq!(answer.status, 200);
    let setup = gateway.setup();
    drop(setup.file("pets.cedar", "forbid (principal, action, resource);"));
    gateway.reload().await;
    let answer = asked.send(Method::GET, "/pets/1", keeper, &[]).await;
    assert_eq!(answer.status, 403);
}
