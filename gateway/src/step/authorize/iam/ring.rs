//! The signing keys of one access key.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::aws::sigv4::{Scope, Secret, SigningKey};
use crate::model::SecretText;

/// Most signing keys that are kept of one access key, each for a day: today and the days around it,
/// and those before that URLs may have been signed on, which are good for a week.
pub const DAYS_MAX: usize = 9;

/// Keys by their days. Readers wait for nobody.
#[derive(Default)]
pub(super) struct KeyRing(ArcSwap<Vec<(String, SigningKey)>>);

impl KeyRing {
    /// The key of `secret` in `scope`, whose region and service are always the same.
    pub(super) fn key(&self, secret: &SecretText, scope: &Scope) -> SigningKey {
        let known = self.0.load();
        if let Some((_, key)) = known.iter().find(|(day, _)| *day == scope.date) {
            return key.clone();
        }
        let key = SigningKey::derive(&Secret::new(secret.expose().to_owned()), scope);
        self.0.rcu(|known| {
            let mut keys = Vec::with_capacity(DAYS_MAX);
            keys.push((scope.date.clone(), key.clone()));
            // The oldest goes: whoever signs on yet another day has it derived anew.
            let others = known.iter().filter(|(day, _)| *day != scope.date);
            keys.extend(others.take(DAYS_MAX - 1).cloned());
            Arc::new(keys)
        });
        key
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({})", self.0.load().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_for_its_day_and_the_oldest_goes() {
        let ring = KeyRing::default();
        let secret = SecretText::new("secret".to_owned());
        let scope = |day: usize| Scope {
            date: format!("202601{day:02}"),
            region: "test-1".to_owned(),
            service: "execute-api".to_owned(),
        };
        let fresh = |day| SigningKey::derive(&Secret::new("secret".to_owned()), &scope(day));
        for day in 1..=20 {
            let key = ring.key(&secret, &scope(day));
            assert_eq!(key.sign("x"), fresh(day).sign("x"));
            assert_eq!(ring.key(&secret, &scope(day)).sign("x"), key.sign("x"));
            assert_eq!(ring.0.load().len(), day.min(DAYS_MAX));
        }
        assert_eq!(ring.0.load().first().unwrap().0, "20260120");
        assert_eq!(ring.0.load().last().unwrap().0, "20260112");
    }
}
