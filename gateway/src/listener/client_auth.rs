//! Certificates of clients.
//!
//! The handshake asks for a certificate and checks that the client has its key; it is refused only
//! if that fails. Whether the certificate is trusted is judged behind it, so that a client that has
//! none, or one of somebody else, reads 403 and the log says why (14.6 of docs/semantics.md). Nothing
//! is resumed on such connections: a session that goes on would go around the truststore and the end
//! of the certificate's validity.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock;
use crate::exchange::ClientProof;
use crate::model::{CertificateNames, ClientCertificate, Truststore};

/// Longest chain, the client's certificate and the root included (14.6 of docs/semantics.md).
const CHAIN_MAX: usize = 4;
/// Largest certificate of a client; a larger one is not looked into.
const LEAF_BYTES_MAX: usize = 16 << 10;
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
    roots: Vec<TrustAnchor<'static>>,
    /// From when until when each root is valid, in seconds since 1970.
    validities: Vec<RangeInclusive<i64>>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Compiles a truststore.
    ///
    /// # Errors
    /// A root that the library cannot use.
    pub fn compile(truststore: &Truststore) -> Result<Self, webpki::Error> {
        let roots = truststore.roots.iter().map(|root| {
            let der = CertificateDer::from(root.der.as_slice());
            Ok(anchor_from_trusted_cert(&der)?.to_owned())
        });
        let validities = truststore.roots.iter();
        let intermediates = truststore.intermediates.iter().cloned();
        Ok(Self {
            roots: roots.collect::<Result<_, webpki::Error>>()?,
            validities: validities
                .map(|root| root.not_before..=root.not_after)
                .collect(),
            intermediates: intermediates.map(CertificateDer::from).collect(),
        })
    }

    /// What asks for certificates in the handshake.
    #[must_use]
    pub fn asking(&self) -> Arc<dyn ClientCertVerifier> {
        let mut hints = Vec::new();
        let roots = self.roots.iter();
        hints.extend(roots.map(|root| DistinguishedName::in_sequence(&root.subject)));
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
        if leaf.len() > LEAF_BYTES_MAX {
            return ClientProof::Untrusted {
                names: None,
                cause: format!("it has more than {LEAF_BYTES_MAX} bytes").into(),
            };
        }
        let untrusted = |cause: String| ClientProof::Untrusted {
            names: CertificateNames::of_untrusted(leaf).map(Box::new),
            cause: cause.into(),
        };
        let until = match self.verify(leaf, clock::unix_seconds()) {
            Ok(until) => until,
            Err(error) => return untrusted(error.to_string()),
        };
        match (until, ClientCertificate::read(leaf)) {
            (Some(until), Some(certificate)) => ClientProof::Verified {
                certificate: Arc::new(certificate),
                until,
            },
            _ => untrusted("it cannot be read".to_owned()),
        }
    }

    /// Until when a certificate is vouched for, in seconds since 1970; `None` where a date of its
    /// chain cannot be read.
    fn verify(&self, der: &CertificateDer<'_>, now: u64) -> Result<Option<i64>, webpki::Error> {
        let leaf = EndEntityCert::try_from(der)?;
        let seconds = i64::try_from(now).unwrap_or(i64::MAX);
        let accept = |path: &VerifiedPath<'_>| {
            if path.intermediate_certificates().count() + 2 > CHAIN_MAX {
                return Err(webpki::Error::MaximumPathDepthExceeded);
            }
            // The library asks roots for nothing but their name and key.
            match self.root_end(path.anchor(), seconds) {
                Some(_) => Ok(()),
                None => Err(webpki::Error::UnknownIssuer),
            }
        };
        let path = leaf.verify_for_usage(
            ALGORITHMS.all,
            &self.roots,
            &self.intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(now)),
            KeyUsage::client_auth(),
            None,
            Some(&accept),
        )?;
        let issuers = path.intermediate_certificates();
        let mut ends = vec![end(der)];
        ends.extend(issuers.map(|issuer| end(&issuer.der())));
        ends.push(self.root_end(path.anchor(), seconds));
        // An end that is not known comes before all others.
        Ok(ends.into_iter().min().flatten())
    }

    /// Until when a root vouches that is valid at `seconds` since 1970; `None` of one that is not. One
    /// that was renewed with its key stands among the roots more than once, and the last to end counts.
    fn root_end(&self, anchor: &TrustAnchor<'_>, seconds: i64) -> Option<i64> {
        let same = self.roots.iter().zip(&self.validities);
        let same = same.filter(|(root, validity)| *root == anchor && validity.contains(&seconds));
        same.map(|(_, validity)| *validity.end()).max()
    }
}

/// The last second at which a certificate is valid, since 1970.
fn end(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
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

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
        KeyPair, date_time_ymd,
    };

    use super::*;
    use crate::model::{Root, TruststoreId};

    fn params(name: &str, year: i32) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = date_time_ymd(year, 1, 1);
        params
    }

    fn authority(name: &str, year: i32) -> CertificateParams {
        let mut params = params(name, year);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn leaf(year: i32, issuer: &Issuer<'_, KeyPair>) -> CertificateDer<'static> {
        let mut params = params("leaf", year);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, issuer).unwrap().der().clone()
    }

    fn root(params: &CertificateParams, key: &KeyPair) -> Root {
        Root {
            der: params.self_signed(key).unwrap().der().to_vec(),
            not_before: 0,
            not_after: params.not_after.unix_timestamp(),
        }
    }

    /// Until when a certificate is vouched for in 2026.
    fn until(
        roots: Vec<Root>,
        intermediates: Vec<Vec<u8>>,
        leaf: &CertificateDer<'_>,
    ) -> Result<Option<i64>, webpki::Error> {
        let truststore = Truststore {
            id: TruststoreId([0; 32]),
            roots,
            intermediates,
        };
        let authorities = Authorities::compile(&truststore)?;
        let now = date_time_ymd(2026, 1, 1).unix_timestamp();
        authorities.verify(leaf, u64::try_from(now).unwrap())
    }

    /// As [`until`], for a chain of three whose certificates are valid until these years.
    fn of_chain(first: i32, between: i32, last: i32) -> Option<i64> {
        let (params, key) = (authority("root", first), KeyPair::generate().unwrap());
        let above = root(&params, &key);
        let issuer = Issuer::new(params, key);
        let (params, key) = (authority("between", between), KeyPair::generate().unwrap());
        let made = params.signed_by(&key, &issuer).unwrap();
        let leaf = leaf(last, &Issuer::new(params, key));
        until(vec![above], vec![made.der().to_vec()], &leaf).unwrap()
    }

    #[test]
    fn a_root_that_was_renewed_with_its_key_vouches_on() {
        let key = KeyPair::generate().unwrap();
        let of_year = |year| root(&authority("root", year), &key);
        let renewed = [2020, 2027, 2030].map(of_year);
        let [expired, ending, lasting] = renewed;
        let copy = KeyPair::from_pem(&key.serialize_pem()).unwrap();
        let leaf = leaf(2040, &Issuer::new(authority("root", 2030), copy));
        let end = |year| Ok(Some(date_time_ymd(year, 1, 1).unix_timestamp()));
        let all = [&expired, &ending, &lasting];
        for (roots, expected) in [
            (vec![expired.clone(), lasting.clone()], end(2030)),
            (vec![lasting.clone(), expired.clone()], end(2030)),
            (vec![expired.clone(), ending.clone()], end(2027)),
            (all.map(Root::clone).to_vec(), end(2030)),
            (vec![expired.clone()], Err(webpki::Error::UnknownIssuer)),
        ] {
            assert_eq!(until(roots, Vec::new(), &leaf), expected);
        }
    }

    #[test]
    fn a_chain_holds_as_long_as_all_of_it() {
        let expected = Some(date_time_ymd(2030, 1, 1).unix_timestamp());
        for (root, between, leaf) in [(2030, 2031, 2032), (2031, 2030, 2032), (2032, 2031, 2030)] {
            assert_eq!(
                of_chain(root, between, leaf),
                expected,
                "{root} {between} {leaf}"
            );
        }
    }
}
