//! What holds a credential is told in no log, whatever it is called on its way.

use gateway_tests::client::{Answer, Client, Outgoing, get, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{self, Key};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::{HeaderName, HeaderValue, Method, Request};
use serde_json::{Value, json};

use super::execution_log::{message, told};

const SECRET: &str = "s3cret";

/// A backend that answers every request with these headers.
async fn answering(headers: &'static [(&'static str, &'static str)]) -> Upstream {
    Upstream::http(move |_| async move {
        let mut answer = reply(200, "");
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_static(value);
            answer.headers_mut().append(name, value);
        }
        answer
    })
    .await
}

/// A REST API whose stage has every step traced and these variables.
fn traced(upstream: &Upstream, variables: Value) -> Setup {
    let stage = json!({"logging_level": "info", "data_trace": true, "variables": variables});
    staged(upstream, &stage)
}

fn staged(upstream: &Upstream, stage: &Value) -> Setup {
    Setup::new()
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": stage}))
}

/// The answer to one request with these headers, and what is told of it, which may be no secret.
async fn ask(setup: Setup, path: &str, headers: &[(&str, &str)]) -> (Answer, Vec<Value>) {
    send(setup, with(get(path), headers)).await
}

async fn send(setup: Setup, request: Request<Outgoing>) -> (Answer, Vec<Value>) {
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.send(request).await;
    let lines = told(&gateway, answer.header("x-amzn-requestid"), "end").await;
    let records = gateway.all_records().await;
    // Bodies are told as they are, and some backends repeat what they were sent.
    for line in records
        .iter()
        .filter(|line| line["step"] != "response_body")
    {
        assert!(!line.to_string().contains(SECRET), "{line}");
    }
    (answer, lines)
}

#[track_caller]
fn check(lines: &[Value], step: &str, pairs: &[&str]) {
    let said = message(lines, step);
    for pair in pairs {
        let is_there = [",", "}"]
            .iter()
            .any(|end| said.contains(&format!("{pair}{end}")));
        assert!(is_there, "{pair} is not in {said}");
    }
}

/// As [`traced`], with tokens in a header of another name.
fn ticketed(upstream: &Upstream, key: &Key) -> Setup {
    issuer::authorize(traced(upstream, json!({"own": SECRET})), &[key]).set(
        &["authorizers", "main", "identity_source"],
        json!("$request.header.X-Ticket"),
    )
}

#[tokio::test]
async fn headers_of_answers_are_masked_under_the_names_that_they_are_mapped_to() {
    let upstream = answering(&[
        ("set-cookie", "session=s3cret"),
        ("location", "https://a.example/b?code=s3cret"),
        ("x-ticket", "s3cret"),
        ("x-fine", "shown"),
    ])
    .await;
    let key = Key::ec("log");
    let setup = ticketed(&upstream, &key).route(
        "GET /pets",
        json!({"integration": {"type": "http", "responses": {"default": {
            "status": 200,
            "parameters": {
                "method.response.header.X-Session": "integration.response.header.Set-Cookie",
                "method.response.header.X-All": "integration.response.multivalueheader.set-cookie",
                "method.response.header.Server": "integration.response.header.Set-Cookie",
                "method.response.header.X-Next": "integration.response.header.Location",
                "method.response.header.Location": "integration.response.header.Location",
                "method.response.header.X-Was": "integration.response.header.x-ticket",
                "method.response.header.X-Own": "stageVariables.own",
                "method.response.header.X-Told": "integration.response.header.x-fine",
                "method.response.header.X-Fixed": "'shown'",
            },
        }}}}),
    );
    let (answer, lines) = ask(setup, "/prod/pets", &[]).await;
    for name in [
        "x-session",
        "x-all",
        "x-amzn-remapped-server",
        "x-next",
        "location",
        "x-was",
        "x-own",
    ] {
        assert!(answer.header(name).contains(SECRET), "{name}");
    }
    check(
        &lines,
        "endpoint_response_headers",
        &[
            "set-cookie=****",
            "location=https://a.example/b?****",
            "x-ticket=****",
            "x-fine=shown",
        ],
    );
    check(
        &lines,
        "response_headers",
        &[
            "x-session=****",
            "x-all=****",
            "x-amzn-remapped-server=****",
            "x-next=****",
            "location=https://a.example/b?****",
            "x-was=****",
            "x-own=****",
            "x-told=shown",
            "x-fixed=shown",
        ],
    );
}

#[tokio::test]
async fn headers_of_refusals_are_masked_under_the_names_that_they_are_mapped_to() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("log");
    let setup = ticketed(&upstream, &key)
        .set(
            &["apis", "main", "gateway_responses"],
            json!({"DEFAULT_4XX": {"parameters": {
                "gatewayresponse.header.X-Said": "method.request.header.Authorization",
                "gatewayresponse.header.X-Was": "method.request.header.x-ticket",
                "gatewayresponse.header.X-Code": "method.request.querystring.code",
                "gatewayresponse.header.X-From": "method.request.header.Referer",
                "gatewayresponse.header.X-Own": "stageVariables.own",
                "gatewayresponse.header.X-Told": "method.request.querystring.page",
                "gatewayresponse.header.X-Fixed": "'shown'",
            }}}),
        )
        .route("GET /pets", json!({"authorizer": "main"}));
    let (answer, lines) = ask(
        setup,
        "/prod/pets?code=s3cret&page=shown",
        &[
            ("authorization", "Basic s3cret"),
            ("x-ticket", "s3cret"),
            ("referer", "https://a.example/?code=s3cret"),
        ],
    )
    .await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    for name in ["x-said", "x-was", "x-code", "x-from", "x-own"] {
        assert!(answer.header(name).contains(SECRET), "{name}");
    }
    check(
        &lines,
        "response_headers",
        &[
            "x-said=****",
            "x-was=****",
            "x-code=****",
            "x-from=****",
            "x-own=****",
            "x-told=shown",
            "x-fixed=shown",
        ],
    );
}

#[tokio::test]
async fn headers_of_proxied_answers_are_masked_under_the_names_that_clients_get() {
    let upstream = answering(&[
        ("www-authenticate", "Digest nonce=s3cret"),
        ("user-agent", "s3cret"),
    ])
    .await;
    let key = Key::ec("log");
    let setup = issuer::authorize(traced(&upstream, json!({})), &[&key])
        .set(
            &["authorizers", "main", "identity_source"],
            json!("$request.header.User-Agent"),
        )
        .route("GET /pets", json!({}));
    let (answer, lines) = ask(setup, "/prod/pets", &[]).await;
    for name in [
        "x-amzn-remapped-www-authenticate",
        "x-amzn-remapped-user-agent",
    ] {
        assert!(answer.header(name).contains(SECRET), "{name}");
        check(&lines, "response_headers", &[&format!("{name}=****")]);
    }
}

#[tokio::test]
async fn a_path_that_a_stage_variable_makes_is_not_told() {
    let upstream = Upstream::echo().await;
    let address = upstream.address;
    let variables = json!({
        "path": SECRET,
        "at": address.to_string(),
        "all": format!("{address}/s3cret?a=s3cret"),
    });
    for (uri, sent, told) in [
        (
            format!("http://{address}/a/${{stageVariables.path}}/{{id}}"),
            "/a/s3cret/7",
            "****",
        ),
        ("http://${stageVariables.at}/{id}".to_owned(), "/7", "7"),
        (
            "http://${stageVariables.all}".to_owned(),
            "/s3cret?a=s3cret",
            "****",
        ),
        (
            format!("http://{address}/{{id}}?a=${{stageVariables.path}}"),
            "/7?a=s3cret",
            "7",
        ),
    ] {
        let setup = traced(&upstream, variables.clone())
            .route("GET /pets/{id}", json!({"integration": {"uri": uri}}));
        let (answer, lines) = ask(setup, "/prod/pets/7", &[]).await;
        assert_eq!(answer.json()["uri"], sent, "{uri}");
        let said = |step| message(&lines, step);
        let told = format!("http://{address}/{told}");
        assert_eq!(
            said("endpoint_uri"),
            format!("Endpoint request URI: {told}")
        );
        assert_eq!(said("sent"), format!("Sending request to {told}"));
    }
}

#[tokio::test]
async fn queries_are_masked_however_they_are_written() {
    let upstream = Upstream::echo().await;
    let setup = traced(&upstream, json!({})).route("GET /pets", json!({}));
    let query = "page=1&a=1;token=s3cret&%63ode=s3cret&client-assertion=s3cret\
                 &X-Amz-Signature=s3cret&next=%2Fa%3Fsig%3Ds3cret&user%5Bpin%5D=s3cret";
    let headers = [
        ("referer", "https://u:s3cret@a.example/b?code=s3cret#s3cret"),
        ("content-location", "/b;jsessionid=s3cret"),
        ("x_api_key", "s3cret"),
    ];
    let (answer, lines) = ask(setup, &format!("/prod/pets?{query}"), &headers).await;
    assert_eq!(answer.json()["uri"], format!("/pets?{query}"));
    assert_eq!(
        message(&lines, "request_query"),
        "Method request query string: {page=1, a=****, code=****, client-assertion=****, \
         X-Amz-Signature=****, next=****, user[pin]=****}"
    );
    for step in ["request_headers", "endpoint_headers"] {
        let pairs = [
            "referer=https://****@a.example/b?****",
            "content-location=/b;****",
            "x_api_key=****",
        ];
        check(&lines, step, &pairs);
    }
}

/// Paths are told also where no headers, queries and bodies are.
#[tokio::test]
async fn a_path_that_is_mapped_from_elsewhere_is_not_told() {
    let upstream = Upstream::echo().await;
    let address = upstream.address;
    for (source, sent, told) in [
        ("method.request.body.pet.name", SECRET, "****"),
        (
            "method.request.body",
            "%7B%22pet%22%3A%7B%22name%22%3A%22s3cret%22%7D%7D",
            "****",
        ),
        ("method.request.querystring.q", SECRET, "****"),
        ("method.request.multivaluequerystring.q", SECRET, "****"),
        ("method.request.header.X-Pet", SECRET, "****"),
        ("method.request.multivalueheader.X-Pet", SECRET, "****"),
        ("method.request.path.id", "7", "7"),
        ("context.stage", "prod", "prod"),
    ] {
        let setup = staged(&upstream, &json!({"logging_level": "info"})).route(
            "POST /pets/{id}",
            json!({
                "parameters": {"querystring.q": "optional", "header.X-Pet": "optional"},
                "integration": {
                    "uri": format!("http://{address}/{{own}}"),
                    "request_parameters": {"integration.request.path.own": source},
                },
            }),
        );
        let body = whole(r#"{"pet":{"name":"s3cret"}}"#);
        let headers = [("content-type", "application/json"), ("x-pet", SECRET)];
        let request = request(Method::POST, "/prod/pets/7?q=s3cret", body);
        let (answer, lines) = send(setup, with(request, &headers)).await;
        assert_eq!(answer.status, 200, "{source}: {}", answer.text());
        assert_eq!(
            answer.json()["uri"],
            format!("/{sent}?q=s3cret"),
            "{source}"
        );
        let told = format!("http://{address}/{told}");
        let said = |step| message(&lines, step);
        let uri = format!("Endpoint request URI: {told}");
        assert_eq!(said("endpoint_uri"), uri, "{source}");
        assert_eq!(said("sent"), format!("Sending request to {told}"));
    }
}

#[tokio::test]
async fn values_are_masked_as_they_are_in_queries_wherever_they_are_mapped_to() {
    let upstream = answering(&[("x-back", "https://a.example/cb?code=s3cret")]).await;
    let mapped = json!({
        "parameters": {"querystring.next": "required", "querystring.page": "optional"},
        "validate": {"parameters": true},
        "integration": {"request_parameters": {
            "integration.request.header.X-Next": "method.request.querystring.next",
            "integration.request.header.X-Page": "method.request.querystring.page",
        }},
    });
    let next = "next=https%3A%2F%2Fa%2Fcb%3Fcode%3Ds3cret&page=2";
    let setup = || traced(&upstream, json!({})).route("GET /pets", mapped.clone());
    let (_, lines) = ask(setup(), &format!("/prod/pets?{next}"), &[]).await;
    assert_eq!(
        message(&lines, "request_query"),
        "Method request query string: {next=****, page=2}"
    );
    let masked = ["x-next=****", "x-page=2"];
    check(&lines, "endpoint_headers", &masked);
    check(&lines, "endpoint_response_headers", &["x-back=****"]);
    check(&lines, "response_headers", &["x-back=****"]);

    let refused = setup().set(
        &["apis", "main", "gateway_responses"],
        json!({"DEFAULT_4XX": {"parameters": {
            "gatewayresponse.header.X-Next": "method.request.querystring.from",
            "gatewayresponse.header.X-Page": "method.request.querystring.page",
        }}}),
    );
    let from = next.replace("next=", "from=");
    let (answer, lines) = ask(refused, &format!("/prod/pets?{from}"), &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.header("x-next"), "https://a/cb?code=s3cret");
    check(&lines, "response_headers", &masked);
}

#[tokio::test]
async fn headers_with_addresses_and_keys_are_known_by_their_letters() {
    let upstream = Upstream::echo().await;
    let setup = traced(&upstream, json!({})).route("GET /pets", json!({}));
    let headers = [
        ("x_original_uri", "/a?s3cret"),
        ("x-envoy-original-path", "/a?s3cret"),
        ("hx-current-url", "https://u:s3cret@a.example/b?s3cret"),
        (
            "link",
            "<https://a.example/x>, <https://u:s3cret@b.example/y>",
        ),
        ("x-functions-key", "s3cret"),
        ("x-credentials", "s3cret"),
        ("idempotency-key", "shown"),
    ];
    let path = "/prod/pets?secret_key=s3cret&auth_key=s3cret&sort_key=shown";
    let (_, lines) = ask(setup, path, &headers).await;
    assert_eq!(
        message(&lines, "request_query"),
        "Method request query string: {secret_key=****, auth_key=****, sort_key=shown}"
    );
    for step in ["request_headers", "endpoint_headers"] {
        let pairs = [
            "x_original_uri=/a?****",
            "x-envoy-original-path=/a?****",
            "hx-current-url=https://****@a.example/b?****",
            "link=<https://a.example/x>, <https://****@b.example/y>",
            "x-functions-key=****",
            "x-credentials=****",
            "idempotency-key=shown",
        ];
        check(&lines, step, &pairs);
    }
}
