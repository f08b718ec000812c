//! TLS termination: certificates and terms by server name, versions, ALPN, resumption.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert,
    ServerSessionMemoryCache, StoresServerSessions,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::cipher_policy::provider;
use super::client_auth::Authorities;
use crate::model::{
    Certificate, DomainName, EndpointTls, SecurityPolicy, Tls, TlsTerms, TlsVersion, Unopened,
};

/// TLS sessions that a listener remembers of each security policy.
const SESSIONS_MAX: usize = 16_384;

/// Why a listener's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The configuration was read without its files.
    #[error(transparent)]
    Unopened(#[from] Unopened),
    /// The leaf is no certificate.
    #[error("`{path}` does not start with a certificate: {cause}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        cause: webpki::Error,
    },
    /// A root of a truststore.
    #[error("truststore: {0}")]
    Truststore(webpki::Error),
    /// The library refuses the combination.
    #[error("TLS set-up")]
    Setup(#[from] rustls::Error),
}

/// What lets returning clients resume, on one listener; it survives reloads. A session goes on under
/// the terms it began with alone, so that no change of them is gone around. Terms that no plan has any
/// more take their sessions with them.
#[derive(Debug, Clone, Default)]
pub struct Resumption {
    /// By policy and lowest version; plans own them.
    memories: Arc<Mutex<HashMap<Began, Remembered>>>,
}

/// What the terms of a session that may go on differ in; those with a truststore remember none.
type Began = (Option<SecurityPolicy>, TlsVersion);

/// What was begun under the same terms.
#[derive(Debug, Clone)]
struct Memory {
    sessions: Arc<dyn StoresServerSessions>,
    tickets: Arc<dyn ProducesTickets>,
}

/// The same, as long as a plan has it.
#[derive(Debug)]
struct Remembered {
    sessions: Weak<dyn StoresServerSessions>,
    tickets: Weak<dyn ProducesTickets>,
}

impl Remembered {
    fn memory(&self) -> Option<Memory> {
        Some(Memory {
            sessions: self.sessions.upgrade()?,
            tickets: self.tickets.upgrade()?,
        })
    }
}

impl Resumption {
    /// What was begun under `terms`: at first a fresh session store and ticket key.
    ///
    /// # Errors
    /// No randomness for the ticket key.
    fn of(&self, terms: TlsTerms) -> Result<Memory, rustls::Error> {
        let began = (terms.policy, terms.version_min);
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.retain(|_, remembered| remembered.memory().is_some());
        if let Some(memory) = memories.get(&began).and_then(Remembered::memory) {
            return Ok(memory);
        }
        let memory = Memory {
            sessions: ServerSessionMemoryCache::new(SESSIONS_MAX),
            tickets: aws_lc_rs::Ticketer::new()?,
        };
        let remembered = Remembered {
            sessions: Arc::downgrade(&memory.sessions),
            tickets: Arc::downgrade(&memory.tickets),
        };
        memories.insert(began, remembered);
        Ok(memory)
    }
}

/// TLS of one listener: what a handshake is held under, by the name that the client asks for.
#[derive(Debug)]
pub struct TlsPlan {
    /// Every other name, and none at all.
    default: Arc<Served>,
    exact: HashMap<String, Arc<Served>>,
    /// By the part behind `*.`.
    wildcard: HashMap<String, Arc<Served>>,
}

/// What clients that ask for one name are served with.
#[derive(Debug)]
pub struct Served {
    /// The library's set-up.
    pub config: Arc<rustls::ServerConfig>,
    /// What the handshake is held under.
    pub terms: TlsTerms,
    /// Who vouches for clients; `None` asks them for nothing.
    pub authorities: Option<Authorities>,
}

impl TlsPlan {
    /// Compiles a listener's TLS, with what its `hosts` have of their own; those that have nothing of
    /// their own are served like every other name.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn compile(
        tls: &Tls,
        hosts: &[(DomainName, &EndpointTls)],
        http2: bool,
        resumption: &Resumption,
    ) -> Result<Self, TlsError> {
        let certificates: Arc<dyn ResolvesServerCert> =
            Arc::new(Certificates::new(&tls.certificates)?);
        let served = |host: &EndpointTls| {
            let certificates = match &host.certificate {
                None => Arc::clone(&certificates),
                Some(certificate) => {
                    let (key, _names) = certified(certificate)?;
                    Arc::new(SingleCertAndKey::from(key)) as Arc<dyn ResolvesServerCert>
                }
            };
            let terms = host.terms(tls);
            let authorities = host.truststore.as_deref().map(Authorities::compile);
            let authorities = authorities.transpose().map_err(TlsError::Truststore)?;
            let asking = authorities.as_ref().map(Authorities::asking);
            let memory = match asking {
                None => Some(resumption.of(terms)?),
                Some(_) => None,
            };
            let mut config = server_config(terms, certificates, asking)?;
            config.alpn_protocols = protocols(http2);
            resume(&mut config, memory);
            let config = Arc::new(config);
            Ok::<_, TlsError>(Arc::new(Served {
                config,
                terms,
                authorities,
            }))
        };
        let mut plan = Self {
            default: served(&EndpointTls::default())?,
            exact: HashMap::new(),
            wildcard: HashMap::new(),
        };
        let none = EndpointTls::default();
        for (name, host) in hosts {
            let served = if **host == none {
                Arc::clone(&plan.default)
            } else {
                served(host)?
            };
            match name {
                DomainName::Host(host) => plan.exact.insert(host.clone(), served),
                DomainName::Wildcard(parent) => plan.wildcard.insert(parent.clone(), served),
            };
        }
        Ok(plan)
    }

    /// What a client that asks for `name` is served with.
    #[must_use]
    pub fn serving(&self, name: Option<&str>) -> &Arc<Served> {
        let own = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let above = name.split_once('.').map(|(_, above)| above);
            let wildcard = || self.wildcard.get(above?);
            self.exact.get(&name).or_else(wildcard)
        });
        own.unwrap_or(&self.default)
    }
}

fn server_config(
    terms: TlsTerms,
    certificates: Arc<dyn ResolvesServerCert>,
    asking: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<rustls::ServerConfig, TlsError> {
    let versions: &[&rustls::SupportedProtocolVersion] = match terms.version_min {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let provider = terms
        .policy
        .map_or_else(aws_lc_rs::default_provider, provider);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)?;
    let config = match asking {
        None => config.with_no_client_auth(),
        Some(asking) => config.with_client_cert_verifier(asking),
    };
    Ok(config.with_cert_resolver(certificates))
}

fn protocols(http2: bool) -> Vec<Vec<u8>> {
    if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    }
}

/// Lets clients resume what `memory` holds, and without it nothing.
fn resume(config: &mut rustls::ServerConfig, memory: Option<Memory>) {
    match memory {
        Some(memory) => {
            config.session_storage = memory.sessions;
            config.ticketer = memory.tickets;
        }
        None => {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
    }
}

/// Certificates by the names they carry.
#[derive(Debug)]
struct Certificates {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By the part behind `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    fn new(certificates: &[Certificate]) -> Result<Self, TlsError> {
        let mut all = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            first: None,
        };
        for certificate in certificates {
            let (key, names) = certified(certificate)?;
            for name in names {
                // Of two certificates for one name the first in the file is served.
                let (table, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut all.wildcard, parent.to_owned()),
                    None => (&mut all.exact, name),
                };
                table.entry(name).or_insert_with(|| Arc::clone(&key));
            }
            all.first.get_or_insert(key);
        }
        Ok(all)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| {
            let name = name.to_ascii_lowercase();
            let parent = name
                .split_once('.')
                .and_then(|(_, parent)| self.wildcard.get(parent));
            self.exact.get(&name).or(parent).cloned()
        });
        named.or_else(|| self.first.clone())
    }
}

/// A certificate with its key, and the names that it is for, in lower case.
fn certified(certificate: &Certificate) -> Result<(Arc<CertifiedKey>, Vec<String>), TlsError> {
    let pair = certificate.opened()?;
    let leaf = pair.end_entity_cert()?;
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|cause| TlsError::Certificate {
        path: certificate.chain.clone(),
        cause,
    })?;
    let names = leaf.valid_dns_names().map(str::to_ascii_lowercase);
    Ok((Arc::clone(pair), names.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(version_min: TlsVersion) -> TlsTerms {
        TlsTerms {
            policy: None,
            version_min,
            truststore: None,
        }
    }

    #[test]
    fn sessions_go_with_the_last_plan_that_has_their_terms() {
        let resumption = Resumption::default();
        let old = resumption.of(terms(TlsVersion::V1_2)).unwrap();
        let other = resumption.of(terms(TlsVersion::V1_3)).unwrap();
        assert!(!Arc::ptr_eq(&old.sessions, &other.sessions));
        assert!(!Arc::ptr_eq(&old.tickets, &other.tickets));
        // A plan that follows another with the same terms goes on with its sessions.
        let new = resumption.of(terms(TlsVersion::V1_2)).unwrap();
        assert!(Arc::ptr_eq(&old.sessions, &new.sessions));
        assert!(Arc::ptr_eq(&old.tickets, &new.tickets));
        let (sessions, tickets) = (Arc::downgrade(&old.sessions), Arc::downgrade(&old.tickets));
        drop((old, new));
        assert!(sessions.upgrade().is_none() && tickets.upgrade().is_none());
        let again = resumption.of(terms(TlsVersion::V1_3)).unwrap();
        assert!(Arc::ptr_eq(&again.sessions, &other.sessions));
        assert_eq!(resumption.memories.lock().unwrap().len(), 1);
    }
}
