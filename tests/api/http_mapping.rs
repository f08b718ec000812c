//! HTTP APIs map parameters of requests and of answers.

use gateway_tests::client::{Client, whole};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::HeaderValue;
use serde_json::{Value, json};

async fn start(upstream: &Upstream, key: &str, integration: Value) -> (Gateway, Client) {
    let stages = json!({"$default": {"variables": {"who": "stage"}}, "beta": {}});
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "stages"], stages)
        .route(key, json!({"integration": integration}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn a_request_is_changed_as_its_mappings_say() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "POST /pets/{id}",
        json!({"request_parameters": {
            "append:header.X-Many": "$request.path.id",
            "overwrite:header.X-Own": "${request.path.id}-${stageVariables.who}",
            "remove:header.X-Gone": "''",
            "overwrite:header.X-None": "$request.header.none",
            "overwrite:header.X-Name": "$request.body.pet.name",
            "overwrite:header.Host": "backend.test",
            "append:querystring.a": "$request.header.x-many",
            "overwrite:querystring.b": "new & old",
            "remove:querystring.c": "",
            "overwrite:path": "/moved/${request.path.id}",
        }}),
    )
    .await;
    let sent = [
        ("x-many", "1"),
        ("x-many", "2"),
        ("x-own", "mine"),
        ("x-gone", "x"),
        ("x-none", "kept"),
    ];
    let body = r#"{"pet": {"name": "rex"}}"#;
    let asked = gateway_tests::client::request(
        http::Method::POST,
        "/pets/a%20b?a=0&b=1&c=2&%62=3&d",
        whole(body),
    );
    let answer = client.send(gateway_tests::client::with(asked, &sent)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(seen["uri"], "/moved/a%20b?a=0&d&a=1%2C2&b=new+%26+old");
    assert_eq!(seen["body"], body);
    for (name, value) in [
        ("x-many", json!("1 | 2 | a b")),
        ("x-own", json!("a b-stage")),
        ("x-gone", json!(null)),
        ("x-none", json!("kept")),
        ("x-name", json!("rex")),
        ("host", json!("backend.test")),
    ] {
        assert_eq!(seen["headers"][name], value, "{name}");
    }
}

#[tokio::test]
async fn what_the_gateway_does_not_say_of_a_client_it_cannot_say_of_itself() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets",
        json!({"request_parameters": {
            "overwrite:header.X-Subject": "$context.identity.clientCert.subjectDN",
            "overwrite:header.X-Mixed": "by ${context.authorizer.claims.sub}",
            "append:header.X-More": "$context.authorizer.claims.sub",
            "overwrite:querystring.user": "$context.authorizer.claims.name",
            "overwrite:querystring.from": "$context.identity.sourceIp",
        }}),
    )
    .await;
    let forged = [
        ("x-subject", "CN=admin"),
        ("x-subject", "CN=root"),
        ("x-mixed", "by admin"),
        ("x-more", "kept"),
    ];
    let path = "/pets?user=admin&%75ser=root&from=192.0.2.1&q=1";
    let seen = client.get_with(path, &forged).await.json();
    for name in ["x-subject", "x-mixed"] {
        assert_eq!(seen["headers"][name], json!(null), "{name}");
    }
    // What is appended to takes nobody's place.
    assert_eq!(seen["headers"]["x-more"], "kept");
    assert_eq!(seen["uri"], "/pets?q=1&from=127.0.0.1");
}

#[tokio::test]
async fn a_stage_without_the_variable_lets_no_client_say_it() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets/{id}",
        json!({"request_parameters": {
            "overwrite:header.X-Tenant": "$stageVariables.who",
            "overwrite:querystring.tenant": "t-${stageVariables.who}",
        }}),
    )
    .await;
    let forged = [("x-tenant", "victim"), ("x_tenant", "victim")];
    for (path, header, uri) in [
        (
            "/pets/1?tenant=victim&q",
            json!("stage"),
            "/pets/1?q&tenant=t-stage",
        ),
        ("/beta/pets/1?tenant=victim&q", json!(null), "/pets/1?q"),
    ] {
        let seen = client.get_with(path, &forged).await.json();
        assert_eq!(seen["headers"]["x-tenant"], header, "{path}");
        assert_eq!(seen["headers"]["x_tenant"], json!(null), "{path}");
        assert_eq!(seen["uri"], uri);
    }
}

#[tokio::test]
async fn no_name_that_backends_take_for_the_gateways_own_passes() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets",
        json!({"request_parameters": {
            "overwrite:header.X-User-Id": "$context.authorizer.claims.sub",
            "overwrite:header.X-From": "$context.identity.sourceIp",
            "overwrite:header.X-Role": "guest",
            "remove:header.X-Debug": "",
            "overwrite:header.X-Own": "$request.querystring.q",
            "overwrite:querystring.user_id": "$context.identity.sourceIp",
            "overwrite:querystring.tenant": "acme",
            "remove:querystring.debug": "",
        }}),
    )
    .await;
    let sent = [
        ("x_user_id", "victim"),
        ("x.user_id", "victim"),
        ("x_from", "192.0.2.1"),
        ("x_role", "admin"),
        ("x_debug", "1"),
        ("x_own", "kept"),
        ("x_forwarded_for", "192.0.2.1"),
        ("x-forwarded_host", "victim.test"),
        ("x_forwarded_proto", "https"),
    ];
    let path = "/pets?a=1;user_id=victim&user.id=victim&USER-ID[]=victim&user=kept&q=5\
                &TENANT=evil&tenant[]=evil&tenant=evil&debug=1&DEBUG=1&debug[]=1";
    let seen = client.get_with(path, &sent).await.json();
    let headers = seen["headers"].as_object().unwrap();
    let mut with_marks = headers.keys().filter(|name| name.contains(['_', '.']));
    assert_eq!(with_marks.next().unwrap(), "x_own");
    assert_eq!(with_marks.next(), None);
    for (name, value) in [
        ("x-from", "127.0.0.1"),
        ("x-role", "guest"),
        ("x-own", "5"),
        ("x_own", "kept"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "api.test"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(!headers.contains_key("x-user-id"));
    let uri = "/pets?a=1%3Buser_id=victim&user=kept&q=5&user_id=127.0.0.1&tenant=acme";
    assert_eq!(seen["uri"], uri);
}

#[tokio::test]
async fn a_path_that_variables_make_is_never_the_clients_own() {
    let upstream = Upstream::echo().await;
    for (value, agent, expected) in [
        ("/users/${context.authorizer.claims.tenant}", "", None),
        (
            "/users/${stageVariables.none}/${request.path.proxy}",
            "",
            None,
        ),
        (
            "/users/${context.identity.userAgent}",
            "me",
            Some("/users/me"),
        ),
        ("/users/${context.identity.userAgent}", "", None),
        ("$context.identity.userAgent", "/me", Some("/me")),
        ("$context.identity.userAgent", "me", None),
    ] {
        let mapping = json!({"request_parameters": {"overwrite:path": value}});
        let (gateway, client) = start(&upstream, "ANY /{proxy+}", mapping).await;
        let answer = client
            .get_with("/users/victim", &[("user-agent", agent)])
            .await;
        match expected {
            Some(path) => assert_eq!(answer.json()["uri"], path, "{value} {agent}"),
            None => {
                assert_eq!(answer.status, 400, "{value} {agent}");
                assert_eq!(answer.text(), r#"{"message":"Bad Request"}"#);
                assert_eq!(gateway.reason("bad_path").await["status"], 400);
            }
        }
    }
    assert_eq!(upstream.seen().requests, 2);
}

#[tokio::test]
async fn a_path_is_replaced_whole_and_leads_nowhere_else() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(
        &upstream,
        "GET /{proxy+}",
        json!({
            "path": "/ignored",
            "request_parameters": {"overwrite:path": "$request.querystring.to"},
        }),
    )
    .await;
    for (path, uri) in [
        ("/x?to=/a/b", "/a/b?to=/a/b"),
        ("/x?to=/a%3Fb", "/a%3Fb?to=/a%3Fb"),
        // What is missing or no path changes nothing.
        ("/x?q", "/ignored?q"),
        ("/x?to=a", "/ignored?to=a"),
    ] {
        assert_eq!(client.get(path).await.json()["uri"], uri, "{path}");
    }
    for path in ["/x?to=/a/../b", "/x?to=/%252e%252e/b", "/x?to=/a%5C..%5Cb"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.text(), r#"{"message":"Bad Request"}"#);
    }
    assert_eq!(gateway.reason("bad_path").await["status"], 400);

    let (_gateway, client) = start(
        &upstream,
        "GET /pets/{id}",
        json!({"request_parameters": {"overwrite:path": "$request.path"}}),
    )
    .await;
    let seen = client.get("/beta/pets/a%20b%2F?q=1").await.json();
    assert_eq!(seen["uri"], "/pets/a%20b%2F?q=1");

    let mapping = json!({"request_parameters": {"overwrite:path": "/moved"}});
    let based = json!({"url": format!("http://{}/base", upstream.address)});
    let setup = Setup::forwarding(upstream.address)
        .set(&["upstreams", "main"], based)
        .route("GET /pets", json!({"integration": mapping}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/pets").await.json()["uri"], "/base/moved");
}

fn answering(
    status: u16,
    body: impl Into<bytes::Bytes> + Clone + Send + Sync + 'static,
) -> impl std::future::Future<Output = Upstream> {
    Upstream::http(move |_request| {
        let mut answer = reply(status, body.clone());
        let headers = answer.headers_mut();
        headers.insert("x-id", HeaderValue::from_static("7"));
        headers.insert("x-gone", HeaderValue::from_static("x"));
        async { answer }
    })
}

#[tokio::test]
async fn an_answer_is_changed_by_its_status() {
    let upstream = answering(403, r#"{"error": {"code": "none"}}"#).await;
    let (gateway, client) = start(
        &upstream,
        "GET /pets",
        json!({"response_parameters": {
            "403": {
                "overwrite:statuscode": "404",
                "append:header.X-Id": "$response.header.x-id",
                "overwrite:header.X-Code": "$response.body.error.code",
                "overwrite:header.X-Stage": "$stageVariables.who",
                "overwrite:header.X-None": "$response.body.none",
                "remove:header.X-Gone": "",
            },
            "500": {"overwrite:statuscode": "200"},
        }}),
    )
    .await;
    let answer = client.get("/pets").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), r#"{"error": {"code": "none"}}"#);
    assert_eq!(answer.header("content-length"), "27");
    let ids: Vec<_> = answer.headers.get_all("x-id").iter().collect();
    assert_eq!(ids, ["7", "7"]);
    assert_eq!(answer.header("x-code"), "none");
    assert_eq!(answer.header("x-stage"), "stage");
    for name in ["x-none", "x-gone"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    let record = gateway.path("/pets").await;
    assert_eq!(
        (&record["status"], &record["upstream_status"]),
        (&json!(404), &json!(403))
    );
    // Another status, and another route, are left alone.
    assert_eq!(client.get("/other").await.status, 403);
}

#[tokio::test]
async fn a_long_body_arrives_whole_though_its_beginning_was_looked_at() {
    let mut body = br#"{"first": "seen", "filler": ""#.to_vec();
    body.resize(3_000_000, b'x');
    let upstream = answering(200, body.clone()).await;
    let (_gateway, client) = start(
        &upstream,
        "GET /pets",
        json!({"response_parameters": {"200": {
            "overwrite:header.X-First": "$response.body.first",
            "overwrite:header.X-Seen": "yes",
        }}}),
    )
    .await;
    let answer = client.get("/pets").await;
    assert!(answer.body == body);
    assert_eq!(answer.header("content-length"), "3000000");
    assert_eq!(answer.header("x-seen"), "yes");
    // What was cut off is no JSON.
    assert!(!answer.headers.contains_key("x-first"));
}

#[tokio::test]
async fn a_status_without_body_has_none() {
    let upstream = answering(200, "text").await;
    let mappings = json!({"response_parameters": {"200": {"overwrite:statuscode": "204"}}});
    let (gateway, client) = start(&upstream, "GET /pets", mappings).await;
    let second = Client::http2(gateway.address().await).await;
    for client in [&client, &second] {
        let answer = client.get("/pets").await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert!(!answer.headers.contains_key("content-length"));
    }
}

#[tokio::test]
async fn a_status_that_gets_a_body_loses_the_length_of_another() {
    let upstream = Upstream::http(|_request| async {
        let mut answer = reply(304, "");
        let length = HeaderValue::from_static("1234");
        answer.headers_mut().insert("content-length", length);
        answer
    })
    .await;
    let mappings = json!({"response_parameters": {"304": {"overwrite:statuscode": "200"}}});
    let (gateway, first) = start(&upstream, "GET /pets", mappings).await;
    let second = Client::http2(gateway.address().await).await;
    for client in [&first, &second] {
        let answer = client.get("/pets").await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert!(["", "0"].contains(&answer.header("content-length")));
    }
}
