//! An issuer's HTTPS server on loopback, which misbehaves on request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::model::{Jwks, JwksSource};
use crate::upstream::tls::client_config;

/// What the server answers.
#[derive(Clone)]
pub(super) enum Answer {
    /// 200 with this document.
    Document(String),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// 200 with a chunked body that never ends.
    Endless,
    /// Nothing at all.
    Silence,
    /// The document, once the semaphore gives a permit.
    Gated(Arc<Semaphore>, String),
}

/// A server with a certificate for `127.0.0.1` of an authority of its own. Dropping it closes it.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    root: rustls_pki_types::CertificateDer<'static>,
    answer: Arc<Mutex<Answer>>,
    /// What is answered for the discovery document.
    discovery: Arc<Mutex<Answer>>,
    requests: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(answer: Answer) -> Self {
        let (root, config) = authority();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a port");
        let address = listener.local_addr().expect("it has an address");
        let answer = Arc::new(Mutex::new(answer));
        let discovery = Arc::new(Mutex::new(Answer::Silence));
        let answers = (Arc::clone(&answer), Arc::clone(&discovery));
        let (count, requests) = watch::channel(0);
        let task = tokio::spawn(serve(listener, config, answers, count));
        Self {
            address,
            root,
            answer,
            discovery,
            requests,
            task,
        }
    }

    /// An issuer whose discovery document is itself and leads to the keys, which are `answer`.
    pub(super) async fn start_issuer(answer: Answer) -> Self {
        let server = Self::start(answer).await;
        server.discover(Answer::Document(server.discovery_document()));
        server
    }

    /// Answers this for the discovery document.
    pub(super) fn discover(&self, answer: Answer) {
        *self
            .discovery
            .lock()
            .expect("no test panics while it holds this") = answer;
    }

    /// The document of an honest issuer.
    pub(super) fn discovery_document(&self) -> String {
        let (issuer, keys) = (self.issuer(), self.url().to_string());
        serde_json::json!({"issuer": issuer, "jwks_uri": keys, "more": [1]}).to_string()
    }

    pub(super) fn issuer(&self) -> String {
        format!("https://{}/tenant/", self.address)
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self
            .answer
            .lock()
            .expect("no test panics while it holds this") = answer;
    }

    /// Requests for keys read so far.
    pub(super) fn requests(&self) -> u64 {
        *self.requests.borrow()
    }

    /// Waits until `count` requests were read.
    pub(super) async fn requested(&self, count: u64) {
        let mut requests = self.requests.clone();
        requests
            .wait_for(|seen| *seen >= count)
            .await
            .expect("the server runs");
    }

    /// A client that trusts this server.
    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.root.clone())
            .expect("the root is a certificate");
        client_config(roots)
    }

    pub(super) fn url(&self) -> http::Uri {
        format!("https://{}/keys?set=1", self.address)
            .parse()
            .expect("a URL")
    }

    /// The key set that the issuer says itself.
    pub(super) fn discovered(&self) -> Jwks {
        let issuer = self.issuer();
        let document = format!("{issuer}.well-known/openid-configuration");
        Jwks {
            source: JwksSource::Discovery {
                document: document.parse().expect("a URL"),
                issuer,
            },
            ..self.jwks()
        }
    }

    pub(super) fn jwks(&self) -> Jwks {
        Jwks {
            source: JwksSource::Url(self.url()),
            timeout: Duration::from_secs(10),
            bytes_max: 20_000,
            refresh: Duration::from_secs(600),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn authority() -> (rustls_pki_types::CertificateDer<'static>, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("keys can be made");
    let root = params.self_signed(&key).expect("a root signs itself");
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().expect("keys can be made");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .and_then(|params| params.signed_by(&leaf_key, &issuer))
        .expect("a root signs a leaf");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = rustls_pki_types::PrivatePkcs8KeyDer::from(leaf_key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private.into())
        .expect("key and certificate belong together");
    (root.der().clone(), Arc::new(config))
}

async fn serve(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    answers: (Arc<Mutex<Answer>>, Arc<Mutex<Answer>>),
    count: watch::Sender<u64>,
) {
    // Dropped with this task, and with it every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        let (answers, count) = (answers.clone(), count.clone());
        connections.spawn(async move {
            // A client that does not trust us, or leaves, is what some tests are about.
            if let Err(error) = converse(acceptor, stream, &answers, &count).await {
                println!("issuer: {error}");
            }
        });
    }
}

async fn converse(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    (answer, discovery): &(Arc<Mutex<Answer>>, Arc<Mutex<Answer>>),
    count: &watch::Sender<u64>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    let is_discovery =
        head.starts_with("get /tenant/.well-known/openid-configuration http/1.1\r\n");
    let answer = if is_discovery {
        discovery
    } else {
        assert!(head.starts_with("get /keys?set=1 http/1.1\r\n"), "{head}");
        count.send_modify(|count| *count += 1);
        answer
    };
    let answer = answer
        .lock()
        .expect("no test panics while it holds this")
        .clone();
    match answer {
        Answer::Document(text) => stream.write_all(&ok(&text)).await?,
        Answer::Bytes(bytes) => stream.write_all(&bytes).await?,
        Answer::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await?;
            loop {
                stream.write_all(b"400\r\n").await?;
                stream.write_all(&[b' '; 0x400]).await?;
                stream.write_all(b"\r\n").await?;
            }
        }
        Answer::Silence => std::future::pending().await,
        Answer::Gated(gate, text) => {
            gate.acquire().await.expect("the gate stays").forget();
            stream.write_all(&ok(&text)).await?;
        }
    }
    stream.shutdown().await
}

fn ok(document: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    )
    .into_bytes()
}
