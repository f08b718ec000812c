//! Gateways that share limits.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use gateway_common::limit::{Limit, Rate};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::file::PEM_BYTES_MAX;
use super::host::parse_host;
use super::oauth::lower_secret;
use super::quantity::{ms, s};
use super::{Lowering, limit};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{Authorities, Fleet, Redis, RedisLayout, RedisServer, RedisTls, WithoutStore};

/// Where it stands.
const FLEET: &str = "fleet";
/// Longest name of a fleet, of a user and of a master.
const NAME_BYTES_MAX: usize = 64;

/// Lowers the fleet that the gateway is of.
pub(super) fn lower(written: Option<&written::Fleet>, cx: &mut Lowering<'_>) -> Option<Fleet> {
    let written = written?;
    let at = cx.root.key(FLEET);
    let name = written.name.as_deref().unwrap_or(Fleet::NAME);
    check_name(name, &at.key("name"), cx);
    // What is out of its range was reported.
    let gateways = NonZeroU32::new(written.gateways);
    let mut duration = |key, written: &Option<_>, range: (Duration, Duration), default| {
        cx.duration(written.as_ref(), &at.key(key), range.0..=range.1, default)
    };
    let lease = duration("lease", &written.lease, (ms(1), s(10)), Fleet::LEASE);
    let idle = duration("idle", &written.idle, (s(1), s(3_600)), Fleet::IDLE);
    let timeout = duration("timeout", &written.timeout, (ms(10), s(10)), Fleet::TIMEOUT);
    let redis = lower_redis(&written.redis, &at.key("redis"), cx);
    Some(Fleet {
        name: name.to_owned(),
        gateways: gateways?,
        lease,
        idle,
        timeout,
        unreachable: match written.unreachable {
            None | Some(written::WithoutStore::Share) => WithoutStore::Share,
            Some(written::WithoutStore::Refuse) => WithoutStore::Refuse,
        },
        redis: redis?,
    })
}

/// The part of a limit that each gateway of the fleet has on its own, where the limit at `at` holds across it.
/// The inner `None` where that cannot be, which was reported.
pub(super) fn lower_share(
    is_across: bool,
    (rate, burst): (Rate, u64),
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Option<Limit>> {
    if !is_across {
        return Some(None);
    }
    let gateways = u64::from(gateways(at, cx)?.get());
    let rate = Rate {
        micro_per_second: rate.micro_per_second / gateways,
    };
    match Limit::new(rate, (burst / gateways).max(1), 1) {
        Ok(share) => Some(Some(share)),
        Err(error) => {
            #[expect(clippy::cast_precision_loss, reason = "only shown, and at most 10^15")]
            let shown = rate.micro_per_second as f64 / 1e6;
            let message = format!(
                "one of {gateways} gateways would have a part of it that cannot be kept: {}",
                limit::explain(error, shown)
            );
            cx.error(&at.key("rate"), message);
            None
        }
    }
}

/// How many gateways share what holds across them by `across_fleet` at `at`.
pub(super) fn gateways(at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<NonZeroU32> {
    if cx.gateways.is_none() && !cx.root.key(FLEET).is_written() {
        let message = "there is no fleet: say which gateways share this, under `fleet`, or take \
                       this out";
        cx.error(&at.key("across_fleet"), message);
    }
    cx.gateways
}

fn lower_redis(written: &written::Redis, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Redis> {
    let layout = lower_layout(written, at, cx);
    let port = match layout {
        RedisLayout::Sentinel { .. } => Redis::SENTINEL_PORT,
        RedisLayout::Standalone | RedisLayout::Cluster => Redis::PORT,
    };
    let servers = lower_servers(written, port, &layout, at, cx);
    let database = written.database.unwrap_or(0);
    if database != 0 && layout == RedisLayout::Cluster {
        let message = "a cluster has one database: take this out";
        cx.error(&at.key("database"), message);
    }
    if let Some(username) = &written.username {
        check_text(username, &at.key("username"), cx);
        if written.password_file.is_none() {
            let message = "nothing proves who this is: name a `password_file` beside it";
            cx.error(&at.key("username"), message);
        }
    }
    let mut secret =
        |key: &str, path: Option<&str>| path.map(|path| lower_secret(path, &at.key(key), cx));
    let password = secret("password_file", written.password_file.as_deref());
    let of_sentinels = written.sentinel_password_file.as_deref();
    let sentinel_password = secret("sentinel_password_file", of_sentinels);
    if of_sentinels.is_some() && !matches!(layout, RedisLayout::Sentinel { .. }) {
        let message =
            "the servers are no sentinels: name their `sentinel_master`, or take this out";
        cx.error_at_key(&at.key("sentinel_password_file"), message);
    }
    let tls = written
        .tls
        .as_ref()
        .map(|tls| lower_tls(tls, &at.key("tls"), cx));
    if tls.is_none() && password.is_some() && !servers.iter().all(is_this_host) {
        let message = "the password and what is kept are sent in plaintext: ask for `tls: {}`, unless nobody \
                       else is on the way";
        cx.warning(&at.key("servers"), message);
    }
    Some(Redis {
        layout,
        servers,
        database,
        username: written.username.clone(),
        password: password.flatten(),
        sentinel_password: sentinel_password.flatten(),
        tls,
    })
}

fn lower_layout(written: &written::Redis, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> RedisLayout {
    match (&written.sentinel_master, written.cluster) {
        (None, false) => RedisLayout::Standalone,
        (None, true) => RedisLayout::Cluster,
        (Some(master), is_cluster) => {
            check_text(master, &at.key("sentinel_master"), cx);
            if is_cluster {
                let message = "servers are sentinels or of a cluster: take this out, or \
                               `sentinel_master`";
                cx.error_at_key(&at.key("cluster"), message);
            }
            RedisLayout::Sentinel {
                master: master.clone(),
            }
        }
    }
}

fn lower_servers(
    written: &written::Redis,
    port: u16,
    layout: &RedisLayout,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<RedisServer> {
    let section = at.key("servers");
    let found = written.servers.len();
    if found > 1 && *layout == RedisLayout::Standalone {
        let message = format!(
            "{found} servers that do not belong together: name one, or say `cluster: true` or the \
             `sentinel_master` of sentinels"
        );
        cx.error(&section, message);
    }
    let mut servers = Vec::new();
    for (index, server) in written.servers.iter().enumerate() {
        match parse_server(server, port) {
            Some(server) => servers.push(server),
            None => {
                let shown = shortened(server);
                let message = format!(
                    "`{shown}` is not a server: write one such as `redis.example:{port}`, \
                     `10.0.0.5:{port}` or `[fd00::5]:{port}`"
                );
                cx.error(&section.item(index), message);
            }
        }
    }
    servers
}

/// A name or address, and a port unless it is the usual one.
fn parse_server(written: &str, port: u16) -> Option<RedisServer> {
    if let Some(rest) = written.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = match rest.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None if rest.is_empty() => port,
            None => return None,
        };
        let host: std::net::Ipv6Addr = host.parse().ok()?;
        let host = host.to_string();
        return Some(RedisServer { host, port });
    }
    let (host, port) = match written.rsplit_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (written, port),
    };
    let host = parse_host(host).ok()?;
    Some(RedisServer { host, port })
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port != 0)
}

fn is_this_host(server: &RedisServer) -> bool {
    let address = server.host.parse::<IpAddr>();
    server.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn lower_tls(written: &written::RedisTls, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> RedisTls {
    let authorities = written.ca_file.as_deref().and_then(|file| {
        let at = at.key("ca_file");
        let (file, pem) = cx.readable(file, PEM_BYTES_MAX, &at);
        let pem = pem?;
        let mut certificates = CertificateDer::pem_slice_iter(&pem);
        let is_some = certificates.next().is_some_and(|first| first.is_ok());
        if !is_some || certificates.any(|item| item.is_err()) {
            let shown = file.display();
            let message =
                format!("`{shown}` does not hold certificates in PEM form: name a file that does");
            cx.error(&at, message);
            return None;
        }
        let pem = pem.to_vec();
        Some(Authorities { file, pem })
    });
    RedisTls { authorities }
}

fn check_name(name: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        let message = format!(
            "names are 1 to {NAME_BYTES_MAX} letters, digits, `_` and `-`: write such a one"
        );
        cx.error(at, message);
    }
}

fn check_text(text: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let is_printable = |b: u8| b.is_ascii_graphic();
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(is_printable) {
        let message =
            format!("this is no name: write 1 to {NAME_BYTES_MAX} visible ASCII characters");
        cx.error(at, message);
    }
}
