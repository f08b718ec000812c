//! A kernel edge on a veth pair: the gateway's side, and a client's side.
#![expect(
    clippy::panic,
    reason = "a harness reports what cannot be by panicking"
)]

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway::model::{
    Admin, ApiKeySettings, AttachMode, BucketTables, Edge, EdgeMode, Gateway, Identity,
    InstanceName, KeyValues, Listener, ListenerEdge, ListenerLimits, ListenerName,
    ListenerTimeouts, Lists, LogOutput, OnExit, OtherTraffic, PenaltyRules, SharedRate, SourceRate,
    Telemetry, Treatments, UnderAttack, UnparsedToUs,
};
use gateway::xdp::{self, EdgeError, EdgeHandle, Start};
use gateway_common::limit::{Limit, Rate};

use crate::namespace::Namespace;

/// Name of the gateway's interface.
pub const INTERFACE: &str = "gw0";
/// Name of the client's interface.
pub const CLIENT_INTERFACE: &str = "client0";
/// Address of the gateway.
pub const SERVER: &str = "10.77.0.1";
/// Address of the client.
pub const CLIENT: &str = "10.77.0.2";
/// Second address of the client.
pub const OTHER_CLIENT: &str = "10.77.0.3";
/// Address of the gateway in IPv6.
pub const SERVER6: &str = "fd77::1";
/// Address of the client in IPv6.
pub const CLIENT6: &str = "fd77::2";
/// Second address of the client in IPv6, in another /48.
pub const OTHER_CLIENT6: &str = "fd78::2";
/// Port of the listener.
pub const PORT: u16 = 8443;
/// How long a connection may take before it counts as dropped.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);

/// Two namespaces joined by a veth pair. What was pinned for the instance is removed at the end.
#[derive(Debug)]
pub struct Bench {
    /// The gateway's side.
    pub server: Namespace,
    /// The client's side.
    pub client: Namespace,
    /// Configuration of an instance of the test's own.
    pub gateway: Gateway,
}

impl Bench {
    /// Sets the namespaces up; nothing is attached yet.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let instance = format!("test-{name}-{}-{number}", std::process::id());
        let server = Namespace::new()?;
        let client = Namespace::new()?;
        server.join(
            (INTERFACE, &format!("{SERVER}/24")),
            &client,
            (CLIENT_INTERFACE, &format!("{CLIENT}/24")),
        )?;
        client.ip(&format!(
            "address add {OTHER_CLIENT}/24 dev {CLIENT_INTERFACE}"
        ))?;
        // Without duplicate address detection the addresses can be used at once.
        server.ip(&format!("address add {SERVER6}/64 dev {INTERFACE} nodad"))?;
        server.ip(&format!("route add fd78::/64 dev {INTERFACE}"))?;
        for address in [CLIENT6, OTHER_CLIENT6] {
            client.ip(&format!("address add {address}/64 dev client0 nodad"))?;
        }
        Ok(Self {
            server,
            client,
            gateway: configuration(&instance),
        })
    }

    /// Starts the edge in the gateway's namespace.
    ///
    /// # Errors
    /// As [`xdp::start`].
    pub fn start(&self) -> Result<EdgeHandle, EdgeError> {
        match self.start_any()? {
            Start::Attached(edge) => Ok(*edge),
            Start::Absent(absence) => panic!("{absence}"),
        }
    }

    /// Starts the edge, attached or not.
    ///
    /// # Errors
    /// As [`xdp::start`].
    pub fn start_any(&self) -> Result<Start, EdgeError> {
        let gateway = self.gateway.clone();
        self.server
            .run(move || xdp::start(&gateway, |_sink| Ok(())))
    }

    /// Puts another configuration in force, in the gateway's namespace.
    ///
    /// # Errors
    /// As [`EdgeHandle::apply`].
    pub fn apply(&self, edge: &mut EdgeHandle, gateway: &Gateway) -> Result<(), EdgeError> {
        let _inside = self.server.enter();
        edge.apply(gateway)
    }

    /// A listening socket on the gateway's side.
    #[must_use]
    pub fn listen(&self, address: &str) -> TcpListener {
        let address: SocketAddr = address.parse().expect("an address and port");
        self.server
            .run(move || TcpListener::bind(address))
            .expect("the address is local and free")
    }

    /// Connects from `source` to the gateway.
    ///
    /// # Errors
    /// `TimedOut` where packets are dropped.
    pub fn connect(&self, source: &str, target: &str) -> io::Result<TcpStream> {
        let source: IpAddr = source.parse().expect("an address");
        let source = SocketAddr::new(source, 0);
        let target: SocketAddr = target.parse().expect("an address and port");
        self.client.run(move || {
            let socket = rustix::net::socket(
                if source.is_ipv4() {
                    rustix::net::AddressFamily::INET
                } else {
                    rustix::net::AddressFamily::INET6
                },
                rustix::net::SocketType::STREAM,
                None,
            )?;
            rustix::net::bind(&socket, &source)?;
            rustix::net::sockopt::set_socket_timeout(
                &socket,
                rustix::net::sockopt::Timeout::Send,
                Some(CONNECT_TIMEOUT),
            )?;
            match rustix::net::connect(&socket, &target) {
                Ok(()) => Ok(TcpStream::from(socket)),
                Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::AGAIN) => {
                    Err(io::ErrorKind::TimedOut.into())
                }
                Err(errno) => Err(errno.into()),
            }
        })
    }

    /// Whether a connection from `source` to the listener of its family gets through.
    ///
    /// # Panics
    /// When it fails otherwise than by silence.
    #[must_use]
    pub fn reaches(&self, source: &str) -> bool {
        let target = if source.contains(':') {
            format!("[{SERVER6}]:{PORT}")
        } else {
            format!("{SERVER}:{PORT}")
        };
        match self.connect(source, &target) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => false,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let directory = PathBuf::from("/sys/fs/bpf/gateway").join(self.gateway.instance.as_str());
        if let Err(error) = std::fs::remove_dir_all(&directory) {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        }
    }
}

/// A configuration with one plaintext listener on the gateway's side and no limits.
#[must_use]
pub fn configuration(instance: &str) -> Gateway {
    Gateway {
        identity: Identity::default(),
        instance: InstanceName::new(instance),
        user: None,
        group: None,
        workers: NonZeroUsize::MIN,
        runtime_directory: PathBuf::new(),
        state_directory: PathBuf::new(),
        drain_timeout: Duration::ZERO,
        body_memory_bytes_max: 0,
        decision_bytes_max: 0,
        buckets: BucketTables::default(),
        api_keys: ApiKeySettings {
            keys_max: ApiKeySettings::KEYS_MAX,
            values: KeyValues::Hashed,
        },
        fleet: None,
        throttle: None,
        usage_plans: Vec::new(),
        listeners: vec![listener(&format!("{SERVER}:{PORT}"))],
        edge: Edge {
            mode: EdgeMode::Required,
            interfaces: vec![INTERFACE.to_owned()],
            attach: AttachMode::Auto,
            on_exit: OnExit::Keep,
            unparsed_to_us: UnparsedToUs::Drop,
            connections: None,
            packets: None,
            bytes: None,
            monitor: BTreeSet::new(),
            other_traffic: OtherTraffic {
                treatments: Treatments::default(),
                interfaces: Vec::new(),
                udp_reply_ports: vec![53, 123],
                packets: source_rate(100, 1_000),
            },
            under_attack: UnderAttack {
                syns_per_second: None,
                hold: Duration::from_secs(60),
                newcomer_connections: shared_rate(500, 1_000),
                newcomer_packets: shared_rate(25_000, 50_000),
                vouch_for: Duration::from_secs(3_600),
                syn_cookies: false,
            },
            trickle: source_rate(1, 2),
            penalties: PenaltyRules::default(),
            events_per_second: 100,
        },
        lists: Lists::default(),
        authorizers: Vec::new(),
        aws: None,
        oauth_clients: Vec::new(),
        lookups: Vec::new(),
        policy_stores: Vec::new(),
        policies: Vec::new(),
        upstreams: Vec::new(),
        apis: Vec::new(),
        domains: Vec::new(),
        telemetry: Telemetry {
            access_log: LogOutput::Off,
            execution_log: LogOutput::Off,
            metrics: None,
            recent_requests: Telemetry::RECENT_REQUESTS,
        },
        admin: Admin {
            socket: PathBuf::new(),
        },
    }
}

/// A plaintext listener.
#[must_use]
pub fn listener(address: &str) -> Listener {
    Listener {
        interface: None,
        kernel_offload: false,
        name: ListenerName::new("test"),
        address: address.parse().expect("an address and port"),
        tls: None,
        http2: true,
        trusted_proxies: Vec::new(),
        forwarded_header: gateway::model::ForwardedHeader::default(),
        proxy_protocol: None,
        limits: ListenerLimits {
            connections_max: 8_192,
            connections_per_source_max: 1_024,
            header_bytes_max: 32 << 10,
            header_count_max: 100,
            http2_streams_max: 128,
            http2_resets_max: 64,
        },
        timeouts: ListenerTimeouts {
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
        },
        edge: ListenerEdge::default(),
    }
}

/// A limit per source, the same for its aggregate.
#[must_use]
pub fn source_rate(per_second: u64, burst: u64) -> SourceRate {
    let SharedRate {
        limit,
        rate_micro_per_second,
        burst,
    } = shared_rate(per_second, burst);
    SourceRate {
        source: limit,
        aggregate: limit,
        rate_micro_per_second,
        burst,
    }
}

/// A limit that many share.
#[must_use]
pub fn shared_rate(per_second: u64, burst: u64) -> SharedRate {
    let rate = Rate::per_second(per_second);
    SharedRate {
        limit: Limit::new(rate, burst, 1).expect("a limit that can be kept"),
        rate_micro_per_second: rate.micro_per_second,
        burst,
    }
}
