//! `Forwarded` (RFC 7239), read from its end: what the nearest proxy has added comes first.
//!
//! A field is cut into its elements from the right, because only what stands there was written by
//! somebody who is trusted. Read from the left, a quotation mark that a client opens and never
//! closes would swallow what proxies add behind it, and the client would pass for its proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// White space around elements and their parts.
const BLANKS: [char; 2] = [' ', '\t'];

/// The elements of one field value, the last one first; empty ones are left out (RFC 9110, section
/// 5.6.1).
pub(super) fn elements_from_the_end(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    let pieces = std::iter::from_fn(move || {
        let (before, last) = split_last(rest?);
        rest = before;
        Some(last.trim_matches(BLANKS))
    });
    pieces.filter(|element| !element.is_empty())
}

/// What stands before the last comma outside of quotation marks, if there is one, and behind it.
fn split_last(value: &str) -> (Option<&str>, &str) {
    let mut is_quoted = false;
    for (index, byte) in value.bytes().enumerate().rev() {
        match byte {
            // From the right a quotation mark is the end of a text before it is its beginning.
            b'"' if !(is_quoted && is_escaped(value, index)) => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                let last = value.get(index.saturating_add(1)..).unwrap_or_default();
                return (value.get(..index), last);
            }
            _ => {}
        }
    }
    (None, value)
}

/// Whether an odd number of backslashes stands right before the byte at `index`.
fn is_escaped(value: &str, index: usize) -> bool {
    let before = value.bytes().take(index).rev();
    before.take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The address that `for` of one element names; `None` where it is hidden (`unknown`, `_name`) or
/// absent, or where the element is none by RFC 7239, section 4.
pub(super) fn client_of(element: &str) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim_start_matches(BLANKS);
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, behind) = value(behind)?;
        if name.eq_ignore_ascii_case("for") {
            // A second one is an error, so that no two readers take different ones.
            if found.replace(node(&value)?).is_some() {
                return None;
            }
        }
        let behind = behind.trim_start_matches(BLANKS);
        if behind.is_empty() {
            return found;
        }
        rest = behind.strip_prefix(';')?;
    }
}

/// A value, without its quotation marks, and what stands behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Ports and brackets belong in quotation marks, and not every proxy knows that.
        let end = text.find([';', ' ', '\t', '"']).unwrap_or(text.len());
        let (value, behind) = text.split_at_checked(end)?;
        return (!value.is_empty()).then(|| (value.to_owned(), behind));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            plain => value.push(plain),
        }
    }
}

/// The address of a node with or without a port (section 6).
fn node(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let address = address.parse::<Ipv6Addr>().ok()?;
        return is_whole.then_some(address.into());
    }
    let (address, port) = match text.split_once(':') {
        Some((address, port)) => (address, Some(port)),
        None => (text, None),
    };
    let address = address.parse::<Ipv4Addr>().ok()?;
    port.is_none_or(is_port).then_some(address.into())
}

/// A port, or a name that hides one.
fn is_port(text: &str) -> bool {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let is_name = |name: &str| {
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !name.is_empty() && name.bytes().all(is_of_name)
    };
    is_number || text.strip_prefix('_').is_some_and(is_name)
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\''
            | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(element: &str, client: Option<&str>) {
        let client: Option<IpAddr> = client.map(|client| client.parse().unwrap());
        assert_eq!(client_of(element), client, "{element}");
    }

    #[test]
    fn an_element_names_a_client_by_its_address() {
        check("for=192.0.2.43", Some("192.0.2.43"));
        check("FOR=192.0.2.43", Some("192.0.2.43"));
        check("for=\"192.0.2.43:47011\"", Some("192.0.2.43"));
        check("for=192.0.2.43:47011", Some("192.0.2.43"));
        check("for=\"192.0.2.43:_hidden\"", Some("192.0.2.43"));
        check("for=\"[2001:db8::17]\"", Some("2001:db8::17"));
        check("for=\"[2001:db8::17]:4711\"", Some("2001:db8::17"));
        check("for=\"1\\92.0.2.43\"", Some("192.0.2.43"));
        check(
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            Some("192.0.2.60"),
        );
        check(
            "host=\"a;for=6.6.6.6, b\" ; for=192.0.2.60",
            Some("192.0.2.60"),
        );
    }

    #[test]
    fn what_hides_the_client_or_is_no_element_names_nobody() {
        for element in [
            "for=unknown",
            "for=_gazonk",
            "proto=https",
            "for",
            "for=",
            "for=\"\"",
            "for=192.0.2.43;for=192.0.2.44",
            "for=192.0.2.43;for=192.0.2.43",
            "for=192.0.2.43;",
            "for=192.0.2.43 192.0.2.44",
            "for=2001:db8::17",
            "for=[192.0.2.43]",
            "for=\"[2001:db8::17\"",
            "for=\"[2001:db8::17]4711\"",
            "for=192.0.2.43:",
            "for=192.0.2.43:123456",
            "for=192.0.2.43:_",
            "for=\"192.0.2.43",
            "for=192.0.2.43\"",
            "f or=192.0.2.43",
            "for =192.0.2.43",
            "=192.0.2.43",
            "for=192.0.2.043",
        ] {
            check(element, None);
        }
    }

    #[test]
    fn fields_are_cut_at_commas_outside_of_quotation_marks_from_the_right() {
        let check = |value: &str, elements: &[&str]| {
            let found: Vec<&str> = elements_from_the_end(value).collect();
            assert_eq!(found, elements, "{value}");
        };
        check("for=a, for=b;proto=http", &["for=b;proto=http", "for=a"]);
        check("for=a,,\t, for=b,", &["for=b", "for=a"]);
        check("", &[]);
        check("for=a, host=\"b,c\"", &["host=\"b,c\"", "for=a"]);
        check("for=a, host=\"b\\\",c\"", &["host=\"b\\\",c\"", "for=a"]);
        check(
            "for=a, host=\"b\\\\\", for=c",
            &["for=c", "host=\"b\\\\\"", "for=a"],
        );
        // What a client left open does not swallow what a proxy has added.
        check(
            "for=\"6.6.6.6, for=192.0.2.1",
            &["for=192.0.2.1", "for=\"6.6.6.6"],
        );
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_the_element_of_its_proxy_is_found(
            sent in "[ -~\t]{0,40}",
            address in any::<u32>(),
            host in "[ -~]{0,12}",
        ) {
            let address = Ipv4Addr::from(address);
            let host: String = host.chars().flat_map(|c| ['\\', c]).collect();
            let added = format!("for=\"{address}:80\";host=\"{host}\"");
            let value = format!("{sent}, {added}");
            let last = elements_from_the_end(&value).next();
            prop_assert_eq!(last, Some(added.as_str()));
            prop_assert_eq!(last.and_then(client_of), Some(address.into()));
        }
    }
}
