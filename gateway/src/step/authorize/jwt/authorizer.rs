//! The JWT authorizer.

use std::sync::Arc;

use super::key::Keys;
use super::key_set::KeySet;
use super::token::{Token, token_of};
use super::{Refusal, claims};
use crate::exchange::Identity;
use crate::model::{AuthorizerName, Issuer, Jwks, JwtSettings};
use crate::store::decision::{DecisionCache, Decisions, Digest, Era, Lifetime, Looked};

/// Judges tokens by one configured authorizer.
#[derive(Debug)]
pub struct JwtAuthorizer {
    settings: JwtSettings,
    /// Of each issuer, in their order.
    keys: Vec<Arc<KeySet>>,
    granted: DecisionCache<Identity>,
    refused: DecisionCache<Refusal>,
}

/// What is known of a token without judging it.
#[derive(Debug)]
pub enum Recalled<'t> {
    /// Who it is.
    Identity(Arc<Identity>),
    /// Nothing.
    Nothing(Unjudged<'t>),
}

/// A token that [`JwtAuthorizer::judge`] has to judge.
#[derive(Debug)]
pub struct Unjudged<'t> {
    text: &'t str,
    asked: Asked,
    /// What it comes to is remembered under this digest, and since then; `None` is for nobody to remember.
    remembered: Option<(Digest, Era)>,
}

/// Who is asked for a key that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The issuer.
    Issuer,
    /// Nobody.
    Nobody,
}

impl JwtAuthorizer {
    /// Builds the authorizer that `settings` describe, with the keys that `open` gives for each
    /// issuer.
    ///
    /// `previous` is the authorizer of the same name in the running snapshot. It is returned if
    /// nothing changed, with its decisions; otherwise older decisions are out of reach of the new
    /// one.
    ///
    /// # Errors
    /// Those of `open`; `previous` is then untouched.
    pub fn build<E>(
        name: &AuthorizerName,
        settings: &JwtSettings,
        decisions: &Arc<Decisions>,
        previous: Option<&Arc<Self>>,
        open: impl Fn(&Issuer) -> Result<Arc<KeySet>, E>,
    ) -> Result<Arc<Self>, E> {
        let keys = settings.issuers.iter().map(open);
        let keys = keys.collect::<Result<Vec<_>, E>>()?;
        if let Some(previous) = previous
            && previous.settings == *settings
            && Arc::ptr_eq(previous.granted.decisions(), decisions)
            && previous.has_same_keys(&keys)
        {
            return Ok(Arc::clone(previous));
        }
        Ok(Arc::new(Self::new(name, settings, keys, decisions)))
    }

    /// An authorizer over open key sets, of each issuer in their order, with no decisions yet.
    #[must_use]
    pub fn new(
        name: &AuthorizerName,
        settings: &JwtSettings,
        keys: Vec<Arc<KeySet>>,
        decisions: &Arc<Decisions>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            keys,
            granted: decisions.cache(name.as_str()),
            refused: decisions.refusals(name.as_str()),
        }
    }

    /// What this authorizer was built from.
    #[must_use]
    pub const fn settings(&self) -> &JwtSettings {
        &self.settings
    }

    /// The key sets, whose [`KeySet::refresh`] must run on the control runtime.
    #[must_use]
    pub fn key_sets(&self) -> &[Arc<KeySet>] {
        &self.keys
    }

    /// The key set that was opened for `jwks`.
    #[must_use]
    pub fn keys_of(&self, jwks: &Jwks) -> Option<&Arc<KeySet>> {
        self.keys_where(|issuer| issuer.jwks == *jwks)
    }

    /// The key set of the issuer of this name.
    #[must_use]
    pub fn keys_of_issuer(&self, name: &str) -> Option<&Arc<KeySet>> {
        self.keys_where(|issuer| issuer.name == name)
    }

    fn keys_where(&self, is_wanted: impl Fn(&Issuer) -> bool) -> Option<&Arc<KeySet>> {
        let mut each = self.settings.issuers.iter().zip(&self.keys);
        let (_, keys) = each.find(|(issuer, _)| is_wanted(issuer))?;
        Some(keys)
    }

    fn has_same_keys(&self, keys: &[Arc<KeySet>]) -> bool {
        let mut pairs = self.keys.iter().zip(keys);
        pairs.all(|(ours, theirs)| Arc::ptr_eq(ours, theirs) || ours.same_keys(theirs))
    }

    /// The identities it remembers.
    #[must_use]
    pub const fn granted(&self) -> &DecisionCache<Identity> {
        &self.granted
    }

    /// What is remembered of `credential`, the value of the identity source, at `now` (seconds since
    /// 1970).
    ///
    /// # Errors
    /// Why the caller is not known, where there is no token or its refusal is remembered.
    pub fn recall<'t>(
        &self,
        credential: Option<&'t str>,
        now: u64,
    ) -> Result<Recalled<'t>, Refusal> {
        let text = token_of(credential)?;
        let since = self.granted.decisions().era();
        let digest = self.granted.digest(&[text.as_bytes()]);
        if !self.settings.decision_ttl.is_zero() {
            let key = self.granted.key_of(self.generation(), digest);
            if let Looked::Found(identity) = self.granted.look(&key, now) {
                return Ok(Recalled::Identity(identity));
            }
        }
        if !self.settings.refusal_ttl.is_zero() {
            let key = self.refused.key_of(self.version(), digest);
            if let Looked::Found(refusal) = self.refused.look(&key, now) {
                return Err(*refusal);
            }
        }
        Ok(Recalled::Nothing(Unjudged {
            text,
            asked: Asked::Issuer,
            remembered: Some((digest, since)),
        }))
    }

    /// A token that is judged to see what it comes to: nothing of it is recalled, counted or remembered.
    ///
    /// # Errors
    /// There is no token.
    pub fn unremembered(credential: Option<&str>, asked: Asked) -> Result<Unjudged<'_>, Refusal> {
        Ok(Unjudged {
            text: token_of(credential)?,
            asked,
            remembered: None,
        })
    }

    /// Judges a token at `now` (seconds since 1970), and remembers what it comes to. Waits only where
    /// the token names a key that is not known: see [`KeySet`].
    ///
    /// # Errors
    /// Why the caller is not known; the request must then be refused.
    ///
    /// # Cancel safety
    /// Safe: nothing is half done.
    pub async fn judge(
        &self,
        Unjudged {
            text,
            asked,
            remembered,
        }: Unjudged<'_>,
        now: u64,
    ) -> Result<Arc<Identity>, Refusal> {
        let token = Token::parse(text)?;
        // Whose keys are to be asked; believed only after the signature.
        let claims = token.claims()?;
        let mut issuers = self.settings.issuers.iter().zip(&self.keys).enumerate();
        let (index, (issuer, key_set)) = issuers
            .find(|(_, (issuer, _))| claims::is_of(&claims, issuer))
            .ok_or(Refusal::WrongIssuer)?;
        // Before any key is looked for: what the token claims never widens what is accepted.
        if !issuer.algorithms.contains(&token.algorithm) {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        let key_id = token.key_id.as_deref().ok_or(Refusal::NoKeyNamed)?;
        let keys = match (key_set.holding(key_id), asked) {
            (Some(keys), _) => keys,
            // Refused whatever keys there are: nobody is asked, and nobody waits.
            (None, _) if claims::say_expired(&claims, &self.settings, now) => {
                return Err(Refusal::ExpiredOfUnknownKey);
            }
            (None, Asked::Issuer) => key_set.keys_with(key_id).await?,
            (None, Asked::Nobody) => key_set.known_keys_with(key_id)?,
        };

        let mut fitting = keys.fitting(key_id, token.algorithm).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        let message = token.message.as_bytes();
        let verified = if fitting.any(|key| key.verify_sig(message, &token.signature).is_ok()) {
            let expires_at = claims::judge(&claims, issuer, &self.settings, now);
            expires_at.map(|expires_at| Arc::new(Identity::new(claims, expires_at)))
        } else {
            Err(Refusal::BadSignature)
        };
        if let Some(place) = remembered {
            let keys = (index, &*keys);
            self.remember(place, keys, verified.as_ref(), now);
        }
        verified
    }

    /// Remembers what a token came to by the keys of the issuer of this index.
    fn remember(
        &self,
        (digest, since): (Digest, Era),
        (index, keys): (usize, &Keys),
        verified: Result<&Arc<Identity>, &Refusal>,
        now: u64,
    ) {
        match verified {
            Ok(identity) => {
                let generation = self.generation_with(index, keys.generation());
                let key = self.granted.key_of(generation, digest);
                let lifetime = Lifetime {
                    now,
                    expires_at: identity.expires_at(),
                    ttl: self.settings.decision_ttl,
                };
                self.granted.remember(since, key, identity, lifetime);
            }
            // A signature was verified for nothing: not so soon again.
            Err(refusal) if refusal.lasts() => {
                let version = self.version_with(index, keys.version());
                let key = self.refused.key_of(version, digest);
                let lifetime = Lifetime {
                    now,
                    expires_at: u64::MAX,
                    ttl: self.settings.refusal_ttl,
                };
                let refusal = Arc::new(*refusal);
                self.refused.remember(since, key, &refusal, lifetime);
            }
            Err(_passing) => {}
        }
    }

    fn generation(&self) -> u64 {
        self.keys.iter().map(|keys| keys.generation()).sum()
    }

    /// The generation of all keys, where those of the issuer at `index` have the one that verified. If
    /// they changed meanwhile, nobody finds what is remembered under it: generations only grow, so that
    /// no later sum is as small.
    fn generation_with(&self, index: usize, generation: u64) -> u64 {
        self.others(index).map(KeySet::generation).sum::<u64>() + generation
    }

    /// As [`JwtAuthorizer::generation`], of what also changes when a key is new: it may verify what no
    /// other does.
    fn version(&self) -> u64 {
        self.keys.iter().map(|keys| keys.version()).sum()
    }

    fn version_with(&self, index: usize, version: u64) -> u64 {
        self.others(index).map(KeySet::version).sum::<u64>() + version
    }

    fn others(&self, index: usize) -> impl Iterator<Item = &KeySet> {
        let all = self.keys.iter().enumerate();
        let others = all.filter(move |(other, _)| *other != index);
        others.map(|(_, keys)| &**keys)
    }
}
