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
    known: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl AnyAuthority {
    /// One that also takes what `known` vouches for.
    pub(super) const fn new(known: RootCertStore, provider: Arc<CryptoProvider>) -> Self {
        Self { known, provider }
    }

    /// The known roots and those that the server sent.
    fn roots(
        &self,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Arc<RootCertStore>, Error> {
        let mut roots = self.known.clone();
        for certificate in sent {
            let parsed = parse(certificate)?;
            // Of a root, a chain's verification reads name and key only, not the time.
            if is_root(&parsed) {
                check_time(&parsed, now)?;
                roots.add(certificate.clone().into_owned())?;
            }
        }
        Ok(Arc::new(roots))
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
        let roots = self.roots(intermediates, now)?;
        if roots.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
