//! Two checks that the service does not have: of media types, and of answers.

use std::sync::Arc;

use gateway_tests::client::{Answer, Client, get, pieces, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream, reply};
use http::Method;
use http::header::HeaderValue;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;

const GOOD: &str = r#"{"name": "rex"}"#;
const BAD: &str = r#"{"name": 7}"#;

async fn start(upstream: &Upstream, route: Value) -> (Gateway, Client) {
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .set(
            &["apis", "main", "models"],
            json!({"Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}},
            }}),
        );
    let setup = if route["integration"]["type"] == "mock" {
        let mut route = route;
        route["authorizer"] = json!("none");
        setup.set(&["apis", "main", "routes", "ANY /pets"], route)
    } else {
        setup.route("ANY /pets", route)
    };
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

#[tokio::test]
async fn a_media_type_without_model_is_refused_where_the_route_says_so() {
    let upstream = Upstream::echo().await;
    let route = |content_type: bool| {
        json!({
            "models": {"application/json": "Pet"},
            "validate": {"body": true, "content_type": content_type},
        })
    };
    for (is_checked, media_type, body, status) in [
        (false, Some("text/plain"), "x", 200),
        (true, Some("text/plain"), "x", 415),
        (true, Some("text/plain"), "", 415),
        (true, Some("Application/JSON; charset=utf-8"), GOOD, 200),
        (true, Some("application/json"), BAD, 400),
        (true, None, GOOD, 200),
        (true, None, "x", 400),
    ] {
        let (gateway, client) = start(&upstream, route(is_checked)).await;
        let asked = request(Method::POST, "/prod/pets", whole(body));
        let headers: Vec<_> = media_type
            .map(|text| ("content-type", text))
            .into_iter()
            .collect();
        let answer = client.send(with(asked, &headers)).await;
        let case = format!("{is_checked} {media_type:?} {body}");
        assert_eq!(answer.status, status, "{case}: {}", answer.text());
        if status == 415 {
            assert_eq!(answer.text(), r#"{"message":"Unsupported Media Type"}"#);
            gateway.reason("content_type").await;
        }
    }
}

fn answer(status: u16, media_type: &'static str, body: impl Into<bytes::Bytes>) -> Reply {
    let mut answer = reply(status, body);
    let media_type = HeaderValue::from_static(media_type);
    answer.headers_mut().insert("content-type", media_type);
    answer
}

/// A backend that answers what the path of a request asks for.
async fn backend() -> Upstream {
    Upstream::http(|request| async move {
        let query = request.uri().query().unwrap_or_default();
        match query.trim_end_matches("=1") {
            "good" => answer(200, "application/json", GOOD),
            "bad" => answer(200, "application/json", BAD),
            "text" => answer(200, "text/plain", BAD),
            "created" => answer(201, "application/json", BAD),
            "coded" => {
                let mut coder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                std::io::Write::write_all(&mut coder, BAD.as_bytes()).unwrap();
                let mut answer = answer(200, "application/json", coder.finish().unwrap());
                let gzip = HeaderValue::from_static("gzip");
                answer.headers_mut().insert("content-encoding", gzip);
                answer
            }
            "strange" => {
                let mut answer = answer(200, "application/json", GOOD);
                let strange = HeaderValue::from_static("br");
                answer.headers_mut().insert("content-encoding", strange);
                answer
            }
            "large" => answer(200, "application/json", vec![b' '; 10 * 1024 * 1024 + 1]),
            other => panic!("{other}"),
        }
    })
    .await
}

fn checking(mode: &str) -> Value {
    json!({
        "method_responses": {"200": {"models": {"application/json": "Pet"}}, "202": {}},
        "validate": {"response_body": mode},
    })
}

#[tokio::test]
async fn an_answer_that_is_not_what_its_model_says_is_not_sent() {
    let upstream = backend().await;
    let (gateway, client) = start(&upstream, checking("enforce")).await;
    for (query, wrong) in [
        ("good", None),
        ("bad", Some("invalid")),
        // What has no model passes.
        ("text", None),
        ("created", None),
        ("coded", Some("invalid")),
        ("strange", Some("coding")),
        ("large", Some("too_large")),
    ] {
        let path = format!("/prod/pets?{query}");
        let answer = client.get(&path).await;
        let Some(wrong) = wrong else {
            assert!(answer.status < 300, "{query}: {}", answer.text());
            continue;
        };
        assert_eq!(answer.status, 502, "{query}");
        assert_eq!(answer.text(), r#"{"message":"Internal server error"}"#);
        let record = gateway
            .record(query, |record| record["response_check"] == wrong)
            .await;
        assert_eq!(record["reason"], "response_invalid", "{query}");
        assert_eq!(record["upstream_status"], 200);
    }
    let head = request(Method::HEAD, "/prod/pets?bad", whole(""));
    assert_eq!(client.send(head).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_is_only_monitored_is_sent_whole() {
    let upstream = backend().await;
    let (gateway, client) = start(&upstream, checking("monitor")).await;
    for (query, length, wrong) in [
        ("good", GOOD.len(), None),
        ("bad", BAD.len(), Some("invalid")),
        ("large", 10 * 1024 * 1024 + 1, Some("too_large")),
        ("strange", GOOD.len(), Some("coding")),
    ] {
        let answer = client.get(&format!("/prod/pets?{query}")).await;
        assert_eq!((answer.status, answer.body.len()), (200, length));
        if let Some(wrong) = wrong {
            let record = gateway
                .record(query, |record| record["response_check"] == wrong)
                .await;
            assert_eq!(record["reason"], Value::Null, "{query}");
        }
    }
    let records = gateway.all_records().await;
    let checked = records
        .iter()
        .filter(|record| !record["response_check"].is_null());
    assert_eq!(checked.count(), 3);
}

#[tokio::test]
async fn answers_of_other_integrations_are_checked_as_they_are_sent() {
    let upstream = backend().await;
    let mut route = checking("enforce");
    route["integration"] = json!({
        "type": "http",
        "request_parameters": {"integration.request.querystring.bad": "'1'"},
        "responses": {"default": {"status": 200}},
    });
    let (_gateway, client) = start(&upstream, route).await;
    let answer = client.get("/prod/pets").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.text(), r#"{"message":"Internal server error"}"#);
    let mock = json!({
        "type": "mock",
        "request_templates": {"application/json": "{\"statusCode\": 200}"},
        "responses": {"default": {"status": 200, "templates": {"application/json": BAD}}},
    });
    let mut route = checking("enforce");
    route["integration"] = mock;
    let (_gateway, client) = start(&upstream, route).await;
    assert_eq!(client.get("/prod/pets").await.status, 502);
}

/// A backend whose answers pause behind their first piece until they are told to go on.
async fn pausing(go_on: &Arc<Notify>) -> Upstream {
    let go_on = Arc::clone(go_on);
    Upstream::http(move |_request| {
        let go_on = Arc::clone(&go_on);
        async move {
            let (sender, body) = pieces();
            tokio::spawn(async move {
                sender.send("{\"name\": ".into()).await.unwrap();
                go_on.notified().await;
                sender.send("\"rex\"}".into()).await.unwrap();
            });
            let mut answer = answer(200, "application/json", "");
            *answer.body_mut() = body.map_err(|never| match never {}).boxed_unsync();
            answer
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_not_held_back_by_a_monitor() {
    let go_on = Arc::new(Notify::new());
    let upstream = pausing(&go_on).await;
    let slow = |mode: &str| {
        let mut route = checking(mode);
        route["integration"] = json!({"timeout": "2s"});
        route
    };
    let (gateway, client) = start(&upstream, slow("monitor")).await;
    let response = client.start(get("/prod/pets?slow")).await.unwrap();
    go_on.notify_one();
    let answer = Answer::read(response).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, GOOD));
    let record = gateway.path("/prod/pets").await;
    assert_eq!(record["response_check"], "too_slow");
    assert_eq!(record["reason"], Value::Null);

    let (gateway, client) = start(&upstream, slow("enforce")).await;
    let answer = client.get("/prod/pets").await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    let record = gateway.reason("upstream_timeout").await;
    assert_eq!(record["response_check"], "too_slow");
    go_on.notify_one();
}

#[tokio::test]
async fn without_memory_to_look_into_it_a_monitored_answer_is_sent() {
    const LENGTH: usize = 3 * 1024 * 1024;
    let upstream =
        Upstream::http(|_request| async { answer(200, "application/json", vec![b' '; LENGTH]) })
            .await;
    for (mode, status) in [("monitor", 200), ("enforce", 503)] {
        let route = checking(mode);
        let setup = Setup::forwarding(upstream.address)
            .set(&["body_memory_max"], json!("1MiB"))
            .set(&["apis", "main", "type"], json!("rest"))
            .set(&["apis", "main", "stages"], json!({"prod": {}}))
            .set(
                &["apis", "main", "models"],
                json!({"Pet": {"type": "object"}}),
            )
            .set(&["apis", "main", "routes"], json!({}))
            .route("GET /pets", route);
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        let answer = client.get("/prod/pets").await;
        assert_eq!(answer.status, status, "{mode}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.body.len(), LENGTH);
        }
        let record = gateway.path("/prod/pets").await;
        assert_eq!(record["response_check"], "memory", "{mode}");
    }
}
