//! REST APIs map parameters of requests to those of backends.

use gateway_tests::client::{Client, get, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

async fn start(upstream: &Upstream, key: &str, route: Value) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            json!({"prod": {"variables": {"who": "stage"}}}),
        )
        .set(&["apis", "main", "routes"], json!({}))
        .route(key, route);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn headers_are_overwritten_and_query_parameters_appended() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets/{id}",
        json!({
            "parameters": {
                "header.X-Own": "optional",
                "header.X-Many": "optional",
                "querystring.q": "optional",
                "querystring.none": "optional",
            },
            "integration": {"request_parameters": {
                "integration.request.header.X-Pet": "method.request.path.id",
                "integration.request.header.X-Last": "method.request.header.x-many",
                "integration.request.header.X-All": "method.request.multivalueheader.X-Many",
                "integration.request.header.X-Own": "'overwritten'",
                "integration.request.header.X-Stage": "stageVariables.who",
                "integration.request.header.X-Forwarded-For": "context.identity.sourceIp",
                "integration.request.header.X-None": "method.request.querystring.none",
                "integration.request.header.Host": "'backend.test'",
                "integration.request.header.X-Query": "method.request.querystring.q",
                "integration.request.querystring.all": "method.request.multivaluequerystring.q",
            }},
        }),
    )
    .await;
    let sent = [
        ("x-own", "mine"),
        ("x-own", "twice"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("x-none", "mine"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    let answer = client
        .get_with("/prod/pets/a%20b?q=1&q=2%20%26", &sent)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(seen["uri"], "/pets/a%20b?q=1&q=2%20%26&all=1&all=2+%26");
    let headers = &seen["headers"];
    for (name, value) in [
        ("x-pet", "a b"),
        ("x-last", "2"),
        ("x-all", "1,2"),
        ("x-own", "overwritten"),
        ("x-stage", "stage"),
        ("x-forwarded-for", "127.0.0.1"),
        // What is missing changes nothing.
        ("x-none", "mine"),
        ("x-query", "2 &"),
        ("host", "backend.test"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    // A line end is no part of a header.
    let seen = client.get("/prod/pets/1?q=a%0d%0ax:y").await.json();
    assert_eq!(seen["headers"]["x-query"], json!(null));
    assert_eq!(seen["headers"]["x"], json!(null));
}

#[tokio::test]
async fn what_is_decoded_is_encoded_again() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets/{id}",
        json!({
            "parameters": {"querystring.q": "optional"},
            "integration": {"request_parameters": {
                "integration.request.header.X-Pet": "method.request.path.id",
                "integration.request.header.X-Query": "method.request.querystring.q",
                "integration.request.querystring.all": "method.request.multivaluequerystring.q",
            }},
        }),
    )
    .await;
    for (path, uri, pet, query) in [
        (
            "/50%25?q=100%25",
            "/50%25?q=100%25&all=100%25",
            "50%",
            "100%",
        ),
        // A semicolon separates nothing.
        (
            "/1?q=a;b|{c}",
            "/1?q=a;b|{c}&all=a%3Bb%7C%7Bc%7D",
            "1",
            "a;b|{c}",
        ),
    ] {
        let seen = client.get(&format!("/prod/pets{path}")).await.json();
        assert_eq!(seen["uri"], format!("/pets{uri}"));
        assert_eq!(seen["headers"]["x-pet"], pet, "{path}");
        assert_eq!(seen["headers"]["x-query"], query, "{path}");
    }
}

#[tokio::test]
async fn what_the_gateway_does_not_say_of_a_client_it_cannot_say_of_itself() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets",
        json!({"integration": {"request_parameters": {
            "integration.request.header.X-Subject": "context.identity.clientCert.subjectDN",
            "integration.request.header.X-Agent": "context.identity.userAgent",
            "integration.request.header.X-Caller": "context.authorizer.claims.sub",
            "integration.request.querystring.user": "context.authorizer.claims.name",
            "integration.request.querystring.from": "context.identity.sourceIp",
        }}}),
    )
    .await;
    let forged = [
        ("x-subject", "CN=admin"),
        ("x-caller", "admin"),
        ("x-caller", "root"),
        ("x-agent", "other"),
        ("user-agent", "own"),
    ];
    let path = "/prod/pets?user=admin&from=192.0.2.1&q=1";
    let seen = client.get_with(path, &forged).await.json();
    for name in ["x-subject", "x-caller"] {
        assert_eq!(seen["headers"][name], json!(null), "{name}");
    }
    assert_eq!(seen["headers"]["x-agent"], "own");
    assert_eq!(seen["uri"], "/pets?q=1&from=127.0.0.1");
}

#[tokio::test]
async fn a_variable_that_is_missing_is_not_the_clients_to_say() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets",
        json!({
            "parameters": {"header.X-In": "optional"},
            "integration": {"request_parameters": {
                "integration.request.header.X-Tenant": "stageVariables.none",
                "integration.request.header.X-Caller": "context.authorizer.claims.sub",
                "integration.request.header.X-Role": "'guest'",
                "integration.request.header.X-Own": "method.request.header.X-In",
                "integration.request.querystring.tenant": "stageVariables.none",
            }},
        }),
    )
    .await;
    let forged = [
        ("x-tenant", "victim"),
        ("x_tenant", "victim"),
        ("x_caller", "victim"),
        ("x_role", "admin"),
        ("x_amzn_apigateway_api_id", "other"),
        ("x_own", "kept"),
    ];
    let path = "/prod/pets?tenant=victim&Tenant[]=victim&a=1;tenant=victim";
    let seen = client.get_with(path, &forged).await.json();
    let headers = seen["headers"].as_object().unwrap();
    let marked: Vec<&String> = headers.keys().filter(|name| name.contains('_')).collect();
    assert_eq!(marked, ["x_own"]);
    for name in ["x-tenant", "x-caller"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["x-role"], "guest");
    assert_eq!(seen["uri"], "/pets?a=1%3Btenant=victim");
}

#[tokio::test]
async fn no_mapping_says_of_a_body_or_a_hop_what_is_not_so() {
    let upstream = Upstream::echo().await;
    let names = ["Content-Encoding", "Content-MD5", "Server", "Via"];
    let declared = names.map(|name| (format!("header.{name}"), json!("optional")));
    let mapped = names.map(|name| {
        let target = format!("integration.request.header.{name}");
        (target, json!(format!("method.request.header.{name}")))
    });
    let (_gateway, client) = start(
        &upstream,
        "POST /pets",
        json!({
            "parameters": declared.into_iter().collect::<Value>(),
            "integration": {"request_parameters": mapped.into_iter().collect::<Value>()},
        }),
    )
    .await;
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut coder, b"plain").unwrap();
    let body = coder.finish().unwrap();
    let asked = request(Method::POST, "/prod/pets", whole(body));
    let sent = [
        ("content-encoding", "gzip"),
        ("content-md5", "Q2hlY2s="),
        ("server", "other"),
        ("via", "1.1 other"),
    ];
    let seen = client.send(with(asked, &sent)).await.json();
    assert_eq!(seen["body"], "plain");
    for name in ["content-encoding", "content-md5", "server"] {
        assert_eq!(seen["headers"][name], json!(null), "{name}");
    }
    assert_eq!(seen["headers"]["via"], "1.1 gateway");
}

#[tokio::test]
async fn values_fill_the_path() {
    let upstream = Upstream::echo().await;
    let base = format!("http://{}", upstream.address);
    let (gateway, client) = start(
        &upstream,
        "GET /pets/{id}/{proxy+}",
        json!({
            "parameters": {"header.X-Tenant": "optional"},
            "integration": {
                "uri": format!("{base}/{{tenant}}/{{id}}/{{rest}}?by=gateway"),
                "request_parameters": {
                    "integration.request.path.tenant": "method.request.header.X-Tenant",
                    "integration.request.path.rest": "method.request.path.proxy",
                    "integration.request.querystring.x": "'1'",
                },
            },
        }),
    )
    .await;
    for (tenant, path, uri) in [
        (
            "blue",
            "/prod/pets/7/a/b%20c",
            "/blue/7/a/b%20c?by=gateway&x=1",
        ),
        (
            "a/b?c",
            "/prod/pets/7/x?q",
            "/a%2Fb%3Fc/7/x?by=gateway&q&x=1",
        ),
    ] {
        let answer = client.send(with(get(path), &[("x-tenant", tenant)])).await;
        assert_eq!(answer.json()["uri"], uri, "{tenant}: {}", answer.text());
    }
    for tenant in ["..", ".", "../x", "..;a", "a/../../x", "", " "] {
        let answer = client
            .send(with(get("/prod/pets/7/x"), &[("x-tenant", tenant)]))
            .await;
        assert_eq!(answer.status, 400, "{tenant}");
        assert_eq!(answer.header("x-amzn-errortype"), "BadRequestException");
    }
    assert_eq!(client.get("/prod/pets/7/x").await.status, 400);
    let detail = gateway.reason("bad_path").await["detail"].clone();
    assert_eq!(detail, "the path contains a dot segment");
    assert_eq!(upstream.seen().requests, 2);
}

#[tokio::test]
async fn a_body_that_is_mapped_is_json() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(
        &upstream,
        "POST /pets",
        json!({"integration": {"request_parameters": {
            "integration.request.header.X-Name": "method.request.body.pet.name",
            "integration.request.header.X-Body": "method.request.body",
            "integration.request.header.X-None": "method.request.body.none",
        }}}),
    )
    .await;
    let body = r#"{"pet": {"name": "rex"}}"#;
    let answer = client.post("/prod/pets", whole(body)).await;
    let seen = answer.json();
    assert_eq!(seen["body"], body);
    assert_eq!(seen["headers"]["x-name"], "rex");
    assert_eq!(seen["headers"]["x-body"], body);
    assert_eq!(seen["headers"]["x-none"], json!(null));
    let empty = client
        .send(request(Method::POST, "/prod/pets", whole("")))
        .await;
    assert_eq!(empty.json()["headers"]["x-body"], "{}");
    let answer = client.post("/prod/pets", whole("{")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text(),
        r#"{"message":"Invalid JSON in request body"}"#
    );
    assert_eq!(gateway.reason("body_not_json").await["status"], 400);
}

#[tokio::test]
async fn the_value_of_a_mapped_body_needs_memory() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .set(&["body_memory_max"], json!("1MiB"))
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .route(
            "POST /pets",
            json!({"body_max": "64KiB", "integration": {"request_parameters": {
                "integration.request.header.X-Name": "method.request.body.name",
            }}}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    // A body that is small, and large once it is parsed.
    let growing = |count: usize| {
        let list = vec![r#"{"":0}"#; count].join(",");
        format!(r#"{{"name": "rex", "list": [{list}]}}"#)
    };
    for (count, status) in [(8, 200), (4000, 503), (8, 200)] {
        let asked = request(Method::POST, "/prod/pets", whole(growing(count)));
        assert_eq!(client.send(asked).await.status, status, "{count}");
    }
    gateway.reason("body_memory").await;
}
