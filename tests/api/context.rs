//! What the variables of a request say, as backends are told of them by mappings.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME, get, tls, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{self, Key, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use serde_json::{Value, json};

/// Variables that have no value in a request like those below, of either type of API.
const UNSET: [&str; 16] = [
    "identity.accountId",
    "identity.caller",
    "identity.user",
    "identity.userArn",
    "identity.principalOrgId",
    "identity.cognitoAuthenticationProvider",
    "identity.cognitoAuthenticationType",
    "identity.cognitoIdentityId",
    "identity.cognitoIdentityPoolId",
    "authorizer.principalId",
    "authorizer.error",
    "authorizer.tenant",
    "awsEndpointRequestId",
    "integration.status",
    "error.message",
    "customDomain.basePathMatched",
];

/// As [`UNSET`], of REST APIs alone.
const REST_UNSET: [&str; 6] = [
    "authorize.error",
    "authenticate.error",
    "authenticate.latency",
    "authenticate.status",
    "xrayTraceId",
    "wafResponseCode",
];

fn setup(upstream: &Upstream, key: &Key, kind: &str) -> Setup {
    let variables = json!({"variables": {"who": "stage"}});
    let setup = issuer::authorize(Setup::forwarding(upstream.address), &[key])
        .set(
            &["gateway"],
            json!({"account": "111122223333", "region": "test-1"}),
        )
        .set(&["apis", "main", "type"], json!(kind))
        .set(&["apis", "main", "id"], json!("abc123"));
    setup
        .set(&["apis", "main", "stages"], json!({"prod": variables}))
        .set(&["apis", "main", "routes"], json!({}))
}

/// What the backend saw of the variables that it was sent as headers `x-0`, `x-1` and so on.
async fn seen(gateway: &Gateway, bearer: &str, count: usize) -> (Vec<Value>, String) {
    let client = Client::http1(gateway.address().await).await;
    let headers = [
        ("authorization", bearer),
        ("user-agent", "test/1"),
        ("x-multi", "a"),
        ("x-multi", "b"),
    ];
    let asked = with(get("/prod/pets/a%20b?q=1&q=x+y%26"), &headers);
    let answer = client.send(asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let headers = &answer.json()["headers"];
    let values = (0..count).map(|index| headers[format!("x-{index}")].clone());
    let id = [
        answer.header("x-amzn-requestid"),
        answer.header("apigw-requestid"),
    ]
    .concat();
    (
        values.collect(),
        format!("{id} {}", answer.header("x-amz-apigw-id")),
    )
}

#[tokio::test]
async fn a_rest_api_knows_a_request_by_these_variables() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("context");
    let known = [
        ("context.accountId", "111122223333"),
        ("context.apiId", "abc123"),
        ("context.stage", "prod"),
        ("context.domainName", "api.test"),
        ("context.domainPrefix", "api"),
        ("context.httpMethod", "GET"),
        ("context.path", "/prod/pets/a%20b"),
        ("context.protocol", "HTTP/1.1"),
        ("context.resourcePath", "/pets/{id}"),
        ("context.identity.sourceIp", "127.0.0.1"),
        ("context.identity.userAgent", "test/1"),
        ("context.resourceId", "ai0s2unx22"),
        ("context.endpointType", "REGIONAL"),
        ("context.authorizer.status", "200"),
        ("context.authorize.status", "200"),
        ("context.isCanaryRequest", "false"),
        ("context.authorizer.claims.sub", "user-1"),
        ("stageVariables.who", "stage"),
        ("method.request.path.id", "a b"),
        ("method.request.querystring.q", "x y&"),
        ("method.request.multivalueheader.X-Multi", "a,b"),
        ("'fixed'", "fixed"),
    ];
    let own = ["context.requestId", "context.extendedRequestId"];
    let times = ["context.requestTime", "context.requestTimeEpoch"];
    let latencies = ["context.authorizer.latency", "context.authorize.latency"];
    let unset = UNSET.iter().chain(&REST_UNSET);
    let unset: Vec<String> = unset.map(|name| format!("context.{name}")).collect();
    let sources = known.iter().map(|(name, _)| *name);
    let sources = sources.chain(own).chain(times).chain(latencies);
    let sources: Vec<&str> = sources.chain(unset.iter().map(String::as_str)).collect();
    let mappings = sources.iter().enumerate().map(|(index, source)| {
        let target = format!("integration.request.header.x-{index}");
        (target, json!(source))
    });
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"},
    ]});
    let setup = setup(&upstream, &key, "rest").set(&["apis", "main", "policy"], policy);
    let setup = setup.route(
        "GET /pets/{id}",
        json!({
            "authorizer": "main",
            "parameters": {"querystring.q": "optional", "header.X-Multi": "optional"},
            "integration": {"request_parameters": Value::Object(mappings.collect())},
        }),
    );
    let gateway = Gateway::start(setup).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let (values, ids) = seen(&gateway, &bearer, sources.len()).await;
    for ((source, expected), found) in known.iter().zip(&values) {
        assert_eq!(found, expected, "{source}");
    }
    let text = |index: usize| values[known.len() + index].as_str().unwrap().to_owned();
    assert_eq!(format!("{} {}", text(0), text(1)), ids);
    check_times(&text(2), &text(3));
    for milliseconds in [text(4), text(5)] {
        assert!(milliseconds.parse::<u64>().unwrap() < 60_000);
    }
    for (source, found) in sources.iter().zip(&values).skip(known.len() + 6) {
        assert_eq!(found, &Value::Null, "{source}");
    }
}

/// `21/Nov/2026:22:28:18 +0000`, and milliseconds since 1970.
fn check_times(time: &str, epoch: &str) {
    assert!(time.len() == 26 && time.ends_with(" +0000"), "{time}");
    let seconds = epoch.parse::<u64>().unwrap() / 1_000;
    assert!(issuer::now().abs_diff(seconds) < 60, "{epoch}");
    let second = format!("{:02} +0000", seconds % 60);
    assert!(time.ends_with(&second), "{time} {epoch}");
}

#[tokio::test]
async fn the_step_that_refuses_says_so() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("context");
    let format = "$context.requestId $context.path|$context.authorizer.status|\
                  $context.authorizer.error|$context.authorize.status|$context.authorize.error|\
                  $context.endpointType";
    let deny = json!({
        "Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke",
        "Resource": ["execute-api:/prod/GET/denied", "execute-api:/prod/GET/both"],
    });
    let allow = json!({
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*",
    });
    let setup = setup(&upstream, &key, "rest")
        .set(
            &["apis", "main", "policy"],
            json!({"Version": "2012-10-17", "Statement": [allow, deny]}),
        )
        .set(
            &["apis", "main", "private"],
            json!({"prefixes": ["127.0.0.0/8"]}),
        )
        .set(
            &["apis", "main", "stages", "prod", "access_log"],
            json!({"format": format}),
        )
        .route("GET /denied", json!({}))
        .route("GET /both", json!({"authorizer": "main"}))
        .route("GET /known", json!({"authorizer": "main"}))
        .route("GET /anybody", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let stale = key.token(&claims(json!({"exp": 1})));
    let denial = "User: anonymous is not authorized to perform: execute-api:Invoke on resource: \
                  arn:aws:execute-api:test-1:********3333:abc123/prod/GET/";
    for (path, token, status, expected) in [
        ("anybody", "", 200, "-|-|200|-".to_owned()),
        (
            "denied",
            "",
            403,
            format!("-|-|403|{denial}denied with an explicit deny"),
        ),
        ("known", "", 401, "401|Unauthorized|-|-".to_owned()),
        (
            "known",
            stale.as_str(),
            401,
            "401|Unauthorized|-|-".to_owned(),
        ),
        ("known", bearer.as_str(), 200, "200|-|200|-".to_owned()),
        (
            "both",
            bearer.as_str(),
            403,
            format!("200|-|403|{denial}both with an explicit deny"),
        ),
    ] {
        let headers = [("authorization", token)];
        let headers = if token.is_empty() { &[][..] } else { &headers };
        let answer = client.get_with(&format!("/prod/{path}"), headers).await;
        let id = answer.header("x-amzn-requestid").to_owned();
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let line = gateway
            .log
            .find(path, |line| line.contains(&id).then(|| line.to_owned()))
            .await;
        assert_eq!(line, format!("{id} /prod/{path}|{expected}|PRIVATE"));
    }
}

#[tokio::test]
async fn an_authorizer_of_an_http_api_refuses_in_its_own_words() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("context");
    let format = "$context.requestId $context.authorizer.error|$context.error.message";
    let setup = setup(&upstream, &key, "http")
        .set(
            &["apis", "main", "stages", "prod", "access_log"],
            json!({"format": format}),
        )
        .route(
            "GET /scoped",
            json!({"authorizer": "main", "scopes": ["none"]}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let sent = [("authorization", bearer.as_str())];
    let answer = client.get_with("/prod/scoped", &sent).await;
    assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#);
    let id = answer.header("apigw-requestid").to_owned();
    let line = gateway
        .log
        .find("scoped", |line| line.contains(&id).then(|| line.to_owned()))
        .await;
    assert_eq!(line, format!("{id} Forbidden|Forbidden"));
}

#[tokio::test]
async fn an_http_api_knows_a_request_by_these_variables() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("context");
    let known = [
        ("$context.accountId", "111122223333"),
        ("$context.apiId", "abc123"),
        ("$context.stage", "prod"),
        ("$context.domainName", "api.test"),
        ("$context.domainPrefix", "api"),
        ("$context.httpMethod", "GET"),
        ("$context.path", "/prod/pets/a%20b"),
        ("$context.protocol", "HTTP/1.1"),
        ("$context.routeKey", "GET /pets/{id}"),
        ("$context.identity.sourceIp", "127.0.0.1"),
        ("$context.identity.userAgent", "test/1"),
        ("$context.authorizer.claims.sub", "user-1"),
        ("$stageVariables.who", "stage"),
        ("$request.path.id", "a b"),
        ("$request.path", "/pets/a%20b"),
        ("$request.querystring.q", "1,x y&"),
        ("$request.header.X-Multi", "a,b"),
        ("${context.stage}-${request.path.id}", "prod-a b"),
        ("fixed", "fixed"),
    ];
    let own = ["$context.requestId", "$context.extendedRequestId"];
    let times = ["$context.requestTime", "$context.requestTimeEpoch"];
    let unset = UNSET.map(|name| format!("$context.{name}"));
    let sources = known.iter().map(|(name, _)| *name);
    let sources = sources.chain(own).chain(times);
    let sources = sources.chain(unset.iter().map(String::as_str));
    // All of the claims are no text.
    let more = [
        "$context.authorizer.claims",
        "$context.awsEndpointRequestId2",
    ];
    let sources: Vec<&str> = sources.chain(more).collect();
    let mappings = sources.iter().enumerate().map(|(index, source)| {
        let target = format!("overwrite:header.x-{index}");
        (target, json!(source))
    });
    let setup = setup(&upstream, &key, "http").route(
        "GET /pets/{id}",
        json!({
            "authorizer": "main",
            "integration": {"request_parameters": Value::Object(mappings.collect())},
        }),
    );
    let gateway = Gateway::start(setup).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    let (values, ids) = seen(&gateway, &bearer, sources.len()).await;
    for ((source, expected), found) in known.iter().zip(&values) {
        assert_eq!(found, expected, "{source}");
    }
    let text = |index: usize| values[known.len() + index].as_str().unwrap().to_owned();
    assert_eq!((text(0), format!("{} ", text(1))), (text(1), ids));
    check_times(&text(2), &text(3));
    for (source, found) in sources.iter().zip(&values).skip(known.len() + 4) {
        assert_eq!(found, &Value::Null, "{source}");
    }
}

#[tokio::test]
async fn an_answer_knows_what_its_backend_said() {
    let upstream = Upstream::http(|_request| async { reply(404, "none") }).await;
    let setup = Setup::forwarding(upstream.address).route(
        "GET /pets",
        json!({"integration": {"response_parameters": {"404": {
            "overwrite:statuscode": "410",
            "overwrite:header.X-Said": "$context.integration.status",
            "overwrite:header.X-Took": "$context.integration.latency",
        }}}}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.get("/pets").await;
    assert_eq!((answer.status, answer.header("x-said")), (410, "404"));
    let milliseconds: u64 = answer.header("x-took").parse().expect("a number");
    let record = gateway.path("/pets").await;
    assert_eq!(
        milliseconds,
        record["upstream_us"].as_u64().unwrap() / 1_000
    );
}

/// A backend that names requests as services of AWS do, and one of `/both` twice.
async fn naming() -> Upstream {
    Upstream::http(|request| async move {
        let mut answer = reply(200, "named");
        let mut say = |name: &'static str, value| {
            let value = http::HeaderValue::from_static(value);
            answer.headers_mut().insert(name, value);
        };
        say("x-amzn-requestid", "newer");
        if request.uri().path().ends_with("/both") {
            say("x-amz-request-id", "older");
            say("x-amz-id-2", "second");
        }
        answer
    })
    .await
}

#[tokio::test]
async fn an_answer_knows_how_its_backend_named_it() {
    let upstream = naming().await;
    let setup = Setup::forwarding(upstream.address).route(
        "GET /{name}",
        json!({"integration": {"response_parameters": {"200": {
            "overwrite:header.X-First": "$context.awsEndpointRequestId",
            "overwrite:header.X-Second": "$context.awsEndpointRequestId2",
        }}}}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, first, second) in [("/one", "newer", ""), ("/both", "older", "second")] {
        let answer = client.get(path).await;
        let said = (answer.header("x-first"), answer.header("x-second"));
        assert_eq!(said, (first, second), "{path}");
    }

    let mapped = json!({"integration": {"type": "http", "responses": {"default": {
        "status": 200,
        "parameters": {"method.response.header.X-First": "context.awsEndpointRequestId"},
    }}}});
    let format = "$context.requestId $context.awsEndpointRequestId";
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            json!({"prod": {"access_log": {"format": format}}}),
        )
        .set(&["apis", "main", "routes"], json!({}))
        .route("GET /both", mapped)
        .route("GET /one", json!({}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, said, logged) in [("/both", "older", "older"), ("/one", "", "newer")] {
        let answer = client.get(&format!("/prod{path}")).await;
        assert_eq!((answer.status, answer.header("x-first")), (200, said));
        let id = answer.header("x-amzn-requestid");
        let line = gateway.log.find(path, |line| {
            let named = line.strip_prefix(id)?.trim();
            Some(named.to_owned())
        });
        assert_eq!(line.await, logged, "{path}");
    }
}

#[tokio::test]
async fn an_error_knows_its_backend_and_its_connection() {
    let authority = Authority::new();
    let template = "$context.integration.error|$context.integrationErrorMessage|\
                    $context.tlsVersion|$context.cipherSuite|";
    // Nobody listens on this port.
    let setup = Setup::forwarding("127.0.0.1:1".parse().unwrap())
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .set(
            &["apis", "main", "gateway_responses"],
            json!({
                "INTEGRATION_FAILURE": {"templates": {"text/plain": template}},
                "MISSING_AUTHENTICATION_TOKEN": {"templates": {"text/plain": template}},
            }),
        )
        .route("GET /pets", json!({}));
    let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
    let setup = setup.set(
        &["listeners", "secure"],
        json!({"address": "127.0.0.1:0", "tls": {"certificates": [certificate]}}),
    );
    let gateway = Gateway::start(setup).await;
    let address = gateway.listener("secure").await;
    let stream = tls(address, &authority.client(&["http/1.1"]), HOST_NAME).await;
    let stream = stream.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap();
    let suite = suite.suite().as_str().unwrap().replace("TLS13_", "TLS_");
    let client = Client::over_tls(stream).await;
    let said = "Network error communicating with endpoint";
    assert_eq!(
        client.get("/prod/pets").await.text(),
        format!("{said}|{said}|TLSv1.3|{suite}|")
    );
    // What is not the backend's fault is no error of the integration.
    let text = client.get("/prod/none").await.text();
    assert!(text.contains("|TLSv1.3|") && !text.contains(said), "{text}");
    let client = Client::http1(gateway.address().await).await;
    let text = client.get("/prod/pets").await.text();
    assert!(text.starts_with(&format!("{said}|{said}|")), "{text}");
    assert!(!text.contains("TLS"), "{text}");
}
