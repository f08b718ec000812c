//! Callers who go on although they are told to wait are handed to the kernel, and nobody else is.

use std::cell::Cell;

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::abuse::{ask, bearer, go_on, hammer, limited, not_signed, penalised, strays};
use gateway_tests::capability::or_skip;
use gateway_tests::issuer::claims;
use gateway_tests::netns::{CLIENT, OTHER, Site, family};
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use serde_json::json;

fn setup(site: &Site) -> Setup {
    let penalties = json!({
        "mode": "enforce", "offences": {"rate": 0.1, "burst": 2},
        "first": "4s", "most": "4s", "trickle": {"rate": 0.1, "burst": 1},
    });
    limited(site.setup(), penalties).set(
        &["xdp", "connections_per_source"],
        json!({"rate": 1000, "burst": 1000}),
    )
}

/// Asks on and on, whatever it is told, by another connection where one has ended.
async fn hammer_on(site: &Site, source: &str, bearer: &str) {
    loop {
        if let Ok(client) = site.client(source).await {
            drop(hammer(&client, bearer).await);
        }
    }
}

#[tokio::test]
async fn an_abuser_is_told_slowed_cut_and_refused_in_the_kernel_until_it_is_over() {
    let Some(site) = or_skip(Site::new("abuser").await) else {
        return;
    };
    let gateway = site.start(setup(&site)).await;
    let (abuser, honest) = (bearer(&site.key, "abuser"), bearer(&site.key, "honest"));
    for (source, other) in CLIENT.into_iter().zip(OTHER) {
        let dropped = || {
            site.counted()
                .of(Verdict::Drop, Reason::ConnectionRate, family(source))
        };
        let before = dropped();
        tokio::select! {
            () = hammer_on(&site, source, &abuser) => {}
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
async fn forged_tokens_shut_out_who_shows_them_and_never_whom_they_name() {
    let Some(site) = or_skip(Site::new("victim").await) else {
        return;
    };
    let gateway = site.start(setup(&site)).await;
    let ([source, _], [other, _]) = (CLIENT, OTHER);
    let victim = bearer(&site.key, "victim");
    let elsewhere = site.client(other).await.unwrap();
    assert_eq!(ask(&elsewhere, "/mine", &victim).await.unwrap().status, 200);
    let forged = not_signed("veth", "victim");
    // Over another connection where one has ended.
    let goes_on = async {
        loop {
            let Ok(client) = site.client(source).await else {
                continue;
            };
            while let Some(answer) = ask(&client, "/mine", &forged).await {
                assert_eq!(answer.status, 401);
            }
        }
    };
    let dropped = || {
        site.counted()
            .of(Verdict::Drop, Reason::ConnectionRate, family(source))
    };
    let before = dropped();
    // It goes on while it is cut off, so that the kernel has something to refuse however long the record takes.
    let refused = async {
        drop(penalised(&gateway, "cut", source).await);
        until("the kernel to refuse it", || async {
            (dropped() > before).then_some(())
        })
        .await;
    };
    tokio::select! {
        () = goes_on => {}
        () = refused => {}
    }
    // On the connection that it has, and on another one.
    assert_eq!(ask(&elsewhere, "/mine", &victim).await.unwrap().status, 200);
    let anew = site.client(other).await.unwrap();
    assert_eq!(ask(&anew, "/mine", &victim).await.unwrap().status, 200);
}

#[tokio::test]
async fn unknown_paths_and_expired_tokens_never_leave_the_first_step() {
    let Some(site) = or_skip(Site::new("strays").await) else {
        return;
    };
    // Without a route for everything else.
    let routes = json!({"GET /mine": {"authorizer": "main", "integration": {"upstream": "main"}}});
    let setup = setup(&site).set(&["apis", "main", "routes"], routes);
    let gateway = site.start(setup).await;
    let [source, _] = CLIENT;
    let expired = format!("Bearer {}", site.key.token(&claims(json!({"exp": 1_000}))));
    let client = site.client(source).await.unwrap();
    for _ in 0..strays() {
        assert_eq!(ask(&client, "/nowhere", "").await.unwrap().status, 404);
        assert_eq!(ask(&client, "/mine", &expired).await.unwrap().status, 401);
    }
    let good = bearer(&site.key, "somebody");
    assert_eq!(ask(&client, "/mine", &good).await.unwrap().status, 200);
    assert!(site.reaches(source).await);
    let records = gateway.records();
    assert!(records.iter().all(|record| record.get("penalty").is_none()));
    for reason in [Reason::ConnectionRate, Reason::Penalised] {
        assert_eq!(
            site.counted().of(Verdict::Drop, reason, family(source)),
            0,
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn an_abuser_behind_one_address_with_others_is_held_in_the_kernel_and_they_see_nothing() {
    let Some(site) = or_skip(Site::new("neighbour").await) else {
        return;
    };
    let gateway = site.start(setup(&site)).await;
    let (abuser, honest) = (bearer(&site.key, "abuser"), bearer(&site.key, "honest"));
    let [source, _] = CLIENT;
    let held = || {
        site.counted()
            .of(Verdict::Drop, Reason::Penalised, family(source))
    };
    let beside = site.client(source).await.unwrap();
    assert_eq!(ask(&beside, "/mine", &honest).await.unwrap().status, 200);
    // What it goes on sending is dropped before the stack sees it.
    tokio::select! {
        () = hammer_on(&site, source, &abuser) => {}
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

#[tokio::test]
async fn offences_use_up_the_connections_of_a_shared_address_but_the_last() {
    let Some(site) = or_skip(Site::new("tightened").await) else {
        return;
    };
    let connections = json!({"rate": 0.2, "burst": 130});
    let setup = setup(&site).set(&["xdp", "connections_per_source"], connections);
    let _gateway = site.start(setup).await;
    let [source, _] = CLIENT;
    let (honest, forged) = (bearer(&site.key, "honest"), not_signed("veth", "victim"));
    let beside = site.client(source).await.unwrap();
    assert_eq!(ask(&beside, "/mine", &honest).await.unwrap().status, 200);
    // Two cost nothing, and each further one as much as fifty connections. Its connection is not read then.
    let mut forgers = Vec::new();
    for refused in [3, 1, 1] {
        let forger = site.client(source).await.unwrap();
        for _ in 0..refused {
            let answer = ask(&forger, "/mine", &forged).await;
            assert_eq!(answer.unwrap().status, 401);
        }
        forgers.push(forger);
    }
    let counted = |verdict, reason| site.counted().of(verdict, reason, family(source));
    let dropped = || counted(Verdict::Drop, Reason::ConnectionRate);
    assert_eq!(dropped(), 0);
    // What is left is one at least, and the kernel refuses the others.
    assert!(site.reaches(source).await);
    until("the kernel to refuse it", || async {
        drop(site.dial(source, Site::target(source)).await);
        (dropped() > 0).then_some(())
    })
    .await;
    // What is refilled comes in, and that is no trickle: but for a tick of the kernel's clock.
    until("the next one to come in", || async {
        site.reaches(source).await.then_some(())
    })
    .await;
    assert!(counted(Verdict::Pass, Reason::Trickle) <= 1);
    assert_eq!(ask(&beside, "/mine", &honest).await.unwrap().status, 200);
}

#[tokio::test]
async fn of_two_keys_on_one_connection_neither_is_held_in_the_kernel() {
    let Some(site) = or_skip(Site::new("streams").await) else {
        return;
    };
    let gateway = site.start(setup(&site)).await;
    let (abuser, honest) = (bearer(&site.key, "abuser"), bearer(&site.key, "honest"));
    let [source, _] = CLIENT;
    let client = site.client(source).await.unwrap();
    assert!(client.is_http2());
    let is_over = Cell::new(false);
    let behave = async {
        loop {
            let answer = ask(&client, "/mine", &honest).await.unwrap();
            assert_eq!(answer.status, 200);
            let metrics = site.metrics(&gateway).await;
            assert!(metrics.get("gateway_edge_flow_rows") < 0.5);
            if metrics.get("gateway_offences_total{reason=\"overage\"}") >= 100.0 {
                is_over.set(true);
                return metrics;
            }
        }
    };
    let ((_, refused), metrics) = tokio::join!(go_on(&client, &abuser, || is_over.get()), behave);
    assert!(refused >= 100, "{refused}");
    assert!(metrics.sum("gateway_penalties_total") < 0.5);
    for reason in [Reason::Penalised, Reason::ConnectionRate] {
        let dropped = site.counted().of(Verdict::Drop, reason, family(source));
        assert_eq!(dropped, 0, "{reason:?}");
    }
}
