//! Callers who open a connection for every attempt: what they cost is bounded, and their neighbours see no error.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::time::Duration;

use gateway_tests::abuse::{ask, bearer, limited, penalised};
use gateway_tests::capability::or_skip;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::netns::{CLIENT, OTHER, Site};
use gateway_tests::wait::{DEADLINE, all, until};
use serde_json::json;
use tokio::time::Instant;

/// Handshakes of a penalised source per second, and at once.
const RATE: u32 = 5;
const BURST: u32 = 5;
/// More at a time than may wait for their turn within two seconds.
const ABUSERS: usize = 16;
/// How long they go on.
const ABUSE: Duration = Duration::from_secs(12);
/// Between two attempts, so that the rate of connections is not what holds them back.
const BREATH: Duration = Duration::from_millis(20);

async fn start(site: &Site) -> Gateway {
    let penalties = json!({
        "mode": "enforce", "offences": {"rate": 0.1, "burst": 2}, "first": "4s", "most": "4s",
        "handshakes": {"rate": RATE, "burst": BURST},
    });
    let setup = limited(site.setup(), penalties).set(
        &["xdp", "connections_per_source"],
        json!({"rate": 1000, "burst": 1000}),
    );
    site.start(setup).await
}

/// What attempts have come to.
#[derive(Default)]
struct Attempts {
    /// When handshakes were done.
    served: RefCell<Vec<Instant>>,
    refused: Cell<u32>,
    admitted: Cell<u32>,
}

impl Attempts {
    /// One connection; `None` where it is reset before its handshake.
    async fn connect(&self, site: &Site, source: &str) -> Option<Client> {
        match site.client(source).await {
            Ok(client) => {
                self.served.borrow_mut().push(Instant::now());
                Some(client)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.refused.set(self.refused.get() + 1);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// One connection, one request.
    async fn attempt(&self, site: &Site, source: &str, bearer: &str) {
        let Some(client) = self.connect(site, source).await else {
            return;
        };
        let answer = ask(&client, "/limited", bearer).await;
        if answer.is_some_and(|answer| answer.status == 200) {
            self.admitted.set(self.admitted.get() + 1);
        }
    }

    /// One attempt after the other until then.
    async fn go_on(&self, site: &Site, source: &str, bearer: &str, end: Instant) {
        while Instant::now() < end {
            self.attempt(site, source, bearer).await;
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// Requests one after the other until then, each of which is answered.
async fn behave(client: &Client, bearer: &str, end: Instant) -> usize {
    let mut answered = 0;
    while Instant::now() < end {
        let answer = ask(client, "/mine", bearer).await.unwrap();
        assert_eq!(answer.status, 200, "after {answered}");
        answered += 1;
        tokio::time::sleep(BREATH).await;
    }
    answered
}

async fn capped(site: &Site, gateway: &Gateway) -> f64 {
    let metrics = site.metrics(gateway).await;
    metrics.get("gateway_connections_total{event=\"handshake_capped\"}")
}

#[tokio::test]
async fn who_connects_anew_for_every_attempt_has_a_bounded_price_and_its_neighbour_sees_no_error() {
    let Some(site) = or_skip(Site::new("handshakes").await) else {
        return;
    };
    let gateway = start(&site).await;
    let (abuser, honest) = (bearer(&site.key, "abuser"), bearer(&site.key, "honest"));
    let [source, _] = CLIENT;
    let beside = site.client(source).await.unwrap();
    assert_eq!(ask(&beside, "/mine", &honest).await.unwrap().status, 200);

    // One abuser comes as far as a penalty.
    let first = Attempts::default();
    let far = Instant::now() + DEADLINE;
    tokio::select! {
        () = first.go_on(&site, source, &abuser, far) => panic!("it is not penalised"),
        record = penalised(&gateway, "slowed", source) => assert_eq!(record["subject"], "abuser"),
    }
    let before = capped(&site, &gateway).await;
    let (attempts, begun) = (Attempts::default(), Instant::now());
    let end = begun + ABUSE;
    let many = (0..ABUSERS).map(|_| attempts.go_on(&site, source, &abuser, end));
    let elsewhere = async {
        let [other, _] = OTHER;
        while Instant::now() < end {
            let client = site.client(other).await.unwrap();
            let answer = ask(&client, "/mine", &honest).await.unwrap();
            assert_eq!(answer.status, 200);
            tokio::time::sleep(BREATH).await;
        }
    };
    let ((), answered, ()) = tokio::join!(all(many), behave(&beside, &honest, end), elsewhere);

    assert!(answered > 100, "{answered}");
    let (served, admitted) = (attempts.served.into_inner(), attempts.admitted.get());
    for (count, at) in (1_u32..).zip(&served) {
        // A full bucket, what its rate gives, and what was given back for requests that were admitted.
        let given = f64::from(RATE) * (*at - begun).as_secs_f64();
        let most = f64::from(BURST + admitted) + given;
        assert!(f64::from(count) <= most, "{count} served, {most} may");
    }
    let floor = ABUSE.as_secs() * u64::from(RATE) / 2;
    assert!(served.len() as u64 > floor, "{} served", served.len());
    let refused = attempts.refused.get();
    assert!(refused > 0, "nobody was refused");
    let counted = capped(&site, &gateway).await - before;
    assert!((counted - f64::from(refused)).abs() < 0.5, "{counted}");
    // That is told now and then.
    let records = gateway.records();
    let capped = |record: &&serde_json::Value| record["reason"] == "handshake_capped";
    let told = records.iter().filter(capped).count();
    assert!((1..=4).contains(&told), "{told}");
    let is_cut = |record: &serde_json::Value| record["penalty"] == "cut";
    assert!(!records.iter().any(is_cut));

    // When it is over everybody comes in again.
    until("handshakes to be free again", || async {
        let fresh = Attempts::default();
        let many = (0..2 * ABUSERS).map(|_| async { drop(fresh.connect(&site, source).await) });
        all(many).await;
        (fresh.refused.get() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_neighbour_who_connects_waits_a_moment_for_its_turn_and_sees_no_error() {
    let Some(site) = or_skip(Site::new("turns").await) else {
        return;
    };
    let gateway = start(&site).await;
    let (abuser, honest) = (bearer(&site.key, "abuser"), bearer(&site.key, "honest"));
    let [source, _] = CLIENT;
    let beside = site.client(source).await.unwrap();
    assert_eq!(ask(&beside, "/mine", &honest).await.unwrap().status, 200);
    let attempts = Attempts::default();
    let far = Instant::now() + DEADLINE;
    let neighbour = async {
        let held = penalised(&gateway, "held", source).await;
        assert_eq!(held["subject"], "abuser");
        for _ in 0..20 {
            let client = site.client(source).await.unwrap();
            let answer = ask(&client, "/mine", &honest).await.unwrap();
            assert_eq!(answer.status, 200);
        }
    };
    tokio::select! {
        () = attempts.go_on(&site, source, &abuser, far) => panic!("it ends"),
        () = neighbour => {}
    }
    assert_eq!(attempts.refused.get(), 0);
}
