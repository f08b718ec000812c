//! The step: from an attempt to a caller that may use the route.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;

use super::iam::Unproven;
use super::jwt::{Asked, FETCH_INTERVAL_MIN, JwtAuthorizer, Recalled, Refusal, pool, token_of};
use super::source::sent;
use super::{Authorizer, Judge};
use crate::exchange::{Caller, FunctionCall, Identity, Reason, Rejection};
use crate::model::TokenRules;
use crate::step::attempt::{Attempt, Purpose};

/// What a protected route demands.
#[derive(Debug)]
pub struct AuthorizePlan {
    /// Who judges the caller.
    pub authorizer: Arc<Authorizer>,
    /// Scopes of which a token must carry one; empty demands none.
    pub scopes: Vec<String>,
}

impl AuthorizePlan {
    /// The token in a request, where tokens are what the authorizer judges: what it accepted, if it has
    /// let the request pass.
    #[must_use]
    pub fn token<'r>(&self, head: &'r Parts) -> Option<Cow<'r, str>> {
        let settings = self.authorizer.jwt()?.settings();
        let credential = sent(&settings.identity_source, head)?;
        match credential {
            Cow::Borrowed(text) => token_of(Some(text)).ok().map(Cow::Borrowed),
            Cow::Owned(text) => {
                let token = token_of(Some(&text)).ok()?;
                Some(Cow::Owned(token.to_owned()))
            }
        }
    }
}

/// Who makes an attempt, as far as its head tells.
#[derive(Debug)]
pub enum Claimed {
    /// This caller.
    Known(Caller),
    /// Whoever has signed the body that comes.
    Unproven(Unproven),
}

/// Finds out who makes an attempt. Where a function is called for that, `call` is told how it went.
///
/// # Errors
/// 401 where the caller is not known, or 403 where a signature is wrong; 403 where it lacks every scope
/// of the route or its function says no, 429 where the authorizer's guard refuses, 500 where its
/// function does not answer as it has to, 503 where too many wait to become known.
///
/// # Cancel safety
/// Safe: nothing is half done.
pub async fn authorize(
    plan: &AuthorizePlan,
    attempt: &Attempt<'_>,
    call: &mut Option<FunctionCall>,
) -> Result<Claimed, Rejection> {
    match &plan.authorizer.judge {
        Judge::Jwt(jwt) => {
            let identity = by_token(plan, jwt, attempt).await?;
            Ok(Claimed::Known(Caller::Token(identity)))
        }
        Judge::Function(function) => {
            let guard = &plan.authorizer.guard;
            let caller = function.authorize(attempt, guard, call).await?;
            Ok(Claimed::Known(Caller::Function(caller)))
        }
        Judge::Iam(iam) => iam.judge(attempt, &plan.authorizer.guard),
    }
}

async fn by_token(
    plan: &AuthorizePlan,
    authorizer: &JwtAuthorizer,
    attempt: &Attempt<'_>,
) -> Result<Arc<Identity>, Rejection> {
    let (settings, scopes) = (authorizer.settings(), plan.scopes.as_slice());
    let credential = sent(&settings.identity_source, attempt.called.head);
    let credential = credential.as_deref();
    let recalled = match attempt.asking.purpose {
        Purpose::Serve => authorizer.recall(credential, attempt.now),
        Purpose::Explain { calls } => {
            let asked = if calls { Asked::Issuer } else { Asked::Nobody };
            JwtAuthorizer::unremembered(credential, asked).map(Recalled::Nothing)
        }
    };
    let identity = match recalled {
        Ok(Recalled::Identity(identity)) => Ok(identity),
        Ok(Recalled::Nothing(token)) => {
            plan.authorizer.guard.charge(attempt)?;
            // Boxed: what a decision takes would otherwise travel with every request.
            Box::pin(authorizer.judge(token, attempt.now)).await
        }
        Err(refusal) => Err(refusal),
    };
    if let TokenRules::Cognito { audience } = &settings.tokens {
        let judged = identity.and_then(|identity| {
            pool::judge(&identity, audience.as_ref(), scopes)?;
            Ok(identity)
        });
        return judged.map_err(|refusal| of_pool(refusal, scopes));
    }
    let identity = identity.map_err(|refusal| unauthorized(refusal, scopes))?;
    if !scopes.is_empty() && !identity.has_any_scope(scopes) {
        let description = "the token does not have a required scope";
        return Err(Rejection {
            challenge: Some(challenge(scopes, "insufficient_scope", description)),
            ..Rejection::new(Reason::InsufficientScope)
        });
    }
    Ok(identity)
}

/// Of a token that has ended, clients of a user pool read more.
fn of_pool(refusal: Refusal, scopes: &[String]) -> Rejection {
    let message = (refusal == Refusal::Expired).then_some("The incoming token has expired");
    Rejection {
        message: message.map(Cow::Borrowed),
        ..unauthorized(refusal, scopes)
    }
}

fn unauthorized(refusal: Refusal, scopes: &[String]) -> Rejection {
    if refusal == Refusal::TooManyWait {
        return Rejection {
            retry_after_seconds: Some(FETCH_INTERVAL_MIN.as_secs()),
            ..Rejection::detailed(refusal.reason(), refusal.to_string())
        };
    }
    let challenge = match refusal.client_error_description() {
        None => "Bearer".to_owned(),
        Some(description) => challenge(scopes, "invalid_token", description),
    };
    Rejection {
        challenge: Some(challenge),
        ..Rejection::detailed(refusal.reason(), refusal.to_string())
    }
}

/// `WWW-Authenticate` as HTTP APIs of Amazon API Gateway write it.
fn challenge(scopes: &[String], error: &str, description: &str) -> String {
    let scopes = scopes.join(" ");
    format!(r#"Bearer scope="{scopes}" error="{error}" error_description="{description}""#)
}
