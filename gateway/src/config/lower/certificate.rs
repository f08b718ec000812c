//! Certificates: that the files hold what they are said to hold, and belong together.

use std::sync::Arc;

use rustls::Error::InconsistentKeys;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::Lowering;
use super::file::PEM_BYTES_MAX;
use crate::config::cursor::Cursor;
use crate::config::files::Certified;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{Certificate, DomainName};

/// Lowers one certificate. Messages never repeat what a key file holds.
pub(super) fn lower(
    written: &written::Certificate,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Certificate {
    lower_with_leaf(written, at, cx).0
}

/// Lowers the certificate of a domain, which it has to be for.
pub(super) fn lower_for(
    written: &written::Certificate,
    domain: &DomainName,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Certificate {
    let (certificate, leaf) = lower_with_leaf(written, at, cx);
    let leaf = leaf.as_ref().map(webpki::EndEntityCert::try_from);
    // One that is broken has been reported.
    if let Some(Ok(leaf)) = leaf {
        let names: Vec<String> = leaf
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect();
        if !names.iter().any(|name| domain.is_named_by(name)) {
            let names = names.join("`, `");
            let message = format!(
                "this certificate is for `{}` and not for this domain: name one that is",
                shortened(&names)
            );
            cx.error(&at.key("chain"), message);
        }
    }
    certificate
}

/// Lowers what backends are shown, with a warning of what those will not take that look into it.
pub(super) fn lower_shown(
    written: &written::Certificate,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Certificate {
    let (certificate, leaf) = lower_with_leaf(written, at, cx);
    let leaf = leaf.as_deref().map(X509Certificate::from_der);
    // One that is broken has been reported.
    if let Some(Ok((_, leaf))) = leaf {
        let at = at.key("chain");
        if !leaf.validity().is_valid() {
            let validity = leaf.validity();
            let message = format!(
                "this certificate is not valid now, and backends will refuse it: it is from {} to {}",
                validity.not_before, validity.not_after
            );
            cx.warning(&at, message);
        }
        if let Ok(Some(usage)) = leaf.extended_key_usage()
            && !(usage.value.client_auth || usage.value.any)
        {
            let message = "this certificate is not for clients, and backends will refuse it: have it \
                           issued with the extended key usage `clientAuth`";
            cx.warning(&at, message);
        }
    }
    certificate
}

/// Lowers one certificate; the first one of its chain comes along where both files are sound.
fn lower_with_leaf(
    written: &written::Certificate,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> (Certificate, Option<CertificateDer<'static>>) {
    let (chain, key) = (cx.base.join(&written.chain), cx.base.join(&written.key));
    let kept = cx.files.kept();
    let known = kept.and_then(|kept| kept.certified(&chain, &key));
    let (certified, leaf) = match known {
        Some(certified) => {
            if certified.is_exposed {
                cx.warn_of_exposed(&key, &at.key("key"));
            }
            let leaf = certified.pair.cert.first().cloned();
            (Some(certified), leaf)
        }
        None => open(written, at, cx),
    };
    if let (Some(kept), Some(certified)) = (kept, &certified) {
        kept.keep(&chain, &key, certified.clone());
    }
    let pair = certified.map(|found| found.pair);
    (Certificate { chain, key, pair }, leaf)
}

/// Reads both files, and finds out whether they belong together.
fn open(
    written: &written::Certificate,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> (Option<Certified>, Option<CertificateDer<'static>>) {
    let (chain_at, key_at) = (at.key("chain"), at.key("key"));
    let (chain_path, chain_pem) = cx.readable(&written.chain, PEM_BYTES_MAX, &chain_at);
    let key_pem = cx.secret(&written.key, PEM_BYTES_MAX, &key_at);
    let chain = chain_pem.and_then(|pem| {
        let chain: Option<Vec<_>> = CertificateDer::pem_slice_iter(&pem)
            .map(Result::ok)
            .collect();
        let chain = chain.filter(|chain| !chain.is_empty());
        if chain.is_none() {
            let shown = chain_path.display();
            cx.error(
                &chain_at,
                format!(
                    "`{shown}` does not hold a certificate chain in PEM form: name a file that does"
                ),
            );
        }
        chain
    });
    let key = key_pem.and_then(|(pem, is_exposed)| {
        let key = PrivateKeyDer::from_pem_slice(&pem).ok();
        if key.is_none() {
            let shown = cx.base.join(&written.key);
            let shown = shown.display();
            cx.error(
                &key_at,
                format!("`{shown}` does not hold a private key in PEM form: name a file that does"),
            );
        }
        Some((key?, is_exposed))
    });
    let leaf = chain.as_ref().and_then(|chain| chain.first()).cloned();
    let certified = match (chain, key) {
        (Some(chain), Some((key, is_exposed))) => {
            pair(chain, key, &chain_at, &key_at, cx).map(|pair| Certified { pair, is_exposed })
        }
        _ => None,
    };
    (certified, leaf)
}

fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    chain_at: &Cursor<'_>,
    key_at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Arc<CertifiedKey>> {
    match CertifiedKey::from_der(chain, key, &default_provider()) {
        Ok(pair) => return Some(Arc::new(pair)),
        Err(InconsistentKeys(_)) => {
            cx.error(
                key_at,
                "this key does not belong to the first certificate of the chain: name the one that does",
            );
        }
        Err(rustls::Error::InvalidCertificate(error)) => {
            cx.error(
                chain_at,
                format!("the first certificate of the chain is broken: {error}: name a file with a sound one"),
            );
        }
        Err(error) => cx.error(
            key_at,
            format!("this key cannot be used: {error}: name one that can"),
        ),
    }
    None
}
