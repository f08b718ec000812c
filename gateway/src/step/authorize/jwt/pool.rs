//! What kind of token of a user pool a route takes.
//!
//! A route without scopes takes ID tokens, one with scopes access tokens that carry one of them. That
//! is the route's to say, so it is judged on every request, whatever was remembered of the token.
//! Source: API Gateway Developer Guide, "Control access to REST APIs using Amazon Cognito user pools",
//! and 3.3 of docs/semantics.md.

use super::Refusal;
use crate::exchange::Identity;
use crate::language::pattern::Pattern;

/// Judges a token that its pool has signed, for a route with these scopes. `audience` is what `aud` of
/// ID tokens has to match.
///
/// # Errors
/// [`Refusal::TokenUse`], [`Refusal::WrongAudience`] or [`Refusal::NoScope`].
pub fn judge(
    identity: &Identity,
    audience: Option<&Pattern>,
    scopes: &[String],
) -> Result<(), Refusal> {
    let wanted = if scopes.is_empty() { "id" } else { "access" };
    if identity.text("token_use") != Some(wanted) {
        return Err(Refusal::TokenUse);
    }
    // Access tokens have no `aud`, and what is absent matches no expression.
    let named = identity.text("aud");
    if audience.is_some_and(|pattern| !named.is_some_and(|named| pattern.matches(named))) {
        return Err(Refusal::WrongAudience);
    }
    if !scopes.is_empty() && !identity.has_any_scope(scopes) {
        return Err(Refusal::NoScope);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::language::Members;

    fn identity(claims: Value) -> Identity {
        let claims = Members::parse(claims.to_string().as_bytes()).unwrap();
        Identity::new(claims, 0)
    }

    #[test]
    fn routes_take_tokens_of_their_kind() {
        let id = || identity(json!({"token_use": "id", "aud": "app-1"}));
        let access = || identity(json!({"token_use": "access", "scope": "pets/read openid"}));
        let other = || identity(json!({"aud": "app-1", "scope": "pets/read"}));
        let app = Pattern::parse("app-[0-9]").unwrap();
        let read = ["pets/read".to_owned(), "pets/admin".to_owned()];
        let write = ["pets/write".to_owned()];
        for (name, identity, audience, scopes, expected) in [
            ("id", id(), None, &[][..], Ok(())),
            ("id of an app", id(), Some(&app), &[], Ok(())),
            ("access", access(), None, &[], Err(Refusal::TokenUse)),
            ("neither", other(), None, &[], Err(Refusal::TokenUse)),
            ("access with a scope", access(), None, &read[..], Ok(())),
            (
                "without it",
                access(),
                None,
                &write[..],
                Err(Refusal::NoScope),
            ),
            (
                "id for scopes",
                id(),
                None,
                &read[..],
                Err(Refusal::TokenUse),
            ),
            (
                "neither for scopes",
                other(),
                None,
                &read[..],
                Err(Refusal::TokenUse),
            ),
            (
                "access and an expression",
                access(),
                Some(&app),
                &read[..],
                Err(Refusal::WrongAudience),
            ),
        ] {
            assert_eq!(judge(&identity, audience, scopes), expected, "{name}");
        }
        for aud in [
            json!("xapp-1"),
            json!("app-12"),
            json!(["app-1"]),
            json!(null),
        ] {
            let claims = json!({"token_use": "id", "aud": aud});
            let outcome = judge(&identity(claims), Some(&app), &[]);
            assert_eq!(outcome, Err(Refusal::WrongAudience), "{aud}");
        }
    }
}
