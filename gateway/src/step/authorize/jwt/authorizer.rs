//! The JWT authorizer.

use std::sync::Arc;

use super::key_set::KeySet;
use super::token::{Token, token_of};
use super::{Decisions, Refusal, claims};
use crate::exchange::Identity;
use crate::model::{Issuer, Jwks, JwtSettings};
use crate::store::decision::{DecisionKey, Fence, Lifetime};

/// Judges tokens by one configured authorizer.
#[derive(Debug)]
pub struct JwtAuthorizer {
    settings: JwtSettings,
    /// Of each issuer, in their order.
    keys: Vec<Arc<KeySet>>,
    decisions: Arc<Decisions>,
    fence: Fence,
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
        settings: &JwtSettings,
        decisions: &Arc<Decisions>,
        previous: Option<&Arc<Self>>,
        open: impl Fn(&Issuer) -> Result<Arc<KeySet>, E>,
    ) -> Result<Arc<Self>, E> {
        let keys = settings.issuers.iter().map(open);
        let keys = keys.collect::<Result<Vec<_>, E>>()?;
        if let Some(previous) = previous
            && previous.settings == *settings
            && Arc::ptr_eq(&previous.decisions, decisions)
            && previous.has_same_keys(&keys)
        {
            return Ok(Arc::clone(previous));
        }
        Ok(Arc::new(Self::new(settings, keys, Arc::clone(decisions))))
    }

    /// An authorizer over open key sets, of each issuer in their order, with no decisions yet.
    #[must_use]
    pub fn new(settings: &JwtSettings, keys: Vec<Arc<KeySet>>, decisions: Arc<Decisions>) -> Self {
        let fence = decisions.new_fence();
        Self {
            settings: settings.clone(),
            keys,
            decisions,
            fence,
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

    /// The decisions it remembers, shared with other authorizers.
    #[must_use]
    pub const fn decisions(&self) -> &Arc<Decisions> {
        &self.decisions
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
        let token = token_of(credential)?;
        match self.remembered(token, now) {
            Some(identity) => Ok(identity),
            // Boxed: what a decision takes would otherwise travel with every request.
            None => Box::pin(self.judge(token, now)).await,
        }
    }

    fn remembered(&self, token: &str, now: u64) -> Option<Arc<Identity>> {
        if self.settings.decision_ttl.is_zero() {
            return None;
        }
        let generation = self.keys.iter().map(|keys| keys.generation()).sum();
        let key = DecisionKey::new(self.fence, generation, token.as_bytes());
        self.decisions.get(&key, now)
    }

    async fn judge(&self, text: &str, now: u64) -> Result<Arc<Identity>, Refusal> {
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
        let generation = self.generation_with(index, keys.generation());
        let key = DecisionKey::new(self.fence, generation, text.as_bytes());
        let lifetime = Lifetime {
            now,
            expires_at,
            ttl: self.settings.decision_ttl,
        };
        self.decisions.insert(key, Arc::clone(&identity), lifetime);
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
