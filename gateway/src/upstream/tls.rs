//! TLS towards others: backends and issuers of keys.
//!
//! Peers are verified against the given roots, by name. Issuers of keys always are; for a backend the
//! configuration may say that any authority will do, and a stage that it is shown a certificate. What
//! differs in either is spoken to by a client of its own, so that no session of the one is ever resumed
//! as one of the other.

use std::sync::Arc;

use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::ClientIdentity;
use super::any_authority::AnyAuthority;
use crate::model::BackendTls;

/// Why the system's roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Nothing could be read, as when `SSL_CERT_FILE` names a file that is not there.
    #[error("no system root certificate could be read")]
    Unreadable(#[source] rustls_native_certs::Error),
}

/// The system's root certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where set.
///
/// A host without any gives an empty store and a warning: a gateway without HTTPS peers needs
/// none, and one with them sees every handshake fail.
///
/// # Errors
/// [`RootsError::Unreadable`] when reading failed and left no certificate at all.
pub fn system_roots() -> Result<RootCertStore, RootsError> {
    let mut found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() && !found.errors.is_empty() {
        return Err(RootsError::Unreadable(found.errors.swap_remove(0)));
    }
    for error in &found.errors {
        tracing::warn!(%error, "a system root certificate could not be read");
    }
    if roots.is_empty() {
        tracing::warn!(
            unusable,
            "this host has no root certificates: no HTTPS peer can be verified (install \
             ca-certificates or set SSL_CERT_FILE)"
        );
    }
    Ok(roots)
}

/// A client that speaks HTTP/1.1 over TLS 1.2 or 1.3 to servers that `roots` vouch for.
///
/// # Panics
/// Never: the provider it names supports both versions.
#[must_use]
pub fn client_config(roots: impl Into<Arc<RootCertStore>>) -> Arc<ClientConfig> {
    finish(builder().with_root_certificates(roots))
}

/// As [`client_config`], but also for servers that nobody known vouches for.
fn client_config_of_any_authority(roots: Arc<RootCertStore>) -> Arc<ClientConfig> {
    let builder = builder();
    let verifier = AnyAuthority::new(roots, Arc::clone(builder.crypto_provider()));
    finish(
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier)),
    )
}

/// What speaks TLS to all peers, with the same roots.
#[derive(Debug)]
pub struct Clients {
    strict: Arc<ClientConfig>,
    /// For backends of which any authority will do.
    lenient: Arc<ClientConfig>,
}

impl Clients {
    /// Clients that know these roots.
    #[must_use]
    pub fn new(roots: RootCertStore) -> Self {
        let roots = Arc::new(roots);
        Self {
            strict: client_config(Arc::clone(&roots)),
            lenient: client_config_of_any_authority(roots),
        }
    }

    /// What speaks to issuers of keys: they are always verified and shown nothing.
    #[must_use]
    pub const fn issuers(&self) -> &Arc<ClientConfig> {
        &self.strict
    }

    /// What speaks to backends of which `asked` is asked and which are shown `identity`.
    #[must_use]
    pub fn backend(&self, asked: &BackendTls, identity: Option<&ClientIdentity>) -> BackendClient {
        let plain = if asked.any_authority {
            &self.lenient
        } else {
            &self.strict
        };
        let config = match identity {
            None => Arc::clone(plain),
            Some(identity) => {
                let mut config = (**plain).clone();
                config.client_auth_cert_resolver = identity.resolver();
                // The copy would share the memory of sessions that began without the certificate.
                config.resumption = Resumption::default();
                Arc::new(config)
            }
        };
        BackendClient {
            config,
            identity: identity.cloned(),
        }
    }
}

/// What speaks TLS to one backend, and shows it one certificate or none.
#[derive(Debug)]
pub struct BackendClient {
    config: Arc<ClientConfig>,
    identity: Option<ClientIdentity>,
}

impl BackendClient {
    /// The library's set-up.
    pub(super) const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// What is shown.
    pub(super) const fn identity(&self) -> Option<&ClientIdentity> {
        self.identity.as_ref()
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the aws-lc-rs provider has suites for TLS 1.2 and 1.3")
}

fn finish(verified: ConfigBuilder<ClientConfig, WantsClientCert>) -> Arc<ClientConfig> {
    let mut config = verified.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Roots come from the environment of a process, so each case runs in one of its own: this
    /// test again, with the expected number of roots, or `error`, in `EXPECTED`.
    const EXPECTED: &str = "GATEWAY_TEST_EXPECTED_ROOTS";

    #[test]
    fn system_roots_are_those_of_ssl_cert_file() {
        if let Ok(expected) = std::env::var(EXPECTED) {
            let found = system_roots();
            let found = found.map_or_else(|_| "error".to_owned(), |roots| roots.len().to_string());
            assert_eq!(found, expected);
            return;
        }
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let file = folder.path().join("roots.pem");
        let root = || {
            let key = rcgen::KeyPair::generate().expect("keys can be made");
            let params = rcgen::CertificateParams::default();
            params.self_signed(&key).expect("a root signs itself").pem()
        };
        check(&file, "error");
        std::fs::write(&file, "").expect("the folder is ours");
        check(&file, "0");
        std::fs::write(&file, root() + &root()).expect("the folder is ours");
        check(&file, "2");
    }

    #[track_caller]
    fn check(file: &Path, expected: &str) {
        let output = Command::new(std::env::current_exe().expect("a test has a program"))
            .args([
                "--exact",
                "upstream::tls::tests::system_roots_are_those_of_ssl_cert_file",
            ])
            .env_remove("SSL_CERT_DIR")
            .env("SSL_CERT_FILE", file)
            .env(EXPECTED, expected)
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{expected}: {text}"
        );
    }

    #[test]
    fn clients_offer_http_1_1_only() {
        let config = client_config(RootCertStore::empty());
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
