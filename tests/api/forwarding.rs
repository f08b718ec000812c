//! A request reaches the upstream as it should, and the answer comes back as it should.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Answer, Client, HOST_NAME, nothing, request};
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::Raw;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{ECHO_END, Upstream, empty, reply};
use http::Method;
use serde_json::{Value, json};

/// In all four ways a client can speak.
#[tokio::test]
async fn every_protocol_is_served() {
    let upstream = Upstream::echo().await;
    let authority = Authority::new();
    let setup = Setup::forwarding(upstream.address);
    let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
    let setup = setup
        .set(&["listeners", "secure", "address"], json!("127.0.0.1:0"))
        .set(
            &["listeners", "secure", "tls", "certificates"],
            json!([certificate]),
        );
    let gateway = Gateway::start(setup).await;
    let (plain, secure) = (gateway.address().await, gateway.listener("secure").await);
    let clients = [
        (Client::http1(plain).await, false, "http"),
        (Client::http2(plain).await, true, "http"),
        (
            Client::tls(secure, &authority.client(&["http/1.1"])).await,
            false,
            "https",
        ),
        (
            Client::tls(secure, &authority.client(&["h2", "http/1.1"])).await,
            true,
            "https",
        ),
    ];
    for (number, (client, http2, scheme)) in clients.iter().enumerate() {
        assert_eq!(client.is_http2(), *http2);
        let path = format!("/call/{number}");
        let answer = client.get(&format!("{path}?q=1&q=%20")).await;
        assert_eq!(answer.status, 200);
        let seen = answer.json();
        assert_eq!(seen["uri"], format!("{path}?q=1&q=%20"));
        assert_eq!(seen["headers"]["x-forwarded-proto"], *scheme);
        let record = gateway.path(&path).await;
        assert_eq!(
            record["protocol"],
            if *http2 { "HTTP/2.0" } else { "HTTP/1.1" }
        );
        assert_eq!(record["status"], 200);
        assert_eq!(record["reason"], json!(null));
    }
    assert_eq!(gateway.records().len(), 4);
}

fn headers(answer: &Answer) -> Value {
    answer.json()["headers"].clone()
}

#[tokio::test]
async fn connection_headers_end_at_the_gateway_and_forwarding_headers_are_its_own() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let sent = [
        ("host", "Api.Test:8080"),
        ("connection", "x-private, keep-alive"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic eDp5"),
        ("upgrade", "websocket"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-port", "1"),
        ("forwarded", "for=6.6.6.6"),
        ("x-kept", "one"),
        ("x-kept", "two"),
    ];
    let answer = Client::http1(address).await.get_with("/h", &sent).await;
    let seen = headers(&answer);
    for gone in [
        "connection",
        "x-private",
        "keep-alive",
        "te",
        "proxy-authorization",
        "upgrade",
    ] {
        assert_eq!(seen[gone], Value::Null, "{gone}");
    }
    assert_eq!(seen["host"], upstream.address.to_string());
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-proto"], "http");
    assert_eq!(seen["x-forwarded-host"], "api.test");
    assert_eq!(seen["x-forwarded-port"], address.port().to_string());
    assert_eq!(
        seen["forwarded"],
        "for=127.0.0.1;host=\"api.test\";proto=http"
    );
    assert_eq!(seen["via"], "1.1 gateway");
    assert_eq!(seen["x-kept"], "one | two");
    let record = gateway.path("/h").await;
    assert_eq!(record["client"], "127.0.0.1");
    assert_eq!(record["host"], "api.test");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .listener("trusted_proxies", json!(["127.0.0.0/8", "10.0.0.0/8"]));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let chain = [
        ("x-forwarded-for", "6.6.6.6, 198.51.100.7"),
        ("x-forwarded-for", "10.1.2.3"),
    ];
    let seen = headers(&client.get_with("/h", &chain).await);
    assert_eq!(
        seen["x-forwarded-for"],
        "6.6.6.6, 198.51.100.7, 10.1.2.3, 127.0.0.1"
    );
    assert_eq!(
        seen["forwarded"],
        "for=198.51.100.7;host=\"api.test\";proto=http"
    );
    let record = gateway.path("/h").await;
    assert_eq!(record["client"], "198.51.100.7");
    assert!(record["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn paths_follow_their_templates() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .route(
            "GET /pets/{id}",
            json!({"integration": {"path": "/v2/animals/{id}"}}),
        )
        .route(
            "ANY /files/{rest+}",
            json!({"integration": {"path": "/blob/{rest}"}}),
        )
        .route("GET /exact", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let rows = [
        (
            "/pets/a%2Fb?x=%41&y",
            "/v2/animals/a%2Fb?x=%41&y",
            "GET /pets/{id}",
        ),
        ("/pets/7", "/v2/animals/7", "GET /pets/{id}"),
        ("/files/a/b%20c?", "/blob/a/b%20c?", "ANY /files/{rest+}"),
        ("/exact?a=1&a=2", "/exact?a=1&a=2", "GET /exact"),
        ("/other/x/", "/other/x/", "$default"),
    ];
    for (sent, arrived, route) in rows {
        assert_eq!(client.get(sent).await.json()["uri"], arrived, "{sent}");
        let path = sent.split('?').next().unwrap();
        assert_eq!(gateway.path(path).await["route"], route);
    }
}

#[tokio::test]
async fn an_api_answers_its_hosts_and_methods_only() {
    let upstream = Upstream::echo().await;
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .route("GET /only", json!({}))
        .set(&["apis", "main", "hosts"], json!(["api.test"]));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/only").await.status, 200);
    let wrong_host = client.get_with("/a", &[("host", "other.test")]).await;
    assert_eq!(
        (wrong_host.status, wrong_host.text().as_str()),
        (404, r#"{"message":"Not Found"}"#)
    );
    let wrong_method = client.post("/only", nothing()).await;
    assert_eq!(
        (wrong_method.status, wrong_method.header("content-type")),
        (404, "application/json")
    );
    assert_eq!(gateway.path("/a").await["reason"], "route_not_found");
    let methods = gateway
        .record("POST", |record| record["method"] == "POST")
        .await;
    assert_eq!(methods["reason"], "route_not_found");
    assert_eq!(upstream.seen().requests, 1);
}

#[tokio::test]
async fn answers_without_body_stay_without() {
    let upstream = Upstream::http(|request| async move {
        let mut reply = match request.uri().path() {
            "/204" => empty(204),
            "/304" => empty(304),
            _ if request.method() == Method::HEAD => empty(200),
            _ => reply(200, "hello"),
        };
        if request.method() == Method::HEAD {
            reply.headers_mut().insert("content-length", 5.into());
        }
        reply
            .headers_mut()
            .insert("etag", "\"v1\"".parse().unwrap());
        reply
    })
    .await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    for client in [Client::http1(address).await, Client::http2(address).await] {
        let head = client.send(request(Method::HEAD, "/head", nothing())).await;
        assert_eq!(
            (head.status, head.header("content-length"), head.body.len()),
            (200, "5", 0)
        );
        for status in [204, 304] {
            let answer = client.get(&format!("/{status}")).await;
            assert_eq!(
                (answer.status, answer.header("etag"), answer.body.len()),
                (status, "\"v1\"", 0)
            );
            assert_eq!(answer.header("transfer-encoding"), "");
        }
        // The connection is still in step.
        assert_eq!(client.get("/body").await.text(), "hello");
    }
    gateway
        .metrics_when("eight requests", |m| m.sum("gateway_requests_total") >= 8.0)
        .await;
    gateway
        .log
        .find("the last", |line| line.contains("HTTP/2.0").then_some(()))
        .await;
    assert!(
        gateway
            .records()
            .iter()
            .all(|record| record["reason"] == Value::Null)
    );
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_told_so_once_its_body_is_wanted() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let mut raw = Raw::connect(gateway.address().await).await;
    raw.write(
        "POST /c HTTP/1.1\r\nhost: api.test\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
    )
    .await;
    raw.read_until("HTTP/1.1 100 Continue\r\n\r\n").await;
    raw.write("hello").await;
    let answer = raw.read_until(ECHO_END).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""body":"hello""#), "{answer}");
    assert!(!answer.contains("expect"), "{answer}");
}

#[tokio::test]
async fn the_request_has_a_name_that_client_and_log_share() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let answer = Client::http1(gateway.address().await)
        .await
        .get("/named")
        .await;
    let name = answer.header("apigw-requestid");
    assert_eq!(name.len(), 16);
    assert_eq!(gateway.path("/named").await["request_id"], name);
}

#[tokio::test]
async fn a_client_over_ipv6_is_named_as_such() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address).listener("address", json!("[::1]:0"));
    let gateway = Gateway::start(setup).await;
    let seen = headers(
        &Client::http1(gateway.address().await)
            .await
            .get("/six")
            .await,
    );
    assert_eq!(seen["x-forwarded-for"], "::1");
    assert_eq!(
        seen["forwarded"],
        "for=\"[::1]\";host=\"api.test\";proto=http"
    );
    assert_eq!(gateway.path("/six").await["client"], "::1");
}

#[tokio::test]
async fn a_path_in_the_target_is_forwarded_byte_for_byte() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let client = Client::http1(gateway.address().await).await;
    for target in [
        "/%7Euser/;a=1,b?x=%2F&&y",
        "/%E2%82%AC",
        "/a%2fb%5Cc",
        "/a+b",
        "/'()*!$@:",
        "/?",
    ] {
        assert_eq!(client.get(target).await.json()["uri"], target);
    }
}
