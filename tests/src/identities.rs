//! Certificates of clients, and the authorities that issue them.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SignatureAlgorithm, date_time_ymd,
};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority that issues certificates to clients.
pub struct Issuing {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

impl std::fmt::Debug for Issuing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuing").finish_non_exhaustive()
    }
}

/// A client's certificate with its key.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The certificate, and whatever the client sends along.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// Its certificate.
    pub pem: String,
}

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            pem: self.pem.clone(),
        }
    }
}

impl Issuing {
    /// An authority that vouches for itself.
    #[must_use]
    pub fn root(name: &str) -> Self {
        Self::made(authority(name), None)
    }

    /// As [`Issuing::root`], valid in 2019 only.
    #[must_use]
    pub fn expired_root(name: &str) -> Self {
        Self::made(expired(authority(name)), None)
    }

    /// An authority that this one vouches for.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self::made(authority(name), Some(self))
    }

    fn made(params: CertificateParams, above: Option<&Self>) -> Self {
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = match above {
            None => params.self_signed(&key),
            Some(above) => params.signed_by(&key, &above.issuer),
        };
        let pem = certificate.expect("authorities sign").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A client's certificate.
    #[must_use]
    pub fn client(&self, name: &str) -> ClientIdentity {
        self.issue(client(name), &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// As [`Issuing::client`], valid in 2019 only.
    #[must_use]
    pub fn expired_client(&self, name: &str) -> ClientIdentity {
        self.issue(expired(client(name)), &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// As [`Issuing::client`], with a key of this kind.
    #[must_use]
    pub fn client_with_key(&self, name: &str, kind: &'static SignatureAlgorithm) -> ClientIdentity {
        self.issue(client(name), kind)
    }

    /// As [`Issuing::client`], with a critical extension that nobody knows.
    #[must_use]
    pub fn client_with_unknown_extension(&self, name: &str) -> ClientIdentity {
        let mut params = client(name);
        let mut unknown =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions = vec![unknown];
        self.issue(params, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// A certificate that is a server's, and not a client's.
    #[must_use]
    pub fn server(&self, name: &str) -> ClientIdentity {
        let mut params = client(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    fn issue(
        &self,
        params: CertificateParams,
        kind: &'static SignatureAlgorithm,
    ) -> ClientIdentity {
        let key = KeyPair::generate_for(kind).expect("keys can be made");
        let made = params.signed_by(&key, &self.issuer).expect("it signs");
        ClientIdentity {
            chain: vec![made.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            pem: made.pem(),
        }
    }
}

impl ClientIdentity {
    /// `config` with this identity, and without memory of sessions of others.
    #[must_use]
    pub fn presented_by(self, config: &ClientConfig) -> Arc<ClientConfig> {
        // The library looks into no certificate here: some are made to be refused.
        let keys = config.crypto_provider().key_provider;
        let key = keys.load_private_key(self.key).expect("the key is one");
        let resolver = rustls::sign::CertifiedKey::new(self.chain, key);
        let resolver = rustls::sign::SingleCertAndKey::from(resolver);
        let mut config = config.clone();
        config.client_auth_cert_resolver = Arc::new(resolver);
        config.resumption = rustls::client::Resumption::default();
        Arc::new(config)
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn client(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2019, 12, 31);
    params
}
