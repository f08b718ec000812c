//! Backends whose certificate no known authority vouches for.
//!
//! Source: API Gateway Developer Guide, "OpenAPI extensions", `tlsConfig`. Not whose root it is, but
//! everything else is still asked: the certificate is for the name that was asked for, it and what it
//! follows from are in date, and the chain ends at a root, which the backend may send itself. A chain
//! without one is refused, and so is one of another name.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

/// Verifies servers, those of roots that only they know included.
#[derive(Debug)]
pub(super) struct AnyAuthority {
    /// Verifies by the roots that are known; `None` where there are none.
    known: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl AnyAuthority {
    /// One that also takes what `known` vouches for.
    pub(super) fn new(known: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Self {
        let known = WebPkiServerVerifier::builder_with_provider(known, Arc::clone(&provider));
        Self {
            // Without revocation lists, all that it can refuse is to have no roots.
            known: known.build().ok(),
            provider,
        }
    }
}

impl ServerCertVerifier for AnyAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let own = parse(end_entity)?;
        if is_root(&own) {
            // It is its own root, and there is no chain to verify; that the server has its key, the
            // handshake's signature shows.
            check_time(&own, now)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let verified = |verifier: &WebPkiServerVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let unknown = || Err(CertificateError::UnknownIssuer.into());
        let judged = self.known.as_deref().map_or_else(unknown, verified);
        if judged.is_ok() {
            return judged;
        }
        let sent = roots(intermediates, now)?;
        if sent.is_empty() {
            return judged;
        }
        let sent =
            WebPkiServerVerifier::builder_with_provider(sent.into(), Arc::clone(&self.provider));
        let sent = sent.build();
        verified(&*sent.map_err(|error| Error::General(error.to_string()))?)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The roots among what the server sent.
fn roots(sent: &[CertificateDer<'_>], now: UnixTime) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in sent {
        let parsed = parse(certificate)?;
        // Of a root, a chain's verification reads name and key only, not the time.
        if is_root(&parsed) {
            check_time(&parsed, now)?;
            roots.add(certificate.clone().into_owned())?;
        }
    }
    Ok(roots)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) | Err(_) => Err(CertificateError::BadEncoding.into()),
    }
}

/// Whether it names itself as its issuer.
fn is_root(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
}

fn check_time(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let seconds = i64::try_from(now.as_secs()).map_err(|_late| CertificateError::Expired)?;
    let now = ASN1Time::from_timestamp(seconds).map_err(|_late| CertificateError::Expired)?;
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };
    use rustls::crypto::aws_lc_rs::default_provider;

    use super::*;

    const NAME: &str = "pets.test";

    /// Parameters of a certificate called `subject`, valid from 2020 to 2029.
    fn params(subject: &str, names: &[&str]) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names are valid");
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        params
    }

    fn root() -> CertificateParams {
        let mut params = params("root", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn alone(params: &CertificateParams) -> Vec<CertificateDer<'static>> {
        let key = KeyPair::generate().expect("keys can be made");
        let made = params.self_signed(&key).expect("it signs itself");
        vec![made.der().clone()]
    }

    /// A certificate and the root that signed it.
    fn chain(leaf: &CertificateParams, root: CertificateParams) -> Vec<CertificateDer<'static>> {
        let key = KeyPair::generate().expect("keys can be made");
        let made = root.self_signed(&key).expect("a root signs itself");
        let issuer = Issuer::new(root, key);
        let own = KeyPair::generate().expect("keys can be made");
        let leaf = leaf.signed_by(&own, &issuer).expect("a root signs");
        vec![leaf.der().clone(), made.der().clone()]
    }

    /// What is made of `chain` in 2025 where `known` are the host's roots.
    fn judged(
        chain: &[CertificateDer<'static>],
        known: &[CertificateDer<'static>],
    ) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        for root in known {
            roots.add(root.clone()).expect("it is a root");
        }
        let verifier = AnyAuthority::new(Arc::new(roots), Arc::new(default_provider()));
        let (own, others) = chain.split_first().expect("it has a certificate");
        let name = ServerName::try_from(NAME).expect("it is a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_750_000_000));
        let found = verifier.verify_server_cert(own, others, &name, &[], now);
        found.map(|_verified| ())
    }

    /// Refused for this; details of names and times are left aside.
    #[track_caller]
    fn refused(chain: &[CertificateDer<'static>], expected: &str) {
        let error = judged(chain, &[]).expect_err("it is refused");
        let shown = format!("{error:?}");
        assert!(shown.contains(expected), "{shown}");
    }

    #[test]
    fn a_certificate_that_signed_itself_is_its_own_root() {
        assert_eq!(judged(&alone(&params("a", &[NAME])), &[]), Ok(()));
        let mut authority = root();
        authority.subject_alt_names = params("a", &[NAME]).subject_alt_names;
        assert_eq!(judged(&alone(&authority), &[]), Ok(()));
    }

    #[test]
    fn a_chain_ends_at_a_root_that_was_sent_or_is_known() {
        let sent = chain(&params("a", &[NAME]), root());
        assert_eq!(judged(&sent, &[]), Ok(()));
        let (leaf, known) = sent.split_at(1);
        refused(leaf, "UnknownIssuer");
        assert_eq!(judged(leaf, known), Ok(()));
    }

    #[test]
    fn a_root_that_is_not_needed_is_not_looked_at() {
        let sent = chain(&params("a", &[NAME]), root());
        let (leaf, known) = sent.split_at(1);
        let mut old = root();
        old.not_after = date_time_ymd(2021, 1, 1);
        let both: Vec<_> = leaf.iter().cloned().chain(alone(&old)).collect();
        assert_eq!(judged(&both, known), Ok(()));
        refused(&both, "Expired");
    }

    #[test]
    fn a_root_that_did_not_sign_is_no_authority() {
        let mut mixed = chain(&params("a", &[NAME]), root());
        mixed.truncate(1);
        // Of the same name, with another key.
        mixed.extend(alone(&root()));
        refused(&mixed, "BadSignature");
    }

    #[test]
    fn names_and_dates_are_checked() {
        let other = params("a", &["other.test"]);
        refused(&alone(&other), "NotValidForName");
        refused(&chain(&other, root()), "NotValidForName");
        let mut old = params("a", &[NAME]);
        old.not_after = date_time_ymd(2021, 1, 1);
        refused(&alone(&old), "Expired");
        refused(&chain(&old, root()), "Expired");
        let mut early = params("a", &[NAME]);
        early.not_before = date_time_ymd(2026, 1, 1);
        refused(&alone(&early), "NotValidYet");
        let mut old_root = root();
        old_root.not_after = date_time_ymd(2021, 1, 1);
        refused(&chain(&params("a", &[NAME]), old_root), "Expired");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        refused(&[CertificateDer::from(vec![1, 2, 3])], "BadEncoding");
    }
}
