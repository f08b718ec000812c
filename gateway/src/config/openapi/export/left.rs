//! What an export leaves to the configuration around it.

use std::collections::BTreeSet;

use super::Surroundings;
use super::authorizer::says_more;
use crate::config::cursor::Cursor;
use crate::config::lower::NONE;
use crate::config::openapi::carried::LEFT;

/// The settings that the definition of the API at `api` asks for and does not hold, in order and by
/// their paths in the configuration.
pub(in crate::config) fn left(api: &Cursor<'_>, surroundings: &Surroundings<'_>) -> Vec<String> {
    let mut left = BTreeSet::new();
    for at in LEFT.iter().map(|key| surroundings.api.key(key)) {
        if at.is_written() {
            left.insert(at.path.to_string());
        }
    }
    let routes = api.key("routes");
    for (_, route) in routes.entries() {
        let authorizer = route.key("authorizer");
        if let Some(name) = authorizer.scalar().filter(|name| *name != NONE)
            && says_more(&surroundings.frozen.key(name))
        {
            // Its scheme has its whole name, by which an import looks for it.
            left.insert(surroundings.configured.key(name).path.to_string());
        }
        let upstream = route.key("integration").key("upstream");
        if let Some(name) = upstream.scalar() {
            left.insert(surroundings.upstreams.key(name).path.to_string());
        }
    }
    left.into_iter().collect()
}
