//! Addresses in headers, such as `Referer` and `Location`.
//!
//! They are other sites' as often as ours, so that nobody can say which of their parameters are
//! credentials: none is told, nor a user and a password in front of the host.

use std::borrow::Cow;

use super::masks::MASK;

/// Headers that hold addresses, in lower case.
const HEADERS: [&str; 10] = [
    "content-location",
    "destination",
    "link",
    "location",
    "referer",
    "refresh",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// Whether the header holds an address.
pub(super) fn is_in(header: &str) -> bool {
    HEADERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(header))
}

/// What is told of the value of such a header: all that stands before a query, a fragment or a
/// parameter of the path, where servers put sessions (`;jsessionid=`).
pub(super) fn told(value: &str) -> Cow<'_, str> {
    let open = value.split(['?', '#', ';']).next().unwrap_or_default();
    let rest = value.get(open.len()..).unwrap_or_default();
    let open = without_user(open);
    match rest.chars().next() {
        None => open,
        Some(mark) => Cow::Owned(format!("{open}{mark}{MASK}")),
    }
}

fn without_user(open: &str) -> Cow<'_, str> {
    let Some((scheme, behind)) = open.split_once("//") else {
        return Cow::Borrowed(open);
    };
    let authority = behind.split(['/', '\\']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else {
        return Cow::Borrowed(open);
    };
    let rest = behind.get(user.len()..).unwrap_or_default();
    Cow::Owned(format!("{scheme}//{MASK}{rest}"))
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
            ("?", "?****"),
        ] {
            assert_eq!(told(value), expected, "{value}");
        }
    }
}
