//! Policy stores of Amazon Verified Permissions.

use super::http::{DECISION_TTL, TIMEOUT};
use super::question::{lower_call, lower_entity};
use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::lookups::{self, Records};
use crate::config::lower::quantity::{ms, s};
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{AwsService, TokenKind, VerifiedPrincipal, VerifiedStore, VerifiedStoreId};

/// Lowers the store that the policy set at `at` asks; `None` where it has mistakes, which are reported.
pub(super) fn lower(
    written: &written::VerifiedPolicies,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<VerifiedStore> {
    let records = &Records::of(&written.lookups);
    let policy_store = lower_store(&written.policy_store, &at.key("policy_store"), cx);
    let (service, region) = (AwsService::VerifiedPermissions, written.region.as_deref());
    let target = cx.aws_target(service, region, at);
    let principal = lower_principal(written, records, at, cx);
    let parts = (written.action.as_ref(), &written.resource, &written.context);
    let call = lower_call(records, parts, at, cx);
    let timeout = written.timeout.as_ref();
    let timeout = cx.duration(timeout, &at.key("timeout"), ms(50)..=s(30), TIMEOUT);
    let ttl = written.decision_ttl.as_ref();
    let ttl = cx.duration(ttl, &at.key("decision_ttl"), s(0)..=s(3600), DECISION_TTL);
    Some(VerifiedStore {
        target: target?,
        policy_store: policy_store?,
        principal: principal?,
        call: call?,
        timeout,
        decision_ttl: ttl,
    })
}

fn lower_principal(
    written: &written::VerifiedPolicies,
    records: &Records<'_>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<VerifiedPrincipal> {
    match (&written.principal, written.token) {
        (Some(principal), None) => {
            let principal = lower_entity(records, principal, &at.key("principal"), cx)?;
            Some(VerifiedPrincipal::Entity(principal))
        }
        (None, Some(written::TokenKind::Access)) => {
            Some(VerifiedPrincipal::Token(TokenKind::Access))
        }
        (None, Some(written::TokenKind::Identity)) => {
            Some(VerifiedPrincipal::Token(TokenKind::Identity))
        }
        (Some(_), Some(_)) => {
            let message = "the token says who calls: take this out, or `token`";
            cx.error_at_key(&at.key("principal"), message);
            None
        }
        // One with mistakes was reported where it stands.
        (None, None) if at.key("token").is_written() || at.key("principal").is_written() => None,
        (None, None) => {
            let message = "nothing says who calls: write `principal`, or `token`";
            cx.error_at_key(at, message);
            None
        }
    }
}

fn lower_store(
    written: &written::VerifiedStoreId,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<VerifiedStoreId> {
    match written {
        written::VerifiedStoreId::Fixed(id) => {
            check_id(id, at, cx);
            Some(VerifiedStoreId::Fixed(id.clone()))
        }
        written::VerifiedStoreId::Found(found) => {
            let path = &found.at;
            let found = lookups::lower_found(&found.lookup, &found.key, path, at, cx);
            found.map(VerifiedStoreId::Found)
        }
    }
}

fn check_id(id: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    if !VerifiedStoreId::is_id(id) {
        let shown = shortened(id);
        let message = format!(
            "`{shown}` is no id of a policy store: write 1 to {} letters, digits, `-`, `_` \
             and `/`",
            VerifiedStoreId::BYTES_MAX
        );
        cx.error(at, message);
    }
}
