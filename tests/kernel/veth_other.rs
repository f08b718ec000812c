//! Traffic that is for no listener: with everything dropped, what this host asks for still comes.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::client::{Client, get, with};
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::namespace::Namespace;
use gateway_tests::netns::{CLIENT, OTHER, PORT, SERVER, Site};
use gateway_tests::upstream::{Upstream, describe, reply};
use gateway_tests::wait::{DEADLINE, received, within};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::veth_scope::pings;

/// Everything that is for no listener is dropped.
fn drop_all() -> Value {
    json!({"tcp": "drop", "udp": "drop", "rest": "drop"})
}

fn dropped(site: &Site) -> u64 {
    site.counted().packets(Verdict::Drop, Reason::OtherTraffic)
}

#[tokio::test]
async fn upstreams_and_key_sets_are_reached_through_an_interface_that_drops_the_rest() {
    let Some(site) = or_skip(Site::new("fetch").await) else {
        return;
    };
    let key = Key::ec("remote");
    let (upstream, keys) = {
        // Binding happens before the first await that waits.
        let outside = site.outside.enter();
        let upstream = Upstream::http_at(CLIENT[0], |request| async { describe(request).await });
        let both = (
            upstream.await,
            KeyServer::start_at(CLIENT[0], &[&key]).await,
        );
        drop(outside);
        both
    };
    let setup = keys
        .authorize(site.setup())
        .upstream("main", upstream.address)
        .set(&["xdp", "other_traffic"], drop_all());
    let _gateway = site.start(setup).await;
    let level = site.level();
    for source in CLIENT {
        let client = site.client(source).await.unwrap();
        let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
        let request = with(get("/pets/1"), &[("authorization", &bearer)]);
        assert_eq!(client.send(request).await.status, 200);
    }
    assert!(upstream.seen().requests == 2 && keys.fetches() > 0);
    assert_eq!(dropped(&site), 0);
    assert!(site.account(&level).await > 0);
}

#[tokio::test]
async fn connections_to_this_host_are_dropped_and_those_it_opens_are_not() {
    let Some(site) = or_skip(Site::new("tcp").await) else {
        return;
    };
    let mut gateway = site
        .start(site.setup().set(&["xdp", "other_traffic"], drop_all()))
        .await;
    for (source, server) in CLIENT.into_iter().zip(SERVER) {
        let before = dropped(&site);
        let there = SocketAddr::new(server.parse().unwrap(), 9_000);
        let _listener = bound(&site.inside, there);
        let error = site.dial(source, there).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert!(dropped(&site) > before);

        let here = SocketAddr::new(source.parse().unwrap(), 9_000);
        let listener = bound(&site.outside, here);
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).unwrap();
            stream.write_all(&word).unwrap();
        });
        let mut stream = {
            let _inside = site.inside.enter();
            std::net::TcpStream::connect_timeout(&here, DEADLINE).unwrap()
        };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        answering.join().unwrap();
        assert!(site.reaches(source).await);
    }

    // What the interface itself says counts before what all say.
    gateway.setup().change(
        &["xdp", "other_traffic", "interfaces"],
        json!({"gw0": {"tcp": "pass"}}),
    );
    assert_eq!(gateway.reload().await["answer"], "done");
    let there = SocketAddr::new(SERVER[0].parse().unwrap(), 9_001);
    let _listener = bound(&site.inside, there);
    drop(site.dial(CLIENT[0], there).await.unwrap());
    // An address that comes later is this host's as well.
    gateway
        .setup()
        .change(&["xdp", "other_traffic", "interfaces"], json!({}));
    assert_eq!(gateway.reload().await["answer"], "done");
    site.inside.ip("address add 10.77.0.9/24 dev gw0").unwrap();
    let added = SocketAddr::new("10.77.0.9".parse().unwrap(), 9_002);
    let _listener = bound(&site.inside, added);
    gateway_tests::wait::until("the new address to be known", || async {
        site.dial(CLIENT[0], added).await.is_err().then_some(())
    })
    .await;
}

fn bound(namespace: &Namespace, address: SocketAddr) -> TcpListener {
    let _there = namespace.enter();
    TcpListener::bind(address).unwrap()
}

/// What one datagram from `port` out there to a socket in here comes to, after one from in here.
fn is_answered(site: &Site, (inside, outside): (&str, &str), port: u16) -> bool {
    let server = {
        let _outside = site.outside.enter();
        UdpSocket::bind((outside, port)).unwrap()
    };
    let client = {
        let _inside = site.inside.enter();
        UdpSocket::bind((inside, 0)).unwrap()
    };
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    client.send_to(b"question", (outside, port)).unwrap();
    let mut bytes = [0; 16];
    let (_, asked_by) = received(|| server.recv_from(&mut bytes)).unwrap();
    server.send_to(b"answer", asked_by).unwrap();
    received(|| client.recv_from(&mut bytes)).is_some_and(|(length, _)| length == 6)
}

#[tokio::test]
async fn of_udp_only_replies_pass() {
    let Some(site) = or_skip(Site::new("udp").await) else {
        return;
    };
    let mut gateway = site
        .start(site.setup().set(&["xdp", "other_traffic"], drop_all()))
        .await;
    let ends = |index: usize| (SERVER[index], CLIENT[index]);
    for index in 0..2 {
        assert!(is_answered(&site, ends(index), 53));
        assert!(is_answered(&site, ends(index), 123));
        let before = dropped(&site);
        assert!(!is_answered(&site, ends(index), 4_433));
        assert_eq!(dropped(&site), before + 1);
    }
    gateway
        .setup()
        .change(&["xdp", "other_traffic", "udp_reply_ports"], json!([4433]));
    assert_eq!(gateway.reload().await["answer"], "done");
    for index in 0..2 {
        assert!(is_answered(&site, ends(index), 4_433));
        assert!(!is_answered(&site, ends(index), 53));
    }
}

#[tokio::test]
async fn other_traffic_can_be_limited_instead() {
    let Some(site) = or_skip(Site::new("limit").await) else {
        return;
    };
    let limited = json!({
        "tcp": "limit",
        "packets_per_source": {"rate": 0.001, "burst": 2},
    });
    let _gateway = site
        .start(site.setup().set(&["xdp", "other_traffic"], limited))
        .await;
    let there = SocketAddr::new(SERVER[0].parse().unwrap(), 9_000);
    let _listener = bound(&site.inside, there);
    for _ in 0..2 {
        drop(site.dial(CLIENT[0], there).await.unwrap());
    }
    assert!(site.dial(CLIENT[0], there).await.is_err());
    drop(site.dial(OTHER[0], there).await.unwrap());
    let counted = site.counted();
    assert!(counted.packets(Verdict::Drop, Reason::OtherRate) >= 1);
    assert_eq!(counted.packets(Verdict::Drop, Reason::OtherTraffic), 0);
    // The listener has limits of its own kind.
    assert!(site.reaches(CLIENT[0]).await);
}

/// A router between the gateway and a client whose path is narrower than either end knows: the
/// answer arrives only because the router's error does.
#[tokio::test]
async fn the_width_of_a_path_is_still_discovered() {
    const BODY_BYTES: usize = 200_000;
    let Some(site) = or_skip(Site::new("width").await) else {
        return;
    };
    let Some(far) = or_skip(Namespace::new()) else {
        return;
    };
    let router = &site.outside;
    router
        .join(("up0", "10.79.0.1/24"), &far, ("far0", "10.79.0.2/24"))
        .unwrap();
    router.ip("address add fd79::1/64 dev up0 nodad").unwrap();
    far.ip("address add fd79::2/64 dev far0 nodad").unwrap();
    far.ip("route add default via 10.79.0.1").unwrap();
    far.ip("-6 route add default via fd79::1").unwrap();
    site.inside
        .ip("route add 10.79.0.0/24 via 10.77.0.2")
        .unwrap();
    site.inside
        .ip(&format!("-6 route add fd79::/64 via {}", CLIENT[1]))
        .unwrap();
    // Only the router knows how narrow the way is.
    router
        .ip("route add 10.79.0.2/32 dev up0 mtu lock 1280")
        .unwrap();
    router
        .ip("-6 route add fd79::2/128 dev up0 mtu lock 1280")
        .unwrap();
    {
        let _router = router.enter();
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
    }
    let upstream = {
        let inside = site.inside.enter();
        let upstream =
            Upstream::http(|_request| async { reply(200, vec![b'x'; BODY_BYTES]) }).await;
        drop(inside);
        upstream
    };
    let setup = site
        .setup()
        .upstream("main", upstream.address)
        .set(
            &["listeners"],
            json!({
                "four": {"address": "0.0.0.0:8443"},
                "six": {"address": "[::]:8443"},
            }),
        )
        .set(&["xdp", "other_traffic"], drop_all());
    let _gateway = site.start(setup).await;
    let level = site.level();
    for (server, client) in SERVER.into_iter().zip(["10.79.0.2", "fd79::2"]) {
        let before = dropped(&site);
        let target: IpAddr = server.parse().unwrap();
        let stream = connect(&far, client, SocketAddr::new(target, PORT)).await;
        let answer = Client::http1_over(stream).await.get("/open").await;
        assert_eq!(answer.body.len(), BODY_BYTES);
        let inside = site.inside.enter();
        let route = std::process::Command::new("ip")
            .args(["route", "get", client])
            .output()
            .unwrap();
        drop(inside);
        let route = String::from_utf8(route.stdout).unwrap();
        assert!(route.contains("mtu 1280"), "{route}");
        assert_eq!(dropped(&site), before);
        // An echo request is no error, so it is dropped: the rule is in force.
        assert!(!pings(&far, client, server, Duration::from_millis(500)));
        assert_eq!(dropped(&site), before + 1);
    }
    assert!(site.account(&level).await > 0);
}

async fn connect(namespace: &Namespace, source: &str, target: SocketAddr) -> TcpStream {
    let socket = {
        let _there = namespace.enter();
        if target.is_ipv4() {
            TcpSocket::new_v4().unwrap()
        } else {
            TcpSocket::new_v6().unwrap()
        }
    };
    let source: IpAddr = source.parse().unwrap();
    socket.bind(SocketAddr::new(source, 0)).unwrap();
    within("a connection", socket.connect(target))
        .await
        .unwrap()
}
