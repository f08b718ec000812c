//! Tokens that are almost right: each is refused with its reason, in both types of API, and none leads the
//! gateway anywhere.

mod claims;
mod header;
mod signature;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorizer, key_set};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

/// What is wrong with a token, the token, and the reason in the log; `None` where it is right.
type Row = (String, String, Option<&'static str>);

const MALFORMED: &str = "token_malformed";
const ALGORITHM: &str = "token_algorithm";
const SIGNATURE: &str = "token_signature";
const UNKNOWN: &str = "token_unknown_key";
const UNAVAILABLE: &str = "token_key_unavailable";

fn row(name: &str, token: String, reason: &'static str) -> Row {
    (name.to_owned(), token, Some(reason))
}

fn good(name: &str, token: String) -> Row {
    (name.to_owned(), token, None)
}

fn setup(upstream: &Upstream, keys: &[&Key]) -> Setup {
    let setup = Setup::new().upstream("main", upstream.address);
    let mut set: Value = serde_json::from_str(&key_set(keys)).unwrap();
    // A point that is on no curve: whoever calculated with it could be made to tell secrets, or accept.
    let off = URL_SAFE_NO_PAD.encode([1; 32]);
    let off = json!({"kty": "EC", "crv": "P-256", "kid": "off", "x": off, "y": off});
    // A secret in a public document.
    let secret = json!({"kty": "oct", "kid": "oct", "alg": "HS256", "k": "c2VjcmV0"});
    set["keys"].as_array_mut().unwrap().extend([off, secret]);
    let file = setup.file("keys.json", &set.to_string());
    let mut authorizer = authorizer(json!({"file": file}));
    authorizer["algorithms"] = json!(["RS256", "PS256", "ES256", "ES384", "EdDSA"]);
    let route = json!({
        "authorizer": "main", "scopes": ["read"], "integration": {"upstream": "main"},
    });
    let rest = json!({
        "type": "rest", "hosts": ["rest.test"], "stages": {"prod": {}},
        "limits": {"header_bytes_max": "20KiB"}, "routes": {"GET /a": route},
    });
    setup
        .set(&["authorizers", "main"], authorizer)
        .route("GET /a", json!({"authorizer": "main", "scopes": ["read"]}))
        .set(
            &["apis", "main", "limits"],
            json!({"header_bytes_max": "20KiB"}),
        )
        .set(&["apis", "rest"], rest)
}

/// Checks what becomes of each token where `keys` are those of the issuer.
async fn check(keys: &[&Key], rows: Vec<Row>) {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream, keys)).await;
    check_at(&gateway, &upstream, rows).await;
}

/// Sends each token to an API of either type.
async fn check_at(gateway: &Gateway, upstream: &Upstream, rows: Vec<Row>) {
    let client = Client::http1(gateway.address().await).await;
    for (name, token, expected) in rows {
        for (host, path) in [("http.test", "/a"), ("rest.test", "/prod/a")] {
            let headers = [("host", host), ("authorization", token.as_str())];
            let before = upstream.seen().requests;
            let answer = client.get_with(path, &headers).await;
            let id = request_id(&answer.headers);
            let is_named =
                |record: &Value| record["request_id"] == id || record["amzn_request_id"] == id;
            let record = gateway.record(&name, is_named).await;
            let Some(reason) = expected else {
                assert_eq!(answer.status, 200, "{name} at {host}: {record}");
                continue;
            };
            let (status, said) = match reason {
                "insufficient_scope" => (403, "Forbidden"),
                _ => (401, "Unauthorized"),
            };
            assert_eq!(record["reason"], reason, "{name} at {host}");
            assert_eq!(answer.status, status, "{name} at {host}");
            if host == "http.test" || status == 401 {
                assert_eq!(answer.json(), json!({"message": said}), "{name} at {host}");
            }
            assert_eq!(upstream.seen().requests, before, "{name} at {host}");
        }
    }
}

fn request_id(headers: &http::HeaderMap) -> &str {
    let names = ["apigw-requestid", "x-amzn-requestid"];
    let found = names.iter().find_map(|name| headers.get(*name));
    found.unwrap().to_str().unwrap()
}
