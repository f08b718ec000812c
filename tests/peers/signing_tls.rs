//! Other people's clients that sign what they send over TLS: boto3, awscurl, and curl with URLs that boto3
//! has presigned.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gateway_tests::authority::Authority;
use gateway_tests::gateway::Gateway;
use gateway_tests::process::output;
use gateway_tests::signing::REGION;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

use crate::curl::curl;
use crate::program;
use crate::python::packages;
use crate::signing::{ID, SECRET, TEMPORARY, TOKEN, awscurl, setup};

/// The API behind TLS: what is below `/open` takes bodies that are not signed.
struct Secured {
    gateway: Gateway,
    origin: String,
    root: PathBuf,
}

async fn start(upstream: &Upstream) -> Secured {
    let authority = Authority::new();
    let setup = setup(upstream);
    let certificate = authority.write_certificate(setup.directory(), "api", &["localhost"]);
    let root = authority.write_root(setup.directory());
    let keys = setup.directory().join("keys.json");
    let setup = setup
        .listener("tls", json!({"certificates": [certificate]}))
        .set(
            &["authorizers", "open"],
            json!({"type": "iam", "credentials": keys, "allow_unsigned_payload": true}),
        )
        .route("ANY /open/{proxy+}", json!({"authorizer": "open"}));
    let gateway = Gateway::start(setup).await;
    let origin = format!("https://localhost:{}", gateway.address().await.port());
    Secured {
        gateway,
        origin,
        root,
    }
}

impl Secured {
    /// A call of boto3 as a test describes it: what differs from a `get` of `id` with the lasting key.
    fn call(&self, id: &str, differs: &Value) -> Value {
        let mut call = json!({
            "endpoint": format!("{}/prod", self.origin), "access_key_id": ID, "secret": SECRET,
            "token": null, "operation": "get", "id": id, "data": "", "body_is_signed": true,
        });
        for (key, value) in differs.as_object().unwrap() {
            call[key] = value.clone();
        }
        if differs.get("token").is_some() {
            call["access_key_id"] = json!(TEMPORARY);
        }
        call
    }

    /// What boto3 says of these calls.
    async fn called(&self, programs: &Path, calls: &[Value]) -> Vec<Value> {
        let asked = json!({"root": self.root, "region": REGION, "calls": calls}).to_string();
        let python = programs.join("python");
        let running = tokio::task::spawn_blocking(move || {
            let mut client = Command::new(python)
                .args(["-c", include_str!("python/call.py")])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = client.stdin.take().unwrap();
            input.write_all(asked.as_bytes()).unwrap();
            drop(input);
            client.wait_with_output().unwrap()
        });
        let said: Vec<Value> = serde_json::from_slice(&running.await.unwrap().stdout).unwrap();
        assert_eq!(said.len(), calls.len());
        said
    }

    /// Whether the request whose path ends in `id` came over TLS, and why it was refused.
    async fn reason(&self, id: &str) -> Value {
        let ends = format!("/@connections/{id}");
        let is_it = |record: &Value| {
            let path = record["path"].as_str();
            path.is_some_and(|path| path.ends_with(&ends))
        };
        let record = self.gateway.record(id, is_it).await;
        assert_eq!(record["tls"], "TLSv1.3", "{record}");
        record["reason"].clone()
    }
}

#[tokio::test]
async fn the_client_of_the_service_itself_is_let_in_over_tls() {
    let Some(programs) = packages() else {
        return;
    };
    let upstream = Upstream::echo().await;
    let secured = start(&upstream).await;
    let with_token = json!({"token": TOKEN});
    let post = json!({"operation": "post", "data": "{\"pet\": \"grüße\"}"});
    let post_with_token = json!({"operation": "post", "data": "x", "token": TOKEN});
    let other_secret = json!({"operation": "post", "data": "x", "secret": "another"});
    let rows = [
        ("plain", json!({}), None),
        // boto3 escapes what the path has, and signs that escaped once more.
        ("a b=ü", json!({}), None),
        ("session", with_token, None),
        ("delete", json!({"operation": "delete"}), None),
        ("post", post, None),
        ("post-session", post_with_token, None),
        ("secret", other_secret, Some("signature_mismatch")),
        (
            "token",
            json!({"token": "another"}),
            Some("signature_unknown_key"),
        ),
    ];
    let calls: Vec<_> = rows
        .iter()
        .map(|(id, differs, _)| secured.call(id, differs))
        .collect();
    let said = secured.called(programs, &calls).await;
    for ((id, _, reason), said) in rows.iter().zip(said) {
        let status = if reason.is_some() { 403 } else { 200 };
        assert_eq!(said["status"], status, "{id}");
        let logged = id.replace(' ', "%20").replace('=', "%3D");
        let logged = logged.replace('ü', "%C3%BC");
        assert_eq!(secured.reason(&logged).await, json!(reason), "{id}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_signed_is_taken_where_the_authorizer_allows_it() {
    let Some(programs) = packages() else {
        return;
    };
    let upstream = Upstream::echo().await;
    let secured = start(&upstream).await;
    let open = format!("{}/prod/open", secured.origin);
    let unsigned = json!({"operation": "post", "data": "hello", "body_is_signed": false});
    let with = |name: &str, value: Value| {
        let mut call = unsigned.clone();
        call[name] = value;
        call
    };
    let mut other_secret = with("endpoint", json!(open));
    other_secret["secret"] = json!("another");
    let mut session = with("endpoint", json!(open));
    session["token"] = json!(TOKEN);
    let rows = [
        ("allowed", with("endpoint", json!(open)), None),
        ("session", session, None),
        ("forged", other_secret, Some("signature_mismatch")),
        ("refused", unsigned.clone(), Some("signature_coverage")),
        // The same client signs the body if it is to.
        ("signed", with("body_is_signed", json!(true)), None),
    ];
    let calls: Vec<_> = rows
        .iter()
        .map(|(id, differs, _)| secured.call(id, differs))
        .collect();
    let said = secured.called(programs, &calls).await;
    for ((id, _, reason), said) in rows.iter().zip(said) {
        let status = if reason.is_some() { 403 } else { 200 };
        assert_eq!(said["status"], status, "{id}");
        assert_eq!(secured.reason(id).await, json!(reason), "{id}");
    }
    assert_eq!(upstream.seen().requests, 3);
}

#[tokio::test]
async fn a_url_that_boto3_has_presigned_lets_curl_in() {
    let (Some(programs), Some(curl_program)) = (packages(), program("curl")) else {
        return;
    };
    let upstream = Upstream::echo().await;
    let secured = start(&upstream).await;
    let url = json!({"operation": "url"});
    let other_secret = json!({"operation": "url", "secret": "another"});
    let calls = [
        secured.call("lasting", &url),
        secured.call("session", &json!({"operation": "url", "token": TOKEN})),
        secured.call("forged", &other_secret),
        secured.call("posted", &url),
        secured.call("changed", &url),
    ];
    let said = secured.called(programs, &calls).await;
    let root = secured.root.display().to_string();
    for version in ["--http1.1", "--http2"] {
        for (row, (status, more)) in [
            (200, &[][..]),
            (200, &[]),
            (403, &[]),
            // Neither another method nor a body was signed.
            (403, &["--request", "POST"]),
            (403, &["--data", "hello", "--request", "GET"]),
        ]
        .into_iter()
        .enumerate()
        {
            let url = said[row]["url"].as_str().unwrap();
            let mut arguments = vec![version, "--cacert", &root, "--output", "/dev/null"];
            arguments.extend(["--write-out", "%{http_code} %{scheme}", url]);
            arguments.extend(more);
            let answered = curl(&curl_program, &arguments).await;
            let expected = format!("{status} HTTPS");
            assert_eq!(
                answered.to_uppercase(),
                expected,
                "{version} {}",
                calls[row]
            );
        }
    }
    for (id, reason) in [("lasting", None), ("forged", Some("signature_mismatch"))] {
        assert_eq!(secured.reason(id).await, json!(reason), "{id}");
    }
    assert_eq!(upstream.seen().requests, 4);
}

#[tokio::test]
async fn awscurl_is_let_in_over_tls() {
    let Some(programs) = packages() else {
        return;
    };
    let upstream = Upstream::echo().await;
    let secured = start(&upstream).await;
    let lasting = ["--access_key", ID];
    let session = ["--access_key", TEMPORARY, "--security_token", TOKEN];
    let forged = ["--access_key", TEMPORARY, "--security_token", "another"];
    for (path, key, is_let_in) in [
        ("lasting", &lasting[..], true),
        ("session", &session[..], true),
        ("forged", &forged[..], false),
    ] {
        let mut command = awscurl(programs);
        command
            .args(key)
            .args(["-X", "POST", "-d", "{\"pet\": 1}"])
            .arg(format!("{}/prod/@connections/{path}?x=1", secured.origin))
            .env("REQUESTS_CA_BUNDLE", &secured.root);
        let running = tokio::task::spawn_blocking(move || output(&mut command));
        let output = running.await.unwrap().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_let_in, "{path} {errors}");
        let reason = (!is_let_in).then_some("signature_unknown_key");
        assert_eq!(secured.reason(path).await, json!(reason), "{path}");
    }
    assert_eq!(upstream.seen().requests, 2);
}
