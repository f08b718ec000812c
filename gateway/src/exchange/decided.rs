//! What a policy set made of a request.

use std::sync::Arc;

use super::{Reason, Rejection};

/// What a policy set decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The policy set.
    pub set: Arc<str>,
    /// Why the request is refused; `None` where it is allowed.
    pub refusal: Option<Refusal>,
    /// The ids of the policies that decided, where the engine names them.
    pub policies: Vec<Arc<str>>,
}

/// Why a policy set refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// More for the log, without anything of the request.
    pub detail: Option<String>,
}

/// Policies that are logged of one decision, beyond which they are not named.
const LOGGED_MAX: usize = 16;

impl Decided {
    /// What the log says of the policies that decided.
    #[must_use]
    pub fn logged(&self) -> Vec<Arc<str>> {
        self.policies
            .iter()
            .take(LOGGED_MAX)
            .map(Arc::clone)
            .collect()
    }

    /// What its client is told where it is refused.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        let Refusal { reason, detail } = self.refusal.as_ref()?;
        let is_explicit = *reason == Reason::DecisionDenied && !self.policies.is_empty();
        let message = "User is not authorized to access this resource with an explicit deny";
        Some(Rejection {
            message: is_explicit.then_some(message.into()),
            detail: detail.clone().map(Into::into),
            ..Rejection::new(*reason)
        })
    }
}
