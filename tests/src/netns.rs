//! The real gateway behind a veth pair: it runs in one network namespace, clients in another, and
//! every packet between them goes through XDP in native mode.
//!
//! The runtime of a test is its own thread, which visits a namespace to open a socket or start a
//! process there and comes back at once. The BPF file system is shared by all namespaces, so every
//! site has an instance name of its own, and takes its pins away when it is dropped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway::model::InstanceName;
use gateway::xdp::stats::open_pinned;
use gateway_common::reason::Family;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::authority::Authority;
use crate::client::{Answer, Client, HOST_NAME, get, tls_over, with};
use crate::counted::Counted;
use crate::flood::{Flood, Kind, Link};
use crate::gateway::{BINARY, Gateway};
use crate::issuer::{self, Key};
use crate::metrics::Metrics;
use crate::namespace::Namespace;
use crate::process::output;
use crate::setup::Setup;
use crate::upstream::Upstream;
use crate::wait::{DEADLINE, fail, until};

/// The gateway's interface.
pub const INTERFACE: &str = "gw0";
/// The clients' interface.
pub const CLIENT_INTERFACE: &str = "client0";
/// Port of the listeners.
pub const PORT: u16 = 8443;
/// The gateway's addresses.
pub const SERVER: [&str; 2] = ["10.77.0.1", "fd77:0:0:1::1"];
const SERVER4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 1, 0, 0, 0, 1);
/// A client's addresses.
pub const CLIENT: [&str; 2] = ["10.77.0.2", "fd77:0:0:2::2"];
/// Addresses of another client on the same link; another /64, because that is one source.
pub const OTHER: [&str; 2] = ["10.77.0.3", "fd77:0:0:3::3"];
/// How long a connection may take before it counts as dropped: shorter than the second after which
/// a SYN is sent again, so that an attempt is one packet.
pub const SILENCE: Duration = Duration::from_millis(700);
/// Longer than a packet takes from one counter to the other.
const UNDER_WAY: Duration = Duration::from_millis(20);

/// Two namespaces, what the gateway proves itself with, and what it forwards to.
#[derive(Debug)]
pub struct Site {
    /// The gateway's side.
    pub inside: Namespace,
    /// The clients' side.
    pub outside: Namespace,
    /// Who signed the gateway's certificate.
    pub authority: Authority,
    /// What the gateway forwards to, on its loopback interface.
    pub upstream: Upstream,
    /// Name of the instance.
    pub instance: String,
    trust: Arc<rustls::ClientConfig>,
    /// What makes tokens that the gateway accepts.
    pub key: Key,
}

impl Site {
    /// Floods the server from the clients' side, at so many frames per second.
    ///
    /// # Panics
    /// When there is no generator for it.
    #[must_use]
    pub fn flood(&self, kind: Kind, per_second: u64) -> Flood {
        let link = Link::open(&self.outside, CLIENT_INTERFACE, &self.inside, INTERFACE);
        let link = link.expect("both interfaces are there");
        link.flood(kind, per_second, None)
            .expect("root may run programs")
    }

    /// SYNs from spoofed sources of both families, so many per second of each.
    #[must_use]
    pub fn flood_with_syns(&self, per_second: u64) -> [Flood; 2] {
        let kinds = [
            Kind::Syn4 {
                first: Ipv4Addr::new(10, 128, 0, 0),
                bits: 23,
                server: (SERVER4, PORT),
            },
            Kind::Syn6 {
                first: Ipv6Addr::from_bits(0xfd66 << 112),
                server: (SERVER6, PORT),
            },
        ];
        kinds.map(|kind| self.flood(kind, per_second))
    }

    /// Sets the namespaces up; no gateway runs yet.
    ///
    /// # Errors
    /// Names what is missing.
    pub async fn new(name: &str) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (inside, outside) = (Namespace::new()?, Namespace::new()?);
        let [four, six] = SERVER;
        let [client, _] = CLIENT;
        inside.join(
            (INTERFACE, &format!("{four}/24")),
            &outside,
            (CLIENT_INTERFACE, &format!("{client}/24")),
        )?;
        // Usable at once, without looking for duplicates first.
        inside.ip(&format!("address add {six}/48 dev {INTERFACE} nodad"))?;
        let [other, _] = OTHER;
        outside.ip(&format!("address add {other}/24 dev {CLIENT_INTERFACE}"))?;
        for address in [CLIENT, OTHER].map(|[_, six]| six) {
            outside.ip(&format!(
                "address add {address}/48 dev {CLIENT_INTERFACE} nodad"
            ))?;
        }
        let upstream = {
            // Binding happens before the first await that waits.
            let inside = inside.enter();
            let listening = Upstream::echo().await;
            drop(inside);
            listening
        };
        let authority = Authority::new();
        let trust = authority.client(&["h2", "http/1.1"]);
        let instance = format!("veth-{name}-{}-{number}", std::process::id());
        Ok(Self {
            inside,
            outside,
            authority,
            upstream,
            instance,
            trust,
            key: Key::ec("veth"),
        })
    }

    /// A configuration with a wildcard listener for each family, a public route `/open` and
    /// everything else for bearers of a token. The edge is required, native, and stays.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let setup = issuer::authorize(Setup::new(), &[&self.key]);
        let names = [HOST_NAME, SERVER[0], SERVER[1]];
        let certificate = self
            .authority
            .write_certificate(setup.directory(), "veth", &names);
        let listener =
            |address: &str| json!({"address": address, "tls": {"certificates": [certificate]}});
        setup
            .set(&["instance"], json!(self.instance))
            .set(
                &["listeners"],
                json!({"four": listener("0.0.0.0:8443"), "six": listener("[::]:8443")}),
            )
            .set(
                &["xdp"],
                json!({"mode": "required", "interfaces": [INTERFACE], "attach": "native"}),
            )
            .upstream("main", self.upstream.address)
            .route("GET /open", json!({}))
            .route("$default", json!({"authorizer": "main"}))
    }

    /// Starts a gateway and waits until it is ready.
    pub async fn start(&self, setup: Setup) -> Gateway {
        let gateway = self.spawn(setup);
        gateway
            .errors
            .find("ready", |line| line.contains(" ready ").then_some(()))
            .await;
        gateway
    }

    /// Starts a gateway and waits for nothing.
    #[must_use]
    pub fn spawn(&self, setup: Setup) -> Gateway {
        let _inside = self.inside.enter();
        Gateway::spawn(setup)
    }

    /// Runs the gateway's command line on the gateway's side.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Output {
        let _inside = self.inside.enter();
        output(Command::new(&*BINARY).args(arguments)).expect("the gateway can be run")
    }

    /// As [`Self::command`], where it has to succeed: what it printed.
    #[must_use]
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// Where `source` reaches the gateway: its address of the same family.
    #[must_use]
    pub fn target(source: &str) -> SocketAddr {
        let [four, six] = SERVER;
        let target = if address(source).is_ipv4() { four } else { six };
        SocketAddr::new(address(target), PORT)
    }

    /// A TCP connection from `source`.
    ///
    /// # Errors
    /// `TimedOut` after [`SILENCE`], and whatever else went wrong.
    pub async fn dial(&self, source: &str, target: SocketAddr) -> io::Result<TcpStream> {
        self.dial_for(source, target, SILENCE).await
    }

    /// As [`Self::dial`], with more or less patience.
    ///
    /// # Errors
    /// `TimedOut` after `limit`, and whatever else went wrong.
    pub async fn dial_for(
        &self,
        source: &str,
        target: SocketAddr,
        limit: Duration,
    ) -> io::Result<TcpStream> {
        let socket = {
            let _outside = self.outside.enter();
            if target.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            }
        };
        socket.bind(SocketAddr::new(address(source), 0))?;
        match tokio::time::timeout(limit, socket.connect(target)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Whether the gateway takes a connection from `source`.
    ///
    /// # Panics
    /// When it is refused otherwise than by silence.
    pub async fn reaches(&self, source: &str) -> bool {
        match self.dial(source, Self::target(source)).await {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => false,
            Err(error) => crate::wait::fail(&format!("from {source}: {error}")),
        }
    }

    /// A client with a TLS connection from `source`. A SYN that the link lost is sent again.
    ///
    /// # Errors
    /// `TimedOut` where nothing answers, and the handshake's.
    pub async fn client(&self, source: &str) -> io::Result<Client> {
        let stream = self
            .dial_for(source, Self::target(source), DEADLINE)
            .await?;
        self.client_over(stream).await
    }

    /// A client with TLS over a connection that exists.
    ///
    /// # Errors
    /// The handshake's.
    pub async fn client_over(&self, stream: TcpStream) -> io::Result<Client> {
        Ok(Client::over_tls(tls_over(stream, &self.trust, HOST_NAME).await?).await)
    }

    /// `GET path` with a token, on a connection of its own from `source`.
    pub async fn call(&self, source: &str, path: &str) -> Answer {
        let client = self.client(source).await.expect("the gateway is reached");
        client
            .send(with(get(path), &[("authorization", &self.bearer())]))
            .await
    }

    /// A value for `authorization` that is accepted.
    #[must_use]
    pub fn bearer(&self) -> String {
        self.key.bearer(Value::Null)
    }

    /// The metrics of `gateway`, from the loopback interface of its side.
    pub async fn metrics(&self, gateway: &Gateway) -> Metrics {
        let address = gateway.metrics_address().await;
        let stream = {
            let _inside = self.inside.enter();
            std::net::TcpStream::connect(address).expect("the gateway listens")
        };
        stream.set_nonblocking(true).expect("sockets can");
        let stream = TcpStream::from_std(stream).expect("within a runtime");
        Metrics::fetch_over(Client::http1_over(stream).await).await
    }

    /// Packets that the gateway's interface has received.
    #[must_use]
    pub fn received(&self) -> u64 {
        let _inside = self.inside.enter();
        // Of this thread's namespace; /sys shows the one in which it was mounted.
        let text = std::fs::read_to_string("/proc/thread-self/net/dev").expect("proc is mounted");
        let found = text.lines().find_map(|line| {
            let fields = line.trim().strip_prefix(INTERFACE)?.strip_prefix(':')?;
            fields.split_whitespace().nth(1)?.parse().ok()
        });
        found.expect("the interface is there")
    }

    /// Connections that the clients' side has begun, and segments that it has sent again.
    #[must_use]
    pub fn opened(&self) -> u64 {
        let _outside = self.outside.enter();
        // Of this thread's namespace (Documentation/networking/snmp_counter.rst).
        let text = std::fs::read_to_string("/proc/thread-self/net/snmp").expect("proc is mounted");
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
        let names = lines.next().expect("names come first").split_whitespace();
        let values = lines.next().expect("values follow").split_whitespace();
        names
            .zip(values)
            .filter(|(name, _)| ["ActiveOpens", "RetransSegs"].contains(name))
            .map(|(_, value)| value.parse::<u64>().expect("it is a count"))
            .sum()
    }

    /// What the program has counted, whether a gateway runs or not.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let _inside = self.inside.enter();
        let pinned = open_pinned(&InstanceName::new(&self.instance)).expect("root may read it");
        Counted(
            pinned
                .expect("the edge is pinned")
                .statistics
                .read()
                .expect("it can be read"),
        )
    }

    /// Takes packets received and packets counted as they are now, for [`Self::account`].
    #[must_use]
    pub fn level(&self) -> Level {
        // A packet that is under way has been counted by one side and not by the other.
        let mut before = self.read_level();
        let start = Instant::now();
        loop {
            std::thread::sleep(UNDER_WAY);
            let now = self.read_level();
            if now == before {
                return now;
            }
            if start.elapsed() > DEADLINE {
                fail(&format!("packets still flow after {DEADLINE:?}"));
            }
            before = now;
        }
    }

    fn read_level(&self) -> Level {
        Level {
            received: self.received(),
            counted: self.counted().total(),
        }
    }

    /// Waits until every packet received since `level` has been counted exactly once, and says how
    /// many those are.
    pub async fn account(&self, level: &Level) -> u64 {
        until("every packet to be counted once", || {
            let now = self.read_level();
            let again = self.received();
            let received = now.received - level.received;
            let is_even = received == now.counted - level.counted && again == now.received;
            async move { is_even.then_some(received) }
        })
        .await
    }

    /// Identity of the program on the gateway's interface, if any, and whether it is native.
    #[must_use]
    pub fn program(&self) -> Option<(String, bool)> {
        let _inside = self.inside.enter();
        let mut command = Command::new("ip");
        let output = output(command.args(["-details", "link", "show", "dev", INTERFACE]));
        let text = String::from_utf8(output.expect("`ip` runs").stdout).expect("it prints text");
        let (mode, after) = text.split_once("prog/xdp id ")?;
        let id = after.split_whitespace().next()?.to_owned();
        Some((id, !mode.contains("xdpgeneric")))
    }

    /// Where the instance's pins are, if it has any.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        Path::new("/sys/fs/bpf/gateway").join(&self.instance)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(self.pins()) {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        }
    }
}

/// Both counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    received: u64,
    counted: u64,
}

/// The family of an address as the program counts it.
#[must_use]
pub fn family(source: &str) -> Family {
    if address(source).is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("tests write valid addresses")
}
