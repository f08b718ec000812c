//! The actions of statements.

use super::glob::{Case, Glob, Glyph};

/// What a statement says of actions. Letter case does not matter.
#[derive(Debug, Clone)]
pub(super) struct Action(Glob);

/// Why a text is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Not `service:Name`.
    #[error("`{0}` is not an action: write `execute-api:Invoke` or `*`")]
    Form(String),
    /// An action that nobody can ask an API for.
    #[error(
        "`{0}` is none of an API's actions, so this would never apply: write `execute-api:Invoke`"
    )]
    NotOfApis(String),
}

/// What clients of an API ask for.
pub(super) const INVOKE: &str = "execute-api:Invoke";

/// Every action that an API is asked for.
const ACTIONS: [&str; 3] = [
    INVOKE,
    "execute-api:InvalidateCache",
    "execute-api:ManageConnections",
];

impl Action {
    /// # Errors
    ///
    /// When it is neither `*` nor `service:Name`, with wildcards in the name alone.
    pub(super) fn parse(written: &str) -> Result<Self, ActionError> {
        let service = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?');
        let named = written.split_once(':').is_some_and(|(before, behind)| {
            let filled = !before.is_empty() && !behind.is_empty();
            filled && before.bytes().all(service) && behind.bytes().all(name)
        });
        if !named && written != "*" {
            return Err(ActionError::Form(written.to_owned()));
        }
        let glyph = |c| match c {
            '*' => Glyph::Run,
            '?' => Glyph::One,
            other => Glyph::Char(other),
        };
        let glyphs: Vec<Glyph> = written.chars().map(glyph).collect();
        Ok(Self(glyphs.into()))
    }

    /// As in a policy of an API: there a slip of the pen would make a `Deny` that never applies.
    ///
    /// # Errors
    ///
    /// Also when no action of an API is meant.
    pub(super) fn parse_of_apis(written: &str) -> Result<Self, ActionError> {
        let action = Self::parse(written)?;
        if ACTIONS.iter().any(|name| action.matches(name)) {
            Ok(action)
        } else {
            Err(ActionError::NotOfApis(written.to_owned()))
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.matches(name, Case::Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, invokes: Result<bool, fn(String) -> ActionError>) {
        let found = Action::parse_of_apis(written).map(|action| action.matches(INVOKE));
        let expected = invokes.map_err(|error| error(written.to_owned()));
        assert_eq!(found, expected, "{written}");
    }

    #[test]
    fn actions_match_in_any_letter_case() {
        check("execute-api:Invoke", Ok(true));
        check("EXECUTE-API:invoke", Ok(true));
        check("execute-api:Inv*", Ok(true));
        check("execute-api:?nvoke", Ok(true));
        check("execute-api:*", Ok(true));
        check("*", Ok(true));
        check("execute-api:InvalidateCache", Ok(false));
    }

    #[test]
    fn what_is_no_action_of_apis_is_refused() {
        check("execute-api:Invok", Err(ActionError::NotOfApis));
        check("s3:*", Err(ActionError::NotOfApis));
        check("Invoke", Err(ActionError::Form));
        check("exec*:Invoke", Err(ActionError::Form));
        check("execute-api:", Err(ActionError::Form));
        check("execute-api:${aws:username}", Err(ActionError::Form));
        check("**", Err(ActionError::Form));
        check("", Err(ActionError::Form));
        assert!(Action::parse("s3:GetObject").is_ok());
    }
}
