//! A private certificate authority.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

/// An authority and what it vouches for.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A fresh authority.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be made");
        let root = params.self_signed(&key).expect("a root signs itself");
        let (der, pem) = (root.der().clone(), root.pem());
        Self {
            issuer: Issuer::new(params, key),
            root: der,
            root_pem: pem,
        }
    }

    /// Writes its root certificate to `root.pem` in `directory`.
    #[must_use]
    pub fn write_root(&self, directory: &Path) -> PathBuf {
        let path = directory.join("root.pem");
        std::fs::write(&path, &self.root_pem).expect("temporary files can be written");
        path
    }

    /// Writes a certificate for `names` with its key; the entry for `certificates`.
    ///
    /// The certificate's common name is `file`, so that tests can tell certificates apart.
    #[must_use]
    pub fn write_certificate(&self, directory: &Path, file: &str, names: &[&str]) -> Value {
        use std::os::unix::fs::PermissionsExt as _;

        let (certificate, key) = self.certificate(file, names);
        let at = |extension: &str| directory.join(format!("{file}.{extension}"));
        std::fs::write(at("pem"), certificate.pem()).expect("temporary files can be written");
        std::fs::write(at("key"), key.serialize_pem()).expect("temporary files can be written");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(at("key"), private).expect("and closed to others");
        json!({"chain": at("pem"), "key": at("key")})
    }

    fn certificate(&self, common_name: &str, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("keys can be made");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("tests write valid names");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        (
            params
                .signed_by(&key, &self.issuer)
                .expect("a root signs a leaf"),
            key,
        )
    }

    /// A server's set-up, for backends and issuers.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        let (certificate, key) = self.certificate("server", names);
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has both versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into())
            .expect("key and certificate belong together");
        Arc::new(config)
    }

    /// As [`Authority::server`], with these versions, to those alone who show a certificate of
    /// `clients`. It sends its root along.
    #[must_use]
    pub fn server_asking(
        &self,
        names: &[&str],
        clients: &Self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let (certificate, key) = self.certificate("server", names);
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(default_provider());
        let roots = Arc::new(clients.roots());
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .expect("there is a root");
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider has these versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![certificate.der().clone(), self.root.clone()],
                private.into(),
            )
            .expect("key and certificate belong together");
        Arc::new(config)
    }

    /// A client that trusts this authority and offers these protocols.
    #[must_use]
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        self.client_of(protocols, rustls::DEFAULT_VERSIONS)
    }

    /// As [`Authority::client`], with these TLS versions only.
    #[must_use]
    pub fn client_of(
        &self,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("the provider has these versions")
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        offering(config, protocols)
    }

    /// As [`Authority::client`], with the algorithms of this provider only.
    #[must_use]
    pub fn client_by(&self, provider: CryptoProvider, protocols: &[&str]) -> Arc<ClientConfig> {
        let has = |version: &&'static SupportedProtocolVersion| {
            let mut suites = provider.cipher_suites.iter();
            suites.any(|suite| suite.version().version == version.version)
        };
        let versions: Vec<_> = rustls::ALL_VERSIONS.iter().copied().filter(has).collect();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)
            .expect("the provider has suites for these versions")
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        offering(config, protocols)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.root.clone())
            .expect("the root is a certificate");
        roots
    }
}

fn offering(mut config: ClientConfig, protocols: &[&str]) -> Arc<ClientConfig> {
    let protocols = protocols.iter();
    config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}
