//! Tokens that the gateway gets for itself, and shows to the servers of its lookups.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::token_server::TokenServer;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::until;
use serde_json::json;

use crate::oauth_clients::Engine as Directory;

/// A route that lets in whom `directory` has a record of, which is shown the tokens of a client of
/// `tokens`.
fn setup(tokens: &TokenServer, directory: &Directory, backend: &Upstream) -> Setup {
    let setup = Setup::new().upstream("main", backend.address);
    let client = json!({
        "token_url": tokens.url(),
        "client_id": "gateway",
        "client_secret_file": setup.file("secret", "s3cret\n"),
    });
    let policy =
        "permit(principal, action, resource) when { principal has known && principal.known };";
    let store = json!({"type": "files", "policies": [setup.file("known.cedar", policy)]});
    let lookup = json!({
        "type": "http",
        "url": format!("http://{}/people/{{key}}", directory.server.address),
        "oauth_client": "people",
        "ttl": "1h",
    });
    let set = json!({
        "type": "cedar",
        "store": "known",
        "lookups": {"person": {"lookup": "people", "key": "$request.path.who"}},
        "principal": {
            "type": "User", "id": "$request.path.who", "attributes": {"known": "$lookups.person.result"},
        },
        "resource": {"type": "Path", "id": "$request.path"},
    });
    setup
        .set(&["oauth_clients", "people"], client)
        .set(&["policy_stores", "known"], store)
        .set(&["lookups", "people"], lookup)
        .set(&["policies", "known"], set)
        .route("GET /{who}", json!({"policies": "known"}))
}

#[tokio::test]
async fn a_lookups_server_is_shown_the_token_of_a_client_and_of_its_new_secret() {
    let (tokens, directory) = (TokenServer::start(3600).await, Directory::start().await);
    let backend = Upstream::echo().await;
    let gateway = Gateway::start(setup(&tokens, &directory, &backend)).await;
    let client = Client::http1(gateway.address().await).await;
    for path in ["/ann", "/ben", "/ann"] {
        assert_eq!(client.get(path).await.status, 200);
    }
    assert_eq!(directory.server.seen().requests, 2, "one is remembered");
    // A reload forgets the records, and keeps the token.
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/ann").await.status, 200);
    assert_eq!(directory.server.seen().requests, 3);
    assert_eq!(directory.shown(), ["Bearer token-1"]);

    let secret = gateway.config_path().with_file_name("secret");
    std::fs::write(&secret, "an0ther\n").unwrap();
    assert_eq!(client.get("/cy").await.status, 200);
    assert_eq!(directory.shown(), ["Bearer token-1"], "before the reload");
    assert_eq!(gateway.reload().await["answer"], "done");
    for path in ["/ann", "/cy"] {
        assert_eq!(client.get(path).await.status, 200);
    }
    assert_eq!(directory.shown(), ["Bearer token-1", "Bearer token-2"]);
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("gateway:{secret}")));
    let asked = tokens.asked().into_iter();
    let asked: Vec<String> = asked.map(|question| question.authorization).collect();
    assert_eq!(asked, ["s3cret", "an0ther"].map(basic));
    let said = [gateway.log.all(), gateway.errors.all()].concat();
    assert!(!said.is_empty());
    for secret in ["token-1", "token-2", "s3cret", "an0ther"] {
        let told = said.iter().find(|line| line.contains(secret));
        assert_eq!(told, None);
    }
}

#[tokio::test]
async fn a_token_that_a_lookups_server_refuses_is_replaced() {
    let (tokens, directory) = (TokenServer::start(3600).await, Directory::start().await);
    let backend = Upstream::echo().await;
    let gateway = Gateway::start(setup(&tokens, &directory, &backend)).await;
    let client = Client::http1(gateway.address().await).await;
    *directory.known.lock().unwrap() = Some("Bearer token-2".to_owned());
    assert_eq!(client.get("/ann").await.status, 500);
    let record = gateway.path("/ann").await;
    assert_eq!(record["reason"], "decision_unavailable");
    assert_eq!(
        record["detail"],
        "lookup `people`: the server answered 401 Unauthorized"
    );
    // That was no record, and nothing of it is remembered.
    until("the second token", || async {
        (client.get("/ann").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(directory.shown(), ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(tokens.asked().len(), 2);
    let seen = directory.server.seen().requests;
    assert_eq!(client.get("/ann").await.status, 200);
    assert_eq!(directory.server.seen().requests, seen, "it is remembered");
}
