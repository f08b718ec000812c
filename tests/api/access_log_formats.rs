//! Stages say what the access log says of their requests.

use gateway_tests::client::{Client, get, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream, reply};
use http::Method;
use serde_json::{Value, json};

/// The formats that the service's console offers for REST APIs, by their names.
const REST: [(&str, &str); 4] = [
    (
        "clf",
        r#"$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength $context.requestId $context.extendedRequestId"#,
    ),
    (
        "json",
        r#"{"requestId":"$context.requestId","extendedRequestId":"$context.extendedRequestId","ip":"$context.identity.sourceIp","caller":"$context.identity.caller","user":"$context.identity.user","requestTime":"$context.requestTime","httpMethod":"$context.httpMethod","resourcePath":"$context.resourcePath","status":"$context.status","protocol":"$context.protocol","responseLength":"$context.responseLength"}"#,
    ),
    (
        "xml",
        r#"<request id="$context.requestId"> <extendedRequestId>$context.extendedRequestId</extendedRequestId> <ip>$context.identity.sourceIp</ip> <caller>$context.identity.caller</caller> <user>$context.identity.user</user> <requestTime>$context.requestTime</requestTime> <httpMethod>$context.httpMethod</httpMethod> <resourcePath>$context.resourcePath</resourcePath> <status>$context.status</status> <protocol>$context.protocol</protocol> <responseLength>$context.responseLength</responseLength> </request>"#,
    ),
    (
        "csv",
        "$context.identity.sourceIp,$context.identity.caller,$context.identity.user,$context.requestTime,$context.httpMethod,$context.resourcePath,$context.protocol,$context.status,$context.responseLength,$context.requestId,$context.extendedRequestId",
    ),
];

/// What they are for an HTTP API.
fn of_http(format: &str) -> String {
    format
        .replace("$context.resourcePath", "$context.routeKey")
        .replace("resourcePath", "routeKey")
        .replace(
            " $context.requestId $context.extendedRequestId",
            " $context.requestId",
        )
        .replace(
            ",$context.requestId,$context.extendedRequestId",
            ",$context.requestId",
        )
        .replace(r#""extendedRequestId":"$context.extendedRequestId","#, "")
        .replace(
            "<extendedRequestId>$context.extendedRequestId</extendedRequestId> ",
            "",
        )
}

fn stages(formats: &[(&str, String)]) -> Value {
    let stage = |(name, format): &(&str, String)| {
        let stage = json!({"access_log": {"format": format}});
        ((*name).to_owned(), stage)
    };
    Value::Object(formats.iter().map(stage).collect())
}

/// Checks that `line` is what `format` says with these `values`, and a time.
#[track_caller]
fn check(line: &str, format: &str, values: &[(&str, &str)]) {
    let said = values
        .iter()
        .fold(format.to_owned(), |said, (name, value)| {
            said.replace(&format!("$context.{name}"), value)
        });
    let (before, after) = said.split_once("$context.requestTime").unwrap();
    let rest = line.strip_prefix(before);
    let time = rest.and_then(|rest| rest.strip_suffix(after));
    let time = time.unwrap_or_else(|| panic!("{line}\nis not\n{said}"));
    assert_eq!(time.len(), "09/Apr/2015:12:34:56 +0000".len(), "{line}");
    assert!(time.ends_with(" +0000"), "{line}");
}

/// The line with `words`.
async fn line(gateway: &Gateway, words: &str) -> String {
    let pick = |line: &str| line.contains(words).then(|| line.to_owned());
    gateway.log.find(words, pick).await
}

#[tokio::test]
async fn the_formats_of_the_console_work_in_rest_apis() {
    let upstream = Upstream::http(|_| async { reply(200, "seven b") }).await;
    let formats = REST.map(|(name, format)| (name, format.to_owned()));
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], stages(&formats))
        .route("GET /pets/{id}", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let guide = include_str!("../../docs/configuration.md");
    for (stage, format) in &formats {
        assert!(guide.contains(format), "the guide shows {stage}");
        let answer = client.get(&format!("/{stage}/pets/7?secret=1")).await;
        let id = answer.header("x-amzn-requestid");
        let values = [
            ("identity.sourceIp", "127.0.0.1"),
            ("identity.caller", "-"),
            ("identity.user", "-"),
            ("httpMethod", "GET"),
            ("resourcePath", "/pets/{id}"),
            ("protocol", "HTTP/1.1"),
            ("status", "200"),
            ("responseLength", "7"),
            ("requestId", id),
            ("extendedRequestId", answer.header("x-amz-apigw-id")),
        ];
        check(&line(&gateway, id).await, format, &values);
    }
    assert_eq!(gateway.log.all().len(), formats.len());
}

#[tokio::test]
async fn the_formats_of_the_console_work_in_http_apis() {
    let upstream = Upstream::http(|_| async { reply(201, "seven b") }).await;
    let formats = REST.map(|(name, format)| (name, of_http(format)));
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .set(&["apis", "main", "stages"], stages(&formats))
        .route("GET /pets/{id}", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http2(gateway.address().await).await;
    for (stage, format) in &formats {
        let answer = client.get(&format!("/{stage}/pets/7?secret=1")).await;
        let id = answer.header("apigw-requestid");
        let values = [
            ("identity.sourceIp", "127.0.0.1"),
            ("identity.caller", "-"),
            ("identity.user", "-"),
            ("httpMethod", "GET"),
            ("routeKey", "GET /pets/{id}"),
            ("protocol", "HTTP/1.1"),
            ("status", "201"),
            ("responseLength", "7"),
            ("requestId", id),
        ];
        check(&line(&gateway, id).await, format, &values);
    }
    assert_eq!(gateway.log.all().len(), formats.len());
}

/// An object of these variables, all quoted but the message, which brings its own quotes.
fn object(names: &[&str]) -> String {
    let fields = names.iter().map(|name| match *name {
        "error.messageString" => format!("\"{name}\":$context.{name}"),
        _ => format!("\"{name}\":\"$context.{name}\""),
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn what_is_refused_is_told_and_nothing_breaks_a_line() {
    let upstream = Upstream::echo().await;
    let names = [
        "requestId",
        "identity.userAgent",
        "error.message",
        "error.responseType",
        "error.messageString",
        "status",
        "stage",
    ];
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            stages(&[("prod", object(&names))]),
        )
        .set(
            &["apis", "main", "gateway_responses"],
            json!({"MISSING_AUTHENTICATION_TOKEN": {"status": 404}}),
        )
        .route("GET /pets", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let agent = [("user-agent", "a\",\"status\":\"999\\")];
    let answer = client.send(with(get("/prod/none"), &agent)).await;
    assert_eq!(answer.status, 404);
    let id = answer.header("x-amzn-requestid");
    let told: Value = serde_json::from_str(&line(&gateway, id).await).unwrap();
    assert_eq!(
        told,
        json!({
            "requestId": id,
            "identity.userAgent": agent[0].1,
            "error.message": "Missing Authentication Token",
            "error.responseType": "MISSING_AUTHENTICATION_TOKEN",
            "error.messageString": "Missing Authentication Token",
            "status": "404",
            "stage": "prod",
        })
    );
    // Nobody knows the format of a stage that is none.
    let answer = client.get("/none/pets").await;
    let told = gateway.record("the other", |told| told["reason"] == "stage_not_found");
    let told = told.await;
    assert_eq!(told["request_id"], answer.header("x-amz-apigw-id"));
}

#[tokio::test]
async fn an_http_api_tells_what_it_refused() {
    let upstream = Upstream::echo().await;
    let names = [
        "extendedRequestId",
        "error.message",
        "error.messageString",
        "error.responseType",
        "integration.error",
        "integration.status",
        "routeKey",
        "status",
    ];
    let route = json!({"body_max": "4"});
    let setup = Setup::new()
        .upstream("main", upstream.address)
        .set(
            &["apis", "main", "stages"],
            stages(&[("$default", object(&names))]),
        )
        .route("POST /pets", route);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.post("/pets", whole("12345")).await;
    assert_eq!(answer.status, 413);
    let id = answer.header("apigw-requestid");
    let told: Value = serde_json::from_str(&line(&gateway, id).await).unwrap();
    assert_eq!(
        told,
        json!({
            "extendedRequestId": id,
            "error.message": answer.json()["message"],
            "error.messageString": answer.json()["message"],
            "error.responseType": "REQUEST_TOO_LARGE",
            "integration.error": "-",
            "integration.status": "-",
            "routeKey": "POST /pets",
            "status": "413",
        })
    );
}

#[tokio::test]
async fn what_is_late_is_counted_to_the_last_byte() {
    let upstream = Upstream::http(|_| async { reply(200, "seven b") }).await;
    let names = [
        "requestId",
        "status",
        "responseLatency",
        "responseLength",
        "dataProcessed",
        "integration.status",
        "integration.latency",
        "error.message",
        "authorizer.tenant",
    ];
    let setup = Setup::forwarding(upstream.address).set(
        &["apis", "main", "stages"],
        stages(&[("$default", object(&names))]),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.post("/a", whole("12345")).await;
    let id = answer.header("apigw-requestid");
    let told: Value = serde_json::from_str(&line(&gateway, id).await).unwrap();
    let number = |name: &str| told[name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(number("integration.latency") <= number("responseLatency"));
    let rest = [
        "status",
        "responseLength",
        "dataProcessed",
        "integration.status",
    ];
    assert_eq!(rest.map(number), [200, 7, 12, 200]);
    assert_eq!(
        (&told["error.message"], &told["authorizer.tenant"]),
        (&json!("-"), &json!("-"))
    );
}

#[tokio::test]
async fn a_client_that_leaves_has_a_line_of_the_same_form() {
    let upstream = Upstream::http(|_| async { std::future::pending::<Reply>().await }).await;
    let names = ["requestId", "path", "status", "responseLength"];
    let setup = Setup::forwarding(upstream.address).set(
        &["apis", "main", "stages"],
        stages(&[("$default", object(&names))]),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let call = tokio::spawn(async move { client.start(get("/leave?secret=1")).await });
    upstream.when("the call", |seen| seen.requests == 1).await;
    call.abort();
    let told: Value = serde_json::from_str(&line(&gateway, "/leave").await).unwrap();
    assert_eq!(
        (&told["path"], &told["status"], &told["responseLength"]),
        (&json!("/leave"), &json!("-"), &json!("0"))
    );
    assert_eq!(gateway.log.all().len(), 1);
}

#[tokio::test]
async fn a_format_is_no_part_of_a_deployment() {
    let upstream = Upstream::echo().await;
    let setup = |mark: &str| {
        let format = format!("{mark} $context.requestId $context.deploymentId $context.httpMethod");
        json!({"prod": {"auto_deploy": false, "access_log": {"format": format}}})
    };
    let mut gateway = Gateway::start(
        Setup::new()
            .upstream("main", upstream.address)
            .set(&["apis", "main", "type"], json!("rest"))
            .set(&["apis", "main", "stages"], setup("before"))
            .route("ANY /pets", json!({})),
    )
    .await;
    let client = Client::http1(gateway.address().await).await;
    let ask = async |mark: &str, method: Method| {
        let asked = gateway_tests::client::request(method, "/prod/pets", whole(""));
        let answer = client.send(asked).await;
        format!("{mark} {}", answer.header("x-amzn-requestid"))
    };
    let begins = ask("before", Method::GET).await;
    let found = line(&gateway, &begins).await;
    assert_eq!(found, format!("{begins} 1 GET"));
    gateway
        .setup()
        .change(&["apis", "main", "stages"], setup("after"));
    let reloaded = gateway.reload().await;
    assert_eq!(reloaded["answer"], "done", "{reloaded}");
    let begins = ask("after", Method::PUT).await;
    let found = line(&gateway, &begins).await;
    assert_eq!(found, format!("{begins} 1 PUT"));
}
