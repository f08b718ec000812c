//! Sources that are not welcome, where the kernel does not guard the door.

use gateway_tests::client::{Client, get};
use gateway_tests::gateway::Gateway;
use gateway_tests::raw::Raw;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::json;

#[tokio::test]
async fn a_denied_prefix_gets_nothing_until_it_is_taken_off_the_list() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    let open = Client::http1_from("127.0.0.9", address).await;
    assert_eq!(open.get("/open").await.status, 200);
    let added = gateway
        .admin(r#"{"do":"list_add","list":"deny","prefix":"127.0.0.8/30","for_seconds":null}"#)
        .await;
    assert_eq!(added["answer"], "done", "{added}");
    let listed = gateway
        .admin(r#"{"do":"list_entries","list":"deny"}"#)
        .await;
    assert_eq!(
        listed["entries"],
        json!([{
            "prefix": "127.0.0.8/30",
            "expires_in_seconds": null,
            "hits": null,
            "unconfirmed_seconds": null,
        }])
    );
    for source in ["127.0.0.8", "127.0.0.11"] {
        let mut denied = Raw::connect_from(source, address).await;
        assert_eq!(denied.read_to_end().await, "");
    }
    assert_eq!(gateway.reason("denied").await["kind"], "connection");
    assert_eq!(gateway.metrics().await.connections("denied"), 2.0);
    assert_eq!(
        Client::http1_from("127.0.0.12", address)
            .await
            .get("/next")
            .await
            .status,
        200
    );
    let removed = gateway
        .admin(r#"{"do":"list_remove","list":"deny","prefix":"127.0.0.8/30"}"#)
        .await;
    assert_eq!(removed["answer"], "done", "{removed}");
    assert_eq!(
        Client::http1_from("127.0.0.8", address)
            .await
            .get("/back")
            .await
            .status,
        200
    );
    let again = gateway
        .admin(r#"{"do":"list_remove","list":"deny","prefix":"127.0.0.8/30"}"#)
        .await;
    assert_eq!(again["answer"], "refused");
}

#[tokio::test]
async fn a_denial_outlives_a_restart_and_expires() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    for (prefix, seconds) in [("127.0.0.8", 3600), ("127.0.0.9", 1)] {
        let line = format!(
            r#"{{"do":"list_add","list":"deny","prefix":"{prefix}","for_seconds":{seconds}}}"#
        );
        assert_eq!(gateway.admin(&line).await["answer"], "done");
    }
    let gateway = Gateway::start(gateway.stop().await).await;
    let address = gateway.address().await;
    assert_eq!(
        Raw::connect_from("127.0.0.8", address)
            .await
            .read_to_end()
            .await,
        ""
    );
    gateway_tests::wait::until("the end of the second", || async {
        let client = Client::http1_from("127.0.0.9", address).await;
        client.try_send(get("/")).await.is_ok().then_some(())
    })
    .await;
    assert_eq!(
        Raw::connect_from("127.0.0.8", address)
            .await
            .read_to_end()
            .await,
        ""
    );
}

#[tokio::test]
async fn what_is_no_prefix_is_refused() {
    let gateway = Gateway::start(Setup::forwarding("127.0.0.1:1".parse().unwrap())).await;
    for prefix in ["", "localhost", "127.0.0.1/33", "127.0.0.1/8", "::1/129"] {
        let answer = gateway
            .admin(
                &json!({"do": "list_add", "list": "deny", "prefix": prefix, "for_seconds": null})
                    .to_string(),
            )
            .await;
        assert_eq!(answer["answer"], "refused", "{prefix}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(
        gateway
            .admin(r#"{"do":"list_entries","list":"deny"}"#)
            .await["entries"],
        json!([])
    );
}

#[tokio::test]
async fn a_source_that_connects_too_fast_waits_and_others_do_not() {
    let upstream = Upstream::echo().await;
    let setup = Setup::forwarding(upstream.address).set(
        &["xdp", "connections_per_source"],
        json!({"rate": 2, "burst": 3, "aggregate": {"rate": 1000, "burst": 1000}}),
    );
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    for _ in 0..3 {
        assert_eq!(
            Client::http1_from("127.0.0.2", address)
                .await
                .get("/in")
                .await
                .status,
            200
        );
    }
    let mut hasty = Raw::connect_from("127.0.0.2", address).await;
    assert_eq!(hasty.read_to_end().await, "");
    assert_eq!(gateway.reason("rate_limited").await["kind"], "connection");
    assert_eq!(
        Client::http1_from("127.0.0.3", address)
            .await
            .get("/other")
            .await
            .status,
        200
    );
    // Attempts that were refused cost nothing, so trying on is no reason never to be let in.
    gateway_tests::wait::until("a place", || async {
        let client = Client::http1_from("127.0.0.2", address).await;
        client.try_send(get("/later")).await.is_ok().then_some(())
    })
    .await;
}
