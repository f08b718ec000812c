//! What is never told of a request, whatever is asked for.
//!
//! Masked are the values of headers and query parameters that carry credentials by their names
//! ([`credentials`]), of those that an authorizer of the gateway reads its token from, and of those
//! that a backend or a client is sent from one of these or from a variable of the stage; what a backend
//! is sent from a fixed text of the configuration too. Whole values are: of a short one every character
//! would say much. Addresses in headers lose their queries ([`address`]). Values that are queries, or
//! addresses with one, are looked into, whatever they are called.
//!
//! Bodies cannot be masked, nor what is mapped from them but into paths, which loading warns of.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use super::{address, credentials};
use crate::language::message::Place;

/// What stands for a value.
pub const MASK: &str = "****";

/// What the names of headers begin with that a client gets under another name.
const RENAMED: &str = "x-amzn-remapped-";

/// White space within the value of a header.
const BLANKS: [char; 2] = [' ', '\t'];

/// What servers take for the beginning or the end of a parameter, besides `&` that always is.
const SEPARATORS: [char; 4] = ['&', ';', '?', '#'];

/// How often a value is looked into that is a query, or an address with one, itself. What goes
/// deeper is masked.
const NESTED_MAX: usize = 4;

/// What is masked of the requests to one route, beside what is masked of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// Headers of all messages.
    pub headers: Vec<HeaderName>,
    /// Query parameters of requests.
    pub queries: Vec<Box<str>>,
    /// Headers of requests to backends.
    pub endpoint_headers: Vec<HeaderName>,
    /// Whether the path of requests to backends has a part that is masked.
    pub endpoint_path: bool,
    /// Headers of answers to clients.
    pub answer_headers: Vec<HeaderName>,
}

impl Masks {
    /// Whether the header is masked in what clients send and backends answer.
    #[must_use]
    pub fn hides_header(&self, name: &str) -> bool {
        credentials::is_header(name) || holds(&self.headers, name)
    }

    /// Whether the query parameter is, by its decoded name.
    #[must_use]
    pub fn hides_query(&self, name: &str) -> bool {
        let mut own = self.queries.iter();
        credentials::is_query(name) || own.any(|own| credentials::alike(own, name))
    }

    /// Whether the value of a parameter is not told as it is, so that it may not be under another name
    /// either. `becomes` is the header that is made of it: of one with an address another one is told
    /// in the same way.
    #[must_use]
    pub fn hides(&self, place: Place, name: &str, becomes: Option<&str>) -> bool {
        match place {
            Place::Header => {
                let is_address = address::is_in(name) && !becomes.is_some_and(address::is_in);
                self.hides_header(name) || is_address
            }
            Place::Querystring => self.hides_query(name),
            Place::Path => false,
        }
    }

    /// Headers of a message from a client or from a backend.
    pub fn told<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, str>)> {
        self.shown(headers, |name| self.hides_header(name))
    }

    /// Headers of a message to a backend.
    pub fn told_endpoint<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, str>)> {
        self.shown(headers, |name| {
            self.hides_header(name) || holds(&self.endpoint_headers, name)
        })
    }

    /// Headers of a message to a client.
    pub fn told_answer<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, str>)> {
        self.shown(headers, |name| {
            let before = name.strip_prefix(RENAMED).unwrap_or(name);
            let mut names = [name, before].into_iter();
            names.any(|name| self.hides_header(name) || holds(&self.answer_headers, name))
        })
    }

    /// The parameters of a query, decoded.
    pub fn told_query<'a>(
        &'a self,
        query: &'a str,
    ) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
            let whole = format!("{name}={value}");
            if !self.hides_query(&name) && !self.holds_credential(&whole, NESTED_MAX) {
                return (name, value);
            }
            // Who decodes before splitting reads a value in such a name.
            let is_pair = name.contains('=');
            let name = if is_pair { Cow::Borrowed(MASK) } else { name };
            (name, Cow::Borrowed(MASK))
        })
    }

    fn shown<'a>(
        &'a self,
        headers: &'a HeaderMap,
        hides: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, str>)> {
        headers.iter().map(move |(name, value)| {
            let told = if hides(name.as_str()) {
                Cow::Borrowed(MASK)
            } else {
                self.told_value(name.as_str(), String::from_utf8_lossy(value.as_bytes()))
            };
            (name, told)
        })
    }

    /// A value may have come from a parameter under another name: what is looked for there is looked
    /// for here too.
    fn told_value<'a>(&self, name: &str, value: Cow<'a, str>) -> Cow<'a, str> {
        let told = match value {
            value if !address::is_in(name) => value,
            Cow::Borrowed(value) => address::told(value),
            Cow::Owned(value) => Cow::Owned(address::told(&value).into_owned()),
        };
        // Lists of values, and of words, are usual in headers, and so is `name = value`.
        let pairs = told.split('=').map(|part| part.trim_matches(BLANKS));
        let pairs = pairs.collect::<Vec<_>>().join("=");
        let mut parts = pairs.split([',', ' ', '\t']);
        if parts.any(|part| self.holds_credential(part, NESTED_MAX)) {
            return Cow::Borrowed(MASK);
        }
        told
    }

    /// Whether anybody may read a parameter out of `text` that is masked.
    fn holds_credential(&self, text: &str, deeper: usize) -> bool {
        if !text.contains(['=', '%']) {
            return false;
        }
        let Some(deeper) = deeper.checked_sub(1) else {
            return true;
        };
        text.split(SEPARATORS).any(|piece| {
            let pair = form_urlencoded::parse(piece.as_bytes()).next();
            pair.is_some_and(|(name, value)| {
                // The name alone is one that had to be decoded: a whole query may be in it.
                let is_encoded = piece.contains('%') && !piece.starts_with(&*name);
                (piece.contains('=') && self.hides_query(&name))
                    || (is_encoded && self.holds_credential(&name, deeper))
                    || self.holds_credential(&value, deeper)
            })
        })
    }
}

fn holds(names: &[HeaderName], name: &str) -> bool {
    let mut names = names.iter();
    names.any(|known| credentials::alike(known.as_str(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks() -> Masks {
        Masks {
            headers: vec![HeaderName::from_static("x-own")],
            queries: vec!["badge-no".into()],
            endpoint_headers: vec![HeaderName::from_static("x-backend")],
            endpoint_path: false,
            answer_headers: vec![HeaderName::from_static("x-answer")],
        }
    }

    /// `name=value` of each that is told.
    fn joined<N: ToString>(pairs: impl Iterator<Item = (N, impl ToString)>) -> String {
        let pairs =
            pairs.map(|(name, value)| format!("{}={}", name.to_string(), value.to_string()));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn headers_with_credentials_are_masked_wherever_they_stand() {
        for (name, [told, endpoint, answer]) in [
            ("accept", [true, true, true]),
            ("authorization", [false, false, false]),
            ("x-own", [false, false, false]),
            ("x_own", [false, false, false]),
            ("x-backend", [true, false, true]),
            ("x-answer", [true, true, false]),
            ("x-amzn-remapped-authorization", [false, false, false]),
            ("x-amzn-remapped-x-own", [true, true, false]),
            ("x-amzn-remapped-x-answer", [true, true, false]),
            ("x-amzn-remapped-date", [true, true, true]),
        ] {
            let masks = masks();
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), "v".parse().unwrap());
            let said = |is_told| format!("{name}={}", if is_told { "v" } else { MASK });
            assert_eq!(joined(masks.told(&headers)), said(told));
            assert_eq!(joined(masks.told_endpoint(&headers)), said(endpoint));
            assert_eq!(joined(masks.told_answer(&headers)), said(answer));
        }
    }

    #[test]
    fn addresses_in_headers_are_told_without_their_queries() {
        let masks = masks();
        let mut headers = HeaderMap::new();
        for name in ["referer", "location", "content-location"] {
            let name = HeaderName::from_static(name);
            headers.insert(name, "https://a.example/b?c=t".parse().unwrap());
        }
        let location = "https://a.example/b?****";
        let expected =
            format!("referer={location} location={location} content-location={location}");
        assert_eq!(joined(masks.told(&headers)), expected);
        assert!(masks.hides(Place::Header, "Referer", None));
        assert!(masks.hides(Place::Header, "Location", Some("x-next")));
        assert!(!masks.hides(Place::Header, "Location", Some("Location")));
    }

    #[test]
    fn headers_are_looked_into_as_queries_are() {
        for (value, is_told) in [
            ("shown", true),
            ("text/html, */*;q=0.8", true),
            ("multipart/form-data; boundary=\"=x=\"", true),
            ("script-src 'nonce-YWJjZA=='", true),
            ("/a?b=1", true),
            ("100%", true),
            ("https://a.example/cb?code=t", false),
            ("/a%3Fcode%3Dt", false),
            ("a, code=t", false),
            ("a=1 badge-no=t", false),
            ("a=\"token=t\"", false),
            ("token = t", false),
            ("a =1, code= t", false),
            ("a = 1 b = code", true),
            ("a=b=c=d=e=f", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-next", value.parse().unwrap());
            let expected = format!("x-next={}", if is_told { value } else { MASK });
            assert_eq!(joined(masks().told(&headers)), expected);
            assert_eq!(joined(masks().told_endpoint(&headers)), expected);
            assert_eq!(joined(masks().told_answer(&headers)), expected);
        }
        // What stands in front of the query is looked into as well.
        let mut headers = HeaderMap::new();
        headers.insert("location", "/a%3Fcode%3Dt?b=1".parse().unwrap());
        assert_eq!(joined(masks().told(&headers)), "location=****");
    }

    #[test]
    fn queries_are_read_as_any_backend_may() {
        for (query, expected) in [
            ("a=1&b&=", "a=1 b= ="),
            ("access_token=t&a=1", "access_token=**** a=1"),
            ("Access_Token=t", "Access_Token=****"),
            ("api%5Fkey=t", "api_key=****"),
            (
                "X-Amz-Signature=t&X-Amz-Date=1",
                "X-Amz-Signature=**** X-Amz-Date=1",
            ),
            ("code=t&state=1", "code=**** state=1"),
            (
                "badge-no=t&%62adge_No[]=t&badge=1",
                "badge-no=**** badge_No[]=**** badge=1",
            ),
            ("user[token]=t", "user[token]=****"),
            // Some separate parameters by `;`.
            ("a=1;token=t&b=2", "a=**** b=2"),
            ("a;token=t;b=2", "a;token=****"),
            ("a=1;b=2", "a=1;b=2"),
            ("a=token;b", "a=token;b"),
            // Some decode before they separate.
            ("a=1%26token=t", "a=****"),
            ("a=1%3Bt%6Fken%3Dt", "a=****"),
            ("token%3Dt", "****=****"),
            ("a=100%25&b=x%3Dy", "a=100% b=x=y"),
            // An address, and one in its query.
            ("next=https://a.example/b?code=t", "next=****"),
            ("next=%2Fa%3Fnext%3D%252Fb%253Ftoken%253Dt", "next=****"),
            ("next=%252Fb%253Ftoken%253Dt", "next=****"),
            ("next=%2Fa%3Fb%3D1", "next=/a?b=1"),
            ("next=%2Fa%23access_token%3Dt", "next=****"),
            ("a=b=c=d=e=f", "a=****"),
        ] {
            assert_eq!(joined(masks().told_query(query)), expected, "{query}");
        }
    }
}
