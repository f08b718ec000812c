//! Host names and URLs.

use std::net::IpAddr;

use http::Uri;

/// Why a text is no host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HostError {
    #[error(
        "a host stands without its port, as it is served on every one of its listeners: take it out"
    )]
    Port,
    #[error("wildcards are not supported: name each host, or leave `hosts` out to answer for all")]
    Wildcard,
    #[error("a host stands without scheme and path: take those out")]
    Url,
    #[error(
        "a host is letters, digits, `-`, `_` and dots, 253 at most and 63 between two dots: write one"
    )]
    Syntax,
}

/// A host name or IPv4 address, lower-cased.
pub(super) fn parse_host(written: &str) -> Result<String, HostError> {
    if written.contains('/') {
        return Err(HostError::Url);
    }
    if written.contains('*') {
        return Err(HostError::Wildcard);
    }
    if let Some((_, port)) = written.rsplit_once(':')
        && !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(HostError::Port);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
    if written.len() > 253 || !written.split('.').all(label) {
        return Err(HostError::Syntax);
    }
    Ok(written.to_ascii_lowercase())
}

/// Why a text is no URL that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("this is not a URL: write `https://host/path`")]
    Syntax,
    #[error("the scheme has to be `{0}`: write it")]
    Scheme(&'static str),
    #[error("there is no host in this URL: write `https://host/path`")]
    Host,
    #[error("user and password do not belong into a URL: take them out")]
    UserInfo,
    #[error("a fragment (`#`) is never sent: take it out")]
    Fragment,
}

/// An absolute URL with one of `schemes`, without user, password and fragment. The errors never
/// repeat the URL, which might hold a password.
pub(super) fn parse_url(
    written: &str,
    schemes: &[&str],
    expected: &'static str,
) -> Result<Uri, UrlError> {
    if written.contains('#') {
        return Err(UrlError::Fragment);
    }
    let Ok(url) = written.parse::<Uri>() else {
        return Err(UrlError::Syntax);
    };
    match url.scheme_str() {
        Some(scheme) if schemes.contains(&scheme) => {}
        Some(_) => return Err(UrlError::Scheme(expected)),
        None => return Err(UrlError::Syntax),
    }
    let authority = url.authority().ok_or(UrlError::Host)?;
    if authority.as_str().contains('@') {
        return Err(UrlError::UserInfo);
    }
    let host = authority.host();
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let valid = match literal {
        Some(literal) => literal
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_ipv6()),
        None => parse_host(host).is_ok(),
    };
    let port = authority.as_str().strip_prefix(host).unwrap_or_default();
    if !valid || (!port.is_empty() && authority.port_u16().is_none_or(|port| port == 0)) {
        return Err(UrlError::Host);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_host(written: &str, expected: Result<&str, HostError>) {
        assert_eq!(
            parse_host(written),
            expected.map(str::to_owned),
            "{written}"
        );
    }

    #[test]
    fn hosts_are_names_alone() {
        check_host("API.example.com", Ok("api.example.com"));
        check_host("127.0.0.1", Ok("127.0.0.1"));
        check_host("localhost", Ok("localhost"));
        check_host("api.example.com:8443", Err(HostError::Port));
        check_host("*.example.com", Err(HostError::Wildcard));
        check_host("https://api.example.com", Err(HostError::Url));
        check_host("api..example.com", Err(HostError::Syntax));
        check_host("api.example.com.", Err(HostError::Syntax));
        check_host("b\u{fc}cher.example", Err(HostError::Syntax));
        check_host("", Err(HostError::Syntax));
        check_host(&"a".repeat(64), Err(HostError::Syntax));
    }

    #[track_caller]
    fn check_url(written: &str, expected: Option<UrlError>) {
        let found = parse_url(written, &["http", "https"], "http` or `https").err();
        assert_eq!(found, expected, "{written}");
    }

    #[test]
    fn urls_are_absolute_and_without_secrets() {
        check_url("http://127.0.0.1:9000", None);
        check_url("https://login.example.com/keys?x=1", None);
        check_url("http://[::1]:9000/base", None);
        check_url("HTTPS://login.example.com", None);
        check_url(
            "ftp://example.com",
            Some(UrlError::Scheme("http` or `https")),
        );
        check_url("localhost:9000", Some(UrlError::Syntax));
        check_url("/keys", Some(UrlError::Syntax));
        check_url("http://user:word@example.com", Some(UrlError::UserInfo));
        check_url("http://example.com/#x", Some(UrlError::Fragment));
        check_url("http://exa mple.com", Some(UrlError::Syntax));
        check_url("http://example.com:0", Some(UrlError::Host));
        check_url("http://example.com:70000", Some(UrlError::Host));
        check_url("http://[::g]:9000", Some(UrlError::Host));
    }
}
