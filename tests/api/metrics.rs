//! The metrics page.

use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::exchange;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;

#[tokio::test]
async fn the_page_is_open_metrics_and_its_numbers_are_true() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address)
        .route("GET /one", json!({"throttle": {"rate": 0.01, "burst": 2}}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    let client = Client::http1(address).await;
    for _ in 0..5 {
        client.get("/one").await;
    }
    client.get("/%2e%2e").await;
    exchange(address, "nonsense\r\n\r\n").await;
    let page = gateway
        .metrics_when("all", |m| m.connections("bad_request") == 1.0)
        .await;
    assert_eq!(page.get("gateway_requests_total{status=\"200\"}"), 2.0);
    assert_eq!(page.get("gateway_requests_total{status=\"429\"}"), 3.0);
    assert_eq!(page.get("gateway_requests_total{status=\"400\"}"), 1.0);
    assert_eq!(page.rejections("route_throttled"), 3.0);
    assert_eq!(page.rejections("bad_path"), 1.0);
    assert_eq!(page.sum("gateway_rejections_total"), 4.0);
    assert_eq!(page.get("gateway_request_duration_seconds_count"), 6.0);
    assert_eq!(
        page.get("gateway_request_duration_seconds_bucket{le=\"+Inf\"}"),
        6.0
    );
    assert!(page.get("gateway_request_duration_seconds_sum") > 0.0);
    assert_eq!(page.connections("accepted"), 2.0);
    assert_eq!(page.get("gateway_connections_open"), 1.0);
    assert_eq!(page.get("gateway_access_log_dropped_records_total"), 0.0);
    assert!(page.text.ends_with("# EOF\n"), "{}", page.text);
    for line in page.text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let described = |family: &str| page.text.contains(&format!("# TYPE {family} "));
        let suffixes = ["", "_total", "_bucket", "_count", "_sum"];
        assert!(
            suffixes
                .iter()
                .any(|suffix| name.strip_suffix(suffix).is_some_and(described)),
            "{name}"
        );
        assert!(name.starts_with("gateway_"), "{name}");
    }
}

#[tokio::test]
async fn only_the_page_is_served_and_only_on_loopback() {
    let gateway = Gateway::start(Setup::forwarding("127.0.0.1:1".parse().unwrap())).await;
    let address = gateway.metrics_address().await;
    assert!(address.ip().is_loopback());
    let client = Client::http1(address).await;
    assert_eq!(client.get("/").await.status, 404);
    assert_eq!(
        client
            .post("/metrics", gateway_tests::client::nothing())
            .await
            .status,
        405
    );
    let page = client.get("/metrics").await;
    assert_eq!(
        page.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let setup = Setup::forwarding("127.0.0.1:1".parse().unwrap())
        .set(&["telemetry", "metrics"], json!("0.0.0.0:0"));
    let mut refused = Gateway::spawn(setup);
    assert_eq!(refused.ended().await.code(), Some(1));
    let said = refused.errors.finish().join("\n");
    assert!(said.contains("loopback"), "{said}");
}
