//! What a request carries of its caller.

use std::borrow::Cow;

use http::request::Parts;

use crate::model::IdentitySource;

/// The value of the identity source, of a query decoded, as `Bearer%20<token>` has to be. One that
/// occurs twice is no value: two readers could take two different ones.
pub(super) fn sent<'r>(source: &IdentitySource, head: &'r Parts) -> Option<Cow<'r, str>> {
    match source {
        IdentitySource::Header(name) => {
            let mut values = head.headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => value.to_str().ok().map(Cow::Borrowed),
                (None, _) | (Some(_), Some(_)) => None,
            }
        }
        IdentitySource::Query(name) => {
            let query = head.uri.query().unwrap_or_default();
            let pairs = form_urlencoded::parse(query.as_bytes());
            let mut values = pairs.filter(|(key, _)| key == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) => Some(value),
                (None, _) | (Some(_), Some(_)) => None,
            }
        }
    }
}
