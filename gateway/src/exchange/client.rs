//! Who sent a request, behind however many proxies.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName};

use super::forwarded::{client_of, elements_from_the_end};
use super::peer::SourceAddress;
use crate::model::{ForwardedHeader, Prefix};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sent the request, after trusted forwarding headers: what policies, throttles and logs mean.
/// The same as the source of the connection unless that is a trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The client behind `source`, by that header of a request which the listener reads. The other
    /// one is not looked at: a proxy adds to one of them and passes the other on as it came, so that
    /// whoever read both would believe what clients write.
    #[must_use]
    pub fn resolve(
        source: SourceAddress,
        trusted: &[Prefix],
        header: ForwardedHeader,
        headers: &HeaderMap,
    ) -> Self {
        let believed = |address: IpAddr| trusted.iter().any(|prefix| prefix.contains(address));
        if !believed(source.ip()) {
            return Self(source.ip());
        }
        let name = match header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        };
        // What is no text is kept as what is no address: it ends the reading there.
        let values: Vec<Cow<'_, str>> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let values = values.iter().rev().map(AsRef::as_ref);
        match header {
            ForwardedHeader::XForwardedFor => {
                let hops = values.flat_map(|value| value.rsplit(','));
                Self::behind(source, believed, hops.map(|hop| address_of(hop.trim())))
            }
            ForwardedHeader::Forwarded => {
                let hops = values.flat_map(elements_from_the_end);
                Self::behind(source, believed, hops.map(client_of))
            }
        }
    }

    /// Only trusted hops are believed, and only as far as they vouch: `hops` are read from the
    /// nearest one on while every hop is trusted; the first that is not is the client. One that names
    /// no address ends the reading at the hop before it.
    fn behind(
        source: SourceAddress,
        believed: impl Fn(IpAddr) -> bool,
        mut hops: impl Iterator<Item = Option<IpAddr>>,
    ) -> Self {
        let mut client = source.ip();
        while believed(client)
            && let Some(Some(hop)) = hops.next()
        {
            client = hop.to_canonical();
        }
        Self(client)
    }
}

/// An address as proxies write it: bare, bracketed, or with a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    hop.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_by(
        header: ForwardedHeader,
        source: &str,
        trusted: &[&str],
        fields: &[(&str, &str)],
        client: &str,
    ) {
        let source = SourceAddress(SocketAddr::new(source.parse().unwrap(), 1));
        let trusted: Vec<Prefix> = trusted.iter().map(|p| p.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let resolved = ClientAddress::resolve(source, &trusted, header, &headers);
        assert_eq!(resolved.0, client.parse::<IpAddr>().unwrap(), "{fields:?}");
    }

    #[track_caller]
    fn check(source: &str, trusted: &[&str], values: &[&str], client: &str) {
        let fields: Vec<_> = values.iter().map(|v| ("x-forwarded-for", *v)).collect();
        let header = ForwardedHeader::XForwardedFor;
        check_by(header, source, trusted, &fields, client);
    }

    #[track_caller]
    fn check_forwarded(source: &str, trusted: &[&str], values: &[&str], client: &str) {
        let fields: Vec<_> = values.iter().map(|v| ("forwarded", *v)).collect();
        let header = ForwardedHeader::Forwarded;
        check_by(header, source, trusted, &fields, client);
    }

    #[test]
    fn believes_forwarded_headers_of_trusted_sources_only() {
        let proxies = &["192.0.2.0/24"];
        check("192.0.2.1", &[], &["198.51.100.7"], "192.0.2.1");
        check("192.0.2.1", proxies, &["198.51.100.7"], "198.51.100.7");
        check("192.0.2.1", proxies, &[], "192.0.2.1");
        let element = &["for=198.51.100.7"];
        check_forwarded("192.0.2.1", &[], element, "192.0.2.1");
        check_forwarded("192.0.2.1", proxies, element, "198.51.100.7");
        check_forwarded("192.0.2.1", proxies, &[], "192.0.2.1");
    }

    #[test]
    fn reads_the_hops_from_their_end_up_to_the_first_untrusted_one() {
        let proxies = &["10.0.0.0/8"];
        for (values, client) in [
            (&["6.6.6.6, 198.51.100.7, 10.0.0.2"][..], "198.51.100.7"),
            (&["6.6.6.6", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            (&["198.51.100.7, garbage, 10.0.0.2"], "10.0.0.2"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            check("10.0.0.1", proxies, values, client);
        }
        for (values, client) in [
            (
                &["for=6.6.6.6, for=198.51.100.7;proto=https, for=10.0.0.2"][..],
                "198.51.100.7",
            ),
            (
                &["for=6.6.6.6", "for=198.51.100.7", "for=10.0.0.2"],
                "198.51.100.7",
            ),
            (&["for=198.51.100.7, for=unknown, for=10.0.0.2"], "10.0.0.2"),
            (&["for=198.51.100.7, for=_x, for=10.0.0.2"], "10.0.0.2"),
            (&["for=198.51.100.7, proto=https"], "10.0.0.1"),
            (&["for=\"[2001:db8::1]:443\""], "2001:db8::1"),
            (&["for=\"[::ffff:198.51.100.7]\""], "198.51.100.7"),
        ] {
            check_forwarded("10.0.0.1", proxies, values, client);
        }
    }

    #[test]
    fn one_header_is_read_and_never_the_other() {
        let both = [
            ("x-forwarded-for", "198.51.100.7"),
            ("forwarded", "for=203.0.113.9"),
        ];
        let proxies = &["10.0.0.0/8"];
        for (header, client) in [
            (ForwardedHeader::XForwardedFor, "198.51.100.7"),
            (ForwardedHeader::Forwarded, "203.0.113.9"),
        ] {
            check_by(header, "10.0.0.1", proxies, &both, client);
            for (other, field) in [
                (ForwardedHeader::XForwardedFor, both[0]),
                (ForwardedHeader::Forwarded, both[1]),
            ] {
                let client = if other == header { client } else { "10.0.0.1" };
                check_by(header, "10.0.0.1", proxies, &[field], client);
            }
        }
    }
}
