//! How connections to Redis are made, for each way in which its servers belong together.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    Pipeline, RedisConnectionInfo, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::time::timeout;

use super::link::Unanswered;
use crate::model::{Redis, RedisLayout, RedisServer, RedisTls};

/// How often a cluster's client asks another node.
const REDIRECTS_MAX: u32 = 3;
/// Attempts in which a connection is made: of names, sentinels and the server, each in its own time.
const CONNECT_TIMES: u32 = 8;
/// Time for that at least: the client waits a second for each sentinel that is not there, in the order in which
/// they are named, and no request waits for it.
const CONNECT_MIN: Duration = Duration::from_secs(5);

/// What makes connections.
pub(super) enum Connector {
    Server(Box<Client>, AsyncConnectionConfig),
    Sentinel(Box<SentinelClient>, AsyncConnectionConfig),
    Cluster(Box<ClusterClient>),
}

impl Connector {
    /// To these servers, each of which answers in time.
    pub(super) fn new(redis: &Redis, within: Duration) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(within))
            .set_response_timeout(Some(within));
        match &redis.layout {
            RedisLayout::Standalone => {
                let server = redis.servers.first();
                let server = server.ok_or((redis::ErrorKind::InvalidClientConfig, "no server"))?;
                let info = info(server, redis)?;
                let client = match &redis.tls {
                    Some(tls) => Client::build_with_tls(info, certificates(tls))?,
                    None => Client::open(info)?,
                };
                Ok(Self::Server(Box::new(client), config))
            }
            RedisLayout::Sentinel { master } => {
                Ok(Self::Sentinel(Box::new(sentinels(redis, master)?), config))
            }
            RedisLayout::Cluster => Ok(Self::Cluster(Box::new(cluster(redis, within)?))),
        }
    }

    /// Makes one.
    pub(super) async fn connect(&mut self, within: Duration) -> Result<Way, Unanswered> {
        let within = within.saturating_mul(CONNECT_TIMES).max(CONNECT_MIN);
        let made = timeout(within, async {
            Ok(match self {
                Self::Server(client, config) => Way::Server(
                    client
                        .get_multiplexed_async_connection_with_config(config)
                        .await?,
                ),
                Self::Sentinel(client, config) => {
                    Way::Server(client.get_async_connection_with_config(config).await?)
                }
                Self::Cluster(client) => Way::Cluster(client.get_async_connection().await?),
            })
        });
        made.await.unwrap_or(Err(Unanswered::TooLate(within)))
    }
}

fn sentinels(redis: &Redis, master: &str) -> RedisResult<SentinelClient> {
    let addresses = redis.servers.iter().map(|server| address(server, redis));
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_db(redis.database.into())
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if let Some(username) = &redis.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &redis.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    if let Some(password) = &redis.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password.expose());
    }
    if let Some(tls) = &redis.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates(tls))
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(certificates(tls));
    }
    builder.build()
}

fn cluster(redis: &Redis, within: Duration) -> RedisResult<ClusterClient> {
    let nodes = redis.servers.iter().map(|server| info(server, redis));
    let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
    let mut builder = ClusterClientBuilder::new(nodes)
        .retries(REDIRECTS_MAX)
        .connection_timeout(within)
        .response_timeout(within)
        .tcp_settings(tcp());
    if let Some(username) = &redis.username {
        builder = builder.username(username);
    }
    if let Some(password) = &redis.password {
        builder = builder.password(password.expose());
    }
    if let Some(tls) = &redis.tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates(tls));
    }
    builder.build()
}

fn info(server: &RedisServer, redis: &Redis) -> RedisResult<ConnectionInfo> {
    let mut settings = RedisConnectionInfo::default().set_db(redis.database.into());
    if let Some(username) = &redis.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &redis.password {
        settings = settings.set_password(password.expose());
    }
    let info = address(server, redis).into_connection_info()?;
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp()))
}

fn address(server: &RedisServer, redis: &Redis) -> ConnectionAddr {
    let (host, port) = (server.host.clone(), server.port);
    match redis.tls {
        None => ConnectionAddr::Tcp(host, port),
        Some(_) => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        },
    }
}

/// Questions are small, and wait for nobody.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn certificates(tls: &RedisTls) -> TlsCertificates {
    TlsCertificates {
        client_tls: None,
        root_cert: tls.authorities.as_ref().map(|found| found.pem.clone()),
    }
}

/// A connection.
#[derive(Clone)]
pub(super) enum Way {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl ConnectionLike for Way {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(cmd, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
