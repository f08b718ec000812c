//! Listeners.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::edge::is_interface_name;
use super::quantity::{KIB, MIB, ms, s};
use super::{Lowering, certificate, endpoint_tls, rules};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{
    ForwardedHeader, Listener, ListenerLimits, ListenerName, ListenerTimeouts, Prefix,
    ProxyProtocol, Tls, TlsVersion,
};

/// Bytes of a request head that can be configured. The HTTP/1 parser needs the lower bound.
const HEADER_BYTES: RangeInclusive<u64> = 8 * KIB..=MIB;
/// How long a listener may wait for anything.
const TIMEOUT: RangeInclusive<Duration> = ms(10)..=s(3600);

/// Lowers every listener.
pub(super) fn lower(
    written: &written::Named<written::Listener>,
    cx: &mut Lowering<'_>,
) -> Vec<Listener> {
    let section = cx.root.key("listeners");
    let max = gateway_common::capacity::LISTENER_MAX;
    let count = section.names().count();
    if count > max {
        cx.error_at_key(
            &section,
            format!("{count} listeners are too many: at most {max}"),
        );
        return Vec::new();
    }
    let mut listeners: Vec<Listener> = Vec::new();
    for (name, listener) in &written.0 {
        let at = section.key(name);
        cx.name(name, &at);
        let Some(listener) = lower_one(name, listener, &at, cx) else {
            continue;
        };
        // Port 0 is a new port each time.
        let same =
            |other: &&Listener| other.address == listener.address && listener.address.port() != 0;
        if let Some(other) = listeners.iter().find(same) {
            let message = format!(
                "`{}` is also the address of `{}`: choose another",
                listener.address, other.name
            );
            cx.error(&at.key("address"), message);
        }
        listeners.push(listener);
    }
    listeners
}

fn lower_one(
    name: &str,
    written: &written::Listener,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Listener> {
    let tls = written
        .tls
        .as_ref()
        .map(|tls| lower_tls(tls, &at.key("tls"), cx));
    let trusted_proxies = lower_prefixes(&written.trusted_proxies, &at.key("trusted_proxies"), cx);
    if trusted_proxies.is_empty() && written.forwarded_header.is_some() {
        let message = "nobody is believed by any header: name `trusted_proxies`, or leave it out";
        cx.warning(&at.key("forwarded_header"), message);
    }
    let proxy_protocol = written.proxy_protocol.as_ref();
    let proxy_protocol =
        proxy_protocol.map(|it| lower_proxy_protocol(it, &at.key("proxy_protocol"), cx));
    let limits = lower_limits(&written.limits, &at.key("limits"), cx);
    let timeouts = lower_timeouts(&written.timeouts, &at.key("timeouts"), cx);
    let edge = rules::listener(&written.xdp, &at.key("xdp"), cx);
    let address = cx.socket_address(&written.address, &at.key("address"))?;
    if tls.is_none() && !at.key("tls").is_written() && !address.ip().is_loopback() {
        let message = "everything, tokens included, travels in plain text: add `tls` unless \
                       something in front of this listener terminates it";
        cx.warning(at, message);
    }
    let interface = written.interface.clone();
    if let Some(name) = &interface
        && !is_interface_name(name)
    {
        let shown = shortened(name);
        let message = format!("`{shown}` is not an interface name: write one such as `eth0`");
        cx.error(&at.key("interface"), message);
    }
    Some(Listener {
        name: ListenerName::new(name),
        address,
        interface,
        kernel_offload: written.kernel_offload.unwrap_or(false),
        tls,
        http2: written.http2.unwrap_or(true),
        trusted_proxies,
        proxy_protocol,
        forwarded_header: match written.forwarded_header {
            None | Some(written::ForwardedHeader::XForwardedFor) => ForwardedHeader::XForwardedFor,
            Some(written::ForwardedHeader::Forwarded) => ForwardedHeader::Forwarded,
        },
        limits,
        timeouts,
        edge,
    })
}

impl Lowering<'_> {
    /// An address with its port.
    pub(super) fn socket_address(&mut self, written: &str, at: &Cursor<'_>) -> Option<SocketAddr> {
        match written.parse::<SocketAddr>() {
            // A mapped address would be one listener to the kernel edge and another to the socket.
            Ok(SocketAddr::V6(v6)) if v6.ip().to_ipv4_mapped().is_some() => {
                self.error(at, "this is an IPv4 address inside IPv6: write it as IPv4");
                None
            }
            Ok(address) => Some(address),
            Err(_) => {
                let form = "write an IP address with its port, `0.0.0.0:8443` or `[::]:8443`";
                self.error(
                    at,
                    format!("`{}` is not an address: {form}", shortened(written)),
                );
                None
            }
        }
    }
}

fn lower_tls(written: &written::Tls, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Tls {
    let list = at.key("certificates");
    let mut certificates = Vec::new();
    for (index, written) in written.certificates.iter().enumerate() {
        certificates.push(certificate::lower(written, &list.item(index), cx));
    }
    let version_min = match written.version_min {
        None | Some(written::TlsVersion::V1_2) => TlsVersion::V1_2,
        Some(written::TlsVersion::V1_3) => TlsVersion::V1_3,
    };
    let policy_at = at.key("security_policy");
    let policy = endpoint_tls::lower_policy(written.security_policy.as_deref(), &policy_at, cx);
    if policy.is_some() && written.version_min.is_some() {
        let message = "the security policy says which versions there are: keep one of the two";
        cx.error_at_key(&at.key("version_min"), message);
    }
    Tls {
        certificates,
        version_min,
        policy,
    }
}

fn lower_proxy_protocol(
    written: &written::ProxyProtocol,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> ProxyProtocol {
    let timeout = written.timeout.as_ref();
    ProxyProtocol {
        from: lower_prefixes(&written.from, &at.key("from"), cx),
        timeout: cx.duration(timeout, &at.key("timeout"), TIMEOUT, s(5)),
    }
}

fn lower_prefixes(written: &[String], at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Vec<Prefix> {
    let mut prefixes = Vec::new();
    for (index, text) in written.iter().enumerate() {
        let at = at.item(index);
        match text.parse::<Prefix>() {
            Ok(prefix) => {
                if prefix.length() == 0 {
                    let message = "everybody may then claim to be anybody: name your proxies only";
                    cx.warning(&at, message);
                }
                prefixes.push(prefix);
            }
            Err(error) => cx.error(&at, error.to_string()),
        }
    }
    prefixes
}

fn lower_limits(
    written: &written::Limits,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> ListenerLimits {
    let header_bytes = cx.size(
        written.header_bytes_max.as_ref(),
        &at.key("header_bytes_max"),
        HEADER_BYTES,
        32 * KIB,
    );
    ListenerLimits {
        connections_max: written.connections_max.unwrap_or(8192),
        connections_per_source_max: written.connections_per_source_max.unwrap_or(1024),
        header_bytes_max: u32::try_from(header_bytes).unwrap_or(u32::MAX),
        header_count_max: written.header_count_max.unwrap_or(100),
        http2_streams_max: written.http2_streams_max.unwrap_or(128),
        http2_resets_max: written.http2_resets_max.unwrap_or(64),
    }
}

fn lower_timeouts(
    written: &written::Timeouts,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> ListenerTimeouts {
    let mut timeout = |written: &Option<written::DurationText>, key, default| {
        cx.duration(written.as_ref(), &at.key(key), TIMEOUT, default)
    };
    ListenerTimeouts {
        handshake: timeout(&written.handshake, "handshake", s(10)),
        headers: timeout(&written.headers, "headers", s(10)),
        body: timeout(&written.body, "body", s(30)),
        idle: timeout(&written.idle, "idle", s(60)),
    }
}
