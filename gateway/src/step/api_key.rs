//! Which API key does a request come with, and which usage plan opens the stage to it?
//!
//! A key is no proof of who calls: it tells whom to count for.

use http::HeaderMap;
use http::header::HeaderName;

use super::bucket::Sender;
use crate::exchange::{Caller, Reason};
use crate::model::KeySource;
use crate::store::api_key::ApiKeys;
use crate::store::key_ring::{InUse, KeyRing, Unmatched};

/// Where requests have their key.
pub const HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// The key of a request of `sender` to a stage of an API, by their names.
///
/// # Errors
/// 403 where it has none, or one that opens nothing here.
pub fn key_of<'r>(
    source: KeySource,
    sender: &Sender<'_>,
    (ring, keys): (&'r KeyRing, &ApiKeys),
    (api, stage): (&str, &str),
) -> Result<InUse<'r>, Reason> {
    let value = match source {
        KeySource::Header => in_header(sender.headers)?,
        KeySource::Authorizer => {
            let value = sender.caller.and_then(Caller::usage_key);
            value.ok_or(Reason::ApiKeyMissing)?.as_bytes()
        }
    };
    let found = ring.find(&keys.mac_of(value), api, stage);
    found.map_err(|why| match why {
        Unmatched::Unknown => Reason::ApiKeyUnknown,
        Unmatched::Disabled => Reason::ApiKeyDisabled,
        Unmatched::NoPlan => Reason::ApiKeyWithoutPlan,
    })
}

/// Of two values nobody could say which one counts, and an empty one is none.
fn in_header(headers: &HeaderMap) -> Result<&[u8], Reason> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value.as_bytes()),
        (None | Some(_), _) => Err(Reason::ApiKeyMissing),
    }
}
