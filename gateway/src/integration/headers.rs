//! Which headers cross the gateway.
//!
//! What is forwarded is written anew from the parsed message. Connection-level headers end here
//! (RFC 9110, section 7.6.1), forwarding headers of peers that are not trusted are replaced, also
//! under names that a backend takes for them, and the upstream learns the client in both common forms.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};

use super::look_alike;
use crate::exchange::{Exchange, forwarded_for};
use crate::model::ForwardedHeader;

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

/// Headers by which the upstream learns of the client.
const TOLD: [HeaderName; 4] = [
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PORT,
    X_FORWARDED_PROTO,
];

/// Turns the headers of a request into those sent to the upstream.
pub(super) fn forward_request(headers: &mut HeaderMap, exchange: &Exchange, host: &HeaderValue) {
    remove_hop_by_hop(headers);
    headers.remove(EXPECT);
    if is_signed(headers, exchange) {
        headers.remove(AUTHORIZATION);
    }
    // The body says how long it is; a length that disagreed would be smuggling.
    headers.remove(CONTENT_LENGTH);
    headers.insert(HOST, host.clone());
    join_cookies(headers);
    look_alike::remove_headers(headers, &TOLD);
    let told = &exchange.connection.told;
    let chain = hops(headers, exchange);
    headers.insert(X_FORWARDED_FOR, chain);
    set(headers, X_FORWARDED_HOST, &exchange.host);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(exchange.scheme));
    headers.insert(X_FORWARDED_PORT, told.port.clone());
    set(headers, FORWARDED, &forwarded(exchange));
    headers.append(VIA, HeaderValue::from_static("1.1 gateway"));
}

/// Whether `Authorization` is a signature, or the caller was known by one: it was made for the gateway
/// and is good nowhere else (9.2 of docs/semantics.md).
fn is_signed(headers: &HeaderMap, exchange: &Exchange) -> bool {
    let caller = exchange.caller.as_ref();
    let is_signature = |value: &HeaderValue| value.as_bytes().starts_with(b"AWS4-");
    caller.is_some_and(|caller| caller.signer().is_some())
        || headers.get_all(AUTHORIZATION).iter().any(is_signature)
}

/// Turns the headers of an upstream's response into those sent to the client.
pub(super) fn forward_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// HTTP/2 clients may send a cookie in pieces, which HTTP/1.1 has as one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut pieces = headers.get_all(COOKIE).iter();
    let (Some(first), Some(_)) = (pieces.next(), pieces.next()) else {
        return;
    };
    let mut whole = first.as_bytes().to_vec();
    for piece in headers.get_all(COOKIE).iter().skip(1) {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(piece.as_bytes());
    }
    // Legal values joined by legal bytes are legal.
    if let Ok(whole) = HeaderValue::from_bytes(&whole) {
        headers.insert(COOKIE, whole);
    }
}

/// What a trusted source says of the hops before it, and the source. Where `Forwarded` is what it says
/// that by, the client that this has come to stands for them: `X-Forwarded-For` is the client's own.
fn hops(headers: &HeaderMap, exchange: &Exchange) -> HeaderValue {
    let connection = &exchange.connection;
    let source = &connection.told.source;
    if !connection.told.source_is_trusted {
        return source.clone();
    }
    let mut hops = Vec::new();
    let mut add = |hop: &[u8]| {
        hops.extend_from_slice(hop);
        hops.extend_from_slice(b", ");
    };
    match connection.forwarded_header {
        ForwardedHeader::XForwardedFor => {
            let values = headers.get_all(X_FORWARDED_FOR).iter();
            values.for_each(|value| add(value.as_bytes()));
        }
        ForwardedHeader::Forwarded if exchange.client.0 != connection.source.ip() => {
            add(exchange.client.to_string().as_bytes());
        }
        ForwardedHeader::Forwarded => {}
    }
    hops.extend_from_slice(source.as_bytes());
    // Legal values joined by legal bytes are legal.
    HeaderValue::from_bytes(&hops).unwrap_or_else(|_invalid| source.clone())
}

/// One element of RFC 7239.
fn forwarded(exchange: &Exchange) -> String {
    let connection = &exchange.connection;
    let mut element = String::with_capacity(128);
    if exchange.client.0 == connection.source.ip() {
        element.push_str(&connection.told.forwarded_for);
    } else {
        element.push_str(&forwarded_for(exchange.client.0));
    }
    for part in [";host=\"", &exchange.host, "\";proto=", exchange.scheme] {
        element.push_str(part);
    }
    element
}

pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none, and one look at every name is cheaper than nine searches.
    let present = headers.keys().filter(|name| HOP_BY_HOP.contains(name));
    let named_by_connection = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    let doomed: Vec<HeaderName> = present.cloned().chain(named_by_connection).collect();
    for name in doomed {
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
