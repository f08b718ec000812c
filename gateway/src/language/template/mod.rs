//! Templates that need no template language.
//!
//! Gateway responses are filled in by plain substitution, many mapping templates are fixed text,
//! and mock integrations read one number from theirs.

mod gateway_response;
mod literal;
mod mock_status;
mod request;

use super::media_type::MediaType;

pub use gateway_response::{GatewayResponseTemplate, REFERENCES_MAX, TemplateError};
pub use literal::{Literal, NotLiteral};
pub use mock_status::{DEPTH_MAX, MockStatusError, mock_status};
pub use request::{Passthrough, Rendered, RequestTemplates};

/// Bytes of a template, more of which are refused: the quota of mapping templates, 300 KB.
pub const TEMPLATE_BYTES_MAX: usize = 300 * 1024;

/// The one of several templates, each with its media type, for what a client accepts: the first media
/// type of its `Accept`, else JSON, else the first there is.
#[must_use]
pub fn choose<'t, T>(
    templates: &'t [(String, T)],
    accept: Option<&str>,
) -> Option<&'t (String, T)> {
    let of = |wanted: MediaType<'_>| templates.iter().find(|(own, _)| wanted.is(own));
    let accepted = accept.and_then(MediaType::first).and_then(of);
    accepted
        .or_else(|| of(MediaType::of_body(None)))
        .or_else(|| templates.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(types: &[&str], accept: Option<&str>, expected: Option<&str>) {
        let templates: Vec<_> = types.iter().map(|text| ((*text).to_owned(), ())).collect();
        let found = choose(&templates, accept).map(|(own, ())| own.as_str());
        assert_eq!(found, expected, "{types:?} {accept:?}");
    }

    #[test]
    fn what_is_accepted_comes_before_json_and_json_before_the_first() {
        let types = ["text/plain", "application/json", "text/html"];
        check(&types, None, Some("application/json"));
        check(
            &types,
            Some("text/html;q=0.1, text/plain"),
            Some("text/html"),
        );
        check(&types, Some("image/png"), Some("application/json"));
        check(
            &["text/plain", "text/html"],
            Some("*/*"),
            Some("text/plain"),
        );
        check(&[], Some("text/html"), None);
    }
}
