//! An issuer of tokens.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::{JwtAuthorizer, KeySet, KeySetError, Recalled, Refusal};
use crate::exchange::Identity;
use crate::model::{
    Algorithm, AuthorizerName, IdentitySource, Issuer, Jwks, JwksFile, JwksSource, JwtSettings,
    TokenRules,
};
use crate::store::decision::Decisions;
use crate::upstream::tls::client_config;

/// The second at which tests happen.
pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://issuer.example/";
pub(super) const AUDIENCE: &str = "pets";

/// A private key and the name it is published under.
pub(super) struct Signer {
    pub(super) id: &'static str,
    pub(super) pair: Pair,
}

pub(super) enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

/// Making RSA keys is slow, so the tests of one process share two.
pub(super) static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-1", KeySize::Rsa2048));
pub(super) static OTHER_RSA: LazyLock<Signer> =
    LazyLock::new(|| Signer::rsa("rsa-2", KeySize::Rsa2048));

impl Signer {
    pub(super) fn rsa(id: &'static str, size: KeySize) -> Self {
        Self {
            id,
            pair: Pair::Rsa(RsaKeyPair::generate(size).expect("RSA keys can be made")),
        }
    }

    pub(super) fn p256(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING);
        Self {
            id,
            pair: Pair::Ec(pair.expect("EC keys can be made"), "P-256"),
        }
    }

    pub(super) fn p384(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING);
        Self {
            id,
            pair: Pair::Ec(pair.expect("EC keys can be made"), "P-384"),
        }
    }

    pub(super) fn p521(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING);
        Self {
            id,
            pair: Pair::Ec(pair.expect("EC keys can be made"), "P-521"),
        }
    }

    pub(super) fn ed25519(id: &'static str) -> Self {
        Self {
            id,
            pair: Pair::Ed(Ed25519KeyPair::generate().expect("keys can be made")),
        }
    }

    /// The public key as a JWK without `alg` and `use`.
    pub(super) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "kid": self.id, "n": encode(&parts.n), "e": encode(&parts.e)})
            }
            Pair::Ec(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "kid": self.id, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => json!({
                "kty": "OKP", "crv": "Ed25519", "kid": self.id,
                "x": encode(pair.public_key().as_ref()),
            }),
        }
    }

    /// The public key in PEM, as an attacker finds it.
    pub(super) fn public_pem(&self) -> String {
        let Pair::Rsa(pair) = &self.pair else {
            panic!("only asked of RSA keys")
        };
        let der = pair
            .public_key()
            .as_der()
            .expect("public keys can be written");
        let body = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    /// A token with this signer's `kid` and `algorithm`.
    pub(super) fn token(&self, algorithm: &str, claims: &Value) -> String {
        self.signed(&json!({"alg": algorithm, "kid": self.id}), claims)
    }

    /// A token with exactly this header, signed as its `alg` says if this key can, otherwise as
    /// the key does by nature.
    pub(super) fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_text(&header.to_string(), &claims.to_string())
    }

    pub(super) fn signed_text(&self, header: &str, claims: &str) -> String {
        let message = format!(
            "{}.{}",
            encode(header.as_bytes()),
            encode(claims.as_bytes())
        );
        let header: Value = serde_json::from_str(header).expect("test headers are JSON");
        let signature = self.sign(
            header["alg"].as_str().unwrap_or_default(),
            message.as_bytes(),
        );
        format!("{message}.{}", encode(&signature))
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)
                    .expect("RSA signs");
                signature
            }
            Pair::Ec(pair, _) => pair
                .sign(&random, message)
                .expect("EC signs")
                .as_ref()
                .to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key set document of these signers.
pub(super) fn document(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Claims that every authorizer of these tests accepts at [`NOW`].
pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "iat": NOW - 10, "nbf": NOW - 10,
        "exp": NOW + 600, "scope": "read write",
    })
}

/// [`claims`] with one changed, or removed where `value` is null.
pub(super) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims
            .as_object_mut()
            .expect("claims are an object")
            .remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

/// An authorizer that accepts RS256, PS256, ES256, ES384, ES512 and EdDSA.
pub(super) fn model(source: JwksSource) -> JwtSettings {
    JwtSettings {
        identity_source: IdentitySource::Header(http::header::AUTHORIZATION),
        issuers: vec![Issuer {
            name: ISSUER.to_owned(),
            audiences: vec![AUDIENCE.to_owned(), "cats".to_owned()],
            algorithms: vec![
                Algorithm::RS256,
                Algorithm::PS256,
                Algorithm::ES256,
                Algorithm::ES384,
                Algorithm::ES512,
                Algorithm::EdDSA,
            ],
            jwks: jwks(source),
        }],
        claims: Vec::new(),
        tokens: TokenRules::Audience,
        leeway: Duration::ZERO,
        decision_ttl: Duration::from_secs(300),
        refusal_ttl: Duration::from_secs(5),
    }
}

/// A key set from there.
pub(super) fn jwks(source: JwksSource) -> Jwks {
    Jwks {
        source,
        timeout: Duration::from_secs(10),
        bytes_max: 150_000,
        refresh: Duration::from_secs(600),
    }
}

/// A file that held `document` when the configuration was read.
pub(super) fn file(document: Option<&str>) -> JwksSource {
    JwksSource::File(JwksFile {
        path: "keys.json".into(),
        document: document
            .map(|text| text.as_bytes().into())
            .ok_or_else(|| "it was not opened".to_owned()),
    })
}

impl JwtAuthorizer {
    /// Judges `credential` unless it is remembered, as the step does it.
    pub(super) async fn authorize(
        &self,
        credential: Option<&str>,
        now: u64,
    ) -> Result<Arc<Identity>, Refusal> {
        match self.recall(credential, now)? {
            Recalled::Identity(identity) => Ok(identity),
            Recalled::Nothing(token) => self.judge(token, now).await,
        }
    }
}

/// What authorizers are called.
pub(super) fn name() -> AuthorizerName {
    AuthorizerName::new("main")
}

/// An authorizer over a key set file with these keys.
pub(super) fn authorizer(signers: &[&Signer]) -> JwtAuthorizer {
    authorizer_of(signers, |_| {})
}

/// As [`authorizer`], changed by `change`.
pub(super) fn authorizer_of(
    signers: &[&Signer],
    change: impl FnOnce(&mut JwtSettings),
) -> JwtAuthorizer {
    let mut model = model(file(Some(&document(signers))));
    change(&mut model);
    let tls = client_config(rustls::RootCertStore::empty());
    let keys = KeySet::open(&model.issuers[0].jwks, &tls).expect("the key set is good");
    JwtAuthorizer::new(&name(), &model, vec![keys], &Decisions::new(1 << 20))
}

/// Builds an authorizer with the key sets that `previous` has open.
pub(super) fn build(
    model: &JwtSettings,
    decisions: &Arc<Decisions>,
    tls: &Arc<rustls::ClientConfig>,
    previous: Option<&Arc<JwtAuthorizer>>,
) -> Result<Arc<JwtAuthorizer>, KeySetError> {
    let open =
        |Issuer { jwks, .. }: &Issuer| match previous.and_then(|previous| previous.keys_of(jwks)) {
            Some(keys) => Ok(Arc::clone(keys)),
            None => KeySet::open(jwks, tls),
        };
    JwtAuthorizer::build(&name(), model, decisions, previous, open)
}
