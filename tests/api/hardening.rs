//! Small differences between two readers of one request, each of which would open a hole.

use gateway_tests::client::{Client, get, nothing, pieces, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_is_forwarded_with_it() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    // Over HTTP/1.1 it is the header that says that there is a body at all.
    let chunked: &[(&str, &str)] = &[("transfer-encoding", "chunked")];
    for (client, headers) in [
        (Client::http1(address).await, chunked),
        (Client::http2(address).await, &[]),
    ] {
        let (body, outgoing) = pieces();
        body.send("filter".into()).await.unwrap();
        drop(body);
        let search = with(request(Method::GET, "/search", outgoing), headers);
        let answer = client.send(search).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["body"], "filter", "{}", answer.text());
    }
}

#[tokio::test]
async fn a_source_denied_while_connected_is_served_no_more() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let client = Client::http1_from("127.0.0.9", address).await;
    assert_eq!(client.get("/before").await.status, 200);
    let added = gateway
        .admin(r#"{"do":"list_add","list":"deny","prefix":"127.0.0.9/32","for_seconds":null}"#)
        .await;
    assert_eq!(added["answer"], "done", "{added}");
    assert!(client.try_send(get("/after")).await.is_err());
    assert_eq!(gateway.reason("denied").await["kind"], "connection");
    assert_eq!(upstream.seen().requests, 1);
}

#[tokio::test]
async fn paths_that_servers_normalise_differently_are_refused() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let client = Client::http1(gateway.address().await).await;
    for path in ["/x/..;/admin", "/x/%2e%2e%3b/admin", "/a//admin"] {
        assert_eq!(client.get(path).await.status, 400, "{path}");
        assert_eq!(gateway.path(path).await["reason"], "bad_path");
    }
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn a_rejection_of_head_has_no_body_in_either_protocol() {
    let upstream = Upstream::echo().await;
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .route("GET /some", json!({}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    for client in [Client::http1(address).await, Client::http2(address).await] {
        let answer = client.send(request(Method::HEAD, "/none", nothing())).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, ""));
        assert_eq!(answer.header("content-length"), "23");
        assert_eq!(
            client.get("/none").await.status,
            404,
            "the connection lives on"
        );
    }
}

#[tokio::test]
async fn cookies_in_pieces_are_joined() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let client = Client::http2(gateway.address().await).await;
    let answer = client
        .send(with(get("/"), &[("cookie", "a=1"), ("cookie", "b=2")]))
        .await;
    assert_eq!(
        answer.json()["headers"]["cookie"],
        "a=1; b=2",
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_proxy_that_is_trusted_no_more_is_believed_no_more_on_open_connections() {
    let upstream = Upstream::echo().await;
    let setup =
        Setup::forwarding(upstream.address).listener("trusted_proxies", json!(["127.0.0.1"]));
    let mut gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let claim = [("x-forwarded-for", "198.51.100.7")];
    assert_eq!(client.get_with("/1", &claim).await.status, 200);
    assert_eq!(gateway.path("/1").await["client"], "198.51.100.7");
    gateway
        .setup()
        .change(&["listeners", "main", "trusted_proxies"], json!([]));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get_with("/2", &claim).await.status, 200);
    assert_eq!(gateway.path("/2").await["client"], "127.0.0.1");
}

#[tokio::test]
async fn a_hop_that_is_no_text_ends_the_list_of_hops() {
    let upstream = Upstream::echo().await;
    let setup =
        Setup::forwarding(upstream.address).listener("trusted_proxies", json!(["127.0.0.1"]));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let mut request = with(get("/"), &[("x-forwarded-for", "6.6.6.6")]);
    let bent = http::HeaderValue::from_bytes(b"\xe9, 198.51.100.7").unwrap();
    request.headers_mut().append("x-forwarded-for", bent);
    assert_eq!(client.send(request).await.status, 200);
    assert_eq!(gateway.path("/").await["client"], "198.51.100.7");
}

#[tokio::test]
async fn headers_over_the_limit_are_refused_with_a_record_over_http2() {
    let upstream = Upstream::echo().await;
    let setup =
        Setup::forwarding(upstream.address).listener("limits", json!({"header_bytes_max": "8KiB"}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http2(gateway.address().await).await;
    let large = "x".repeat(9_000);
    assert_eq!(
        client
            .get_with("/large", &[("x-large", &large)])
            .await
            .status,
        431
    );
    assert_eq!(gateway.path("/large").await["reason"], "too_many_headers");
}
