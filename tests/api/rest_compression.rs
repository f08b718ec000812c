//! REST APIs compress answers for clients that want it.

use std::io::Read as _;

use flate2::read::{GzDecoder, ZlibDecoder};
use gateway_tests::client::{Answer, Client, get, nothing, pieces, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, empty, reply};
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

/// An upstream that answers with as many bytes as the last segment of the path says.
async fn upstream() -> Upstream {
    Upstream::http(|request| async move {
        let path = request.uri().path();
        let size = path.rsplit('/').next().and_then(|size| size.parse().ok());
        let mut answer = match size {
            Some(size) => reply(200, text(size)),
            None => empty(204),
        };
        if path.starts_with("/coded/") {
            let coding = HeaderValue::from_static("br");
            answer.headers_mut().insert("content-encoding", coding);
        }
        if path.starts_with("/tagged/") {
            let tag = HeaderValue::from_static("\"a\"");
            answer.headers_mut().insert("etag", tag);
        }
        answer
    })
    .await
}

fn text(size: usize) -> Vec<u8> {
    b"some text that comes again. "
        .iter()
        .copied()
        .cycle()
        .take(size)
        .collect()
}

async fn start(upstream: &Upstream, memory: &str, least: Value) -> (Gateway, Client, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["body_memory_max"], json!(memory))
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "minimum_compression_size"], least)
        .set(&["apis", "main", "routes"], json!({}))
        .set(
            &["apis", "main", "routes", "GET /mock"],
            json!({"authorizer": "none", "integration": {
                "type": "mock",
                "request_templates": {"application/json": "{\"statusCode\": 200}"},
                "responses": {"default": {
                    "status": 200,
                    "templates": {"text/plain": String::from_utf8(text(2000)).unwrap()},
                }},
            }}),
        )
        .route("ANY /{proxy+}", json!({}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    (
        gateway,
        Client::http1(address).await,
        Client::http2(address).await,
    )
}

async fn ask(client: &Client, path: &str, accept: Option<&str>) -> Answer {
    let headers: Vec<_> = accept
        .map(|text| ("accept-encoding", text))
        .into_iter()
        .collect();
    client.send(with(get(path), &headers)).await
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut found = Vec::new();
    match answer.header("content-encoding") {
        "gzip" => GzDecoder::new(&answer.body[..])
            .read_to_end(&mut found)
            .unwrap(),
        "deflate" => ZlibDecoder::new(&answer.body[..])
            .read_to_end(&mut found)
            .unwrap(),
        other => panic!("`{other}`"),
    };
    found
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_who_wants_it() {
    let upstream = upstream().await;
    let (gateway, first, second) = start(&upstream, "4MiB", json!(1000)).await;
    for client in [&first, &second] {
        for (path, size) in [
            ("/prod/x/1000", 1000),
            ("/prod/mock", 2000),
            ("/prod/x/3000000", 3_000_000),
        ] {
            for (accept, coding) in [("gzip, br", "gzip"), ("deflate;q=1, gzip;q=0.5", "deflate")] {
                let answer = ask(client, path, Some(accept)).await;
                assert_eq!(answer.status, 200, "{path}");
                assert_eq!(answer.header("content-encoding"), coding, "{path}");
                assert_eq!(answer.header("vary"), "Accept-Encoding");
                assert!(!answer.headers.contains_key("content-length"), "{path}");
                assert!(
                    answer.body.len() < size / 5,
                    "{path}: {}",
                    answer.body.len()
                );
                assert!(decoded(&answer) == text(size), "{path}");
                let id = answer.header("x-amz-apigw-id").to_owned();
                let record = gateway
                    .record("the request by its name", |record| {
                        record["request_id"] == id
                    })
                    .await;
                assert_eq!(record["response_bytes"], answer.body.len());
            }
        }
        for accept in [None, Some("br"), Some("gzip;q=0")] {
            let answer = ask(client, "/prod/x/1000", accept).await;
            assert!(
                !answer.headers.contains_key("content-encoding"),
                "{accept:?}"
            );
            assert_eq!(answer.header("vary"), "Accept-Encoding", "{accept:?}");
            assert_eq!(answer.header("content-length"), "1000", "{accept:?}");
            assert_eq!(answer.body.len(), 1000, "{accept:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_stays_as_it_is_where_compressing_it_would_be_wrong() {
    let upstream = upstream().await;
    let (_gateway, client, _) = start(&upstream, "4MiB", json!("1000B")).await;
    let small = ask(&client, "/prod/x/999", Some("gzip")).await;
    assert!(!small.headers.contains_key("content-encoding"));
    assert!(!small.headers.contains_key("vary"));
    let coded = ask(&client, "/prod/coded/5000", Some("gzip")).await;
    assert_eq!(coded.header("content-encoding"), "br");
    assert_eq!(coded.body.len(), 5000);
    let nothing_there = ask(&client, "/prod/empty", Some("gzip")).await;
    assert_eq!(nothing_there.status, 204);
    assert!(!nothing_there.headers.contains_key("content-encoding"));
    let tagged = ask(&client, "/prod/tagged/5000", Some("gzip")).await;
    assert_eq!(tagged.header("etag"), "W/\"a\"");
    let head = request(Method::HEAD, "/prod/x/5000", nothing());
    let head = client
        .send(with(head, &[("accept-encoding", "gzip")]))
        .await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(!head.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn an_answer_of_unknown_size_passes_as_it_comes() {
    let upstream = Upstream::http(|_request| async {
        let (sender, body) = pieces();
        sender.send("hello".into()).await.unwrap();
        Response::new(body.map_err(|never| match never {}).boxed_unsync())
    })
    .await;
    let (_gateway, client, _) = start(&upstream, "4MiB", json!(0)).await;
    let answer = ask(&client, "/prod/x", Some("gzip")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert!(!answer.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn without_memory_for_compressors_answers_pass_as_they_are() {
    let upstream = Upstream::http(|_request| async {
        let (sender, body) = pieces();
        let body = body.map_err(|never| match never {}).boxed_unsync();
        let mut answer = Response::new(body);
        let length = HeaderValue::from_static("1000");
        answer.headers_mut().insert("content-length", length);
        // The body never ends.
        drop(tokio::spawn(async move {
            sender.closed().await;
        }));
        answer
    })
    .await;
    let (_gateway, _, client) = start(&upstream, "1MiB", json!(0)).await;
    // Of three compressors the memory has room for two.
    let starts = (0..3).map(|_| {
        let asked = with(get("/prod/x"), &[("accept-encoding", "gzip")]);
        client.start(asked)
    });
    let mut open = Vec::new();
    for start in starts {
        open.push(start.await.unwrap());
    }
    let coded = open
        .iter()
        .filter(|answer| answer.headers().contains_key("content-encoding"))
        .count();
    assert_eq!(coded, 2);
}
