//! Requests that other people's clients sign: botocore, whose signatures curl sends, and awscurl.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::process::output;
use gateway_tests::setup::Setup;
use gateway_tests::signing::{ACCOUNT, REGION, authorize, statement, user};
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

use crate::curl::curl;
use crate::program;
use crate::python::packages;

pub(crate) const ID: &str = "AKIDANN";
pub(crate) const TEMPORARY: &str = "ASIARUN";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY-secret";
pub(crate) const TOKEN: &str = "FwoGZXIvYXdz/EXAMPLE+TOKEN==";

/// A REST API that echoes what two keys sign, of which one is temporary.
pub(crate) fn setup(upstream: &Upstream) -> Setup {
    let all = [statement("Allow", "*")];
    let mut temporary = user(ACCOUNT, SECRET, &all);
    temporary["session"] = json!({"token": TOKEN});
    let keys = json!({ID: user(ACCOUNT, SECRET, &all), TEMPORARY: temporary});
    authorize(Setup::new(), &keys)
        .upstream("main", upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .route("ANY /{proxy+}", json!({"authorizer": "main"}))
}

/// A request as a test describes it: what differs from a GET of `target` with the lasting key.
fn asked(target: &str, differs: &Value) -> Value {
    let mut asked = json!({
        "method": "GET", "target": target, "params": null, "headers": [], "body": "",
        "service": "execute-api", "region": REGION, "access_key_id": ID, "secret": SECRET,
        "token": null, "expires": null, "payload": null,
    });
    for (key, value) in differs.as_object().unwrap() {
        asked[key] = value.clone();
    }
    if differs.get("token").is_some() {
        asked["access_key_id"] = json!(TEMPORARY);
    }
    asked
}

/// What botocore makes of these requests to the server at `origin`: their URLs and headers.
fn signed(programs: &Path, origin: &str, asked: &[Value]) -> Vec<Value> {
    let mut asked = asked.to_vec();
    for request in &mut asked {
        request["url"] = json!(format!("{origin}{}", request["target"].as_str().unwrap()));
    }
    let mut signer = Command::new(programs.join("python"))
        .args(["-c", include_str!("python/sign.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = signer.stdin.take().unwrap();
    input
        .write_all(json!(asked).to_string().as_bytes())
        .unwrap();
    drop(input);
    let output = signer.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Sends a signed request with curl, byte for byte, and gives the status and the body.
async fn send(version: &str, asked: &Value, signed: &Value) -> (u16, String) {
    let Some(curl_program) = program("curl") else {
        panic!("it was there before");
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut arguments = vec![
        version.to_owned(),
        "--globoff".to_owned(),
        "--path-as-is".to_owned(),
        "--request".to_owned(),
        text(&asked["method"]),
        "--write-out".to_owned(),
        "\n%{http_code}".to_owned(),
    ];
    for pair in signed["headers"].as_array().unwrap() {
        let header = format!("{}: {}", text(&pair[0]), text(&pair[1]));
        arguments.extend(["--header".to_owned(), header]);
    }
    if asked["body"] != "" {
        arguments.extend(["--data-binary".to_owned(), text(&asked["body"])]);
    }
    arguments.push(text(&signed["url"]));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = curl(&curl_program, &arguments).await;
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

const VERSIONS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

#[tokio::test]
async fn botocore_signs_what_is_verified() {
    let (Some(programs), Some(_)) = (packages(), program("curl")) else {
        return;
    };
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let origin = format!("http://{}", gateway.address().await);
    let body = json!({"method": "POST", "body": "{\"pet\": \"grüße\"}",
        "headers": [["Content-Type", "application/json"]]});
    let headers = json!({"headers": [["X-Spaces", "  a   b  "], ["X-TWICE", "1"], ["x-twice", "2"],
        ["X-Empty-Not", "\"a,  b\""]]});
    let whole = json!({});
    let parts =
        json!({"params": [["q", "a b+c&d=e/ü"], ["e", ""], ["q", "1"], ["ключ", "~*'()!"]]});
    let requests = [
        asked("/prod/a", &whole),
        // A whole URL is signed as it stands, escaped or not.
        asked("/prod/a?q=a+b", &whole),
        asked("/prod/a?q=a%20b&r=a%2Bb&s=%C3%BC&t=%2b", &whole),
        asked("/prod/a?b=2&a=1&b=1&b=&c", &whole),
        asked("/prod/a?q=x:y/z@,;!*'()~", &whole),
        asked("/prod/a?q=a=b", &whole),
        // Of parts a query is made with `+` for spaces, and signed with `%20`.
        asked("/prod/a", &parts),
        asked("/prod/a%20b/%C3%BC/c%2Fd/e+f", &whole),
        asked("/prod/a//b/", &whole),
        asked("/prod/a:b@c,d", &whole),
        asked("/prod/a?x=1", &json!({"token": TOKEN})),
        asked("/prod/a", &headers),
        asked("/prod/a?x=+", &body),
        asked("/prod/a?q=a%20b&k=&x=1", &json!({"expires": 60})),
        asked("/prod/a", &json!({"expires": 60, "token": TOKEN})),
        asked("/prod/a?q=a+b", &json!({"expires": 604_800})),
    ];
    let sent = signed(programs, &origin, &requests);
    assert_eq!(sent.len(), requests.len());
    for version in VERSIONS {
        for (request, signed) in requests.iter().zip(&sent) {
            let (status, said) = send(version, request, signed).await;
            assert_eq!(status, 200, "{version} {request} {signed} {said}");
            let seen: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(seen["body"], request["body"], "{version} {request}");
            assert_eq!(seen["headers"]["authorization"], Value::Null);
        }
    }
}

#[tokio::test]
async fn what_botocore_has_not_signed_so_is_refused() {
    let (Some(programs), Some(_)) = (packages(), program("curl")) else {
        return;
    };
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let origin = format!("http://{}", gateway.address().await);
    let whole = json!({});
    let different = json!({"method": "POST", "payload": "UNSIGNED-PAYLOAD"});
    let changed = [
        // What was signed, what is sent instead, and why that is refused.
        ("/a?q=a+b", &whole, "/a?q=a%2Bb", "signature_mismatch"),
        ("/a?q=a+b", &whole, "/a?q=a%20b", "signature_mismatch"),
        ("/a?q=a%2Bb", &whole, "/a?q=a+b", "signature_mismatch"),
        ("/a?q=x:y", &whole, "/a?q=x%3Ay", "signature_mismatch"),
        ("/a?a=1&b=2", &whole, "/a?a=2&b=1", "signature_mismatch"),
        ("/a%2Fb", &whole, "/a/b", "signature_mismatch"),
        ("/a?x=1", &whole, "/a", "signature_mismatch"),
        (
            "/a",
            &json!({"region": "eu-west-1"}),
            "/a",
            "signature_scope",
        ),
        ("/a", &json!({"service": "lambda"}), "/a", "signature_scope"),
        (
            "/a",
            &json!({"secret": "another"}),
            "/a",
            "signature_mismatch",
        ),
        (
            "/a",
            &json!({"access_key_id": "AKIDNOBODY"}),
            "/a",
            "signature_unknown_key",
        ),
        (
            "/a",
            &json!({"token": "another"}),
            "/a",
            "signature_unknown_key",
        ),
        ("/a", &different, "/a", "signature_coverage"),
    ];
    let requests = changed.iter().enumerate();
    let requests = requests
        .map(|(row, (target, differs, ..))| asked(&format!("/prod/{row}{target}"), differs));
    let requests: Vec<Value> = requests.collect();
    let sent = signed(programs, &origin, &requests);
    for version in VERSIONS {
        for (row, (_, _, target, reason)) in changed.iter().enumerate() {
            let mut signed = sent[row].clone();
            signed["url"] = json!(format!("{origin}/prod/{row}{target}"));
            let (status, said) = send(version, &requests[row], &signed).await;
            assert_eq!(status, 403, "{version} {} {target} {said}", requests[row]);
            let prefix = format!("/prod/{row}/");
            let is_it = |record: &Value| {
                record["path"]
                    .as_str()
                    .is_some_and(|path| path.starts_with(&prefix))
            };
            let record = gateway.record(reason, is_it).await;
            assert_eq!(record["reason"], *reason, "{target} {record}");
        }
    }
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn a_body_that_botocore_has_not_signed_is_refused() {
    let (Some(programs), Some(_)) = (packages(), program("curl")) else {
        return;
    };
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let origin = format!("http://{}", gateway.address().await);
    let post = json!({"method": "POST", "body": "hello"});
    // Another body, and one where there was none.
    let requests = [
        asked("/prod/a", &post),
        asked("/prod/a", &json!({"method": "POST"})),
    ];
    let sent = signed(programs, &origin, &requests);
    for version in VERSIONS {
        for (mut request, signed) in requests.clone().into_iter().zip(&sent) {
            request["body"] = json!("hullo");
            let (status, said) = send(version, &request, signed).await;
            assert_eq!(status, 403, "{version} {said}");
        }
    }
    assert_eq!(upstream.seen().requests, 0);
}

/// awscurl with the secret and the service of these tests.
pub(crate) fn awscurl(programs: &Path) -> Command {
    let mut command = Command::new(programs.join("awscurl"));
    command
        .args(["--service", "execute-api", "--region", REGION])
        .args(["--secret_key", SECRET, "--fail-with-body"])
        .env_remove("AWS_PROFILE")
        .env("HOME", "/nonexistent");
    command
}

/// Of what awscurl is given, the query is escaped once whatever stands there: it takes what is not
/// escaped yet.
#[tokio::test]
async fn awscurl_calls_and_is_let_in() {
    let Some(programs) = packages() else {
        return;
    };
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let origin = format!("http://{}", gateway.address().await);
    let temporary = ["--access_key", TEMPORARY, "--security_token", TOKEN];
    let lasting = ["--access_key", ID];
    let post = [
        "-X",
        "POST",
        "-d",
        "{\"pet\": 1}",
        "-H",
        "Content-Type: application/json",
    ];
    for (target, key, more, status) in [
        ("/prod/a", &lasting[..], &[][..], 200),
        ("/prod/a?q=ü&e=&r=a b&r=a&k", &lasting[..], &[][..], 200),
        ("/prod/a/b-c.d_e~f", &temporary[..], &[][..], 200),
        ("/prod/a?x=1", &temporary[..], &post[..], 200),
        // It signs `%2B` and sends `+`, which reads as a space: a signature of one is none of the other.
        ("/prod/plus?q=a+b", &lasting[..], &[][..], 403),
    ] {
        let mut command = awscurl(programs);
        command.args(key).args(more);
        command.arg(format!("{origin}{target}"));
        let running = tokio::task::spawn_blocking(move || output(&mut command));
        let output = running.await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.success(),
            status == 200,
            "{target} {said} {errors}"
        );
        if status == 200 {
            let seen: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(seen["headers"]["authorization"], Value::Null, "{said}");
        } else {
            let record = gateway.path("/prod/plus").await;
            assert_eq!(record["reason"], "signature_mismatch", "{record}");
        }
    }
}
