//! Certificates of clients.
//!
//! The handshake asks for a certificate and checks that the client has its key; it is refused only
//! if that fails. Whether the certificate is trusted is judged behind it, so that a client that has
//! none, or one of somebody else, reads 403 and the log says why (14.6 of docs/semantics.md). Nothing
//! is resumed on such connections: a session that goes on would go around the truststore and the end
//! of the certificate's validity.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

use crate::clock;
use crate::exchange::ClientProof;
use crate::model::{ClientCertificate, Truststore};

/// Longest chain, the client's certificate and the root included (14.6 of docs/semantics.md).
const CHAIN_MAX: usize = 4;
/// Names of authorities that clients are told; beyond it they are told none, because the message
/// that names them is bounded by 64 KiB.
const HINT_BYTES_MAX: usize = 16 << 10;

/// RSA from 2,048 bits and ECDSA from 256 bits on, with SHA-256 or stronger.
static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        algorithms::ECDSA_P256_SHA256,
        algorithms::ECDSA_P256_SHA384,
        algorithms::ECDSA_P256_SHA512,
        algorithms::ECDSA_P384_SHA256,
        algorithms::ECDSA_P384_SHA384,
        algorithms::ECDSA_P384_SHA512,
        algorithms::ECDSA_P521_SHA256,
        algorithms::ECDSA_P521_SHA384,
        algorithms::ECDSA_P521_SHA512,
        algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        algorithms::RSA_PKCS1_2048_8192_SHA256,
        algorithms::RSA_PKCS1_2048_8192_SHA384,
        algorithms::RSA_PKCS1_2048_8192_SHA512,
        algorithms::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        algorithms::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        algorithms::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    // Of the algorithms of a scheme TLS 1.3 takes the first, and TLS 1.2 any.
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[
                algorithms::ECDSA_P384_SHA384,
                algorithms::ECDSA_P256_SHA384,
                algorithms::ECDSA_P521_SHA384,
            ],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[
                algorithms::ECDSA_P256_SHA256,
                algorithms::ECDSA_P384_SHA256,
                algorithms::ECDSA_P521_SHA256,
            ],
        ),
        (
            SignatureScheme::ECDSA_NISTP521_SHA512,
            &[
                algorithms::ECDSA_P521_SHA512,
                algorithms::ECDSA_P384_SHA512,
                algorithms::ECDSA_P256_SHA512,
            ],
        ),
        (
            SignatureScheme::RSA_PSS_SHA512,
            &[algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA384,
            &[algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA256,
            &[algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA512,
            &[algorithms::RSA_PKCS1_2048_8192_SHA512],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA384,
            &[algorithms::RSA_PKCS1_2048_8192_SHA384],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            &[algorithms::RSA_PKCS1_2048_8192_SHA256],
        ),
    ],
};

/// A truststore, ready to judge.
#[derive(Debug)]
pub struct Authorities {
    roots: Vec<Anchor>,
    intermediates: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
struct Anchor {
    anchor: TrustAnchor<'static>,
    /// In seconds since 1970.
    not_before: i64,
    not_after: i64,
}

impl Authorities {
    /// Compiles a truststore.
    ///
    /// # Errors
    /// A root that the library cannot use.
    pub fn compile(truststore: &Truststore) -> Result<Self, webpki::Error> {
        let roots = truststore.roots.iter().map(|root| {
            let der = CertificateDer::from(root.der.as_slice());
            Ok(Anchor {
                anchor: anchor_from_trusted_cert(&der)?.to_owned(),
                not_before: root.not_before,
                not_after: root.not_after,
            })
        });
        let intermediates = truststore.intermediates.iter().cloned();
        Ok(Self {
            roots: roots.collect::<Result<_, webpki::Error>>()?,
            intermediates: intermediates.map(CertificateDer::from).collect(),
        })
    }

    /// What asks for certificates in the handshake.
    #[must_use]
    pub fn asking(&self) -> Arc<dyn ClientCertVerifier> {
        let mut hints = Vec::new();
        let roots = self.roots.iter();
        hints.extend(roots.map(|root| DistinguishedName::in_sequence(&root.anchor.subject)));
        for intermediate in &self.intermediates {
            // One that cannot be read issues nothing that is accepted.
            if let Ok(anchor) = anchor_from_trusted_cert(intermediate) {
                hints.push(DistinguishedName::in_sequence(&anchor.subject));
            }
        }
        let bytes: usize = hints.iter().map(|hint| hint.as_ref().len()).sum();
        if bytes > HINT_BYTES_MAX {
            hints.clear();
        }
        Arc::new(Asking { hints })
    }

    /// Judges what a client presented. Only the truststore's own intermediates make chains.
    #[must_use]
    pub fn judge(&self, presented: Option<&[CertificateDer<'_>]>) -> ClientProof {
        let Some(leaf) = presented.and_then(<[_]>::first) else {
            return ClientProof::Missing;
        };
        let certificate = ClientCertificate::read(leaf).map(Arc::new);
        let seconds = clock::unix_seconds();
        match (self.verify(leaf, seconds), certificate) {
            (Ok(()), Some(certificate)) => ClientProof::Verified(certificate),
            (Ok(()), None) => ClientProof::Untrusted {
                certificate: None,
                cause: "it cannot be read".into(),
            },
            (Err(error), certificate) => ClientProof::Untrusted {
                certificate,
                cause: error.to_string().into(),
            },
        }
    }

    fn verify(&self, leaf: &CertificateDer<'_>, now: u64) -> Result<(), webpki::Error> {
        let leaf = EndEntityCert::try_from(leaf)?;
        let seconds = i64::try_from(now).unwrap_or(i64::MAX);
        // The library asks roots for nothing but their name and key.
        let valid = |root: &&Anchor| (root.not_before..=root.not_after).contains(&seconds);
        let roots: Vec<TrustAnchor<'_>> = self
            .roots
            .iter()
            .filter(valid)
            .map(|root| root.anchor.clone())
            .collect();
        let is_short = |path: &VerifiedPath<'_>| {
            if path.intermediate_certificates().count() + 2 > CHAIN_MAX {
                return Err(webpki::Error::MaximumPathDepthExceeded);
            }
            Ok(())
        };
        leaf.verify_for_usage(
            ALGORITHMS.all,
            &roots,
            &self.intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(now)),
            KeyUsage::client_auth(),
            None,
            Some(&is_short),
        )?;
        Ok(())
    }
}

/// Asks for a certificate, and that its key is at hand.
#[derive(Debug)]
struct Asking {
    hints: Vec<DistinguishedName>,
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Judged behind the handshake, before any request is answered: see the module.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &ALGORITHMS)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}
