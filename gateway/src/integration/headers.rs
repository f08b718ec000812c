//! Which headers cross the gateway.
//!
//! What is forwarded is written anew from the parsed message. Connection-level headers end here
//! (RFC 9110, section 7.6.1), forwarding headers of peers that are not trusted are replaced, and
//! the upstream learns the client in both common forms.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

use crate::exchange::Exchange;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Headers that concern one connection only.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Turns the headers of a request into those sent to the upstream.
pub(super) fn forward_request(headers: &mut HeaderMap, exchange: &Exchange, host: &HeaderValue) {
    remove_hop_by_hop(headers);
    headers.remove(EXPECT);
    // The body says how long it is; a length that disagreed would be smuggling.
    headers.remove(CONTENT_LENGTH);
    headers.insert(HOST, host.clone());
    let peer = exchange.connection.peer.ip();
    let trusted = exchange
        .connection
        .trusted_proxies
        .iter()
        .any(|prefix| prefix.contains(peer));
    for name in [
        FORWARDED,
        X_FORWARDED_HOST,
        X_FORWARDED_PORT,
        X_FORWARDED_PROTO,
    ] {
        headers.remove(name);
    }
    let mut chain = String::new();
    if trusted {
        for value in headers.get_all(X_FORWARDED_FOR) {
            if let Ok(text) = value.to_str() {
                chain.push_str(text);
                chain.push_str(", ");
            }
        }
    }
    append(&mut chain, format_args!("{peer}"));
    set(headers, X_FORWARDED_FOR, &chain);
    set(headers, X_FORWARDED_HOST, &exchange.host);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(exchange.scheme));
    set(
        headers,
        X_FORWARDED_PORT,
        &exchange.connection.local.port().to_string(),
    );
    set(headers, FORWARDED, &forwarded(exchange));
    headers.append(VIA, HeaderValue::from_static("1.1 gateway"));
}

/// Turns the headers of an upstream's response into those sent to the client.
pub(super) fn forward_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// One element of RFC 7239.
fn forwarded(exchange: &Exchange) -> String {
    let mut element = String::new();
    match exchange.client.0 {
        IpAddr::V4(address) => append(&mut element, format_args!("for={address}")),
        IpAddr::V6(address) => append(&mut element, format_args!("for=\"[{address}]\"")),
    }
    append(
        &mut element,
        format_args!(";host=\"{}\";proto={}", exchange.host, exchange.scheme),
    );
    element
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        // Better no header than one that a client has bent.
        Err(_invalid) => {
            headers.remove(name);
        }
    }
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    match text.write_fmt(arguments) {
        // Writing to a string cannot fail.
        Ok(()) | Err(_) => {}
    }
}
