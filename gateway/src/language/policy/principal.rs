//! Who a statement is about.

use super::arn::Arn;

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Nobody that IAM knows: no signature. This includes callers with a token.
    Anonymous,
    /// Whoever signed.
    Known(Identity<'a>),
}

/// A caller that IAM knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The account's number.
    pub account: &'a str,
    /// The user or the role.
    pub arn: &'a str,
    /// The session, of a role: `arn:aws:sts::111122223333:assumed-role/name/session`.
    pub session: Option<&'a str>,
}

/// One element of `Principal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// `*`: everybody, also anonymous callers.
    Everyone,
    /// Everybody of an account, by its number or the ARN of its root.
    Account(String),
    /// A user, a role or a session, by its ARN.
    Arn(String),
    /// A service, a provider of identities or a canonical user: never one of our callers.
    Foreign,
}

/// Why a text is no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// None of the forms.
    #[error(
        "`{0}` is not a principal: write `*`, an account's 12 digits, or the ARN of a user, role or session"
    )]
    Form(String),
    /// Wildcards inside an ARN.
    #[error(
        "`{0}` has a wildcard or a variable, which principals cannot have: write `*` and a condition `ArnLike` on `aws:PrincipalArn`"
    )]
    Wildcard(String),
    /// Another name of somebody who is no AWS account.
    #[error("a name of a principal is empty: write it")]
    Empty,
}

impl Principal {
    /// An element below `AWS`.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(super) fn parse_aws(written: &str) -> Result<Self, PrincipalError> {
        if written == "*" {
            return Ok(Self::Everyone);
        }
        if is_account(written) {
            return Ok(Self::Account(written.to_owned()));
        }
        if written.contains(['*', '?', '$']) {
            return Err(PrincipalError::Wildcard(written.to_owned()));
        }
        let form = || PrincipalError::Form(written.to_owned());
        let Ok(arn) = Arn::parse(written) else {
            return Err(form());
        };
        let sections: Vec<&str> = arn.as_str().splitn(6, ':').collect();
        let [_, _, service, "", account, resource] = sections.as_slice() else {
            return Err(form());
        };
        if !is_account(account) {
            return Err(form());
        }
        let named = resource
            .split_once('/')
            .filter(|(_, name)| !name.is_empty());
        match (*service, *resource, named) {
            ("iam", "root", _) => Ok(Self::Account((*account).to_owned())),
            ("iam", _, Some(("user" | "role", _)))
            | ("sts", _, Some(("assumed-role" | "federated-user", _))) => {
                Ok(Self::Arn(written.to_owned()))
            }
            _ => Err(form()),
        }
    }

    /// An element below `Service`, `Federated` or `CanonicalUser`.
    ///
    /// # Errors
    ///
    /// When it is empty.
    pub(super) fn parse_foreign(written: &str) -> Result<Self, PrincipalError> {
        if written.is_empty() {
            return Err(PrincipalError::Empty);
        }
        Ok(Self::Foreign)
    }

    /// Whether this element means `caller`.
    pub(super) fn means(&self, caller: Caller<'_>) -> bool {
        match (self, caller) {
            (Self::Everyone, _) => true,
            (Self::Foreign, _) | (Self::Account(_) | Self::Arn(_), Caller::Anonymous) => false,
            (Self::Account(account), Caller::Known(identity)) => account == identity.account,
            (Self::Arn(arn), Caller::Known(identity)) => {
                arn == identity.arn || Some(arn.as_str()) == identity.session
            }
        }
    }
}

/// Whether `NotPrincipal` spares `caller`: when every name that the caller goes by is listed, the
/// account's, the user's or role's and the session's. IAM judges them one after the other, and
/// one that is not listed is denied.
pub(super) fn spares(listed: &[Principal], caller: Caller<'_>) -> bool {
    let Caller::Known(identity) = caller else {
        return false;
    };
    let lists = |name: &str| {
        listed
            .iter()
            .any(|p| matches!(p, Principal::Arn(arn) if arn == name))
    };
    let account = Principal::Account(identity.account.to_owned());
    let is_root = Principal::parse_aws(identity.arn).is_ok_and(|parsed| parsed == account);
    listed.contains(&account)
        && (is_root || lists(identity.arn))
        && identity.session.is_none_or(lists)
}

fn is_account(written: &str) -> bool {
    written.len() == 12 && written.bytes().all(|b| b.is_ascii_digit())
}
