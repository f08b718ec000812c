//! What is never told of a request, whatever is asked for.
//!
//! Masked are the values of headers and query parameters that carry credentials by their names, of
//! those that an authorizer of the gateway reads its token from, and of those that a backend is sent
//! from one of these, from a fixed text of the configuration or from a variable of the stage. Whole
//! values are: of a short one every character would say much.
//!
//! Bodies cannot be masked, which loading warns of.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// What stands for a value.
pub const MASK: &str = "****";

/// Headers that carry credentials, in lower case.
const HEADERS: [&str; 8] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "www-authenticate",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
];

/// What the names of headers begin with that come back from a backend under another name.
const RENAMED: &str = "x-amzn-remapped-";

/// Query parameters that do, in lower case.
const QUERIES: [&str; 12] = [
    "access_token",
    "api_key",
    "apikey",
    "client_secret",
    "id_token",
    "password",
    "refresh_token",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-api-key",
];

/// What is masked of the requests to one route, beside what is masked of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// Headers of requests, and of those to backends.
    pub headers: Vec<HeaderName>,
    /// Query parameters of requests.
    pub queries: Vec<Box<str>>,
    /// Headers of requests to backends.
    pub endpoint_headers: Vec<HeaderName>,
    /// Whether the path of requests to backends has a part that is masked.
    pub endpoint_path: bool,
}

impl Masks {
    /// Whether the header is masked in what clients send and get.
    #[must_use]
    pub fn hides_header(&self, name: &str) -> bool {
        let name = name.strip_prefix(RENAMED).unwrap_or(name);
        HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name))
            || self.headers.iter().any(|known| known == name)
    }

    /// Whether the query parameter is.
    #[must_use]
    pub fn hides_query(&self, name: &str) -> bool {
        QUERIES.iter().any(|known| known.eq_ignore_ascii_case(name))
            || self.queries.iter().any(|known| **known == *name)
    }

    /// Headers of a message from or to a client, or from a backend.
    pub fn told<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, str>)> {
        shown(headers, |name| self.hides_header(name.as_str()))
    }

    /// Headers of a message to a backend.
    pub fn told_endpoint<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, str>)> {
        shown(headers, |name| {
            self.hides_header(name.as_str()) || self.endpoint_headers.contains(name)
        })
    }

    /// The parameters of a query, decoded.
    pub fn told_query<'a>(
        &'a self,
        query: &'a str,
    ) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
            let value = if self.hides_query(&name) {
                Cow::Borrowed(MASK)
            } else {
                value
            };
            (name, value)
        })
    }
}

fn shown<'a>(
    headers: &'a HeaderMap,
    hides: impl Fn(&HeaderName) -> bool + 'a,
) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, str>)> {
    headers.iter().map(move |(name, value)| {
        let value = if hides(name) {
            Cow::Borrowed(MASK)
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        (name, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        let masks = Masks {
            headers: vec![HeaderName::from_static("x-own")],
            queries: vec!["ticket".into()],
            endpoint_headers: vec![HeaderName::from_static("x-backend")],
            endpoint_path: false,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "a"),
            ("cookie", "b"),
            ("x-api-key", "c"),
            ("x-amzn-remapped-authorization", "c"),
            ("x-own", "d"),
            ("x-backend", "e"),
            ("accept", "f"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let text = |pairs: Vec<(&HeaderName, Cow<'_, str>)>| {
            let values = pairs.iter().filter(|(_, value)| value != MASK);
            let mut names: Vec<String> = values.map(|(name, _)| name.to_string()).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(text(masks.told(&headers).collect()), "accept x-backend");
        assert_eq!(text(masks.told_endpoint(&headers).collect()), "accept");
        let query = "a=1&ticket=t&Access_Token=t&%74icket=t&b&=&api%5Fkey=t&X-Amz-Signature=t";
        let told: Vec<String> = masks
            .told_query(query)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            told.join("&"),
            "a=1&ticket=****&Access_Token=****&ticket=****&b=&=&api_key=****&X-Amz-Signature=****"
        );
    }
}
