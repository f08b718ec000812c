//! The JWT authorizer.

use std::sync::Arc;

use super::key_set::KeySet;
use super::token::{Token, token_of};
use super::{Refusal, claims};
use crate::exchange::Identity;
use crate::model::{AuthorizerName, Issuer, Jwks, JwtSettings};
use crate::store::decision::{DecisionCache, Decisions, Era, Lifetime, Looked};

/// Judges tokens by one configured authorizer.
#[derive(Debug)]
pub struct JwtAuthorizer {
    settings: JwtSettings,
    /// Of each issuer, in their order.
    keys: Vec<Arc<KeySet>>,
    granted: DecisionCache<Identity>,
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

    /// Judges `credential`, the value of the identity source, at `now` (seconds since 1970).
    ///
    /// A remembered decision is answered without waiting. It waits only when the token names a key
    /// that is not known: see [`KeySet`].
    ///
    /// # Errors
    /// Why the caller is not known; the request must then be refused.
    ///
    /// # Cancel safety
    /// Safe: nothing is half done.
    pub async fn authorize(
        &self,
        credential: Option<&str>,
        now: u64,
    ) -> Result<Arc<Identity>, Refusal> {
        let text = token_of(credential)?;
        if self.settings.decision_ttl.is_zero() {
            return Box::pin(self.judge(text, None, now)).await;
        }
        let generation = self.keys.iter().map(|keys| keys.generation()).sum();
        let key = self.granted.key(generation, &[text.as_bytes()]);
        match self.granted.look(&key, now) {
            Looked::Found(identity) => Ok(identity),
            // Boxed: what a decision takes would otherwise travel with every request.
            Looked::Missed(since) => Box::pin(self.judge(text, Some(since), now)).await,
        }
    }

    /// Judges a token, and remembers who it is if that is decided since `since`.
    async fn judge(
        &self,
        text: &str,
        since: Option<Era>,
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
        let key_id = token.key_id.as_deref().ok_or(Refusal::UnknownKey)?;
        let keys = key_set.keys_with(key_id).await?;

        let mut fitting = keys.fitting(key_id, token.algorithm).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        let message = token.message.as_bytes();
        if !fitting.any(|key| key.verify_sig(message, &token.signature).is_ok()) {
            return Err(Refusal::BadSignature);
        }

        let expires_at = claims::judge(&claims, issuer, &self.settings, now)?;
        let identity = Arc::new(Identity::new(claims, expires_at));
        if let Some(since) = since {
            let generation = self.generation_with(index, keys.generation());
            let key = self.granted.key(generation, &[text.as_bytes()]);
            let ttl = self.settings.decision_ttl;
            let lifetime = Lifetime {
                now,
                expires_at,
                ttl,
            };
            self.granted.remember(since, key, &identity, lifetime);
        }
        Ok(identity)
    }

    /// The generation of all keys, where those of the issuer at `index` have the one that verified. If
    /// they changed meanwhile, nobody finds what is remembered under it: generations only grow, so that
    /// no later sum is as small.
    fn generation_with(&self, index: usize, generation: u64) -> u64 {
        let all = self.keys.iter().enumerate();
        let others = all.filter(|(other, _)| *other != index);
        others.map(|(_, keys)| keys.generation()).sum::<u64>() + generation
    }
}
