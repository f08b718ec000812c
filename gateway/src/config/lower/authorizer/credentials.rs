//! Files of access keys: who signs, with what, and what they may do.
//!
//! A file is YAML or JSON, read with the configuration and judged as a whole like it. What is wrong is
//! told at its place, and no message repeats a secret.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, FileId};
use crate::config::files::{Kept, told};
use crate::config::lower::policy::{self, at_place, too_long};
use crate::config::schema::schema_of;
use crate::config::tree::shortened;
use crate::config::written::{self, Hidden};
use crate::config::yaml::{self, Bounds};
use crate::config::{read, shape};
use crate::language::policy::{Form, Policy, Timestamp};
use crate::model::{
    Credential, Credentials, Organization, Principal, PrincipalKind, SecretText, Session,
    SessionToken, Signer,
};

/// Largest file of access keys.
pub(in crate::config) const FILE_BYTES_MAX: u64 = 8 << 20;
/// Most access keys in one.
const CREDENTIALS_MAX: usize = 10_000;
/// Most policies of one key.
const POLICIES_MAX: usize = 20;
/// Most tags of one principal, as in IAM.
const TAGS_MAX: usize = 50;
/// Longest id of a key, unique id of a principal, name of a tag, and so on.
const NAME_BYTES_MAX: usize = 256;
/// Longest secret.
const SECRET_BYTES_MAX: usize = 256;
/// Longest session token: more than a listener takes by default in one header.
const TOKEN_BYTES_MAX: usize = 8 << 10;

static SCHEMA: LazyLock<Json> = LazyLock::new(schema_of::<written::CredentialFile>);

/// Reads what the file at `path` held. `kept` reads the policies that it names.
///
/// # Errors
/// Everything that is wrong with it, each in a sentence.
pub(super) fn parse(path: &Path, content: &[u8], kept: &Kept) -> Result<Credentials, Vec<String>> {
    let mut reader = Reader {
        directory: path.parent().unwrap_or(Path::new("/")),
        kept,
        policies: BTreeMap::new(),
        diagnostics: Collector::new(&path.display().to_string()),
    };
    let found = reader.file(content);
    match (reader.diagnostics.finish(), found) {
        (Ok(_), Some(found)) => Ok(found),
        (Ok(_), None) => Err(vec![
            "it was refused for no reason that could be named".to_owned(),
        ]),
        (Err(report), _) => Err(report.errors.iter().map(ToString::to_string).collect()),
    }
}

/// Reads one file.
struct Reader<'a> {
    directory: &'a Path,
    kept: &'a Kept,
    /// Policies in files of their own, which several keys may share.
    policies: BTreeMap<String, Option<Arc<Policy>>>,
    diagnostics: Collector,
}

impl Reader<'_> {
    fn file(&mut self, content: &[u8]) -> Option<Credentials> {
        let Ok(text) = std::str::from_utf8(content) else {
            let message = "this is not UTF-8: save the file as UTF-8";
            self.diagnostics.error(None, "", message);
            return None;
        };
        let bounds = Bounds::CONFIGURATION;
        let tree = yaml::parse(text, FileId::FIRST, bounds, &mut self.diagnostics)?;
        let sound = shape::check(&SCHEMA, &tree, &mut self.diagnostics)?;
        let written: written::CredentialFile = match read::read(&sound) {
            Ok(written) => written,
            Err(error) => {
                let message = format!("cannot be understood: {error}");
                self.diagnostics.error(Some(tree.place), "", message);
                return None;
            }
        };
        let root = Cursor::root(&tree);
        let section = root.key("credentials");
        let found = written.credentials.0.len();
        if found > CREDENTIALS_MAX {
            let message = format!("{found} are too many: at most {CREDENTIALS_MAX}");
            self.error(&section, message);
            return None;
        }
        let mut by_id = HashMap::with_capacity(found);
        for (id, written) in &written.credentials.0 {
            if let Some(credential) = self.credential(id, written, &section.key(id)) {
                by_id.insert(id.clone(), credential);
            }
        }
        Some(Credentials::new(by_id))
    }

    fn credential(
        &mut self,
        id: &str,
        written: &written::Credential,
        at: &Cursor<'_>,
    ) -> Option<Credential> {
        let is_id = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if id.is_empty() || id.len() > NAME_BYTES_MAX || !is_id(id) {
            let message = "an access key has an id of letters, digits and `_`: write that";
            let path = at.path.to_string();
            self.diagnostics.error(Some(at.key_place), path, message);
        }
        let secret = self.hidden(&written.secret, SECRET_BYTES_MAX, &at.key("secret"));
        let principal = self.principal(written, at);
        let session = written.session.as_ref();
        let session = session.map(|session| self.session(session, &at.key("session")));
        let user_id = written.user_id.clone();
        if let Some(id) = &user_id {
            self.name(id, &at.key("user_id"));
        }
        let signer = Signer {
            access_key_id: id.to_owned(),
            user_id,
            session: session.as_ref().map(|(_, known)| *known),
            tags: self.tags(&written.tags, &at.key("tags")),
            organization: self.organization(written, &at.key("organization")),
            policies: self.policies(written, at),
            principal: principal?,
        };
        let session = match session {
            None => None,
            Some((token, _)) => Some(token?),
        };
        Some(Credential {
            secret: secret?,
            session,
            signer: Arc::new(signer),
        })
    }

    fn principal(&mut self, written: &written::Credential, at: &Cursor<'_>) -> Option<Principal> {
        let mut principal = match Principal::parse(&written.principal) {
            Ok(principal) => principal,
            Err(error) => {
                self.error(&at.key("principal"), error.to_string());
                return None;
            }
        };
        if let Some(written) = &written.role {
            match &mut principal.kind {
                PrincipalKind::AssumedRole { role } if is_role(written, role) => {
                    role.clone_from(written);
                }
                _ => {
                    let shown = shortened(written);
                    let message = format!(
                        "`{shown}` is not the role of `{}`: write its ARN, of the same account and \
                         name, or take this out",
                        principal.arn
                    );
                    self.error(&at.key("role"), message);
                }
            }
        }
        Some(principal)
    }

    /// `None` for a token that is none.
    fn session(
        &mut self,
        written: &written::SignedSession,
        at: &Cursor<'_>,
    ) -> (Option<SessionToken>, Session) {
        let token = self.hidden(&written.token, TOKEN_BYTES_MAX, &at.key("token"));
        let mut time = |text: &Option<String>, key| {
            let parsed: Result<Timestamp, _> = text.as_ref()?.parse();
            parsed
                .inspect_err(|error| self.error(&at.key(key), format!("{error}")))
                .ok()
        };
        let expires = time(&written.expires, "expires");
        let session = Session {
            issued: time(&written.issued, "issued"),
            mfa_at: time(&written.mfa_at, "mfa_at"),
        };
        let token = token.map(|token| SessionToken { token, expires });
        (token, session)
    }

    fn tags(&mut self, written: &written::Named<String>, at: &Cursor<'_>) -> Vec<(String, String)> {
        let found = written.0.len();
        if found > TAGS_MAX {
            self.error(at, format!("{found} are too many: at most {TAGS_MAX}"));
        }
        for (name, value) in &written.0 {
            if name.is_empty() || name.len() > NAME_BYTES_MAX || value.len() > NAME_BYTES_MAX {
                let message = format!(
                    "a tag has a name, and neither that nor its value more than {NAME_BYTES_MAX} \
                     bytes: shorten it"
                );
                self.error(&at.key(name), message);
            }
        }
        written.0.clone()
    }

    fn organization(
        &mut self,
        written: &written::Credential,
        at: &Cursor<'_>,
    ) -> Option<Organization> {
        let written = written.organization.as_ref()?;
        self.name(&written.id, &at.key("id"));
        for (index, path) in written.paths.iter().enumerate() {
            self.name(path, &at.key("paths").item(index));
        }
        Some(Organization {
            id: written.id.clone(),
            paths: written.paths.clone(),
        })
    }

    fn policies(&mut self, written: &written::Credential, at: &Cursor<'_>) -> Vec<Arc<Policy>> {
        let found = written.policies.len() + written.policy_files.len();
        if found > POLICIES_MAX {
            self.error(
                at,
                format!("{found} policies are too many: at most {POLICIES_MAX}"),
            );
            return Vec::new();
        }
        let mut policies = Vec::with_capacity(found);
        let section = at.key("policies");
        for (index, document) in written.policies.iter().enumerate() {
            let at = section.item(index);
            if let Some(message) = too_long(&document.0) {
                self.error(&at, message);
                continue;
            }
            match Policy::parse(&document.0, Form::Identity) {
                Ok(policy) => policies.push(Arc::new(policy)),
                Err(errors) => {
                    for error in errors {
                        let at = at_place(&at, &error.place);
                        self.error(&at, error.problem.to_string());
                    }
                }
            }
        }
        let section = at.key("policy_files");
        for (index, name) in written.policy_files.iter().enumerate() {
            policies.extend(self.policy_file(name, &section.item(index)));
        }
        policies
    }

    fn policy_file(&mut self, name: &str, at: &Cursor<'_>) -> Option<Arc<Policy>> {
        if let Some(known) = self.policies.get(name) {
            return known.clone();
        }
        let path = self.directory.join(name);
        let shown = path.display().to_string();
        let content = self.kept.read(&path, policy::FILE_BYTES_MAX);
        let policy = match content {
            Err(error) => {
                self.error(at, format!("cannot read `{shown}`: {}", told(&error)));
                None
            }
            Ok(content) => match policy::parse(&shown, &content, Form::Identity, false) {
                Ok(policy) => Some(Arc::new(policy)),
                Err(report) => {
                    for error in report.errors {
                        self.error(at, error.to_string());
                    }
                    None
                }
            },
        };
        // What is wrong with it is told once.
        self.policies.insert(name.to_owned(), policy.clone());
        policy
    }

    /// A text that is told nowhere.
    fn hidden(
        &mut self,
        written: &Hidden,
        bytes_max: usize,
        at: &Cursor<'_>,
    ) -> Option<SecretText> {
        let text = written.text().filter(|text| !text.is_empty());
        let text = text.filter(|text| text.len() <= bytes_max);
        if text.is_none() {
            let message = format!("this is a text of 1 to {bytes_max} bytes: put it in quotes");
            self.error(at, message);
        }
        text.map(|text| SecretText::new(text.to_owned()))
    }

    fn name(&mut self, text: &str, at: &Cursor<'_>) {
        let is_name = (1..=NAME_BYTES_MAX).contains(&text.len());
        if !is_name || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!(
                "`{}` has to be 1 to {NAME_BYTES_MAX} visible ASCII characters without spaces: \
                 write it so",
                shortened(text)
            );
            self.error(at, message);
        }
    }

    fn error(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        let path = at.path.to_string();
        self.diagnostics.error(Some(at.place), path, message);
    }
}

/// Whether `written` is the ARN of `role`, which has no path, with one.
fn is_role(written: &str, role: &str) -> bool {
    let parts = |arn: &str| {
        let (head, resource) = arn.rsplit_once(":role/")?;
        let name = resource.rsplit('/').next()?;
        Some((head.to_owned(), name.to_owned()))
    };
    parts(written).is_some_and(|own| Some(own) == parts(role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::files::Files;

    fn read(text: &str) -> Result<Credentials, Vec<String>> {
        let directory = tempfile::tempdir().unwrap();
        let policy = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
        std::fs::write(directory.path().join("all.json"), policy).unwrap();
        let files = Files::opened();
        parse(
            &directory.path().join("keys.yaml"),
            text.as_bytes(),
            files.kept().unwrap(),
        )
    }

    #[test]
    fn a_file_says_who_signs_and_what_that_caller_may_do() {
        let held = read(
            "credentials:
  AKIDONE:
    secret: s3cret
    principal: arn:aws:iam::111122223333:user/team/ann
    user_id: AIDAONE
    policies: [{Statement: {Effect: Deny, Action: '*', Resource: '*'}}]
    policy_files: [all.json]
    tags: {team: pets}
  ASIATWO:
    secret: other
    principal: arn:aws:sts::444455556666:assumed-role/reader/run
    role: arn:aws:iam::444455556666:role/deep/reader
    session: {token: abc, expires: '2026-01-02T03:04:05Z', mfa_at: '2026-01-02T03:00:00Z'}
    organization: {id: o-1, paths: [o-1/r-2/]}
    policy_files: [all.json]
",
        )
        .unwrap();
        assert_eq!(held.len(), 2);
        let ann = held.find("AKIDONE").unwrap();
        assert_eq!(ann.secret.expose(), "s3cret");
        assert_eq!(ann.signer.policies.len(), 2);
        assert_eq!(ann.signer.tags, [("team".to_owned(), "pets".to_owned())]);
        let run = held.find("ASIATWO").unwrap();
        let role = "arn:aws:iam::444455556666:role/deep/reader";
        assert_eq!(run.signer.principal.identity_arn(), role);
        let token = run.session.as_ref().unwrap();
        assert_eq!(token.token.expose(), "abc");
        assert_eq!(token.expires.unwrap().unix_seconds(), 1_767_323_045);
        assert!(!format!("{ann:?} {run:?} {held:?}").contains("s3cret"));
    }

    #[test]
    fn mistakes_are_told_at_their_place_and_secrets_never() {
        let told = read(
            "credentials:
  AKID ONE:
    secret: 123456789
    principal: ann
    role: x
  AKIDTWO:
    secret: [s3cret]
    principal: arn:aws:iam::111122223333:user/ann
    role: arn:aws:iam::111122223333:role/ann
    secrets: x
    session: {token: '', expires: tomorrow}
    policies: [{Statement: {Effect: Alow, Action: '*', Resource: '*'}}]
    policy_files: [none.json]
",
        )
        .unwrap_err();
        let all = told.join("\n");
        for expected in [
            "keys.yaml:2:3: credentials.\"AKID ONE\": an access key has an id",
            "keys.yaml:3:13: credentials.\"AKID ONE\".secret: this is a text of 1 to 256 bytes",
            "keys.yaml:4:16: credentials.\"AKID ONE\".principal: `ann` is nobody who signs",
            "keys.yaml:7:13: credentials.AKIDTWO.secret: this is a text",
            "keys.yaml:9:11: credentials.AKIDTWO.role: `arn:aws:iam::111122223333:role/ann` is not",
            "keys.yaml:10:5: credentials.AKIDTWO: unknown key `secrets`",
            "keys.yaml:11:22: credentials.AKIDTWO.session.token: this is a text",
            "credentials.AKIDTWO.session.expires: ",
            "credentials.AKIDTWO.policies[0].Statement.Effect: `Alow`",
            "keys.yaml:13:20: credentials.AKIDTWO.policy_files[0]: cannot read",
        ] {
            assert!(all.contains(expected), "{expected}\nis not in\n{all}");
        }
        assert!(
            !all.contains("123456789") && !all.contains("s3cret"),
            "{all}"
        );
    }
}
