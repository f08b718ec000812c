//! An issuer of tokens, with its key set on an HTTPS server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, ParsedPublicKey, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::setup::Setup;
use crate::wait::{DEADLINE, within};

/// What tokens say in `iss`.
pub const ISSUER: &str = "https://issuer.test/";
/// What tokens say in `aud`.
pub const AUDIENCE: &str = "pets";

/// A private key and its name.
#[derive(Debug)]
pub struct Key {
    /// The name it is published under.
    pub id: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    /// A key for ES256.
    #[must_use]
    pub fn ec(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING);
        Self {
            id: id.to_owned(),
            pair: Pair::Ec(pair.expect("EC keys can be made")),
        }
    }

    /// A key for RS256.
    #[must_use]
    pub fn rsa(id: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048);
        Self {
            id: id.to_owned(),
            pair: Pair::Rsa(pair.expect("RSA keys can be made")),
        }
    }

    const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Ec(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Ec(pair) => {
                let point = pair
                    .public_key()
                    .as_ref()
                    .get(1..)
                    .expect("an uncompressed point");
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": encode(x), "y": encode(y)})
            }
            Pair::Rsa(pair) => {
                let der = pair
                    .public_key()
                    .as_der()
                    .expect("public keys can be written");
                // The modulus of 256 bytes, then the exponent 65537 as an integer of 3 (X.690).
                let (_, end) = der.as_ref().split_at(der.as_ref().len() - 256 - 5);
                let (modulus, exponent) = end.split_at(256);
                let exponent = exponent.get(2..).expect("five bytes");
                json!({"kty": "RSA", "kid": self.id, "n": encode(modulus), "e": encode(exponent)})
            }
        }
    }

    /// The public key in PEM, as an attacker finds it.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let der = match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair) => pair.public_key().as_der(),
        };
        let body = STANDARD.encode(der.expect("public keys can be written").as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    /// What verifies its signatures.
    ///
    /// # Panics
    /// If the library does not take its own public key.
    #[must_use]
    pub fn verifier(&self) -> ParsedPublicKey {
        let parsed = match &self.pair {
            Pair::Ec(pair) => ParsedPublicKey::new(
                &signature::ECDSA_P256_SHA256_FIXED,
                pair.public_key().as_ref(),
            ),
            Pair::Rsa(pair) => ParsedPublicKey::new(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                pair.public_key().as_ref(),
            ),
        };
        parsed.expect("public keys can be read")
    }

    /// A token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_headed(&json!({"alg": self.algorithm(), "kid": self.id}), claims)
    }

    /// What the caller with these claims, beside the usual ones, shows in `Authorization`.
    #[must_use]
    pub fn bearer(&self, caller: Value) -> String {
        format!("Bearer {}", self.token(&claims(caller)))
    }

    /// A token with exactly this header, signed with this key as the key can.
    #[must_use]
    pub fn token_headed(&self, header: &Value, claims: &Value) -> String {
        self.token_of(header.to_string(), claims.to_string())
    }

    /// A token of exactly these bytes, which need not be JSON, signed with this key as the key can.
    #[must_use]
    pub fn token_of(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair) => pair
                .sign(&random, message.as_bytes())
                .expect("EC signs")
                .as_ref()
                .to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &signature::RSA_PKCS1_SHA256,
                    &random,
                    message.as_bytes(),
                    &mut signature,
                )
                .expect("RSA signs");
                signature
            }
        };
        format!("{message}.{}", encode(&signature))
    }
}

/// What is signed of a token, and its signature.
///
/// # Panics
/// If it is no token.
#[must_use]
pub fn signed_parts(token: &str) -> (&str, Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').expect("a token has parts");
    let signature = URL_SAFE_NO_PAD.decode(signature);
    (message, signature.expect("they are encoded"))
}

/// A token of `header` and `claims`, with this signature.
#[must_use]
pub fn forged(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = message(header.to_string(), claims.to_string());
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encode(&signature))
}

fn message(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    format!("{}.{}", encode(header.as_ref()), encode(claims.as_ref()))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    UNIX_EPOCH
        .elapsed()
        .expect("it is later than 1970")
        .as_secs()
}

/// Claims that are accepted, with these instead of or beside the usual ones; `null` takes one away.
#[must_use]
pub fn claims(changes: Value) -> Value {
    let usual = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "iat": now() - 10, "exp": now() + 600,
        "scope": "read",
    });
    let mut claims = serde_json::Map::new();
    for part in [usual, changes] {
        if let Value::Object(members) = part {
            claims.extend(members);
        }
    }
    claims.retain(|_, value| !value.is_null());
    Value::Object(claims)
}

/// A key set document of these keys.
#[must_use]
pub fn key_set(keys: &[&Key]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

/// The HTTPS server of a key set. Dropping it closes it.
#[derive(Debug)]
pub struct KeyServer {
    address: SocketAddr,
    root: PathBuf,
    document: Arc<Mutex<Option<String>>>,
    fetches: watch::Receiver<u64>,
    serving: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl KeyServer {
    /// A server that gives out these keys.
    pub async fn start(keys: &[&Key]) -> Self {
        Self::start_at("127.0.0.1", keys).await
    }

    /// As [`Self::start`], on another address of this thread's network namespace.
    pub async fn start_at(address: &str, keys: &[&Key]) -> Self {
        let directory = tempfile::tempdir().expect("temporary directories can be made");
        let authority = Authority::new();
        let acceptor = TlsAcceptor::from(authority.server(&[address]));
        let listener = TcpListener::bind((address, 0))
            .await
            .expect("the address is local and has ports");
        let address = listener.local_addr().expect("it has an address");
        let document = Arc::new(Mutex::new(Some(key_set(keys))));
        let issuer = format!("https://{address}");
        let discovery = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string();
        let (count, fetches) = watch::channel(0);
        let answer = Arc::clone(&document);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer
                    .lock()
                    .expect("nobody panics while holding it")
                    .clone();
                // A client that leaves sees to itself, and one that says nothing keeps nobody out.
                let served = serve(&acceptor, stream, &count, &discovery, answer);
                drop(tokio::time::timeout(DEADLINE, served).await);
            }
        });
        let root = authority.write_root(directory.path());
        Self {
            address,
            root,
            document,
            fetches,
            serving,
            _directory: directory,
        }
    }

    /// Gives out these keys from now on; `None` breaks every fetch.
    pub fn publish(&self, keys: Option<&[&Key]>) {
        *self
            .document
            .lock()
            .expect("nobody panics while holding it") = keys.map(key_set);
    }

    /// What an issuer that is found by discovery says in `iss`.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A setup whose authorizer `main` finds the keys by asking this issuer where they are.
    #[must_use]
    pub fn authorize_by_discovery(&self, setup: Setup) -> Setup {
        let root = self.root.display().to_string();
        let authorizer = json!({"type": "jwt", "issuer": self.issuer(), "audiences": [AUDIENCE]});
        setup
            .set(&["authorizers", "main"], authorizer)
            .environment("SSL_CERT_FILE", &root)
    }

    /// Fetches of the keys so far.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        *self.fetches.borrow()
    }

    /// Waits until there were so many fetches.
    pub async fn fetched(&self, count: u64) {
        let mut fetches = self.fetches.clone();
        drop(
            within("a fetch", fetches.wait_for(|seen| *seen >= count))
                .await
                .expect("it serves"),
        );
    }

    /// Where the keys are.
    #[must_use]
    pub fn keys_url(&self) -> String {
        format!("https://{}/keys", self.address)
    }

    /// A setup that takes this server for what it says that it is.
    #[must_use]
    pub fn trusted(&self, setup: Setup) -> Setup {
        setup.environment("SSL_CERT_FILE", &self.root.display().to_string())
    }

    /// A setup whose authorizer `main` fetches its keys here.
    #[must_use]
    pub fn authorize(&self, setup: Setup) -> Setup {
        let authorizer = authorizer(json!({"url": self.keys_url()}));
        self.trusted(setup.set(&["authorizers", "main"], authorizer))
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An authorizer with this key set.
#[must_use]
pub fn authorizer(jwks: Value) -> Value {
    json!({
        "type": "jwt", "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["ES256", "RS256"],
        "jwks": jwks,
    })
}

/// A setup whose authorizer `main` reads these keys from a file.
#[must_use]
pub fn authorize(setup: Setup, keys: &[&Key]) -> Setup {
    let file = setup.file("keys.json", &key_set(keys));
    setup.set(&["authorizers", "main"], authorizer(json!({"file": file})))
}

async fn serve(
    acceptor: &TlsAcceptor,
    stream: tokio::net::TcpStream,
    count: &watch::Sender<u64>,
    discovery: &str,
    document: Option<String>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let is_discovery = head.starts_with(b"GET /.well-known/openid-configuration ");
    if !is_discovery {
        count.send_modify(|count| *count += 1);
    }
    let document = document.map(|keys| {
        if is_discovery {
            discovery.to_owned()
        } else {
            keys
        }
    });
    let answer = match document {
        Some(text) => format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        ),
        None => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
