//! How large the head of a request may be, for either type of API.

use bytes::Bytes;
use gateway_tests::client::{Client, pieces, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize};
use gateway_tests::raw::exchange;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::json;

/// The bound of both by default.
const BYTES_MAX: usize = 10_240;

/// `main` is an HTTP API and `rest.test` a REST API; both forward everything.
fn both(upstream: &Upstream) -> Setup {
    let route = json!({"authorizer": "none", "integration": {"upstream": "main"}});
    let rest = json!({
        "type": "rest", "hosts": ["rest.test"], "stages": {"prod": {}},
        "gateway_responses": {"DEFAULT_4XX": {
            "parameters": {"gatewayresponse.header.X-Own": "method.request.header.X-Client"},
        }},
        "routes": {"ANY /{any+}": route},
    });
    Setup::forwarding(upstream.address).set(&["apis", "rest"], rest)
}

/// A path of so many bytes.
fn path(start: &str, bytes: usize) -> String {
    format!("{start}?{}", "q".repeat(bytes - start.len() - 1))
}

#[tokio::test]
async fn urls_and_headers_of_rest_apis_are_bounded_as_in_the_service() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(both(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    let call = async |path: &str, values: usize| {
        let filler = "x".repeat(values - "rest.test".len() - "me".len());
        let headers = [("host", "rest.test"), ("x-client", "me"), ("x-a", &filler)];
        client.get_with(path, &headers).await
    };
    assert_eq!(call(&path("/prod/a", BYTES_MAX), 100).await.status, 200);
    let answer = call(&path("/prod/a", BYTES_MAX + 1), 100).await;
    assert_eq!(answer.status, 414);
    assert_eq!(answer.text(), r#"{"message":"Request URI too long"}"#);
    assert_eq!(answer.header("x-amzn-errortype"), "BadRequestException");
    assert_eq!(answer.header("x-own"), "me");
    // Only the values count, and what every client sends besides has few of them.
    assert_eq!(call("/prod/b", BYTES_MAX - 100).await.status, 200);
    let answer = call("/prod/c", BYTES_MAX + 1).await;
    assert_eq!(answer.status, 431);
    assert_eq!(answer.header("x-own"), "me");
    assert_eq!(gateway.path("/prod/c").await["reason"], "too_many_headers");
    assert_eq!(gateway.reason("uri_too_long").await["status"], 414);
}

#[tokio::test]
async fn urls_and_headers_of_http_apis_are_bounded_together_and_as_configured() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(both(&upstream)).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get(&path("/a", BYTES_MAX - 200)).await.status, 200);
    assert_eq!(client.get(&path("/a", BYTES_MAX)).await.status, 431);
    let answer = client.get(&path("/a", BYTES_MAX + 1)).await;
    assert_eq!(answer.status, 414);
    assert_eq!(answer.text(), r#"{"message":"Request URI too long"}"#);
    let filler = "x".repeat(BYTES_MAX);
    let large = [("x-large", filler.as_str())];
    assert_eq!(client.get_with("/large", &large).await.status, 431);

    let limits = json!({"url_bytes_max": "2KiB", "header_bytes_max": "20KiB"});
    let setup = both(&upstream).set(&["apis", "main", "limits"], limits);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get_with("/large", &large).await.status, 200);
    assert_eq!(client.get(&path("/a", 2_048)).await.status, 200);
    assert_eq!(client.get(&path("/a", 2_049)).await.status, 414);
}

#[tokio::test]
async fn arns_are_bounded_where_somebody_is_asked_about_them() {
    let upstream = Upstream::echo().await;
    let setup = authorize(both(&upstream), &[&Key::ec("ec")]);
    let setup = setup.set(
        &["apis", "rest", "routes", "ANY /with/{any+}"],
        json!({"authorizer": "main", "integration": {"upstream": "main"}}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let call = async |start: &str| {
        let path = format!("{start}{}", "x".repeat(1_600));
        let headers = [("host", "rest.test")];
        client.get_with(&path, &headers).await.status
    };
    assert_eq!(call("/prod/").await, 200);
    assert_eq!(
        call("/prod/with/").await,
        414,
        "before any token is looked for"
    );
}

#[tokio::test]
async fn ten_mebibytes_of_payload_pass_and_not_a_byte_more() {
    const PAYLOAD_MAX: usize = 10 << 20;
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(both(&upstream)).await;
    let address = gateway.address().await;
    for (host, told) in [
        ("main.test", r#"{"message":"Request Entity Too Large"}"#),
        ("rest.test", "HTTP content length exceeded 10485760 bytes."),
    ] {
        let headers = [("host", host)];
        let post = |body| with(request(Method::POST, "/prod/a", body), &headers);
        let client = Client::http1(address).await;
        let answer = client.send(post(whole(vec![b'x'; PAYLOAD_MAX]))).await;
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(answer.json()["length"], PAYLOAD_MAX, "{host}");
        let announced = format!(
            "POST /prod/a HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n",
            PAYLOAD_MAX + 1
        );
        let answer = exchange(address, announced).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.ends_with(told), "{answer}");
        // Chunked, so that nobody knows before.
        for (more, status) in [(0, 200), (1, 413)] {
            let (feed, body) = pieces();
            let feeding = tokio::spawn(async move {
                for length in [PAYLOAD_MAX / 2, PAYLOAD_MAX / 2, more] {
                    let piece = Bytes::from(vec![b'x'; length]);
                    feed.send(piece).await.expect("the gateway reads");
                }
                // Whoever is refused is told before it has said that this was all.
                (more > 0).then_some(feed)
            });
            let answer = Client::http1(address).await.send(post(body)).await;
            drop(feeding.await.unwrap());
            assert_eq!(answer.status, status, "{host} {more}");
            if status == 200 {
                assert_eq!(answer.json()["length"], PAYLOAD_MAX, "{host}");
            } else {
                assert_eq!(answer.text(), told);
            }
        }
    }
}
