//! Only what is for a listener is judged, and what is local is followed while the gateway runs.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::counted::Counted;
use gateway_tests::namespace::Namespace;
use gateway_tests::netns::{CLIENT, PORT, SERVER, Site};
use gateway_tests::wait::{DEADLINE, received, until};
use rustix::net::{AddressFamily, SocketType, ipproto};

/// Whether an echo request is answered within `limit`.
pub(crate) fn pings(namespace: &Namespace, source: &str, target: &str, limit: Duration) -> bool {
    let (source, target): (IpAddr, IpAddr) = (source.parse().unwrap(), target.parse().unwrap());
    let (family, protocol, request, reply) = match target {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, 8, 0),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, 128, 129),
    };
    let socket = {
        let _inside = namespace.enter();
        // Nobody may open such a socket in a fresh namespace, and this allows both families.
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").unwrap();
        rustix::net::socket(family, SocketType::DGRAM, Some(protocol)).unwrap()
    };
    rustix::net::bind(&socket, &SocketAddr::new(source, 0)).unwrap();
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(limit)).unwrap();
    // Type, code, checksum and identifier, which the kernel fills in, and a sequence number.
    socket
        .send_to(&[request, 0, 0, 0, 0, 0, 0, 1], (target, 0))
        .unwrap();
    let mut answer = [0; 8];
    received(|| socket.recv(&mut answer)).is_some_and(|length| length == 8 && answer[0] == reply)
}

/// An echo server that is none of the gateway's, on the gateway's side.
fn other_server(namespace: &Namespace, address: SocketAddr) -> std::thread::JoinHandle<()> {
    let listener = {
        let _inside = namespace.enter();
        TcpListener::bind(address).unwrap()
    };
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).unwrap();
        stream.write_all(&word).unwrap();
    })
}

#[tokio::test]
async fn a_denied_source_still_reaches_everything_that_is_no_listener() {
    let Some(site) = or_skip(Site::new("scope").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let level = site.level();
    for (source, server) in CLIENT.into_iter().zip(SERVER) {
        drop(site.succeed(&["deny", "add", source, "--config", &config]));
        // Nothing is known of the neighbour: ARP and neighbour discovery have to pass as well.
        site.outside.ip("neighbour flush dev client0").unwrap();
        let before = site.counted();
        let other = SocketAddr::new(server.parse().unwrap(), 9_000);
        let echo = other_server(&site.inside, other);
        let mut stream = site.dial(source, other).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ping");
        echo.join().unwrap();
        assert!(pings(&site.outside, source, server, DEADLINE));

        // UDP, also to the listener's very port.
        let (inside, outside) = {
            let inside = site.inside.enter();
            let one = UdpSocket::bind((server, PORT)).unwrap();
            drop(inside);
            let _outside = site.outside.enter();
            (one, UdpSocket::bind((source, 0)).unwrap())
        };
        inside.set_read_timeout(Some(DEADLINE)).unwrap();
        outside.send_to(b"datagram", (server, PORT)).unwrap();
        let mut bytes = [0; 16];
        assert_eq!(inside.recv_from(&mut bytes).unwrap().0, 8);

        let after = site.counted();
        let others = |counted: &Counted| counted.packets(Verdict::Pass, Reason::NotOurs);
        // A handshake, a word, an end; an echo request; a datagram.
        assert!(
            others(&after) - others(&before) >= 6,
            "{before:?} {after:?}"
        );
        let denied = |counted: &Counted| counted.packets(Verdict::Drop, Reason::Denied);
        assert_eq!(denied(&after), denied(&before));
        assert!(!site.reaches(source).await);
    }
    assert!(
        site.counted().packets(Verdict::Pass, Reason::NotIp) > 0,
        "no ARP was seen"
    );
    assert!(site.account(&level).await > 0);
}

#[tokio::test]
async fn what_the_host_forwards_is_never_judged() {
    let Some(site) = or_skip(Site::new("forward").await) else {
        return;
    };
    let Some(beyond) = or_skip(Namespace::new()) else {
        return;
    };
    site.inside
        .join(("up0", "10.78.0.1/24"), &beyond, ("far0", "10.78.0.2/24"))
        .unwrap();
    beyond.ip("route add default via 10.78.0.1").unwrap();
    site.outside
        .ip("route add 10.78.0.0/24 via 10.77.0.1")
        .unwrap();
    {
        let _inside = site.inside.enter();
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    }
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["deny", "add", CLIENT[0], "--config", &config]));
    // The listener is a wildcard on this port, and this address is somebody else's.
    let far: SocketAddr = format!("10.78.0.2:{PORT}").parse().unwrap();
    let echo = other_server(&beyond, far);
    let mut stream = site.dial(CLIENT[0], far).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.write_all(b"ping").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    echo.join().unwrap();
    assert_eq!(site.counted().packets(Verdict::Drop, Reason::Denied), 0);
    assert!(!site.reaches(CLIENT[0]).await);
}

#[tokio::test]
async fn addresses_that_come_and_go_are_followed() {
    let Some(site) = or_skip(Site::new("follow").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    for (source, added) in CLIENT.into_iter().zip(["10.77.0.9/24", "fd77:0:0:9::9/48"]) {
        let (added_ip, _) = added.split_once('/').unwrap();
        let target = SocketAddr::new(added_ip.parse().unwrap(), PORT);
        let duplicate_detection = if target.is_ipv6() { "nodad" } else { "" };
        site.inside
            .ip(&format!(
                "address add {added} dev gw0 {duplicate_detection}"
            ))
            .unwrap();
        drop(site.dial(source, target).await.unwrap());
        // Once the address is known to the program, a denial acts there too.
        drop(site.succeed(&["deny", "add", source, "--config", &config]));
        until("the new address to be judged", || async {
            site.dial(source, target).await.is_err().then_some(())
        })
        .await;
        drop(site.succeed(&["deny", "remove", source, "--config", &config]));
        drop(site.dial(source, target).await.unwrap());

        // Taken away, it is no address of ours: who sends there opens nothing and is not judged.
        site.inside
            .ip(&format!("address del {added} dev gw0"))
            .unwrap();
        let hardware = hardware_address(&site);
        site.outside
            .ip(&format!(
                "neighbour replace {added_ip} lladdr {hardware} dev client0"
            ))
            .unwrap();
        let opened = || site.counted().packets(Verdict::Pass, Reason::NewConnection);
        until("the old address to be forgotten", || async {
            let (before, level) = (opened(), site.received());
            let answered = site.dial(source, target).await.is_ok();
            let is_forgotten = opened() == before && site.received() > level && !answered;
            is_forgotten.then_some(())
        })
        .await;
    }
}

/// The hardware address of the gateway's interface.
fn hardware_address(site: &Site) -> String {
    let _inside = site.inside.enter();
    let output = Command::new("ip")
        .args(["-brief", "link", "show", "dev", "gw0"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().nth(2).unwrap().to_owned()
}
