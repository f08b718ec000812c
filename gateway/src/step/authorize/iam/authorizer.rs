//! The authorizer of signatures.

use std::collections::HashMap;
use std::fmt;
use std::iter;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use aws_lc_rs::rand;
use http::request::Parts;

use super::refusal::Refusal;
use super::ring::KeyRing;
use crate::aws::sigv4::{
    CanonicalHead, Claim, Form, Payload, Scope, SignedAt, SignedRequest, SigningKey, payload_hash,
};
use crate::exchange::{Caller, Rejection};
use crate::model::{Credential, Credentials, IamSettings, SecretText, Signer};
use crate::step::attempt::Attempt;
use crate::step::authorize::{Claimed, GuardPlan};

/// The service that callers sign for.
const SERVICE: &str = "execute-api";

/// The parameter of a query that is the signature, and therefore not signed.
const SIGNATURE: &str = "X-Amz-Signature";

/// Judges signatures by the access keys of one file.
pub struct IamAuthorizer {
    credentials: Arc<Credentials>,
    allow_unsigned_payload: bool,
    /// The region that callers sign for.
    region: String,
    /// By the ids of the access keys. Those of another file are another authorizer's.
    keys: HashMap<String, KeyRing>,
    /// What stands for an access key that is not on file.
    nobody: (SecretText, KeyRing),
}

/// A signer whose head is in order. The body has still to be the one that was signed.
#[derive(Debug)]
pub struct Unproven {
    signer: Arc<Signer>,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    /// The head was verified, and names this hash.
    Hash(String),
    /// The hash is a part of what was signed.
    Signature(Box<Signature>),
}

/// A signature, and everything that it is of but the body.
#[derive(Debug)]
struct Signature {
    /// The forms of the head that it may be of.
    heads: Vec<CanonicalHead>,
    key: SigningKey,
    scope: Scope,
    at: SignedAt,
    value: [u8; 32],
}

impl Unproven {
    /// Whether `body`, which is the whole one, is what was signed.
    ///
    /// # Errors
    /// 403 where it is not.
    pub fn prove(self, body: &[u8]) -> Result<Caller, Rejection> {
        let hash = payload_hash(body);
        match self.proof {
            Proof::Hash(expected) if expected == hash => {}
            Proof::Hash(_) => return Err(Refusal::Payload.into()),
            Proof::Signature(signature) => {
                let Signature {
                    heads,
                    key,
                    scope,
                    at,
                    value,
                } = *signature;
                let mut heads = heads.into_iter();
                let is_right = heads.any(|head| {
                    let to_sign = scope.string_to_sign(&at, &head.with(&hash));
                    key.verifies(&to_sign, &value)
                });
                if !is_right {
                    return Err(Refusal::Mismatch.into());
                }
            }
        }
        Ok(Caller::Signer(self.signer))
    }
}

impl IamAuthorizer {
    /// An authorizer of what is signed for `region`.
    #[must_use]
    pub fn new(settings: &IamSettings, credentials: Arc<Credentials>, region: &str) -> Self {
        let mut random = [0; SHA256_OUTPUT_LEN];
        // Without randomness another constant does: nobody is let in by it.
        let nobody = match rand::fill(&mut random) {
            Ok(()) => payload_hash(&random),
            Err(_unspecified) => String::new(),
        };
        let ids = credentials.ids();
        Self {
            keys: ids.map(|id| (id.to_owned(), KeyRing::default())).collect(),
            nobody: (SecretText::new(nobody), KeyRing::default()),
            credentials,
            allow_unsigned_payload: settings.allow_unsigned_payload,
            region: region.to_owned(),
        }
    }

    /// The access keys that it knows.
    #[must_use]
    pub const fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// Judges what the head of a request says of its signature. Only one that could be right is charged to
    /// `guard`: what cannot be costs nothing, and must not wear out what those have who do sign.
    ///
    /// # Errors
    /// 403 in the words of the service; 429 where the guard refuses.
    pub fn judge(&self, attempt: &Attempt<'_>, guard: &GuardPlan) -> Result<Claimed, Rejection> {
        let head = attempt.called.head;
        let claim = self.claim(head)?;
        guard.charge(attempt)?;
        Ok(self.verify(claim, head, attempt.now)?)
    }

    /// What a request says of its signature, where that could be right.
    fn claim<'r>(&self, head: &'r Parts) -> Result<Claim<'r>, Refusal> {
        let claim = Claim::of(&head.headers, query(head))?;
        if claim.scope.region != self.region {
            return Err(Refusal::Region);
        }
        if claim.scope.service != SERVICE {
            return Err(Refusal::Service);
        }
        if claim.payload == Payload::Unsigned && !self.allow_unsigned_payload {
            return Err(Refusal::Unsigned);
        }
        Ok(claim)
    }

    fn verify(&self, claim: Claim<'_>, head: &Parts, now: u64) -> Result<Claimed, Refusal> {
        let now_seconds = i64::try_from(now).unwrap_or(i64::MAX);
        let now = SignedAt::from_unix_seconds(now_seconds);
        let found = self.credentials.find(&claim.access_key_id);
        let Some(credential) = found.filter(|found| carries_token(found, &claim)) else {
            // As much work as for a key that is on file, so that time does not tell which are.
            let scope = Scope {
                date: now.date(),
                ..claim.scope.clone()
            };
            let key = self.nobody.1.key(&self.nobody.0, &scope);
            verified(&claim, head, &key)?;
            return Err(Refusal::UnknownKey);
        };
        let session = credential.session.as_ref();
        let expires = session.and_then(|session| session.expires);
        if expires.is_some_and(|expires| now_seconds >= expires.unix_seconds()) {
            return Err(Refusal::SessionExpired);
        }
        let expires = match claim.form {
            Form::Header => None,
            Form::Query { expires } => Some(expires),
        };
        claim.signed_at.judge(now, expires)?;
        let key = self.key(&claim.access_key_id, &credential.secret, &claim.scope);
        let verdict = verified(&claim, head, &key)?;
        let signer = Arc::clone(&credential.signer);
        let proof = match (verdict, claim.payload) {
            (Verdict::Wrong, _) => return Err(Refusal::Mismatch),
            (Verdict::Right, Payload::Hash(hash)) => Proof::Hash(hash),
            (Verdict::Right, Payload::Unsigned | Payload::Body) => {
                return Ok(Claimed::Known(Caller::Signer(signer)));
            }
            (Verdict::Open(heads), _) => Proof::Signature(Box::new(Signature {
                heads,
                key,
                scope: claim.scope,
                at: claim.signed_at,
                value: claim.signature,
            })),
        };
        Ok(Claimed::Unproven(Unproven { signer, proof }))
    }

    fn key(&self, id: &str, secret: &SecretText, scope: &Scope) -> SigningKey {
        match self.keys.get(id) {
            Some(ring) => ring.key(secret, scope),
            // Every key on file has one.
            None => KeyRing::default().key(secret, scope),
        }
    }
}

impl fmt::Debug for IamAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IamAuthorizer")
            .field("credentials", &self.credentials)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

fn query(head: &Parts) -> &str {
    head.uri.query().unwrap_or_default()
}

/// What the head alone says of a signature.
enum Verdict {
    Right,
    Wrong,
    /// The body decides, with one of these.
    Open(Vec<CanonicalHead>),
}

fn verified(claim: &Claim<'_>, head: &Parts, key: &SigningKey) -> Result<Verdict, Refusal> {
    let request = SignedRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: query(head),
        unsigned_parameter: match claim.form {
            Form::Header => None,
            Form::Query { .. } => Some(SIGNATURE),
        },
        headers: &head.headers,
        authority: head
            .uri
            .authority()
            .map_or("", |authority| authority.as_str()),
        signed: &claim.signed_headers,
    };
    // The second form is made where the first one is not what was signed.
    let escaped = iter::once_with(|| CanonicalHead::of(&request));
    let as_sent = iter::once_with(|| CanonicalHead::as_sent(&request).transpose()).flatten();
    // A header that is called signed and is not there was not signed as it is.
    let heads = escaped.chain(as_sent);
    let heads = heads.map(|head| head.map_err(|_not_sent| Refusal::Mismatch));
    let payload = match &claim.payload {
        Payload::Body => return Ok(Verdict::Open(heads.collect::<Result<_, _>>()?)),
        Payload::Hash(hash) => hash.as_str(),
        Payload::Unsigned => "UNSIGNED-PAYLOAD",
    };
    for head in heads {
        let canonical = head?.with(payload);
        let to_sign = claim.scope.string_to_sign(&claim.signed_at, &canonical);
        if key.verifies(&to_sign, &claim.signature) {
            return Ok(Verdict::Right);
        }
    }
    Ok(Verdict::Wrong)
}

/// Whether a request carries the session token of a temporary key, and none of one that is not.
fn carries_token(credential: &Credential, claim: &Claim<'_>) -> bool {
    match (&credential.session, &claim.session_token) {
        (None, None) => true,
        (Some(session), Some(sent)) => {
            let (ours, sent) = (session.token.expose().as_bytes(), sent.as_bytes());
            verify_slices_are_equal(ours, sent).is_ok()
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}
