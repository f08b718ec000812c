//! Callers who go on although they are told to wait are handed to the kernel, and nobody else is.

use std::time::Duration;

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::client::{Answer, Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::claims;
use gateway_tests::netns::{CLIENT, OTHER, Site, family};
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use serde_json::{Value, json};

/// A route that gives each caller one request in two seconds.
fn limited(site: &Site) -> Setup {
    site.setup()
        .set(
            &["xdp", "penalties"],
            json!({
                "mode": "enforce", "offences": {"rate": 0.1, "burst": 2},
                "first": "4s", "most": "4s", "trickle": {"rate": 0.1, "burst": 1},
            }),
        )
        .set(
            &["xdp", "connections_per_source"],
            json!({"rate": 1000, "burst": 1000}),
        )
        .route(
            "GET /limited",
            json!({
                "authorizer": "main",
                "caller_throttles":
                    [{"key": "$context.authorizer.claims.sub", "rate": 0.5, "burst": 1}],
            }),
        )
}

fn bearer(site: &Site, subject: &str) -> String {
    format!(
        "Bearer {}",
        site.key.token(&claims(json!({"sub": subject})))
    )
}

async fn ask(client: &Client, path: &str, bearer: &str) -> Option<Answer> {
    let request = with(get(path), &[("authorization", bearer)]);
    client.try_send(request).await.ok()
}

/// Asks on and on, whatever it is told, by another connection where one has ended.
async fn hammer(site: &Site, source: &str, bearer: &str) {
    loop {
        let Ok(client) = site.client(source).await else {
            continue;
        };
        while ask(&client, "/limited", bearer).await.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn penalised(gateway: &Gateway, step: &'static str, source: &'static str) -> Value {
    let is_it = move |record: &Value| {
        let peer = record["peer"].as_str().unwrap_or_default();
        record["penalty"] == step && peer.contains(source)
    };
    gateway.record(step, is_it).await
}

#[tokio::test]
async fn an_abuser_is_told_slowed_cut_and_refused_in_the_kernel_until_it_is_over() {
    let Some(site) = or_skip(Site::new("abuser").await) else {
        return;
    };
    let gateway = site.start(limited(&site)).await;
    let (abuser, honest) = (bearer(&site, "abuser"), bearer(&site, "honest"));
    for (source, other) in CLIENT.into_iter().zip(OTHER) {
        let dropped = || {
            site.counted()
                .of(Verdict::Drop, Reason::ConnectionRate, family(source))
        };
        let before = dropped();
        tokio::select! {
            () = hammer(&site, source, &abuser) => {}
            cut = penalised(&gateway, "cut", source) => assert_eq!(cut["subject"], "abuser"),
        }
        let slowed = penalised(&gateway, "slowed", source).await;
        assert_eq!(slowed["subject"], "abuser");
        // The trickle leaves it one connection; the others do not come as far as the gateway.
        until("the kernel to refuse it", || async {
            drop(site.dial(source, Site::target(source)).await);
            (dropped() > before).then_some(())
        })
        .await;
        let elsewhere = site.client(other).await.unwrap();
        let answer = ask(&elsewhere, "/elsewhere", &honest).await.unwrap();
        assert_eq!(answer.status, 200);
        until("the source to recover", || async {
            site.reaches(source).await.then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_abuser_behind_one_address_with_others_is_held_in_the_kernel_and_they_see_nothing() {
    let Some(site) = or_skip(Site::new("neighbour").await) else {
        return;
    };
    let gateway = site.start(limited(&site)).await;
    let (abuser, honest) = (bearer(&site, "abuser"), bearer(&site, "honest"));
    let [source, _] = CLIENT;
    let held = || {
        site.counted()
            .of(Verdict::Drop, Reason::Penalised, family(source))
    };
    let beside = site.client(source).await.unwrap();
    assert_eq!(ask(&beside, "/mine", &honest).await.unwrap().status, 200);
    // What it goes on sending is dropped before the stack sees it.
    tokio::select! {
        () = hammer(&site, source, &abuser) => {}
        () = until("the kernel to drop it", || async { (held() > 0).then_some(()) }) => {}
    }
    assert_eq!(
        penalised(&gateway, "held", source).await["subject"],
        "abuser"
    );
    let mut asked = 0;
    while asked < 50 {
        assert_eq!(ask(&beside, "/mine", &honest).await.unwrap().status, 200);
        asked += 1;
    }
    for _ in 0..5 {
        assert!(site.reaches(source).await);
    }
    // When it is over nothing is left of it.
    until("the rows to go", || async {
        let metrics = site.metrics(&gateway).await;
        (metrics.get("gateway_edge_flow_rows") < 1.0).then_some(())
    })
    .await;
    let client = site.client(source).await.unwrap();
    assert_eq!(ask(&client, "/mine", &abuser).await.unwrap().status, 200);
    let records = gateway.records();
    assert!(!records.iter().any(|record| record["penalty"] == "cut"));
}
