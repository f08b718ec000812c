//! Stages of REST APIs have the requests to their routes followed step by step.

use gateway_tests::client::{Answer, Client, Outgoing, get, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{self, Key, claims};
use gateway_tests::metrics::Metrics;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

/// A REST API in front of `upstream`, with these stages.
fn rest(upstream: &Upstream, stages: Value) -> Setup {
    Setup::new()
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], stages)
}

/// What was told of the request `id`, up to its last step.
pub(super) async fn told(gateway: &Gateway, id: &str, last: &str) -> Vec<Value> {
    let is_of = |line: &Value| line["kind"] == "execution" && line["amzn_request_id"] == id;
    let ended = |line: &Value| is_of(line) && line["step"] == last;
    gateway.record(&format!("{last} of {id}"), ended).await;
    let lines = gateway.records().into_iter();
    lines.filter(is_of).collect()
}

fn steps(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["step"].as_str().unwrap())
        .collect()
}

/// The message of a step that was told once.
#[track_caller]
pub(super) fn message<'l>(lines: &'l [Value], step: &str) -> &'l str {
    let mut of_step = lines.iter().filter(|line| line["step"] == step);
    let (Some(line), None) = (of_step.next(), of_step.next()) else {
        panic!("{step} is not there once: {lines:#?}");
    };
    line["message"].as_str().unwrap()
}

/// A route with an authorizer, a resource policy and a validator, whose backend is sent a secret.
fn guarded(upstream: &Upstream, key: &Key) -> Setup {
    let stages = json!({"prod": {"logging_level": "info"}, "quiet": {}});
    issuer::authorize(rest(upstream, stages), &[key])
        .set(
            &["apis", "main", "policy"],
            json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"},
            ]}),
        )
        .route(
            "GET /pets/{id}",
            json!({
                "authorizer": "main",
                "parameters": {"querystring.q": "required"},
                "validate": {"parameters": true},
                "integration": {"request_parameters": {
                    "integration.request.querystring.key": "'s3cret'",
                }},
            }),
        )
}

/// What who has this token gets.
async fn get_as(gateway: &Gateway, bearer: &str, path: &str) -> Answer {
    let client = Client::http1(gateway.address().await).await;
    client.get_with(path, &[("authorization", bearer)]).await
}

/// Checks what every line about the request says that was answered so.
fn check_fields(lines: &[Value], answer: &Answer) {
    for line in lines {
        assert_eq!(line["level"], "info", "{line}");
        assert_eq!(line["request_id"], answer.header("x-amz-apigw-id"));
        assert_eq!(line["api"], "main");
        assert_eq!(line["stage"], "prod");
        assert_eq!(line["route"], "GET /pets/{id}");
    }
}

#[tokio::test]
async fn a_stage_tells_every_step_of_its_requests() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("log");
    let gateway = Gateway::start(guarded(&upstream, &key)).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let answer = get_as(&gateway, &bearer, "/prod/pets/7?q=private").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.header("x-amzn-requestid");
    let lines = told(&gateway, id, "end").await;
    assert_eq!(
        steps(&lines),
        [
            "start",
            "resource",
            "authorizer",
            "authorizer",
            "resource_policy",
            "validation",
            "endpoint_uri",
            "sent",
            "answered",
            "success",
            "end",
        ]
    );
    check_fields(&lines, &answer);
    for line in &lines {
        let text = line.to_string();
        for secret in ["s3cret", "private", &bearer] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let said = |step| message(&lines, step);
    assert_eq!(
        said("start"),
        format!("Starting execution for request: {id}")
    );
    assert_eq!(
        said("resource"),
        "HTTP Method: GET, Resource Path: /pets/{id}"
    );
    let address = upstream.address;
    let uri = format!("http://{address}/pets/7");
    assert_eq!(said("endpoint_uri"), format!("Endpoint request URI: {uri}"));
    assert_eq!(said("sent"), format!("Sending request to {uri}"));
    let answered = "Received response. Status: 200, Integration latency: ";
    assert!(said("answered").starts_with(answered), "{lines:#?}");
    assert_eq!(said("success"), "Successfully completed execution");
    assert_eq!(said("end"), "Method completed with status: 200");
}

#[tokio::test]
async fn a_stage_that_does_not_ask_is_told_nothing() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("log");
    let gateway = Gateway::start(guarded(&upstream, &key)).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let answer = get_as(&gateway, &bearer, "/quiet/pets/7?q=1").await;
    assert_eq!(answer.status, 200);
    let silent = answer.header("x-amzn-requestid").to_owned();
    let records = gateway.all_records().await;
    let of_it = records
        .iter()
        .filter(|line| line["amzn_request_id"] == *silent);
    let kinds: Vec<&Value> = of_it.map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["request"]);
}

#[tokio::test]
async fn routes_differ_from_their_stage_and_errors_say_why() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("log");
    let stages = json!({
        "prod": {"logging_level": "error", "routes": {
            "GET /off": {"logging_level": "off"},
            "GET /info": {"logging_level": "info"},
        }},
    });
    let integration = json!({"integration": {"uri": "http://127.0.0.1:1/"}});
    let mut setup = issuer::authorize(rest(&upstream, stages), &[&key])
        .route("GET /guarded", json!({"authorizer": "main"}))
        .route("GET /fine", json!({}));
    for route in ["GET /off", "GET /info", "GET /down"] {
        setup = setup.route(route, integration.clone());
    }
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let asked = async |path: &str, status: u16| {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        answer.header("x-amzn-requestid").to_owned()
    };
    let off = asked("/prod/off", 504).await;
    let fine = asked("/prod/fine", 200).await;
    let unmatched = asked("/prod/none", 403).await;
    for (path, status, reason) in [
        ("/prod/guarded", 401, "token_missing"),
        ("/prod/down", 504, "upstream_refused"),
    ] {
        let id = asked(path, status).await;
        let lines = told(&gateway, &id, "failure").await;
        assert_eq!(steps(&lines), ["failure"], "{path}");
        assert_eq!(
            (&lines[0]["level"], &lines[0]["reason"]),
            (&json!("error"), &json!(reason))
        );
        let said = message(&lines, "failure");
        let expected = format!("Execution failed due to {reason}: ");
        assert!(said.starts_with(&expected), "{said}");
    }
    let info = asked("/prod/info", 504).await;
    let lines = told(&gateway, &info, "end").await;
    assert_eq!(
        steps(&lines),
        [
            "start",
            "resource",
            "endpoint_uri",
            "sent",
            "failure",
            "end"
        ]
    );
    assert_eq!(message(&lines, "end"), "Method completed with status: 504");
    let records = gateway.all_records().await;
    let followed = records.iter().filter(|line| line["kind"] == "execution");
    for line in followed {
        for silent in [&off, &fine, &unmatched] {
            assert_ne!(line["amzn_request_id"], **silent, "{line}");
        }
    }
}

/// A backend that sets a cookie.
async fn baker() -> Upstream {
    Upstream::http(|_| async {
        let mut answer = reply(201, "z".repeat(5_000));
        for (name, value) in [("set-cookie", "session=s3cret"), ("x-fine", "shown")] {
            let value = HeaderValue::from_static(value);
            answer.headers_mut().insert(name, value);
        }
        answer
    })
    .await
}

/// A route whose requests are traced with their data, and one whose are not.
fn traced(upstream: &Upstream, key: &Key) -> Setup {
    let stages = json!({"prod": {"logging_level": "info", "data_trace": true, "routes": {
        "GET /plain": {"data_trace": false},
    }}});
    issuer::authorize(rest(upstream, stages), &[key])
        .set(
            &["authorizers", "main", "identity_source"],
            json!("$request.header.X-Ticket"),
        )
        .route("GET /plain", json!({}))
        .route(
            "POST /pets/{id}",
            json!({
                "parameters": {"header.X-Ticket": "optional", "header.X-Open": "optional"},
                "integration": {"request_parameters": {
                    "integration.request.header.X-Fixed": "'s3cret'",
                    "integration.request.header.X-Passed": "method.request.header.X-Ticket",
                    "integration.request.header.X-Told": "method.request.header.X-Open",
                }},
            }),
        )
}

/// A request with credentials wherever they may stand.
fn with_credentials() -> Request<Outgoing> {
    let asked = request(
        Method::POST,
        "/prod/pets/a%20b?q=1&access_token=s3cret",
        whole(format!("{{\"name\": \"{}\"}}", "x".repeat(2_000))),
    );
    let headers = [
        ("authorization", "Bearer s3cret"),
        ("cookie", "session=s3cret"),
        ("x-api-key", "s3cret"),
        ("x-ticket", "s3cret"),
        ("x-open", "shown"),
        ("content-type", "application/json"),
    ];
    with(asked, &headers)
}

#[tokio::test]
async fn data_are_traced_with_credentials_masked_and_cut() {
    let upstream = baker().await;
    let key = Key::ec("log");
    let gateway = Gateway::start(traced(&upstream, &key)).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.send(with_credentials()).await;
    assert_eq!((answer.status, answer.body.len()), (201, 5_000));
    let lines = told(&gateway, answer.header("x-amzn-requestid"), "end").await;
    for line in &lines {
        let said = line["message"].as_str().unwrap();
        assert!(said.len() <= 1_024, "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    let said = |step| message(&lines, step);
    assert_eq!(said("request_path"), "Method request path: {id=a b}");
    assert_eq!(
        said("request_query"),
        "Method request query string: {q=1, access_token=****}"
    );
    for (step, shown) in [
        (
            "request_headers",
            ["authorization=****", "x-ticket=****", "x-open=shown"],
        ),
        (
            "endpoint_headers",
            ["x-fixed=****", "x-passed=****", "x-told=shown"],
        ),
        (
            "endpoint_response_headers",
            ["set-cookie=****", "x-fine=shown", "{"],
        ),
        (
            "response_headers",
            ["set-cookie=****", "x-fine=shown", "x-amzn-requestid="],
        ),
    ] {
        for pair in shown {
            assert!(said(step).contains(pair), "{step}: {}", said(step));
        }
    }
    let body = said("request_body");
    let began = "Method request body before transformations: {\"name\": \"xxx";
    assert!(
        body.starts_with(began) && body.ends_with("xx[TRUNCATED]"),
        "{body}"
    );
    let body = said("response_body");
    let began = "Method response body after transformations: zzz";
    assert!(
        body.starts_with(began) && body.ends_with("zz[TRUNCATED]"),
        "{body}"
    );

    let answer = client.send(get("/prod/plain")).await;
    let lines = told(&gateway, answer.header("x-amzn-requestid"), "end").await;
    assert_eq!(
        steps(&lines),
        [
            "start",
            "resource",
            "endpoint_uri",
            "sent",
            "answered",
            "success",
            "end"
        ]
    );
}

#[tokio::test]
async fn what_is_mapped_is_told_before_and_after() {
    let upstream = Upstream::http(|_| async { reply(404, "none") }).await;
    let stages = json!({"prod": {"logging_level": "info", "data_trace": true}});
    let setup = rest(&upstream, stages).route(
        "POST /mapped",
        json!({"integration": {
            "type": "http",
            "request_templates": {"application/json": "made"},
            "responses": {"4\\d{2}": {"status": 410, "templates": {"text/plain": "gone"}}},
        }}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let json = [("content-type", "application/json")];
    let asked = with(request(Method::POST, "/prod/mapped", whole("{}")), &json);
    let answer = client.send(asked).await;
    assert_eq!((answer.status, answer.text().as_str()), (410, "gone"));
    let lines = told(&gateway, answer.header("x-amzn-requestid"), "end").await;
    for (step, expected) in [
        (
            "request_body",
            "Method request body before transformations: {}",
        ),
        (
            "endpoint_body",
            "Endpoint request body after transformations: made",
        ),
        (
            "endpoint_response_body",
            "Endpoint response body before transformations: none",
        ),
        (
            "mapping",
            "Integration response `4\\d{2}` selected for status 404: status 410",
        ),
        (
            "response_body",
            "Method response body after transformations: gone",
        ),
    ] {
        assert_eq!(message(&lines, step), expected);
    }
}

#[tokio::test]
async fn a_mock_has_no_endpoint_to_tell_of() {
    let stages = json!({"prod": {"logging_level": "info", "data_trace": true}});
    let setup = Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], stages)
        .set(
            &["apis", "main", "routes", "POST /mock"],
            json!({"authorizer": "none", "integration": {
                "type": "mock",
                "request_templates": {"application/json": "{\"statusCode\": 200}"},
                "responses": {"default": {"status": 202}},
            }}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let json = [("content-type", "application/json")];
    let binary = with(
        request(Method::POST, "/prod/mock", whole(vec![0_u8, 0xff])),
        &json,
    );
    let answer = client.send(binary).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let lines = told(&gateway, answer.header("x-amzn-requestid"), "end").await;
    assert_eq!(
        steps(&lines),
        [
            "start",
            "resource",
            "request_path",
            "request_query",
            "request_headers",
            "request_body",
            "mapping",
            "response_headers",
            "success",
            "end",
        ]
    );
    let said = "Method request body before transformations: [binary data]";
    assert_eq!(message(&lines, "request_body"), said);
}

#[tokio::test]
async fn the_log_has_a_file_of_its_own_and_a_reload_changes_what_is_told() {
    let upstream = Upstream::echo().await;
    let stages = json!({"prod": {"logging_level": "info"}});
    let setup = rest(&upstream, stages).route("GET /a", json!({}));
    let file = setup.directory().join("execution.log");
    let log = ["telemetry", "execution_log"];
    let mut gateway = Gateway::start(setup.set(&log, json!("off"))).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/prod/a").await.status, 200);
    let stage = ["apis", "main", "stages", "prod", "logging_level"];
    gateway.setup().change(&log, json!(file));
    assert_eq!(gateway.reload().await["answer"], "done");
    let followed = client.get("/prod/a").await;
    let id = followed.header("x-amzn-requestid").to_owned();
    gateway.setup().change(&stage, json!("off"));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/prod/a").await.status, 200);
    let metrics = gateway.metrics().await;
    assert_eq!(
        metrics.get("gateway_execution_log_dropped_records_total"),
        0.0
    );
    let _directory = gateway.stop().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(steps(&lines).last(), Some(&"end"), "{text}");
    for line in &lines {
        let told = (&line["kind"], &line["amzn_request_id"]);
        assert_eq!(told, (&json!("execution"), &json!(id)));
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_told_of_too() {
    let upstream = Upstream::http(|_| std::future::pending()).await;
    let stages = json!({"prod": {"logging_level": "error"}});
    let setup = rest(&upstream, stages).route("GET /a", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let asked = tokio::spawn(async move { client.try_send(get("/prod/a")).await });
    upstream
        .when("the request", |seen| seen.requests == 1)
        .await;
    asked.abort();
    let left = |line: &Value| line["kind"] == "execution" && line["reason"] == "client_left";
    let line = gateway.record("the failure", left).await;
    assert_eq!(line["message"], "Execution failed due to client_left");
}

#[tokio::test]
async fn routes_count_for_themselves_where_their_stage_asks_for_it() {
    let upstream = Upstream::http(|asked| async move {
        reply(
            if asked.uri().path() == "/bad" {
                500
            } else {
                200
            },
            "",
        )
    })
    .await;
    let stages = json!({
        "prod": {"detailed_metrics": true, "routes": {"GET /plain": {"detailed_metrics": false}}},
        "beta": {},
    });
    let mut setup = rest(&upstream, stages);
    for route in ["GET /fine", "GET /bad", "GET /plain"] {
        setup = setup.route(route, json!({}));
    }
    let http = json!({
        "type": "http",
        "hosts": ["http.test"],
        "stages": {"$default": {"detailed_metrics": true}},
        "routes": {"$default": {"authorizer": "none", "integration": {"upstream": "main"}}},
    });
    let gateway = Gateway::start(setup.set(&["apis", "other"], http)).await;
    let client = Client::http1(gateway.address().await).await;
    for path in [
        "/prod/fine",
        "/prod/fine",
        "/prod/bad",
        "/prod/plain",
        "/beta/fine",
    ] {
        client.get(path).await;
    }
    client.get_with("/any", &[("host", "http.test")]).await;
    assert_eq!(gateway.reload().await["answer"], "done");
    client.get("/prod/fine").await;
    let of = |what: &str, api: &str, stage: &str, method: &str, resource: &str| {
        format!(
            "gateway_route_{what}_total{{api=\"{api}\",stage=\"{stage}\",track=\"base\",\
             method=\"{method}\",resource=\"{resource}\"}}"
        )
    };
    let fine = of("requests", "main", "prod", "GET", "/fine");
    let page = gateway
        .metrics_when("all", |page| page.get(&fine) == 3.0)
        .await;
    for (what, resource, expected) in [
        ("requests", "/bad", 1.0),
        ("server_errors", "/bad", 1.0),
        ("client_errors", "/bad", 0.0),
        ("server_errors", "/fine", 0.0),
    ] {
        let name = of(what, "main", "prod", "GET", resource);
        assert_eq!(page.get(&name), expected, "{name}");
    }
    // In seconds: three answers of a mock take less than a minute, and not a whole one of anything.
    let took = page.get(&of("duration_seconds", "main", "prod", "GET", "/fine"));
    assert!(took > 0.0 && took < 60.0, "{took}");
    assert_eq!(
        page.get(&of("requests", "other", "$default", "ANY", "$default")),
        1.0
    );
    for absent in [
        "resource=\"/plain\"",
        "stage=\"beta\",track=\"base\",method",
    ] {
        assert!(!page.text.contains(absent), "{absent}");
    }
}

#[tokio::test]
async fn routes_of_another_api_count_from_zero() {
    let upstream = Upstream::echo().await;
    let api = |id: &str| {
        json!({
            "type": "http",
            "id": id,
            "hosts": ["http.test"],
            "stages": {"$default": {"detailed_metrics": true}},
            "routes": {"$default": {"authorizer": "none", "integration": {"upstream": "main"}}},
        })
    };
    let setup = Setup::new().upstream("main", upstream.address);
    let mut gateway = Gateway::start(setup.set(&["apis", "main"], api("first00001"))).await;
    let client = Client::http1(gateway.address().await).await;
    for _ in 0..3 {
        client.get_with("/any", &[("host", "http.test")]).await;
    }
    let requests = "gateway_route_requests_total{api=\"main\",stage=\"$default\",track=\"base\",\
                    method=\"ANY\",resource=\"$default\"}";
    let counted = |page: &Metrics| page.get(requests);
    drop(
        gateway
            .metrics_when("all", |page| counted(page) == 3.0)
            .await,
    );
    for (id, expected) in [("first00001", 3.0), ("second0001", 0.0)] {
        gateway.setup().change(&["apis", "main"], api(id));
        drop(gateway.setup().write());
        assert_eq!(gateway.reload().await["answer"], "done");
        assert_eq!(counted(&gateway.metrics().await), expected, "{id}");
    }
}
