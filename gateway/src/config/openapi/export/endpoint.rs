//! How an API is reached: what its configuration says beside the definition. No deployment freezes
//! that, so that it is written as it is now.

use super::object::{Object, of_text};
use crate::config::cursor::Cursor;
use crate::config::openapi::endpoint::{ACCESS_MODE, CONFIGURATION, POLICY_KEY, SECURITY_POLICY};
use crate::config::tree::{Node, Reading};
use crate::model::ApiKind;

/// Settings of the native form that neither OpenAPI nor the service has a place for.
const CARRIED: [&str; 5] = [
    "private",
    "limits",
    "shared_throttle",
    "caller_throttles",
    "throttle_headers",
];

/// Writes what the API at `api` says of it to `root` and, what has no place there, to `carried`.
pub(super) fn write(api: &Cursor<'_>, kind: ApiKind, root: &mut Object, carried: &mut Object) {
    let default = api.key("default_endpoint").node.map(Node::reading);
    if default == Some(Reading::Boolean(false)) {
        let mut configuration = Object::new();
        configuration.word("disableExecuteApiEndpoint", true);
        let mut server = of_text("url", "/");
        server.object(CONFIGURATION, configuration);
        root.list("servers", vec![server.finish()]);
    }
    root.copy(SECURITY_POLICY, &api.key(POLICY_KEY));
    let mode = api.key("endpoint_access_mode");
    match (kind, mode.scalar()) {
        (ApiKind::Rest, Some(word)) => root.text(ACCESS_MODE, &word.to_ascii_uppercase()),
        (_, _) => carried.copy("endpoint_access_mode", &mode),
    }
    for key in CARRIED {
        carried.copy(key, &api.key(key));
    }
}
