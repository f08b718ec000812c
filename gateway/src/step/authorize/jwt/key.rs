//! The keys of an issuer: a JSON Web Key Set (RFC 7517), reduced to what can verify here.
//!
//! As RFC 7517 section 5 says, a key that is not understood, is meant for something else or lacks a
//! member is passed over. A document that leaves no key at all is refused whole, so that a broken
//! one never replaces one that works. Symmetric keys are always passed over: whoever can read the
//! set could sign with them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaVerificationAlgorithm,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use super::token::algorithm_named;
use crate::model::Algorithm;

/// Most keys in one document; more is refused. Large issuers publish about ten.
pub(super) const KEYS_MAX: usize = 128;

/// Why a document is not a usable key set.
#[derive(Debug, thiserror::Error)]
pub enum KeyDocumentError {
    /// Not JSON, or not of the form `{"keys": [..]}`.
    #[error("the document is not a JSON Web Key Set")]
    NotAKeySet(#[source] serde_json::Error),
    /// More keys than one set may have.
    #[error("the document has {found} keys, at most {KEYS_MAX} are accepted")]
    TooMany {
        /// Keys in the document.
        found: usize,
    },
    /// No key that can verify a signature here and has a `kid`.
    #[error("none of the {found} keys of the document has a `kid` and can verify a signature")]
    NoneUsable {
        /// Keys in the document.
        found: usize,
    },
}

/// The usable keys of one document.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Grows whenever a key that was there is gone.
    generation: u64,
    /// Keys that were passed over.
    pub(super) skipped: usize,
}

#[derive(Debug)]
struct Key {
    published: Published,
    id: String,
    accepts: &'static [Algorithm],
    decoding: DecodingKey,
}

/// A key as published, with the members that are read.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Published {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a key set.
    pub(super) fn parse(document: &[u8]) -> Result<Self, KeyDocumentError> {
        let Document { keys: published } =
            serde_json::from_slice(document).map_err(KeyDocumentError::NotAKeySet)?;
        let found = published.len();
        if found > KEYS_MAX {
            return Err(KeyDocumentError::TooMany { found });
        }
        let keys: Vec<Key> = published.into_iter().filter_map(Key::from_json).collect();
        if keys.is_empty() {
            return Err(KeyDocumentError::NoneUsable { found });
        }
        let skipped = found - keys.len();
        Ok(Self {
            keys,
            generation: 0,
            skipped,
        })
    }

    /// These keys as successors of `previous`: the generation grows if one of those is gone.
    pub(super) fn succeeding(mut self, previous: &Self) -> Self {
        let lost = !previous.published().is_subset(&self.published());
        self.generation = previous.generation + u64::from(lost);
        self
    }

    /// The number that changes when a key is gone, within one key set.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether both publish the same keys, in whatever order.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.published() == other.published()
    }

    fn published(&self) -> BTreeSet<&Published> {
        self.keys.iter().map(|key| &key.published).collect()
    }

    /// Whether any key is named `id`.
    pub(super) fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// The keys named `id` that may be used with `algorithm`. Normally one; RFC 7517 section 4.5
    /// lets keys of different types share a name.
    pub(super) fn fitting<'k>(
        &'k self,
        id: &'k str,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'k DecodingKey> {
        self.keys
            .iter()
            .filter(move |key| key.id == id && key.accepts.contains(&algorithm))
            .map(|key| &key.decoding)
    }
}

impl Key {
    fn from_json(json: Value) -> Option<Self> {
        let Ok(published) = serde_json::from_value::<Published>(json) else {
            return None;
        };
        let id = published.kid.clone().filter(|id| !id.is_empty())?;
        if published
            .usage
            .as_deref()
            .is_some_and(|usage| usage != "sig")
        {
            return None;
        }
        if let Some(operations) = &published.key_ops
            && !operations.iter().any(|operation| operation == "verify")
        {
            return None;
        }
        let (decoding, fits) = material(&published)?;
        let accepts = match &published.alg {
            None => fits,
            // A key for one algorithm verifies that one only.
            Some(name) => {
                let named = algorithm_named(name)?;
                let at = fits.iter().position(|algorithm| *algorithm == named)?;
                fits.get(at..=at)?
            }
        };
        Some(Self {
            published,
            id,
            accepts,
            decoding,
        })
    }
}

/// The public key, proven to be one, and what it can be used with.
fn material(published: &Published) -> Option<(DecodingKey, &'static [Algorithm])> {
    let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
    match (published.kty.as_str(), published.crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (part(&published.n)?, part(&published.e)?);
            let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
            let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
            let encoded = RsaPublicKeyComponents { n: &n, e: &e }.as_der().ok()?;
            (RSA_BITS.contains(&bits) && is_key(&RSA_PKCS1_2048_8192_SHA256, encoded.as_ref()))
                .then(|| (DecodingKey::from_rsa_raw_components(&n, &e), RSA))
        }
        ("EC", Some(curve)) => {
            let (verifier, size, fits): (&EcdsaVerificationAlgorithm, _, _) = match curve {
                "P-256" => (&ECDSA_P256_SHA256_FIXED, 32, P256),
                "P-384" => (&ECDSA_P384_SHA384_FIXED, 48, P384),
                _ => return None,
            };
            let (x, y) = (part(&published.x)?, part(&published.y)?);
            if x.len() != size || y.len() != size {
                return None;
            }
            // An uncompressed point (SEC 1 section 2.3.3); parsing proves that it is on the curve.
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            is_key(verifier, &point).then(|| (DecodingKey::from_ec_der(&point), fits))
        }
        ("OKP", Some("Ed25519")) => {
            let x = part(&published.x)?;
            is_key(&ED25519, &x).then(|| (DecodingKey::from_ed_der(&x), ED25519_ONLY))
        }
        _ => None,
    }
}

fn is_key(verifier: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> bool {
    ParsedPublicKey::new(verifier, bytes).is_ok()
}

/// Accepted lengths of an RSA modulus (RFC 7518 section 3.3 demands 2048).
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519_ONLY: &[Algorithm] = &[Algorithm::EdDSA];
