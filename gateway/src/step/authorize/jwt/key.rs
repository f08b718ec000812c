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
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    /// Grows with every other set of keys.
    version: u64,
    /// Keys that were passed over.
    pub(super) skipped: usize,
    /// The names of those that have one.
    skipped_ids: Vec<String>,
}

#[derive(Debug)]
struct Key {
    published: Published,
    id: String,
    verifiers: Verifiers,
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
        let (mut keys, mut skipped_ids) = (Vec::new(), Vec::new());
        for json in published {
            let id = json.get("kid").and_then(Value::as_str).map(str::to_owned);
            match Key::from_json(json) {
                Some(key) => keys.push(key),
                None => skipped_ids.extend(id),
            }
        }
        if keys.is_empty() {
            return Err(KeyDocumentError::NoneUsable { found });
        }
        let skipped = found - keys.len();
        Ok(Self {
            keys,
            generation: 0,
            version: 1,
            skipped,
            skipped_ids,
        })
    }

    /// These keys as successors of `previous`: the generation grows if one of those is gone, the
    /// version if anything is another.
    pub(super) fn succeeding(mut self, previous: &Self) -> Self {
        let lost = !previous.published().is_subset(&self.published());
        let changed = !self.same_as(previous);
        self.generation = previous.generation + u64::from(lost);
        self.version = previous.version + u64::from(changed);
        self
    }

    /// The number that changes when a key is gone, within one key set.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The number that changes whenever the keys do, within one key set. Never 0.
    pub(super) const fn version(&self) -> u64 {
        self.version
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

    /// Whether a key named `id` was passed over.
    pub(super) fn skips(&self, id: &str) -> bool {
        self.skipped_ids.iter().any(|skipped| skipped == id)
    }

    /// The keys named `id` that may be used with `algorithm`. Normally one; RFC 7517 section 4.5
    /// lets keys of different types share a name.
    pub(super) fn fitting<'k>(
        &'k self,
        id: &'k str,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'k ParsedPublicKey> {
        let named = self.keys.iter().filter(move |key| key.id == id);
        let verifiers = named.flat_map(|key| &key.verifiers);
        let fitting = verifiers.filter(move |(fits, _)| *fits == algorithm);
        fitting.map(|(_, key)| key)
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
        let mut verifiers = verifiers(&published)?;
        // A key for one algorithm verifies that one only.
        if let Some(name) = &published.alg {
            let named = algorithm_named(name)?;
            verifiers.retain(|(algorithm, _)| *algorithm == named);
        }
        (!verifiers.is_empty()).then_some(Self {
            published,
            id,
            verifiers,
        })
    }
}

/// A public key, parsed once for each algorithm that it can be used with: parsing costs more than
/// many a verification.
type Verifiers = Vec<(Algorithm, ParsedPublicKey)>;

/// The public key, proven to be one, for all that it fits; `None` where it is none.
fn verifiers(published: &Published) -> Option<Verifiers> {
    let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
    match (published.kty.as_str(), published.crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (part(&published.n)?, part(&published.e)?);
            let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
            let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
            if !RSA_BITS.contains(&bits) {
                return None;
            }
            let encoded = RsaPublicKeyComponents { n: &n, e: &e }.as_der().ok()?;
            parsed(&RSA, encoded.as_ref())
        }
        ("EC", Some(curve)) => {
            let (size, fits) = match curve {
                "P-256" => (32, &P256),
                "P-384" => (48, &P384),
                "P-521" => (66, &P521),
                _ => return None,
            };
            let (x, y) = (part(&published.x)?, part(&published.y)?);
            if x.len() != size || y.len() != size {
                return None;
            }
            // An uncompressed point (SEC 1 section 2.3.3); parsing proves that it is on the curve.
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            parsed(fits, &point)
        }
        ("OKP", Some("Ed25519")) => parsed(&ED25519_ONLY, &part(&published.x)?),
        _ => None,
    }
}

/// How a key of one type verifies.
type Fits = [(Algorithm, &'static dyn VerificationAlgorithm)];

fn parsed(fits: &Fits, bytes: &[u8]) -> Option<Verifiers> {
    let parsed = fits.iter().map(|(algorithm, verification)| {
        let key = ParsedPublicKey::new(*verification, bytes).ok()?;
        Some((*algorithm, key))
    });
    parsed.collect()
}

/// Accepted lengths of an RSA modulus (RFC 7518 section 3.3 demands 2048).
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

static RSA: [(Algorithm, &dyn VerificationAlgorithm); 6] = [
    (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &RSA_PSS_2048_8192_SHA512),
];
static P256: [(Algorithm, &dyn VerificationAlgorithm); 1] =
    [(Algorithm::ES256, &ECDSA_P256_SHA256_FIXED)];
static P384: [(Algorithm, &dyn VerificationAlgorithm); 1] =
    [(Algorithm::ES384, &ECDSA_P384_SHA384_FIXED)];
static P521: [(Algorithm, &dyn VerificationAlgorithm); 1] =
    [(Algorithm::ES512, &ECDSA_P521_SHA512_FIXED)];
static ED25519_ONLY: [(Algorithm, &dyn VerificationAlgorithm); 1] = [(Algorithm::EdDSA, &ED25519)];
