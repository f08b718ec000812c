//! How the endpoint of an API is reached: `x-amazon-apigateway-endpoint-configuration`,
//! `-endpoint-access-mode` and `-security-policy`.

use super::finding::Findings;
use super::made::plain;
use super::treatment::{self, Object};
use super::validator::flag;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::near_miss::suggestion;
use crate::config::tree::{Node, shortened};
use crate::model::ApiKind;

const CONFIGURATION: &str = "x-amazon-apigateway-endpoint-configuration";
const ACCESS_MODE: &str = "x-amazon-apigateway-endpoint-access-mode";

/// Whether the API answers on its own host, in the native form: `default_endpoint`. `None` where
/// nothing takes that away.
pub(super) fn default_endpoint(
    root: &Cursor<'_>,
    kind: ApiKind,
    findings: &mut Findings,
) -> Option<(Place, Node)> {
    let mut found = None;
    let servers = root.key("servers");
    let of_servers = servers.items().map(|server| server.key(CONFIGURATION));
    for at in of_servers.chain([root.key(CONFIGURATION)]) {
        if at.is_written() && configuration(&at, kind, findings) {
            found = Some((at.key_place, plain(at.place, "false")));
        }
    }
    found
}

/// Whether the configuration at `at` takes the API's own host away.
fn configuration(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> bool {
    let before = findings.refusals();
    treatment::judge(at, Object::EndpointConfiguration, kind, findings);
    let disabled = at.key("disableExecuteApiEndpoint");
    let is_disabled = flag(&disabled, findings);
    let family = at.key("ipAddressType");
    match family.scalar() {
        None | Some("ipv4" | "dualstack") => {
            if family.is_written() {
                let how = "the addresses of `listeners` say which versions of IP are served";
                findings.approximated(&family, how);
            }
        }
        Some(other) => {
            let fix = suggestion(other, ["ipv4", "dualstack"].into_iter());
            let why = format!("`{}` is no type of addresses{fix}", shortened(other));
            findings.refused(&family, why);
        }
    }
    if findings.refusals() == before {
        findings.honoured(at);
    }
    is_disabled
}

/// Judges how strictly an endpoint looks at who reaches it.
pub(super) fn judge_access_mode(root: &Cursor<'_>, findings: &mut Findings) {
    let at = root.key(ACCESS_MODE);
    match at.scalar() {
        None if !at.is_written() => {}
        Some("BASIC") => findings.honoured(&at),
        Some("STRICT") => {
            let why = "nothing compares the name of the TLS handshake with `Host` yet: write \
                       `BASIC`, or import with `partial`";
            findings.refused(&at, why);
        }
        _ => findings.refused(&at, "the mode is `BASIC` or `STRICT`: write one"),
    }
}
