//! REST APIs find resources level by level, and tell those who find none.

use gateway_tests::client::{Client, get, nothing, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::json;

async fn start(upstream: &Upstream, routes: &[&str]) -> (Gateway, Client) {
    let mut setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}));
    for key in routes {
        // Every route tells which one it is.
        let integration = json!({"request_parameters": {
            "integration.request.header.X-Route": format!("'{key}'"),
        }});
        setup = setup.route(key, json!({"integration": integration}));
    }
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

const NO_METHOD: &str = "";

#[tokio::test]
async fn a_resource_is_found_level_by_level() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        &[
            "GET /",
            "GET /pets",
            "ANY /pets",
            "GET /pets/{id}",
            "POST /pets/{rest+}",
            "GET /pets/dog/toys",
            "ANY /parent/{proxy+}",
            "GET /{proxy+}",
        ],
    )
    .await;
    for (method, path, route) in [
        (Method::GET, "/prod", "GET /"),
        (Method::GET, "/prod/", "GET /"),
        (Method::GET, "/prod/pets", "GET /pets"),
        (Method::PATCH, "/prod/pets", "ANY /pets"),
        (Method::HEAD, "/prod/pets/7", NO_METHOD),
        (Method::OPTIONS, "/prod/pets/7", NO_METHOD),
        (Method::GET, "/prod/pets/7", "GET /pets/{id}"),
        (Method::GET, "/prod/pets/dog", "GET /pets/{id}"),
        (Method::GET, "/prod/pets/dog/toys", "GET /pets/dog/toys"),
        // The resource is there, and its method is looked for nowhere else.
        (Method::POST, "/prod/pets/7", NO_METHOD),
        (Method::POST, "/prod/pets/dog/toys", NO_METHOD),
        // The path goes on at the greedy sibling of the nearest ancestor, and its method does not.
        (Method::POST, "/prod/pets/dog/food", "POST /pets/{rest+}"),
        (Method::GET, "/prod/pets/dog/food", NO_METHOD),
        (Method::PUT, "/prod/parent/x", "ANY /parent/{proxy+}"),
        // `/parent` itself is nobody's but the root's greedy child.
        (Method::PUT, "/prod/parent", NO_METHOD),
        (Method::GET, "/prod/parent", "GET /{proxy+}"),
        (Method::GET, "/prod/parent/", "GET /{proxy+}"),
        (Method::GET, "/prod/other/x", "GET /{proxy+}"),
        (Method::DELETE, "/prod/", NO_METHOD),
    ] {
        // What the request would rather be called changes nothing.
        let asked = request(method.clone(), path, nothing());
        let headers = [("x-http-method-override", "GET")];
        let answer = client.send(with(asked, &headers)).await;
        if route == NO_METHOD {
            assert_eq!(answer.status, 403, "{method} {path}");
            continue;
        }
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        let seen = answer.json();
        assert_eq!(seen["headers"]["x-route"], route, "{method} {path}");
        assert_eq!(seen["method"], method.as_str(), "{method} {path}");
    }
}

#[tokio::test]
async fn paths_reach_a_backend_as_recorded() {
    let upstream = Upstream::echo().await;
    let base = format!("http://{}", upstream.address);
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .route("GET /x", json!({}))
        .route("GET /proxy/{proxy+}", json!({}))
        .route("GET /path/{p}", json!({}))
        .route(
            "GET /users/{p}",
            json!({"integration": {"uri": format!("{base}/at/{{p}}")}}),
        )
        .route(
            "GET /rest/{rest+}",
            json!({"integration": {"uri": format!("{base}/at/{{rest}}")}}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, seen) in [
        ("/prod/proxy/value/", "/proxy/value"),
        ("//prod/x", "/x"),
        ("/prod//x", "/x"),
        ("/prod/proxy/a//b", "/proxy/a//b"),
        ("/prod/path/test%2Balias", "/path/test%2Balias"),
        ("/prod/path/a%2Fb", "/path/a%2Fb"),
        ("/prod/users/john%40x", "/at/john%40x"),
        ("/prod/users/a%2Fb", "/at/a%2Fb"),
        // The same value in another spelling.
        ("/prod/users/john@x", "/at/john%40x"),
        ("/prod/rest/a//b%2Fc", "/at/a//b%2Fc"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.json()["uri"], seen, "{path}");
    }
}

#[tokio::test]
async fn credentials_that_are_no_signature_are_told_so() {
    let upstream = Upstream::echo().await;
    let (gateway, client) = start(&upstream, &["GET /pets"]).await;
    let equal = |hash: &str| {
        format!(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with \
             SHA-256 and encoded with Base64): '{hash}'."
        )
    };
    let date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                header.";
    for (credentials, message) in [
        (
            "Bearer abc",
            equal("w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY="),
        ),
        ("abc", equal("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")),
        (
            "Basic a=b",
            format!(
                "Authorization header requires 'Credential' parameter. Authorization header \
                 requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
                 parameter. {date} (Hashed with SHA-256 and encoded with Base64) \
                 Authorization=5C3v9Ffks9nP85GGBPRbaAiSwWrEYHEjaFHfKNejuJQ="
            ),
        ),
    ] {
        let headers = [("authorization", credentials)];
        let answer = client.send(with(get("/prod/none"), &headers)).await;
        assert_eq!(answer.status, 403, "{credentials}");
        assert_eq!(answer.json(), json!({"message": message}), "{credentials}");
        assert_eq!(
            answer.header("x-amzn-errortype"),
            "IncompleteSignatureException"
        );
        assert!(!answer.text().contains("a=b"), "{}", answer.text());
        // Where there is a method, credentials are its authorizer's business.
        let answer = client.send(with(get("/prod/pets"), &headers)).await;
        assert_eq!(answer.status, 200, "{credentials}");
    }
    gateway.reason("signature_incomplete").await;
    let signed = [
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c",
        ),
        ("x-amz-date", "20260102T030405Z"),
    ];
    let answer = client.send(with(get("/prod/none"), &signed)).await;
    assert_eq!(
        answer.text(),
        r#"{"message":"Missing Authentication Token"}"#
    );
    let answer = client.send(with(get("/prod/none"), &signed[..1])).await;
    assert!(answer.text().contains(date), "{}", answer.text());
}
