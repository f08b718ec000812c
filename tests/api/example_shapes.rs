//! The examples that say what callers may do, as they are written: only where servers are is another.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gateway_tests::client::{Answer, Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::token_server::TokenServer;
use gateway_tests::upstream::{Reply, Upstream, reply, sent};
use gateway_tests::wait::until;
use http::{Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};

/// A gateway that runs an example, with the issuer that it trusts.
struct Shape {
    gateway: Gateway,
    client: Client,
    key: Key,
    _keys: KeyServer,
    issuer: &'static str,
    audience: &'static str,
}

/// Whom an example trusts.
struct Login {
    issuer: &'static str,
    audience: &'static str,
}

impl Shape {
    /// Starts `example` with each of these texts, which it has to have, replaced.
    async fn start(example: &str, login: Login, replaced: &[(&str, String)]) -> Self {
        let Login { issuer, audience } = login;
        let key = Key::ec("ec");
        let keys = KeyServer::start(&[&key]).await;
        let own = [
            ("address: 127.0.0.1:8080", "address: 127.0.0.1:0".to_owned()),
            (&*format!("{issuer}.well-known/jwks.json"), keys.keys_url()),
        ];
        let mut text = example.to_owned();
        for (from, to) in own.iter().chain(replaced) {
            assert!(text.contains(from), "the example has no `{from}`");
            text = text.replace(from, to);
        }
        let setup = keys.trusted(Setup::of_text(text));
        with_policies(setup.directory());
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        Self {
            gateway,
            client,
            key,
            _keys: keys,
            issuer,
            audience,
        }
    }

    /// What becomes of a request of the caller with these claims.
    async fn send(
        &self,
        caller: Value,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut own = claims(caller);
        own["iss"] = json!(self.issuer);
        own["aud"] = json!(self.audience);
        let token = format!("Bearer {}", self.key.token(&own));
        let asked = with(request(method, path, whole("")), headers);
        self.client
            .send(with(asked, &[("authorization", &token)]))
            .await
    }

    /// As [`Self::send`], of which `status` has to come, decided by `policies`.
    async fn check(
        &self,
        caller: Value,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        (status, policies): (u16, &[&str]),
    ) {
        let before = self.gateway.records().len();
        let what = format!("{method} {path} of {caller}");
        let answer = self.send(caller, method, path, headers).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let record = until("the record", || async {
            self.gateway.records().get(before).cloned()
        });
        let decided = &record.await["policies"];
        let decided = decided.as_array().cloned().unwrap_or_default();
        assert_eq!(json!(decided), json!(policies), "{what}");
    }
}

/// The files that examples name beside themselves.
fn with_policies(directory: &Path) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies");
    let policies = directory.join("policies");
    std::fs::create_dir(&policies).unwrap();
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, policies.join(path.file_name().unwrap())).unwrap();
    }
    for name in ["oso-key", "gateway-secret", "tenants-token"] {
        let secret = policies.join(name);
        std::fs::write(&secret, "secret").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    }
}

/// A server that answers what `answer` makes of the path, the token and the body of a question.
async fn server(answer: impl Fn(&str, &str, &Value) -> Reply + Send + Sync + 'static) -> Upstream {
    let answer = Arc::new(answer);
    let handler = move |request: Request<Incoming>| {
        let answer = Arc::clone(&answer);
        async move {
            let path = request.uri().to_string();
            let token = request.headers().get("authorization");
            let token = token.map_or("", |it| it.to_str().unwrap()).to_owned();
            let body = serde_json::from_slice(&sent(request).await).unwrap_or_default();
            answer(&path, &token, &body)
        }
    };
    Upstream::http(handler).await
}

fn origin(server: &Upstream) -> String {
    format!("http://{}", server.address)
}

#[tokio::test]
async fn customers_may_do_what_their_roles_may() {
    let backend = Upstream::echo().await;
    let login = Login {
        issuer: "https://login.example.com/",
        audience: "https://shop.example.com",
    };
    let example = include_str!("../../examples/policies-by-role.yaml");
    let replaced = [("http://127.0.0.1:9000", origin(&backend))];
    let shape = Shape::start(example, login, &replaced).await;
    let customer = json!({"sub": "ann", "roles": ["customer"], "email_verified": true});
    let unverified = json!({"sub": "bob", "roles": ["customer"], "email_verified": false});
    let manager = json!({"sub": "eve", "roles": ["manager"]});
    let nobody = json!({"sub": "joe"});
    let outside = [("x-forwarded-for", "192.0.2.1")];
    let order = (Method::GET, "/orders/7");
    let delete = (Method::DELETE, "/products/7");
    for (caller, called, headers, expected) in [
        (
            &nobody,
            (Method::GET, "/products"),
            &[][..],
            (200, &["browse"][..]),
        ),
        (&nobody, order.clone(), &[], (403, &[])),
        (&customer, order.clone(), &[], (200, &["customers-order"])),
        (
            &customer,
            (Method::POST, "/orders"),
            &[],
            (200, &["customers-order"]),
        ),
        (&customer, delete.clone(), &[], (403, &[])),
        (&unverified, order.clone(), &[], (403, &[])),
        (&manager, delete.clone(), &[], (200, &["managers-manage"])),
        (
            &manager,
            delete,
            &outside,
            (403, &["no-deletes-from-outside"]),
        ),
    ] {
        shape.check(caller.clone(), called, headers, expected).await;
    }
    assert_eq!(shape.client.get("/orders/7").await.status, 401);
    assert_eq!(shape.client.get("/health").await.status, 200);
}

#[tokio::test]
async fn services_may_do_what_the_store_of_each_service_says() {
    let (backend, tokens) = (Upstream::echo().await, TokenServer::start(3600).await);
    let stock = server(|path, token, question| {
        if (path, token) != ("/v1/data/stock/allow", "Bearer token-1") {
            return reply(401, "");
        }
        let input = &question["input"];
        let is_allowed = input["service"] == "orders" && input["action"] == "GET /stock/{item}";
        reply(200, json!({"result": is_allowed}).to_string())
    });
    let stock = stock.await;
    let login = Login {
        issuer: "https://login.example.com/",
        audience: "https://services.example.com",
    };
    let example = include_str!("../../examples/machine-to-machine.yaml");
    let replaced = [
        ("https://login.example.com/oauth2/token", tokens.url()),
        ("http://127.0.0.1:8181", origin(&stock)),
        ("http://127.0.0.1:9001", origin(&backend)),
        ("http://127.0.0.1:9002", origin(&backend)),
    ];
    let shape = Shape::start(example, login, &replaced).await;
    let service = |id: &str, scope: &str| json!({"sub": id, "client_id": id, "scope": scope});
    let billing = [("host", "billing.example.com")];
    let stock = [("host", "stock.example.com")];
    let (read, bill) = ((Method::GET, "/invoices/7"), (Method::POST, "/invoices"));
    let item = (Method::GET, "/stock/7");
    for (caller, called, headers, expected) in [
        (
            service("reports", "invoices.read"),
            read.clone(),
            &billing,
            (200, &["readers-read"][..]),
        ),
        (service("reports", "stock.read"), read, &billing, (403, &[])),
        (
            service("orders", "invoices.read invoices.write"),
            bill.clone(),
            &billing,
            (200, &["orders-bill"]),
        ),
        // The scope is not all.
        (
            service("reports", "invoices.write"),
            bill,
            &billing,
            (403, &[]),
        ),
        (
            service("orders", "stock.read"),
            item.clone(),
            &stock,
            (200, &[]),
        ),
        (service("reports", "stock.read"), item, &stock, (403, &[])),
    ] {
        shape.check(caller, called, headers, expected).await;
    }
    let reasons: Vec<Value> = shape.gateway.records();
    let reasons: Vec<&str> = reasons
        .iter()
        .filter_map(|record| record["reason"].as_str())
        .collect();
    let expected = ["insufficient_scope", "decision_denied", "decision_denied"];
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn staff_may_do_what_the_directory_of_people_bears_out() {
    let (backend, tokens) = (Upstream::echo().await, TokenServer::start(3600).await);
    let people = server(|path, token, _| {
        if token != "Bearer token-1" {
            return reply(401, "");
        }
        let record = match path.strip_prefix("/v1/people/") {
            Some("ann") => json!({"department": "support", "clearance": 2}),
            Some("bob") => json!({"department": "support", "clearance": 1}),
            Some("eve") => json!({"department": "support", "clearance": 2, "leaving": true}),
            Some("tom") => json!({"department": "sales", "clearance": 3}),
            _ => return reply(404, ""),
        };
        reply(200, record.to_string())
    });
    let people = people.await;
    let login = Login {
        issuer: "https://login.example.com/staff/",
        audience: "https://office.example.com",
    };
    let example = include_str!("../../examples/staff.yaml");
    let replaced = [
        ("https://login.example.com/oauth2/token", tokens.url()),
        ("https://people.example.com", origin(&people)),
        ("http://127.0.0.1:9000", origin(&backend)),
    ];
    let shape = Shape::start(example, login, &replaced).await;
    let support =
        |sub: &str| json!({"sub": sub, "groups": ["support"], "identity_provider": "example-corp"});
    let (read, close) = ((Method::GET, "/cases/7"), (Method::POST, "/cases/7/close"));
    for (caller, called, expected) in [
        (support("ann"), read.clone(), (200, &["support-reads"][..])),
        (support("ann"), close.clone(), (200, &["cleared-close"])),
        (support("bob"), close.clone(), (403, &[])),
        (support("tom"), close.clone(), (403, &[])),
        (
            support("eve"),
            close.clone(),
            (403, &["leavers-change-nothing"]),
        ),
        // Of whom the directory knows nothing, the login still says something.
        (support("joe"), read, (200, &["support-reads"])),
        (support("joe"), close.clone(), (403, &[])),
        (
            json!({"sub": "ann", "identity_provider": "example-corp"}),
            close.clone(),
            (403, &[]),
        ),
        // Somebody who signed up by other means.
        (
            json!({"sub": "ann", "groups": ["support"], "identity_provider": "mail"}),
            close,
            (401, &[]),
        ),
    ] {
        shape.check(caller, called, &[], expected).await;
    }
    assert_eq!(tokens.asked().len(), 1);
}

#[tokio::test]
async fn tenants_have_their_own_policies_and_no_others() {
    let backend = Upstream::echo().await;
    let permit = |id: &str, actions: &str| {
        format!(
            "@id(\"{id}\") permit (principal in Desk::Role::\"agent\", action in [{actions}], resource);"
        )
    };
    let (read, delete) = (
        "Desk::Action::\"GET /tickets/{id}\"",
        "Desk::Action::\"DELETE /tickets/{id}\"",
    );
    let acme = json!({"policies": permit("acme", &format!("{read}, {delete}"))});
    let globex = json!({"policies": permit("globex", read)});
    let registry = server(move |path, token, _| {
        if token != "Bearer secret" {
            return reply(401, "");
        }
        let store = match path.strip_prefix("/v1/tenants/") {
            Some("acme") => acme.clone(),
            Some("globex") => globex.clone(),
            Some("initech") => json!("everybody"),
            _ => return reply(404, ""),
        };
        reply(200, json!({"authorization": {"store": store}}).to_string())
    });
    let registry = registry.await;
    let login = Login {
        issuer: "https://login.example.com/",
        audience: "https://desk.example.com",
    };
    let example = include_str!("../../examples/multi-tenant.yaml");
    let replaced = [
        ("https://tenants.example.com", origin(&registry)),
        ("http://127.0.0.1:9000", origin(&backend)),
    ];
    let shape = Shape::start(example, login, &replaced).await;
    // The same user in every tenant, one after the other.
    let agent = |tenant: &str| json!({"sub": "bob", "roles": ["agent"], "tenant_id": tenant});
    let (read, delete) = ((Method::GET, "/tickets/7"), (Method::DELETE, "/tickets/7"));
    for _ in 0..2 {
        for (caller, called, expected) in [
            (agent("acme"), delete.clone(), (200, &["acme"][..])),
            (agent("globex"), delete.clone(), (403, &[])),
            (agent("globex"), read.clone(), (200, &["globex"])),
            (agent("acme"), read.clone(), (200, &["acme"])),
            (agent("initech"), read.clone(), (200, &["agents-read"])),
            (agent("initech"), delete.clone(), (403, &[])),
            (agent("hooli"), read.clone(), (403, &[])),
            (
                json!({"sub": "bob", "roles": ["agent"]}),
                read.clone(),
                (403, &[]),
            ),
        ] {
            shape.check(caller, called, &[], expected).await;
        }
    }
}

/// What an engine was asked: where, with which token, and what.
type Questions = Arc<Mutex<Vec<(String, String, Value)>>>;

/// An engine that answers the first question with `yes` and every other with `no`, notes them, and is at
/// the end of a URL of the example.
async fn engine(yes: Value, no: Value) -> (Upstream, Questions) {
    let questions = Questions::default();
    let noted = Arc::clone(&questions);
    let server = server(move |path, token, question| {
        let mut noted = noted.lock().unwrap();
        let answer = if noted.is_empty() { &yes } else { &no };
        noted.push((path.to_owned(), token.to_owned(), question.clone()));
        reply(200, answer.to_string())
    });
    (server.await, questions)
}

#[tokio::test]
async fn four_engines_are_asked_as_each_documents_it() {
    let backend = Upstream::echo().await;
    let effect = |effect: &str| json!({"results": [{"actions": {"view": effect}}]});
    let (opa, of_opa) = engine(json!({"result": true}), json!({"result": false})).await;
    let (cerbos, of_cerbos) = engine(effect("EFFECT_ALLOW"), effect("EFFECT_DENY")).await;
    let can = |can: &str| json!({ "can": can });
    let (permify, of_permify) =
        engine(can("CHECK_RESULT_ALLOWED"), can("CHECK_RESULT_DENIED")).await;
    let (oso, of_oso) = engine(json!({"allowed": true}), json!({"allowed": false})).await;
    let login = Login {
        issuer: "https://login.example.com/",
        audience: "https://shop.example.com",
    };
    let replaced = [
        ("http://127.0.0.1:8181", origin(&opa)),
        ("http://127.0.0.1:3592", origin(&cerbos)),
        ("http://127.0.0.1:3476", origin(&permify)),
        ("https://cloud.osohq.com", origin(&oso)),
        ("http://127.0.0.1:9000", origin(&backend)),
    ];
    let example = include_str!("../../examples/policy-engines.yaml");
    let shape = Shape::start(example, login, &replaced).await;
    let caller = |sub: &str| json!({"sub": sub, "roles": ["customer", "guest"]});
    let noted = [of_opa, of_cerbos, of_permify, of_oso];
    for ((method, path, expected), questions) in documented().into_iter().zip(noted) {
        for (sub, status) in [("ann", 200), ("bob", 403)] {
            let called = (method.clone(), path);
            shape.check(caller(sub), called, &[], (status, &[])).await;
        }
        let asked = questions.lock().unwrap().clone();
        let (place, token, question) = expected;
        assert_eq!(asked[0], (place.to_owned(), token.to_owned(), question));
        assert_eq!(asked.len(), 2, "{place}");
    }
}

/// What asks each engine, and where it is asked then, with which token, and what.
fn documented() -> [(Method, &'static str, (&'static str, &'static str, Value)); 4] {
    let roles = json!(["customer", "guest"]);
    let of_opa = json!({
        "input": {"user": "ann", "roles": roles, "method": "GET", "path": "/orders"},
    });
    let of_cerbos = json!({
        "principal": {"id": "ann", "roles": roles},
        "resources": [{"actions": ["view"], "resource": {"kind": "order", "id": "7"}}],
    });
    let of_permify = json!({
        "metadata": {"snap_token": "", "schema_version": "", "depth": 20},
        "entity": {"type": "order", "id": "7"},
        "permission": "edit",
        "subject": {"type": "user", "id": "ann"},
    });
    let of_oso = json!({
        "actor_type": "User", "actor_id": "ann", "action": "delete",
        "resource_type": "Order", "resource_id": "7",
    });
    let order = "/orders/7";
    let permify = "/v1/tenants/t1/permissions/check";
    [
        (Method::GET, "/orders", ("/v1/data/shop/allow", "", of_opa)),
        (Method::GET, order, ("/api/check/resources", "", of_cerbos)),
        (Method::PUT, order, (permify, "", of_permify)),
        (
            Method::DELETE,
            order,
            ("/api/authorize", "Bearer secret", of_oso),
        ),
    ]
}
