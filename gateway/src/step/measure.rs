//! Is the head of a request as small as its API demands?
//!
//! Listeners bound what is read at all; this is the bound of the API, which is told in the words of
//! its type. Source: API Gateway Developer Guide, quotas, and 1.7 of docs/semantics.md.

use http::request::Parts;

use crate::exchange::{Reason, Rejection};
use crate::model::{ApiKind, RequestSizes};

/// Measures the head of a request to an API of this kind.
///
/// # Errors
/// 414 for its URL, 431 for its headers.
pub fn measure(sizes: RequestSizes, kind: ApiKind, head: &Parts) -> Result<(), Rejection> {
    let target = head
        .uri
        .path_and_query()
        .map_or(1, |target| target.as_str().len());
    let is_beyond = |found: usize, max: u32| u32::try_from(found).map_or(true, |found| found > max);
    if is_beyond(target, sizes.url_bytes_max) {
        let detail = format!("path and query have {target} bytes");
        return Err(Rejection::detailed(Reason::UriTooLong, detail));
    }
    let headers = match kind {
        ApiKind::Rest => {
            let fields: usize = head.headers.values().map(http::HeaderValue::len).sum();
            fields + host_apart(head).unwrap_or_default()
        }
        ApiKind::Http => written_bytes(head, target),
    };
    if is_beyond(headers, sizes.header_bytes_max) {
        let detail = format!("the headers have {headers} bytes");
        return Err(Rejection::detailed(Reason::TooManyHeaders, detail));
    }
    Ok(())
}

/// What request line and headers take as HTTP/1.1 writes them, whatever version they came in.
fn written_bytes(head: &Parts, target: usize) -> usize {
    let request_line = head.method.as_str().len() + target + "  HTTP/1.1\r\n".len();
    let of_field = |name: usize, value: usize| name + value + ": \r\n".len();
    let fields = head.headers.iter();
    let fields: usize = fields
        .map(|(name, value)| of_field(name.as_str().len(), value.len()))
        .sum();
    let host = host_apart(head).map_or(0, |value| of_field("host".len(), value));
    request_line + fields + host
}

/// The length of the host where it is no header: HTTP/2 says it apart.
fn host_apart(head: &Parts) -> Option<usize> {
    let authority = head.uri.authority()?;
    (!head.headers.contains_key(http::header::HOST)).then(|| authority.as_str().len())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(kind: ApiKind, uri: &str, headers: &[(&str, usize)], expected: Option<Reason>) {
        let mut request = Request::builder().uri(uri);
        for (name, length) in headers {
            request = request.header(*name, "x".repeat(*length));
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let found = measure(RequestSizes::SERVICE, kind, &head);
        assert_eq!(
            found.err().map(|refused| refused.reason),
            expected,
            "{uri:.20} {headers:?}"
        );
    }

    #[test]
    fn urls_are_path_and_query() {
        let query = |count: usize| format!("/?{}", "q".repeat(count - 2));
        check(ApiKind::Rest, &query(10_240), &[], None);
        check(ApiKind::Rest, &query(10_241), &[], Some(Reason::UriTooLong));
        // The line of a request to an HTTP API counts among its headers.
        check(
            ApiKind::Http,
            &query(10_240),
            &[],
            Some(Reason::TooManyHeaders),
        );
        check(ApiKind::Http, &query(10_241), &[], Some(Reason::UriTooLong));
    }

    #[test]
    fn headers_of_rest_apis_are_their_values_and_of_http_apis_all_that_is_written() {
        let rest =
            |value, expected| check(ApiKind::Rest, "/", &[("a", 240), ("b", value)], expected);
        rest(10_000, None);
        rest(10_001, Some(Reason::TooManyHeaders));
        // Over HTTP/2 the host is no header, and counts like one.
        let host = "https://h.test/";
        check(ApiKind::Rest, host, &[("a", 10_234)], None);
        let beyond = Some(Reason::TooManyHeaders);
        check(ApiKind::Rest, host, &[("a", 10_235)], beyond);
        // `GET / HTTP/1.1` and one field, each with the end of its line.
        let line = "GET / HTTP/1.1\r\na: \r\n".len();
        check(ApiKind::Http, "/", &[("a", 10_240 - line)], None);
        check(
            ApiKind::Http,
            "/",
            &[("a", 10_241 - line)],
            Some(Reason::TooManyHeaders),
        );
        let with_host = line + "host: h.test\r\n".len();
        check(
            ApiKind::Http,
            "http://h.test/",
            &[("a", 10_240 - with_host)],
            None,
        );
        let refused = Some(Reason::TooManyHeaders);
        check(
            ApiKind::Http,
            "http://h.test/",
            &[("a", 10_241 - with_host)],
            refused,
        );
    }
}
