//! Names that backends take for one another.
//!
//! CGI and what has learnt from it (WSGI, Rack, PHP) know a header by its name in capitals with `_` for
//! `-`, so that `X_User` arrives where `X-User` is looked for (RFC 3875, section 4.1.18). PHP knows
//! parameters of a query so as well and ends their names at a bracket, and others forget their case.
//! Whoever could send such a name beside one that is the gateway's own would speak in its place.

use http::{HeaderMap, HeaderName};

/// Takes away headers that a backend may take for one of `own`, and that are none of them.
pub(super) fn remove_headers(headers: &mut HeaderMap, own: &[HeaderName]) {
    let stands_in = |name: &&HeaderName| {
        let mut alike = own.iter().filter(|own| alike(own.as_str(), name.as_str()));
        alike.next().is_some() && !own.contains(name)
    };
    let doomed: Vec<HeaderName> = headers.keys().filter(stands_in).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// Whether a backend may take a parameter of a query for that of the name `own`.
pub(super) fn is_parameter(own: &str, name: &str) -> bool {
    let name = name.trim_start();
    let start = name.split(['[', '\0']).next();
    alike(own, name) || start.is_some_and(|start| alike(own, start))
}

/// Whether two names differ in case and in marks alone.
fn alike(one: &str, other: &str) -> bool {
    let mut pairs = one.bytes().zip(other.bytes());
    one.len() == other.len()
        && pairs.all(|(one, other)| {
            one.eq_ignore_ascii_case(&other)
                || !(one.is_ascii_alphanumeric() || other.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_that_look_like_an_own_one() {
        let names = [
            "x-user",
            "x_user",
            "x.user",
            "xuser",
            "x-user-id",
            "x_user_i",
            "y_name",
            "other",
        ];
        let mut headers: HeaderMap = names
            .into_iter()
            .map(|name| (HeaderName::from_static(name), "1".parse().unwrap()))
            .collect();
        let own = [
            HeaderName::from_static("x-user"),
            HeaderName::from_static("y_name"),
        ];
        remove_headers(&mut headers, &own);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let expected = [
            "other",
            "x-user",
            "x-user-id",
            "x_user_i",
            "xuser",
            "y_name",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn parameters_are_known_by_letters_and_digits() {
        for name in [
            "user-id",
            "USER_ID",
            " user.id",
            "user id[]",
            "user_id[a",
            "user[id",
            "user-id\0x",
        ] {
            assert!(is_parameter("user-id", name), "{name}");
        }
        for name in ["userid", "user-id-2", "[user-id]", "user"] {
            assert!(!is_parameter("user-id", name), "{name}");
        }
    }
}
