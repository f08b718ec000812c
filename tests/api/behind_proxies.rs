//! Clients behind proxies that tell of them in a header.

use std::time::Duration;

use gateway_tests::abuse::{limited, penalties};
use gateway_tests::client::{Client, get, pieces, request, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::site::Site;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::until;
use http::Method;
use serde_json::json;

const PROXY: &str = "127.0.0.9";

fn setup(upstream: &Upstream) -> Setup {
    Setup::forwarding(upstream.address).listener("trusted_proxies", json!([PROXY, "10.0.0.0/8"]))
}

async fn deny(gateway: &Gateway, prefix: &str) {
    let line = json!({"do": "list_add", "list": "deny", "prefix": prefix, "for_seconds": null});
    let answer = gateway.admin(&line.to_string()).await;
    assert_eq!(answer["answer"], "done", "{answer}");
}

#[tokio::test]
async fn the_header_that_names_the_client_is_the_one_that_the_listener_reads() {
    let upstream = Upstream::echo().await;
    let mut gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    let sent = [
        ("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.1.2.3"),
        (
            "forwarded",
            "for=6.6.6.6, for=\"[2001:db8::7]:4711\";proto=https",
        ),
        ("forwarded", "For=10.1.2.3;by=10.0.0.1"),
    ];
    let client = Client::http1_from(PROXY, address).await;
    let seen = client.get_with("/1", &sent).await.json();
    let hops = "6.6.6.6, 198.51.100.7, 10.1.2.3, 127.0.0.9";
    assert_eq!(seen["headers"]["x-forwarded-for"], hops);
    let forwarded = "for=198.51.100.7;host=\"api.test\";proto=http";
    assert_eq!(seen["headers"]["forwarded"], forwarded);
    assert_eq!(gateway.path("/1").await["client"], "198.51.100.7");

    let header = &["listeners", "main", "forwarded_header"];
    gateway.setup().change(header, json!("forwarded"));
    assert_eq!(gateway.reload().await["answer"], "done");
    // The other header may be the client's own, so that nothing of it goes on.
    let seen = client.get_with("/2", &sent).await.json();
    let hops = "2001:db8::7, 127.0.0.9";
    assert_eq!(seen["headers"]["x-forwarded-for"], hops);
    let forwarded = "for=\"[2001:db8::7]\";host=\"api.test\";proto=http";
    assert_eq!(seen["headers"]["forwarded"], forwarded);
    assert_eq!(gateway.path("/2").await["client"], "2001:db8::7");

    // A client that opens a quotation mark does not hide behind it.
    let hiding = [("forwarded", "for=\"6.6.6.6, for=198.51.100.8")];
    drop(client.get_with("/3", &hiding).await);
    assert_eq!(gateway.path("/3").await["client"], "198.51.100.8");
    let hidden = [("forwarded", "for=198.51.100.8, for=unknown")];
    let seen = client.get_with("/4", &hidden).await.json();
    assert_eq!(seen["headers"]["x-forwarded-for"], PROXY);
    assert_eq!(gateway.path("/4").await["client"], PROXY);
    // And nobody else is believed.
    let other = Client::http1_from("127.0.0.10", address).await;
    drop(other.get_with("/5", &sent).await);
    assert_eq!(gateway.path("/5").await["client"], "127.0.0.10");
}

#[tokio::test]
async fn a_denied_client_is_refused_and_its_neighbours_on_the_connection_are_not() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(setup(&upstream)).await;
    let address = gateway.address().await;
    deny(&gateway, "198.51.100.0/30").await;
    // What lists say of the proxy itself would shut out everybody behind it.
    deny(&gateway, PROXY).await;
    for client in [
        Client::http1_from(PROXY, address).await,
        Client::http2_from(PROXY, address).await,
    ] {
        let denied = [("x-forwarded-for", "198.51.100.2")];
        let answer = client.get_with("/denied", &denied).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.json(), json!({"message": "Forbidden"}));
        let free = [("x-forwarded-for", "198.51.100.7")];
        assert_eq!(client.get_with("/free", &free).await.status, 200);
        assert_eq!(client.get("/own").await.status, 200);
    }
    let record = gateway.reason("client_denied").await;
    assert_eq!(
        (&record["kind"], &record["client"], &record["status"]),
        (&json!("request"), &json!("198.51.100.2"), &json!(403))
    );
    let lists = gateway.admin(r#"{"do":"lists"}"#).await;
    let lists = lists["lists"].as_array().unwrap();
    let of = |name: &str| lists.iter().find(|list| list["name"] == name).unwrap();
    assert_eq!(of("operator")["connections"], 2);
    assert_eq!(
        (&of("proxies")["action"], &of("proxies")["entries"]),
        (&json!("exempt"), &json!(2))
    );
    assert_eq!(upstream.seen().requests, 4);
}

#[tokio::test]
async fn a_proxy_of_one_listener_is_nobody_to_another() {
    let upstream = Upstream::echo().await;
    let setup = setup(&upstream).set(&["listeners", "other", "address"], json!("127.0.0.1:0"));
    let gateway = Gateway::start(setup).await;
    deny(&gateway, PROXY).await;
    let proxy = Client::http1_from(PROXY, gateway.address().await).await;
    assert_eq!(proxy.get("/in").await.status, 200);
    let other = gateway.listener("other").await;
    let client = Client::http1_from(PROXY, other).await;
    assert!(client.try_send(get("/out")).await.is_err());
}

#[tokio::test]
async fn a_monitored_denial_refuses_no_client() {
    let upstream = Upstream::echo().await;
    let setup = setup(&upstream).set(&["xdp", "monitor"], json!(["denied"]));
    let gateway = Gateway::start(setup).await;
    deny(&gateway, "198.51.100.2").await;
    let client = Client::http1_from(PROXY, gateway.address().await).await;
    let denied = [("x-forwarded-for", "198.51.100.2")];
    assert_eq!(client.get_with("/watched", &denied).await.status, 200);
    let lists = gateway.admin(r#"{"do":"lists"}"#).await;
    assert_eq!(lists["lists"][0]["connections"], 1, "{lists}");
}

#[tokio::test]
async fn requests_under_way_are_the_connections_of_a_client_behind_a_proxy() {
    let upstream = Upstream::echo().await;
    let setup = setup(&upstream).listener("limits", json!({"connections_per_source_max": 2}));
    let gateway = Gateway::start(setup).await;
    let address = gateway.address().await;
    // More than two of the proxy itself.
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(Client::http2_from(PROXY, address).await);
    }
    let greedy = [("x-forwarded-for", "198.51.100.7")];
    let other = [("x-forwarded-for", "198.51.100.8")];
    let start = |client: Client| {
        let (body, outgoing) = pieces();
        let post = with(request(Method::POST, "/slow", outgoing), &greedy);
        let answer = tokio::spawn(async move { client.send(post).await });
        (body, answer)
    };
    let [first, second, third] = <[Client; 3]>::try_from(connections).unwrap();
    let (one, answer_one) = start(first);
    let (two, answer_two) = start(second);
    upstream.when("both", |seen| seen.requests == 2).await;
    let refused = until("the third to be refused", || async {
        let answer = third.get_with("/more", &greedy).await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    assert_eq!(refused.json(), json!({"message": "Too Many Requests"}));
    assert_eq!(refused.header("retry-after"), "1");
    let record = gateway.reason("client_full").await;
    assert_eq!(record["client"], "198.51.100.7");
    assert_eq!(third.get_with("/other", &other).await.status, 200);
    drop((one, two));
    for answer in [answer_one, answer_two] {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    until("places to be free again", || async {
        let answer = third.get_with("/again", &greedy).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_does_not_say_for_whom_it_asks_is_not_one_client() {
    let upstream = Upstream::echo().await;
    let setup = setup(&upstream).listener("limits", json!({"connections_per_source_max": 1}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http2_from(PROXY, gateway.address().await).await;
    let hidden = [("x-forwarded-for", "unknown, 10.0.0.5")];
    let (body, outgoing) = pieces();
    let post = with(request(Method::POST, "/slow", outgoing), &hidden);
    let other = Client::http2_from(PROXY, gateway.address().await).await;
    let slow = tokio::spawn(async move { other.send(post).await });
    upstream.when("the first", |seen| seen.requests == 1).await;
    assert_eq!(client.get_with("/beside", &hidden).await.status, 200);
    drop(body);
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(gateway.path("/beside").await["client"], "10.0.0.5");
    // What lists say of it holds.
    deny(&gateway, "10.0.0.5").await;
    assert_eq!(client.get_with("/denied", &hidden).await.status, 403);
}

#[tokio::test]
async fn whoever_goes_on_behind_a_proxy_has_its_connection_neither_slowed_nor_cut() {
    let asked = json!({
        "mode": "enforce", "offences": {"rate": 0.1, "burst": 2}, "first": "2s", "most": "3s",
    });
    let further = |new| limited(new, asked).listener("trusted_proxies", json!([PROXY]));
    let site = Site::start(further).await;
    let address = site.gateway.address().await;
    let abuser = site.bearer(json!({"sub": "abuser"}));
    let sent = [
        ("authorization", abuser.as_str()),
        ("x-forwarded-for", "198.51.100.7"),
    ];
    for client in [
        Client::http1_from(PROXY, address).await,
        Client::http2_from(PROXY, address).await,
    ] {
        let mut refused = 0;
        // Whoever has a connection of its own is cut long before.
        while refused < 200 {
            let answer = client.get_with("/limited", &sent).await;
            assert!([200, 429].contains(&answer.status), "{}", answer.status);
            refused += u32::from(answer.status == 429);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(penalties(&site.gateway), Vec::<String>::new());
    assert!(site.gateway.metrics().await.sum("gateway_offences_total") < 0.5);
}
