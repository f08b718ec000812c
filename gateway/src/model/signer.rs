//! Callers that sign their requests, and the access keys they sign with.
//!
//! Who somebody is and the secret that proves it are kept apart: a [`Signer`] goes along with a request
//! and into logs, its secret never does.

use super::arn::is_account;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::language::policy::{Policy, Timestamp};

/// What an authorizer of signatures asks of them.
#[derive(Clone, Debug)]
pub struct IamSettings {
    /// The access keys.
    pub credentials: CredentialFile,
    /// Whether requests may say that their body is not signed; default no.
    pub allow_unsigned_payload: bool,
}

impl PartialEq for IamSettings {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.credentials.held, &other.credentials.held) {
            // What was read anew may differ in any secret, and is not compared.
            (Ok(ours), Ok(theirs)) => Arc::ptr_eq(ours, theirs),
            (Err(ours), Err(theirs)) => ours == theirs,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        same && self.credentials.path == other.credentials.path
            && self.allow_unsigned_payload == other.allow_unsigned_payload
    }
}

impl Eq for IamSettings {}

/// A file of access keys.
#[derive(Clone, Debug)]
pub struct CredentialFile {
    /// The file.
    pub path: PathBuf,
    /// What it held when the configuration was read; otherwise why that is not known.
    pub held: Result<Arc<Credentials>, String>,
}

/// Access keys by their ids.
#[derive(Default)]
pub struct Credentials(HashMap<String, Credential>);

impl Credentials {
    /// Of these keys, each by its id.
    #[must_use]
    pub const fn new(by_id: HashMap<String, Credential>) -> Self {
        Self(by_id)
    }

    /// The key of this id.
    #[must_use]
    pub fn find(&self, access_key_id: &str) -> Option<&Credential> {
        self.0.get(access_key_id)
    }

    /// The ids of all.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.0.len())
    }
}

/// One access key.
#[derive(Debug)]
pub struct Credential {
    /// What it signs with.
    pub secret: SecretText,
    /// Of a temporary key, what has to come with it.
    pub session: Option<SessionToken>,
    /// Whose it is.
    pub signer: Arc<Signer>,
}

/// What makes an access key temporary.
#[derive(Debug)]
pub struct SessionToken {
    /// What every request has to carry.
    pub token: SecretText,
    /// The first second at which it is good no more; `None` for never.
    pub expires: Option<Timestamp>,
}

/// A text that must not be told. Comparing takes a time that tells no more than its length.
#[derive(Clone)]
pub struct SecretText(String);

impl SecretText {
    /// From what is on file.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Who signs, as policies and variables know it.
#[derive(Debug)]
pub struct Signer {
    /// The id of its access key.
    pub access_key_id: String,
    /// Who it is.
    pub principal: Principal,
    /// Its unique id, such as `AIDACKCEVSQ6C2EXAMPLE` of a user; `None` where none is on file.
    pub user_id: Option<String>,
    /// What is known of its session, of a temporary key.
    pub session: Option<Session>,
    /// Tags that conditions may ask for.
    pub tags: Vec<(String, String)>,
    /// The organization of its account.
    pub organization: Option<Organization>,
    /// What it may do by itself.
    pub policies: Vec<Arc<Policy>>,
}

/// What conditions may ask about a session.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// When it was issued, where that is on file.
    pub issued: Option<Timestamp>,
    /// When a second factor was shown; `None` where none was.
    pub mfa_at: Option<Timestamp>,
}

/// The organization of an account.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Such as `o-a1b2c3d4e5`.
    pub id: String,
    /// Where in it the account is, such as `o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/`.
    pub paths: Vec<String>,
}

/// Whose an access key is, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// As written: of the user, the root of an account, or a session.
    pub arn: String,
    /// The account, of the ARN: twelve digits.
    pub account: String,
    /// What it is.
    pub kind: PrincipalKind,
}

/// What an ARN of a principal says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The owner of the account.
    Account,
    /// A user of this name.
    User(String),
    /// A session of a role.
    AssumedRole {
        /// The ARN of the role.
        role: String,
    },
    /// A federated user.
    FederatedUser,
}

/// Why a text is no principal that could sign.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// Not the ARN of anybody.
    #[error(
        "`{0}` is nobody who signs: write the ARN of a user \
         (`arn:aws:iam::111122223333:user/ann`), of a session \
         (`arn:aws:sts::111122223333:assumed-role/reader/ann`), of a federated user or of the root \
         of an account"
    )]
    Form(String),
    /// A role, which only its sessions act for.
    #[error(
        "`{0}` is a role, and its sessions sign: write the ARN of one, such as \
         `arn:aws:sts::111122223333:assumed-role/reader/ann`, and this one under `role`"
    )]
    Role(String),
}

impl Principal {
    /// Reads the ARN of whoever signs. The role of a session is taken to have no path.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(written: &str) -> Result<Self, PrincipalError> {
        let form = || PrincipalError::Form(written.chars().take(200).collect());
        let sections: Vec<&str> = written.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = sections.as_slice() else {
            return Err(form());
        };
        let is_clean = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'?' | b'$');
            !text.is_empty() && text.bytes().all(allowed)
        };
        if !is_account(account) || !is_clean(partition) || !is_clean(resource) {
            return Err(form());
        }
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        let last = name.rsplit('/').next().unwrap_or_default();
        let kind = match (*service, kind, name.split_once('/')) {
            ("iam", "root", None) if name.is_empty() => PrincipalKind::Account,
            ("iam", "user", _) if !last.is_empty() => PrincipalKind::User(last.to_owned()),
            ("iam", "role", _) => return Err(PrincipalError::Role(written.to_owned())),
            ("sts", "assumed-role", Some((role, session)))
                if !role.is_empty() && !session.is_empty() && !session.contains('/') =>
            {
                PrincipalKind::AssumedRole {
                    role: format!("arn:{partition}:iam::{account}:role/{role}"),
                }
            }
            ("sts", "federated-user", None) if !name.is_empty() => PrincipalKind::FederatedUser,
            _ => return Err(form()),
        };
        Ok(Self {
            arn: written.to_owned(),
            account: (*account).to_owned(),
            kind,
        })
    }

    /// What a policy knows it by: of a session the role.
    #[must_use]
    pub fn identity_arn(&self) -> &str {
        match &self.kind {
            PrincipalKind::AssumedRole { role } => role,
            PrincipalKind::Account | PrincipalKind::User(_) | PrincipalKind::FederatedUser => {
                &self.arn
            }
        }
    }

    /// What `aws:PrincipalType` says.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self.kind {
            PrincipalKind::Account => "Account",
            PrincipalKind::User(_) => "User",
            PrincipalKind::AssumedRole { .. } => "AssumedRole",
            PrincipalKind::FederatedUser => "FederatedUser",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_signs_has_an_arn() {
        let at = "111122223333";
        for (written, kind, identity) in [
            (format!("arn:aws:iam::{at}:root"), "Account", None),
            (format!("arn:aws:iam::{at}:user/a/b/ann"), "User", None),
            (
                format!("arn:aws:sts::{at}:assumed-role/reader/ann"),
                "AssumedRole",
                Some(format!("arn:aws:iam::{at}:role/reader")),
            ),
            (
                format!("arn:aws:sts::{at}:federated-user/ann"),
                "FederatedUser",
                None,
            ),
        ] {
            let principal = Principal::parse(&written).unwrap();
            assert_eq!(principal.type_name(), kind);
            assert_eq!(principal.account, at);
            assert_eq!(
                principal.identity_arn(),
                identity.as_deref().unwrap_or(&written)
            );
        }
        let user = Principal::parse("arn:aws:iam::111122223333:user/a/b/ann").unwrap();
        assert_eq!(user.kind, PrincipalKind::User("ann".to_owned()));
    }

    #[test]
    fn others_are_told_what_to_write() {
        for written in [
            "",
            "ann",
            "arn:aws:iam::1:user/ann",
            "arn:aws:iam::111122223333:user/",
            "arn:aws:iam::111122223333:user",
            "arn:aws:iam::111122223333:root/x",
            "arn:aws:iam:x:111122223333:user/ann",
            "arn:aws:iam::111122223333:user/a*",
            "arn:aws:iam::111122223333:user/a b",
            "arn:aws:sts::111122223333:assumed-role/reader",
            "arn:aws:sts::111122223333:assumed-role/reader/a/b",
            "arn:aws:sts::111122223333:federated-user/a/b",
            "arn:aws:s3:::bucket",
        ] {
            let error = Principal::parse(written).unwrap_err();
            assert!(
                matches!(error, PrincipalError::Form(_)),
                "{written}: {error}"
            );
        }
        let role = Principal::parse("arn:aws:iam::111122223333:role/reader").unwrap_err();
        assert!(matches!(role, PrincipalError::Role(_)));
    }
}
