//! Truststores of mutual TLS.
//!
//! Source: API Gateway Developer Guide, "How to turn on mutual TLS authentication for your REST APIs",
//! and 14.6 of docs/semantics.md. A certificate that cannot be used is left out with a warning; a
//! store in which nothing is left, or in which one subject has two issuers, is refused.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA,
    OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512,
};
use x509_parser::prelude::{FromDer as _, X509Version};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::Lowering;
use super::file::PEM_BYTES_MAX;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::model::{Root, Truststore, TruststoreId, distinguished_name};

/// Longest chain, the client's certificate and the root included.
const CHAIN_MAX: usize = 4;
/// Smallest keys, in bits.
const RSA_BITS_MIN: usize = 2_048;
const EC_BITS_MIN: usize = 256;

/// Lowers the truststore in a file.
pub(super) fn lower(
    written: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Arc<Truststore>> {
    let (path, content) = cx.readable(written, PEM_BYTES_MAX, at);
    let (content, kept) = (content?, cx.files.kept()?);
    let shown = path.display();
    let mut ders: Vec<CertificateDer<'static>> = Vec::new();
    for item in CertificateDer::pem_slice_iter(&content) {
        match item {
            Ok(der) => ders.push(der),
            Err(error) => {
                let message = format!(
                    "`{shown}` does not hold certificates in PEM form: {error}: name a file that does"
                );
                cx.error(at, message);
                return None;
            }
        }
    }
    let mut usable = Vec::new();
    for (index, der) in ders.iter().enumerate() {
        match judge(der, kept.since) {
            Ok(certificate) => usable.push((der, certificate)),
            Err(reason) => {
                let number = index + 1;
                let message = format!("certificate {number} of `{shown}` is left out: {reason}");
                cx.warning(at, message);
            }
        }
    }
    let store = assemble(&usable, &content);
    let certificates: Vec<X509Certificate<'_>> = usable
        .into_iter()
        .map(|(_, certificate)| certificate)
        .collect();
    if check_conflicts(&certificates, at, cx) {
        return None;
    }
    warn_of_gaps(&certificates, at, cx);
    if store.roots.is_empty() {
        let message = format!(
            "`{shown}` holds no root that can be used: add the certificates of every authority up to \
             its root"
        );
        cx.error(at, message);
        return None;
    }
    Some(Arc::new(store))
}

fn assemble(usable: &[(&CertificateDer<'_>, X509Certificate<'_>)], content: &[u8]) -> Truststore {
    let mut store = Truststore {
        id: TruststoreId([0; 32]),
        roots: Vec::new(),
        intermediates: Vec::new(),
    };
    for (to, from) in store.id.0.iter_mut().zip(digest(&SHA256, content).as_ref()) {
        *to = *from;
    }
    for (der, certificate) in usable {
        if is_root(certificate) {
            let validity = certificate.validity();
            store.roots.push(Root {
                der: der.to_vec(),
                not_before: validity.not_before.timestamp(),
                not_after: validity.not_after.timestamp(),
            });
        } else {
            store.intermediates.push(der.to_vec());
        }
    }
    store
}

fn is_root(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// The certificate, if it is that of an authority whose signatures count.
fn judge(der: &[u8], at: ASN1Time) -> Result<X509Certificate<'_>, &'static str> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_broken| "it is no X.509 certificate")?;
    if certificate.version() != X509Version::V3 {
        return Err("its version is not 3");
    }
    if !certificate.is_ca() {
        return Err("it is not that of an authority");
    }
    let signature = &certificate.signature_algorithm.algorithm;
    let signatures = [
        OID_PKCS1_SHA256WITHRSA,
        OID_PKCS1_SHA384WITHRSA,
        OID_PKCS1_SHA512WITHRSA,
        OID_PKCS1_RSASSAPSS,
        OID_SIG_ECDSA_WITH_SHA256,
        OID_SIG_ECDSA_WITH_SHA384,
        OID_SIG_ECDSA_WITH_SHA512,
    ];
    if !signatures.contains(signature) {
        return Err("it is not signed by RSA or ECDSA with SHA-256 or stronger");
    }
    let key = certificate.public_key().parsed();
    let is_strong = match key.map_err(|_broken| "its key cannot be read")? {
        PublicKey::RSA(key) => key.key_size() >= RSA_BITS_MIN,
        PublicKey::EC(key) => key.key_size() >= EC_BITS_MIN,
        _ => false,
    };
    if !is_strong {
        return Err("its key is not of RSA from 2048 bits or of ECDSA from 256 bits on");
    }
    if !certificate.validity().is_valid_at(at) {
        return Err("it is not valid at this time");
    }
    // What judges clients by it reads certificates in a way of its own.
    let whole = CertificateDer::from(der);
    let is_readable = webpki::EndEntityCert::try_from(&whole).is_ok()
        && webpki::anchor_from_trusted_cert(&whole).is_ok();
    if !is_readable {
        return Err("its form, or an extension of it that is critical, is not supported");
    }
    Ok(certificate)
}

/// Whether one subject has two issuers, which the service refuses in these words.
fn check_conflicts(
    certificates: &[X509Certificate<'_>],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> bool {
    for (index, one) in certificates.iter().enumerate() {
        let mut earlier = certificates.iter().take(index);
        let conflicts = |other: &&X509Certificate<'_>| {
            one.subject().as_raw() == other.subject().as_raw()
                && one.issuer().as_raw() != other.issuer().as_raw()
        };
        if earlier.any(|other| conflicts(&other)) {
            let subject = distinguished_name(one.subject());
            let message = format!(
                "the certificate subject `{}` conflicts with an existing certificate from a different \
                 issuer: keep one of them",
                shortened(&subject)
            );
            cx.error(at, message);
            return true;
        }
    }
    false
}

/// Tells of authorities whose certificates nobody can present with success.
fn warn_of_gaps(certificates: &[X509Certificate<'_>], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    for certificate in certificates {
        let subject = distinguished_name(certificate.subject());
        let mut above = certificate;
        // The client's certificate is below this one.
        let mut length = 2;
        while !is_root(above) && length <= CHAIN_MAX {
            let mut others = certificates.iter();
            let issuer = above.issuer().as_raw();
            let Some(next) = others.find(|other| other.subject().as_raw() == issuer) else {
                let message = format!(
                    "no certificate that `{}` issued is accepted: its chain ends below a root, add \
                     `{}`",
                    shortened(&subject),
                    shortened(&distinguished_name(above.issuer()))
                );
                cx.warning(at, message);
                break;
            };
            above = next;
            length += 1;
        }
        if length > CHAIN_MAX {
            let message = format!(
                "no certificate that `{}` issued is accepted: its chain has more than {CHAIN_MAX}",
                shortened(&subject)
            );
            cx.warning(at, message);
        }
    }
}
