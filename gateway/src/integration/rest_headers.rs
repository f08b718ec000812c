//! What a REST API does to the headers of its integrations, beyond what holds for every request.
//!
//! Source: Amazon API Gateway Developer Guide, "Amazon API Gateway important notes", and 9.2 of
//! docs/semantics.md, which says where this gateway differs.

use http::header::{
    ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, EXPECT, Entry, HOST, HeaderMap,
    HeaderName, HeaderValue, MAX_FORWARDS, PROXY_AUTHENTICATE, SERVER, USER_AGENT, VIA,
    WWW_AUTHENTICATE,
};

use super::look_alike;
use crate::exchange::Exchange;
use crate::model::ApiId;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const X_AMZN_APIGATEWAY_API_ID: HeaderName = HeaderName::from_static("x-amzn-apigateway-api-id");

/// Headers of a request that end here.
/// Bodies have been decoded.
static REQUEST_DROPPED: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_MD5,
    MAX_FORWARDS,
    SERVER,
    VIA,
    WWW_AUTHENTICATE,
];

/// Headers of a response that end here.
static RESPONSE_DROPPED: [HeaderName; 4] = [EXPECT, HOST, PROXY_AUTHENTICATE, VIA];

/// Headers of a response whose name the client gets as `x-amzn-Remapped-<name>`.
static RENAMED: [(HeaderName, HeaderName); 8] = [
    renamed(http::header::AUTHORIZATION, "x-amzn-remapped-authorization"),
    renamed(CONTENT_MD5, "x-amzn-remapped-content-md5"),
    renamed(DATE, "x-amzn-remapped-date"),
    renamed(MAX_FORWARDS, "x-amzn-remapped-max-forwards"),
    renamed(SERVER, "x-amzn-remapped-server"),
    renamed(USER_AGENT, "x-amzn-remapped-user-agent"),
    renamed(WWW_AUTHENTICATE, "x-amzn-remapped-www-authenticate"),
    renamed(X_AMZN_REQUESTID, "x-amzn-remapped-x-amzn-requestid"),
];

/// Headers that are renamed where a mapping sets them, and dropped where a backend does.
static RENAMED_IF_MAPPED: [(HeaderName, HeaderName); 3] = [
    renamed(EXPECT, "x-amzn-remapped-expect"),
    renamed(HOST, "x-amzn-remapped-host"),
    renamed(PROXY_AUTHENTICATE, "x-amzn-remapped-proxy-authenticate"),
];

/// Headers that no mapping sends to a backend.
static UNMAPPABLE: [HeaderName; 5] = [CONTENT_MD5, MAX_FORWARDS, SERVER, VIA, WWW_AUTHENTICATE];

/// Headers of a response that the client gets under both names: what they say of the body holds.
static COPIED: [(HeaderName, HeaderName); 2] = [
    renamed(CONNECTION, "x-amzn-remapped-connection"),
    renamed(CONTENT_LENGTH, "x-amzn-remapped-content-length"),
];

const fn renamed(name: HeaderName, to: &'static str) -> (HeaderName, HeaderName) {
    (name, HeaderName::from_static(to))
}

/// Headers by which the gateway tells a backend of the request.
static TOLD: [HeaderName; 3] = [X_AMZN_REQUESTID, X_AMZN_TRACE_ID, X_AMZN_APIGATEWAY_API_ID];

/// What the requests of one REST API say about it.
#[derive(Clone, Debug)]
pub struct RestHeaders {
    api_id: HeaderValue,
    user_agent: HeaderValue,
}

impl RestHeaders {
    /// For the API `id`; `None` where the id cannot stand in a header, which no configuration
    /// lets through.
    #[must_use]
    pub fn new(id: &ApiId) -> Option<Self> {
        Some(Self {
            api_id: HeaderValue::from_str(id.as_str()).ok()?,
            user_agent: HeaderValue::from_str(&format!("AmazonAPIGateway_{id}")).ok()?,
        })
    }

    /// Changes the headers of a request that is forwarded, at `now` (seconds since 1970).
    pub(super) fn proxied(&self, headers: &mut HeaderMap, exchange: &Exchange, now: u64) {
        for name in &REQUEST_DROPPED {
            headers.remove(name);
        }
        look_alike::remove_headers(headers, &TOLD);
        self.add(headers, exchange, now);
        // The request has one name, also where the client sent one that is none.
        let name = exchange.record.record.amzn_request_id.as_deref();
        if let Some(Ok(name)) = name.map(HeaderValue::from_str) {
            headers.insert(X_AMZN_REQUESTID, name);
        }
    }

    /// Adds the headers that a request has which is made anew, at `now` (seconds since 1970), for one
    /// that was `sent`.
    pub(super) fn made(
        &self,
        headers: &mut HeaderMap,
        exchange: &Exchange,
        sent: &HeaderMap,
        now: u64,
    ) {
        // A trace goes on through the gateway.
        if let Some(trace) = sent.get(X_AMZN_TRACE_ID) {
            headers.insert(X_AMZN_TRACE_ID, trace.clone());
        }
        self.add(headers, exchange, now);
    }

    /// What every backend gets.
    fn add(&self, headers: &mut HeaderMap, exchange: &Exchange, now: u64) {
        let json = HeaderValue::from_static("application/json");
        headers.entry(ACCEPT).or_insert(json);
        let user_agent = headers.entry(USER_AGENT);
        user_agent.or_insert_with(|| self.user_agent.clone());
        headers.insert(X_AMZN_APIGATEWAY_API_ID, self.api_id.clone());
        if !headers.contains_key(X_AMZN_TRACE_ID)
            && let Ok(root) =
                HeaderValue::from_str(&format!("Root={}", exchange.id.trace_root(now)))
        {
            headers.insert(X_AMZN_TRACE_ID, root);
        }
    }
}

/// Whether no mapping sends a header of this name to a backend.
pub(super) fn is_unmappable(name: &str) -> bool {
    UNMAPPABLE
        .iter()
        .any(|known| known.as_str().eq_ignore_ascii_case(name))
}

/// What a request to a backend, and so the answer to its client, says of its trace.
pub(super) fn trace(headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    let trace = headers.get(X_AMZN_TRACE_ID)?;
    Some((X_AMZN_TRACE_ID, trace.clone()))
}

/// The name under which a client gets a header that `HTTP` and `MOCK` integrations map; `None` for
/// one that it does not get.
pub(super) fn mapped_name(name: HeaderName) -> Option<HeaderName> {
    if name == ACCEPT {
        return None;
    }
    let mut renamed = RENAMED.iter().chain(&RENAMED_IF_MAPPED);
    let other = renamed.find(|(known, _)| *known == name);
    Some(other.map_or(name, |(_, other)| other.clone()))
}

/// Renames what a client must not take for the gateway's own; called before headers of the
/// connection are taken away.
pub(super) fn rename_response(headers: &mut HeaderMap) {
    for (name, to) in &COPIED {
        if let Some(value) = headers.get(name).cloned() {
            headers.insert(to, value);
        }
    }
    for name in &RESPONSE_DROPPED {
        headers.remove(name);
    }
    for (name, to) in &RENAMED {
        if let Entry::Occupied(entry) = headers.entry(name) {
            let values: Vec<HeaderValue> = entry.remove_entry_mult().1.collect();
            for value in values {
                headers.append(to, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_of_a_renamed_header_is_kept_in_its_order() {
        let sent = [
            ("www-authenticate", "Basic"),
            ("server", "one"),
            ("www-authenticate", "Bearer"),
            ("x-amzn-remapped-server", "none"),
            ("via", "1.1 proxy"),
            ("content-length", "4"),
            ("www-authenticate", "Digest"),
            ("etag", "a"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name, HeaderValue::from_static(value));
        }
        rename_response(&mut headers);
        let mut left: Vec<(&str, Vec<&str>)> = headers
            .keys()
            .map(|name| {
                let values = headers.get_all(name).iter();
                (
                    name.as_str(),
                    values.map(|it| it.to_str().unwrap()).collect(),
                )
            })
            .collect();
        left.sort_unstable();
        let expected = [
            ("content-length", vec!["4"]),
            ("etag", vec!["a"]),
            ("x-amzn-remapped-content-length", vec!["4"]),
            ("x-amzn-remapped-server", vec!["none", "one"]),
            (
                "x-amzn-remapped-www-authenticate",
                vec!["Basic", "Bearer", "Digest"],
            ),
        ];
        assert_eq!(left, expected);
    }
}
