//! What REST APIs say of backends that do not do their part.

use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Reply, Upstream};
use serde_json::{Value, json};

/// A port that nobody listens on.
fn closed() -> String {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.local_addr().unwrap().to_string()
}

async fn start(silent: &Upstream, responses: Value) -> (Gateway, Client) {
    let to = |uri: String| json!({"integration": {"uri": uri, "timeout": "300ms"}});
    let setup = Setup::new()
        .upstream("main", silent.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "gateway_responses"], responses)
        .route("GET /late", to(format!("http://{}/", silent.address)))
        .route("GET /closed", to(format!("http://{}/", closed())))
        // Nobody there speaks TLS.
        .route("GET /tls", to(format!("https://{}/", silent.address)))
        .route("GET /nameless", to("http://nobody.invalid/".to_owned()));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

/// A backend that reads and never answers.
async fn silent() -> Upstream {
    Upstream::http(|_| async { std::future::pending::<Reply>().await }).await
}

#[tokio::test]
async fn a_backend_that_fails_is_told_in_the_documented_words() {
    let upstream = silent().await;
    let (gateway, client) = start(&upstream, json!({})).await;
    let network = "Network error communicating with endpoint";
    for (path, message, reason) in [
        (
            "/prod/late",
            "Endpoint request timed out",
            "upstream_timeout",
        ),
        ("/prod/closed", network, "upstream_refused"),
        ("/prod/tls", network, "upstream_tls"),
        ("/prod/nameless", network, "upstream_refused"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 504, "{path}: {}", answer.text());
        assert_eq!(answer.json(), json!({"message": message}), "{path}");
        let kind = answer.header("x-amzn-errortype");
        assert_eq!(kind, "InternalServerErrorException", "{path}");
        assert_eq!(gateway.path(path).await["reason"], reason, "{path}");
    }
}

#[tokio::test]
async fn a_class_words_what_a_backend_does_not_do() {
    let upstream = silent().await;
    let template = "$context.error.responseType: $context.error.message";
    let responses = json!({
        "DEFAULT_5XX": {"status": 502, "templates": {"text/plain": template}},
        "INTEGRATION_TIMEOUT": {"status": 503},
    });
    let (_gateway, client) = start(&upstream, responses).await;
    let answer = client.get("/prod/closed").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(
        answer.text(),
        "INTEGRATION_FAILURE: Network error communicating with endpoint"
    );
    let answer = client.get("/prod/late").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), r#"{"message":"Endpoint request timed out"}"#);
}
