//! What is asked of the certificates of backends.
//!
//! A name that SNI cannot carry is refused, and so is one where nothing would check it.

use rustls_pki_types::DnsName;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{ApiKind, BackendTls, UpstreamTarget};

/// What `written` asks, with a warning where it asks too little.
pub(super) fn lower(
    written: Option<&written::BackendTls>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> BackendTls {
    let Some(written) = written else {
        return BackendTls::default();
    };
    let any_authority = written.insecure_skip_verification == Some(true);
    if any_authority {
        let message = "nobody vouches for this backend: whoever is between the gateway and it can \
                       read and change everything; have its certificate signed by an authority of \
                       this host, and take this out";
        cx.warning(&at.key("insecure_skip_verification"), message);
    }
    let server_name = written.server_name.as_deref().and_then(|name| {
        if DnsName::try_from(name).is_err() {
            let shown = shortened(name);
            let message = format!("`{shown}` is not a host name: write one such as `pets.example`");
            cx.error(&at.key("server_name"), message);
            return None;
        }
        Some(name.to_ascii_lowercase())
    });
    BackendTls {
        any_authority,
        server_name,
    }
}

/// Refuses what the service has for the other type of API only.
pub(super) fn check_kind(
    written: &written::BackendTls,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    match kind {
        ApiKind::Rest if written.server_name.is_some() => {
            let message = "only HTTP APIs have this: take it out, or write it at an upstream";
            cx.error_at_key(&at.key("server_name"), message);
        }
        ApiKind::Http if written.insecure_skip_verification.is_some() => {
            let message = "only REST APIs have this: take it out, or write it at an upstream";
            cx.error_at_key(&at.key("insecure_skip_verification"), message);
        }
        ApiKind::Rest | ApiKind::Http => {}
    }
}

/// Asks `tls` of `target`, where there is TLS.
///
/// A name says that a certificate is to be checked, so that without TLS it is refused; what would
/// only have checked less is without effect. `None` after a refusal.
pub(super) fn apply(
    tls: &BackendTls,
    target: &mut UpstreamTarget,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<()> {
    if target.tls.is_some() {
        target.tls = Some(tls.clone());
    } else if tls.server_name.is_some() {
        let message = "the URL is plain `http`, which has no certificate: write `https`, or take \
                       this out";
        cx.error_at_key(&at.key("server_name"), message);
        return None;
    }
    Some(())
}
