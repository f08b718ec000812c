//! Addresses in headers, such as `Referer` and `Location`.
//!
//! They are other sites' as often as ours, so that nobody can say which of their parameters are
//! credentials: none is told, nor a user and a password in front of a host.

use std::borrow::Cow;

use super::credentials;
use super::masks::MASK;

/// Ends of the names of headers that hold addresses. Proxies call what they were asked for
/// `X-Original-URI`, `X-Forwarded-Url` or `X-Envoy-Original-Path`, the last with its query too.
const ENDS: [&str; 10] = [
    "destination",
    "link",
    "location",
    "path",
    "redirect",
    "referer",
    "referrer",
    "refresh",
    "uri",
    "url",
];

/// Whether the header holds an address.
pub(super) fn is_in(header: &str) -> bool {
    credentials::has_end(header, &ENDS)
}

/// What is told of the value of such a header: all that stands before a query, a fragment or a
/// parameter of the path, where servers put sessions (`;jsessionid=`).
pub(super) fn told(value: &str) -> Cow<'_, str> {
    let open = value.split(['?', '#', ';']).next().unwrap_or_default();
    let rest = value.get(open.len()..).unwrap_or_default();
    let open = without_users(open);
    match rest.chars().next() {
        None => open,
        Some(mark) => Cow::Owned(format!("{open}{mark}{MASK}")),
    }
}

/// Of several addresses each may have one.
fn without_users(open: &str) -> Cow<'_, str> {
    const SLASHES: [char; 2] = ['/', '\\'];
    if !open.contains('@') {
        return Cow::Borrowed(open);
    }
    let mut told = String::with_capacity(open.len());
    let mut rest = open;
    while let Some((before, _)) = rest.split_once(SLASHES) {
        let behind = rest.get(before.len()..).unwrap_or_default();
        let path = behind.trim_start_matches(SLASHES);
        let slashes = behind.len() - path.len();
        told.push_str(before);
        // Browsers take any number of slashes for two, and behind a scheme even one.
        if slashes == 1 && !before.ends_with(':') {
            told.push('/');
            rest = path;
            continue;
        }
        let authority = path.split(SLASHES).next().unwrap_or_default();
        told.push_str("//");
        match authority.rsplit_once('@') {
            Some((_user, host)) => {
                told.push_str(MASK);
                told.push('@');
                told.push_str(host);
            }
            None => told.push_str(authority),
        }
        rest = path.get(authority.len()..).unwrap_or_default();
    }
    told.push_str(rest);
    Cow::Owned(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_without_what_may_be_secret() {
        for (value, expected) in [
            ("", ""),
            ("/a/b", "/a/b"),
            ("https://a.example/b", "https://a.example/b"),
            ("https://a.example/@b", "https://a.example/@b"),
            ("/a?b=1&token=t", "/a?****"),
            ("https://a.example?code=t#u", "https://a.example?****"),
            (
                "https://a.example/#access_token=t",
                "https://a.example/#****",
            ),
            ("/a;jsessionid=t?b=1", "/a;****"),
            ("0; url=/a?token=t", "0;****"),
            ("</a?token=t>; rel=\"next\", </b?token=t>", "</a?****"),
            ("https://u:t@a.example/b?c", "https://****@a.example/b?****"),
            ("//u@t@a.example", "//****@a.example"),
            (
                "<https://a.example/x>, <https://u:t@b.example/y>, <//t@c.example>",
                "<https://a.example/x>, <https://****@b.example/y>, <//****@c.example>",
            ),
            ("https:///t@a.example/@b", "https://****@a.example/@b"),
            ("https:/u:t@a.example", "https://****@a.example"),
            ("https:\\\\u:t@a.example", "https://****@a.example"),
            ("/\\u:t@a.example/b", "//****@a.example/b"),
            ("/a@b/c@d", "/a@b/c@d"),
            ("?", "?****"),
        ] {
            assert_eq!(told(value), expected, "{value}");
        }
    }

    #[test]
    fn headers_with_addresses_are_known_by_their_letters() {
        for (name, expected) in [
            ("Location", true),
            ("Content-Location", true),
            ("X_Original_Uri", true),
            ("x.rewrite.url", true),
            ("X-Forwarded-Url", true),
            ("X-Envoy-Original-Path", true),
            ("HX-Current-URL", true),
            ("x-amzn-remapped-location", true),
            ("", false),
            ("host", false),
            ("x-forwarded-for", false),
            ("x-link-id", false),
        ] {
            assert_eq!(is_in(name), expected, "{name}");
        }
    }
}
