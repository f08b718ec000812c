//! Requests that their callers sign.

use gateway_tests::client::{Answer, Client, Outgoing, get, pieces, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::signing::{ACCOUNT, Signing, authorize, statement, user};
use gateway_tests::upstream::{Upstream, reply};
use http::{Method, Request};
use serde_json::{Value, json};

const ID: &str = "AKIDANN";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY-secret";
const TEMPORARY: &str = "ASIARUN";
const TOKEN: &str = "FwoGZXIvYXdzEXAMPLETOKEN==";

/// Who may call everything: a user, and a session of a role that ends at `expires`.
fn keys(expires: &str) -> Value {
    let all = [statement("Allow", "*")];
    let mut temporary = user(ACCOUNT, SECRET, &all);
    temporary["principal"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/run"));
    temporary["session"] = json!({"token": TOKEN, "expires": expires});
    json!({ID: user(ACCOUNT, SECRET, &all), TEMPORARY: temporary})
}

/// An API of this type that echoes what signers ask.
fn setup(upstream: &Upstream, kind: &str) -> Setup {
    let setup = authorize(Setup::new(), &keys("2099-01-01T00:00:00Z"));
    let stage = if kind == "rest" { "prod" } else { "$default" };
    setup
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!(kind))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(&["apis", "main", "stages"], json!({stage: {}}))
        .route("ANY /{proxy+}", json!({"authorizer": "main"}))
}

async fn start(setup: Setup) -> (Gateway, Client) {
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

fn ann() -> Signing {
    Signing::new(ID, SECRET)
}

fn run() -> Signing {
    Signing {
        token: Some(TOKEN.to_owned()),
        ..Signing::new(TEMPORARY, SECRET)
    }
}

fn post(path: &str, body: &'static str) -> Request<Outgoing> {
    request(Method::POST, path, whole(body))
}

#[tokio::test]
async fn whoever_signs_is_let_in_over_http1_and_http2() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream, "rest")).await;
    let address = gateway.address().await;
    for client in [Client::http1(address).await, Client::http2(address).await] {
        for signing in [ann(), run()] {
            let target = "/prod/a//b%40c?q=a%20b&e=&q=%C3%BC+&r";
            let answer = client.send(signing.header(get(target), b"")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            // The signature was for the gateway.
            assert_eq!(answer.json()["headers"]["authorization"], Value::Null);

            let sent = with(post("/prod/x", "hello"), &[("content-type", "text/plain")]);
            let answer = client.send(signing.header(sent, b"hello")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json()["body"], "hello");

            // A token in a query would have to be escaped.
            let signing = Signing {
                token: signing.token.map(|it| it.replace('=', "%3D")),
                ..signing
            };
            let answer = client
                .send(signing.query(get("/prod/x?a=1"), b"", 300))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let record = gateway
        .record("a signer", |record| record["status"] == 200)
        .await;
    assert_eq!(
        record["subject"],
        format!("arn:aws:iam::{ACCOUNT}:user/team/ann")
    );
}

#[tokio::test]
async fn the_body_is_what_was_signed_or_nobody_is_let_in() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(setup(&upstream, "rest")).await;
    let hash = gateway::aws::sigv4::payload_hash(b"hello");
    let hashed = Signing {
        content: Some(hash),
        ..ann()
    };
    let unsigned = Signing {
        content: Some("UNSIGNED-PAYLOAD".to_owned()),
        ..ann()
    };
    for (signing, signed, sent, reason) in [
        (&ann(), "hello", "hello", None),
        (&hashed, "hello", "hello", None),
        (&ann(), "hello", "hullo", Some("signature_mismatch")),
        (&ann(), "hello", "", Some("signature_mismatch")),
        (&ann(), "", "hello", Some("signature_mismatch")),
        (&hashed, "hello", "hullo", Some("payload_mismatch")),
        (&hashed, "hello", "", Some("payload_mismatch")),
        (&unsigned, "hello", "hello", Some("signature_coverage")),
    ] {
        let asked = signing.header(post("/prod/x", sent), signed.as_bytes());
        let answer = client.send(asked).await;
        let Some(reason) = reason else {
            assert_eq!(answer.json()["body"], sent);
            continue;
        };
        assert_eq!(answer.status, 403, "{reason}");
        assert_eq!(
            answer.header("x-amzn-errortype"),
            "InvalidSignatureException"
        );
        gateway.reason(reason).await;
    }
    // What is presigned may have a body, and a limit holds for it.
    let asked = ann().query(post("/prod/x", "hello"), b"hello", 60);
    assert_eq!(client.send(asked).await.json()["body"], "hello");
    let asked = ann().query(post("/prod/x", "hullo"), b"hello", 60);
    assert_eq!(client.send(asked).await.status, 403);

    let mut setup = gateway.stop().await;
    setup.change(
        &["authorizers", "main", "allow_unsigned_payload"],
        json!(true),
    );
    setup.change(
        &["apis", "main", "routes", "ANY /{proxy+}", "body_max"],
        json!("1KiB"),
    );
    let (gateway, client) = start(setup).await;
    let asked = unsigned.header(post("/prod/x", "anything"), b"");
    assert_eq!(client.send(asked).await.json()["body"], "anything");
    let long = "x".repeat(2_000);
    let asked = request(Method::POST, "/prod/x", whole(long.clone()));
    let answer = client.send(ann().header(asked, long.as_bytes())).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    gateway.reason("body_too_large").await;
}

#[tokio::test]
async fn what_the_head_tells_is_refused_before_the_body_comes() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream, "rest")).await;
    let address = gateway.address().await;
    let hash = gateway::aws::sigv4::payload_hash(b"hello");
    let wrong = Signing {
        secret: "other".to_owned(),
        content: Some(hash),
        ..ann()
    };
    let nobody = Signing::new("AKIDNOBODY", SECRET);
    let old = Signing {
        at: ann().at - 3_600,
        ..ann()
    };
    for signing in [wrong, nobody, old] {
        let (body, incoming) = pieces();
        let asked = signing.header(request(Method::POST, "/prod/x", incoming), b"hello");
        let client = Client::http1(address).await;
        // Nothing of it is ever sent.
        let answer = client.start(asked).await.unwrap();
        assert_eq!(answer.status(), 403, "{signing:?}");
        drop(body);
    }
}

/// What REST APIs say of a request: the type of the error and its message.
fn told(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    (answer.header("x-amzn-errortype").to_owned(), message)
}

/// What REST APIs say and log of requests, each with the start of its message and its reason.
async fn check(gateway: &Gateway, client: &Client, rows: Vec<(Request<Outgoing>, &str, &str)>) {
    for (asked, message, reason) in rows {
        let (kind, said) = told(&client.send(asked).await);
        let expected = match reason {
            "signature_missing" => "MissingAuthenticationTokenException",
            "signature_incomplete" => "IncompleteSignatureException",
            "signature_unknown_key" => "UnrecognizedClientException",
            _ => "InvalidSignatureException",
        };
        assert_eq!(kind, expected, "{said}");
        assert!(said.starts_with(message), "{said}\nis not\n{message}");
        gateway.reason(reason).await;
    }
}

const MISMATCH: &str = "The request signature we calculated does not match";

fn asked() -> Request<Outgoing> {
    get("/prod/x")
}

fn signed(signing: Signing) -> Request<Outgoing> {
    signing.header(asked(), b"")
}

#[tokio::test]
async fn a_header_that_is_no_signature_is_told_so() {
    const PAIRS: &str = "Invalid key=value pair (missing equal-sign) in Authorization header \
                         (hashed with SHA-256 and encoded with Base64): '";
    const LACKS: &str = "Authorization header requires 'Credential' parameter. Authorization \
                         header requires 'Signature' parameter. Authorization header requires \
                         existence of either a 'X-Amz-Date' or a 'Date' header. ";
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(setup(&upstream, "rest")).await;
    let good = signed(ann());
    let header = good.headers()["authorization"].to_str().unwrap().to_owned();
    let date = ann().time().to_string();
    let edited = |from: &str, to: &str| {
        assert!(header.contains(from), "{header}");
        let header = header.replace(from, to);
        with(
            asked(),
            &[("authorization", &header), ("x-amz-date", &date)],
        )
    };
    let incomplete = "signature_incomplete";
    let partly = [("authorization", "AWS4-HMAC-SHA256 SignedHeaders=host")];
    let day = format!("/{}/", ann().time().date());
    let service = "Credential should be scoped to correct service: 'execute-api'.";
    let host_alone = edited("SignedHeaders=host;x-amz-date", "SignedHeaders=host");
    let algorithm = edited("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    let region = "Credential should be scoped to a valid region.";
    let rows = vec![
        (asked(), "Missing Authentication Token", "signature_missing"),
        (edited(&header, "Bearer abc"), PAIRS, incomplete),
        (
            edited("Credential=", "Other="),
            "Authorization is not usable",
            incomplete,
        ),
        (with(asked(), &partly), LACKS, incomplete),
        (
            algorithm,
            "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'",
            incomplete,
        ),
        (
            edited("aws4_request", "aws5_request"),
            "Credential is not usable",
            incomplete,
        ),
        (edited("test-1", "test-2"), region, "signature_scope"),
        (edited("execute-api", "s3"), service, "signature_scope"),
        (
            edited(&day, "/20200101/"),
            "Date in Credential scope does not",
            "signature_scope",
        ),
        (
            host_alone,
            "'x-amz-date' must be a 'SignedHeader'",
            "signature_coverage",
        ),
    ];
    check(&gateway, &client, rows).await;
}

#[tokio::test]
async fn every_signature_that_is_wrong_is_told_so() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(setup(&upstream, "rest")).await;
    let at = |at: u64| Signing { at, ..ann() };
    let now = ann().at;
    let token = |token: &str, signing: Signing| {
        let token = Some(token.to_owned());
        signed(Signing { token, ..signing })
    };
    let chunks = Signing {
        content: Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned()),
        ..ann()
    };
    let wrong = Signing {
        secret: "other".to_owned(),
        ..ann()
    };
    let more = with(signed(ann()), &[("x-amz-meta", "1")]);
    let in_query = |from: &str, to: &str| {
        let asked = ann().query(asked(), b"", 60);
        get(&asked.uri().to_string().replace(from, to))
    };
    let invalid = "The security token included in the request is invalid.";
    let unknown = "signature_unknown_key";
    let nobody = signed(Signing::new("AKIDNOBODY", SECRET));
    let without = signed(Signing::new(TEMPORARY, SECRET));
    let lacks = "AWS query-string parameters must include 'X-Amz-Expires'";
    let long = in_query("Expires=60", "Expires=604801");
    let incomplete = "signature_incomplete";
    let late = at(now - 100).query(asked(), b"", 60);
    let rows = vec![
        (
            more,
            "'x-amz-meta' must be a 'SignedHeader'",
            "signature_coverage",
        ),
        (nobody, invalid, unknown),
        (without, invalid, unknown),
        (token("x", run()), invalid, unknown),
        (token(TOKEN, ann()), invalid, unknown),
        (
            signed(at(now - 310)),
            "Signature expired: ",
            "signature_time",
        ),
        (
            signed(at(now + 360)),
            "Signature not yet current: ",
            "signature_time",
        ),
        (late, "Signature expired: ", "signature_time"),
        (in_query("&X-Amz-Expires=60", ""), lacks, incomplete),
        (long, "X-Amz-Expires is not usable", incomplete),
        (
            in_query("Expires=60", "Expires=61"),
            MISMATCH,
            "signature_mismatch",
        ),
        (signed(wrong), MISMATCH, "signature_mismatch"),
        (
            signed(chunks),
            "X-Amz-Content-Sha256 is not usable",
            incomplete,
        ),
    ];
    check(&gateway, &client, rows).await;
}

#[tokio::test]
async fn a_signature_is_good_for_its_time_method_and_path() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(setup(&upstream, "rest")).await;
    let at = ann().at - 3_600;
    let old = Signing { at, ..ann() }.query(asked(), b"", 7_200);
    assert_eq!(client.send(old).await.status, 200);
    let mut method = signed(ann());
    *method.method_mut() = Method::DELETE;
    let mut path = signed(ann());
    *path.uri_mut() = "/prod/y".parse().unwrap();
    let mut host = signed(ann());
    let other = "main.test".parse().unwrap();
    host.headers_mut().insert("host", other);
    let rows = [method, path, host].map(|asked| (asked, MISMATCH, "signature_mismatch"));
    check(&gateway, &client, rows.into()).await;
}

#[tokio::test]
async fn an_http_api_forbids_whatever_is_wrong() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(setup(&upstream, "http")).await;
    assert_eq!(client.send(ann().header(get("/x"), b"")).await.status, 200);
    let body = ann().header(post("/x", "hello"), b"hello");
    assert_eq!(client.send(body).await.json()["body"], "hello");
    let wrong = Signing {
        secret: "other".to_owned(),
        ..ann()
    };
    let old = Signing {
        at: ann().at - 3_600,
        ..ann()
    };
    for (asked, reason) in [
        (get("/x"), "signature_missing"),
        (
            with(get("/x"), &[("authorization", "Bearer x")]),
            "signature_incomplete",
        ),
        (
            Signing::new("AKIDNOBODY", SECRET).header(get("/x"), b""),
            "signature_unknown_key",
        ),
        (wrong.header(get("/x"), b""), "signature_mismatch"),
        (old.header(get("/x"), b""), "signature_time"),
        (
            ann().header(post("/x", "hullo"), b"hello"),
            "signature_mismatch",
        ),
    ] {
        let answer = client.send(asked).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (403, r#"{"message":"Forbidden"}"#)
        );
        gateway.reason(reason).await;
    }
}

#[tokio::test]
async fn a_reload_ends_keys_and_sessions_and_no_log_tells_a_secret() {
    let upstream = Upstream::http(|_| async { reply(200, "fine") }).await;
    let setup = setup(&upstream, "rest").set(
        &["apis", "main", "stages"],
        json!({"prod": {"logging_level": "info", "data_trace": true}}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let ask = async |signing: Signing| client.send(signing.header(get("/prod/x"), b"")).await;
    assert_eq!(ask(run()).await.status, 200);
    assert_eq!(ask(ann()).await.status, 200);
    let directory = gateway.config_path();
    let path = directory.with_file_name("keys.json");
    let write = |keys: &Value| {
        let text = json!({"credentials": keys}).to_string();
        std::fs::write(&path, text).unwrap();
    };
    write(&keys("2020-01-01T00:00:00Z"));
    gateway.reload().await;
    let (kind, message) = told(&ask(run()).await);
    assert_eq!(kind, "ExpiredTokenException");
    assert_eq!(
        message,
        "The security token included in the request is expired"
    );
    gateway.reason("session_expired").await;
    let mut other = keys("2099-01-01T00:00:00Z");
    other[ID]["secret"] = json!("another-secret");
    write(&other);
    gateway.reload().await;
    assert_eq!(ask(ann()).await.status, 403);
    let renewed = Signing {
        secret: "another-secret".to_owned(),
        ..ann()
    };
    assert_eq!(ask(renewed).await.status, 200);
    let signature = ann().header(get("/prod/x"), b"");
    let signature = signature.headers()["authorization"].to_str().unwrap();
    let (_, signature) = signature.rsplit_once('=').unwrap();
    let log = format!("{:?}", gateway.all_records().await);
    for secret in [SECRET, "another-secret", TOKEN, signature] {
        assert!(!log.contains(secret), "{secret}");
    }
}
