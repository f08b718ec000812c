//! A request reaches the upstream as it should, and the answer comes back as it should.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;

/// In all four ways a client can speak.
#[tokio::test]
async fn every_protocol_is_served() {
    let upstream = Upstream::echo().await;
    let authority = Authority::new();
    let setup = Setup::forwarding(upstream.address);
    let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
    let setup = setup
        .set(&["listeners", "secure", "address"], json!("127.0.0.1:0"))
        .set(&["listeners", "secure", "tls", "certificates"], json!([certificate]));
    let gateway = Gateway::start(setup).await;
    let (plain, secure) = (gateway.address().await, gateway.listener("secure").await);
    let clients = [
        (Client::http1(plain).await, false, "http"),
        (Client::http2(plain).await, true, "http"),
        (Client::tls(secure, &authority.client(&["http/1.1"])).await, false, "https"),
        (Client::tls(secure, &authority.client(&["h2", "http/1.1"])).await, true, "https"),
    ];
    for (number, (client, http2, scheme)) in clients.iter().enumerate() {
        assert_eq!(client.is_http2(), *http2);
        let path = format!("/call/{number}");
        let answer = client.get(&format!("{path}?q=1&q=%20")).await;
        assert_eq!(answer.status, 200);
        let seen = answer.json();
        assert_eq!(seen["uri"], format!("{path}?q=1&q=%20"));
        assert_eq!(seen["headers"]["x-forwarded-proto"], *scheme);
        let record = gateway.path(&path).await;
        assert_eq!(record["protocol"], if *http2 { "HTTP/2.0" } else { "HTTP/1.1" });
        assert_eq!(record["status"], 200);
        assert_eq!(record["reason"], json!(null));
    }
    assert_eq!(gateway.records().len(), 4);
}
