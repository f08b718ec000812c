//! The JWT authorizer.

use std::sync::Arc;

use rustls::ClientConfig;

use super::key_set::{KeySet, KeySetError};
use super::token::{Token, token_of};
use super::{Decisions, Refusal, claims};
use crate::exchange::Identity;
use crate::model::JwtSettings;
use crate::store::decision::{DecisionKey, Fence, Lifetime};

/// Judges tokens by one configured authorizer.
#[derive(Debug)]
pub struct JwtAuthorizer {
    settings: JwtSettings,
    keys: Arc<KeySet>,
    decisions: Arc<Decisions>,
    fence: Fence,
}

impl JwtAuthorizer {
    /// Builds the authorizer that `settings` describe.
    ///
    /// `previous` is the authorizer of the same name in the running snapshot, or one with the same key
    /// set. It is returned if
    /// nothing changed, with its decisions; otherwise older decisions are out of reach of the new
    /// one. A fetched key set, with its last good keys, goes over as long as its settings stand; a
    /// file is read again. TLS settings of a key set that goes over stay as they were.
    ///
    /// # Errors
    /// As [`KeySet::open`]; `previous` is then untouched.
    pub fn build(
        settings: &JwtSettings,
        decisions: &Arc<Decisions>,
        tls: &Arc<ClientConfig>,
        previous: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, KeySetError> {
        let keys = match previous {
            Some(previous) if previous.settings.jwks == settings.jwks => Arc::clone(&previous.keys),
            Some(_) | None => KeySet::open(&settings.jwks, tls)?,
        };
        if let Some(previous) = previous
            && previous.settings == *settings
            && Arc::ptr_eq(&previous.decisions, decisions)
            && (Arc::ptr_eq(&previous.keys, &keys) || previous.keys.same_keys(&keys))
        {
            return Ok(Arc::clone(previous));
        }
        Ok(Arc::new(Self::new(settings, keys, Arc::clone(decisions))))
    }

    /// An authorizer over an open key set, with no decisions yet.
    #[must_use]
    pub fn new(settings: &JwtSettings, keys: Arc<KeySet>, decisions: Arc<Decisions>) -> Self {
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

    /// The key set, whose [`KeySet::refresh`] must run on the control runtime.
    #[must_use]
    pub const fn key_set(&self) -> &Arc<KeySet> {
        &self.keys
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
        let key = DecisionKey::new(self.fence, self.keys.generation(), token.as_bytes());
        self.decisions.get(&key, now)
    }

    async fn judge(&self, text: &str, now: u64) -> Result<Arc<Identity>, Refusal> {
        let token = Token::parse(text)?;
        // Before any key is looked for: what the token claims never widens what is accepted.
        if !self.settings.algorithms.contains(&token.algorithm) {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        let key_id = token.key_id.as_deref().ok_or(Refusal::UnknownKey)?;
        let keys = self.keys.keys_with(key_id).await?;

        let mut fitting = keys.fitting(key_id, token.algorithm).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        let message = token.message.as_bytes();
        if !fitting.any(|key| key.verify_sig(message, &token.signature).is_ok()) {
            return Err(Refusal::BadSignature);
        }

        let claims = token.claims()?;
        let expires_at = claims::judge(&claims, &self.settings, now)?;
        let identity = Arc::new(Identity::new(claims, expires_at));
        // Under the generation of the keys that verified: if they changed meanwhile, nobody finds
        // this decision.
        let key = DecisionKey::new(self.fence, keys.generation(), text.as_bytes());
        let lifetime = Lifetime {
            now,
            expires_at,
            ttl: self.settings.decision_ttl,
        };
        self.decisions.insert(key, Arc::clone(&identity), lifetime);
        Ok(identity)
    }
}
