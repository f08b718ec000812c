//! A file of access keys.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::{FreeJson, Named};

/// The access keys of callers that sign their requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Access keys")]
pub(crate) struct CredentialFile {
    /// Every key by its id, such as `AKIDEXAMPLE`. At most 10000.
    pub(crate) credentials: Named<Credential>,
}

/// One access key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    /// What it signs with.
    pub(crate) secret: Hidden,
    /// ARN of whoever signs: a user, a session of a role, a federated user or the root of an account.
    pub(crate) principal: String,
    /// ARN of the role of a session, where that has a path. Default: the role of the session's ARN,
    /// without a path.
    pub(crate) role: Option<String>,
    /// The unique id of the principal, such as `AIDACKCEVSQ6C2EXAMPLE`. Default: none.
    pub(crate) user_id: Option<String>,
    /// What makes the key temporary. Default: it is not.
    pub(crate) session: Option<SignedSession>,
    /// What the principal may do by itself: policies as IAM has them. Default: nothing. At most 20,
    /// with those of `policy_files`.
    #[serde(default)]
    pub(crate) policies: Vec<FreeJson>,
    /// JSON files with one policy each; relative ones start at the directory of this file.
    #[serde(default)]
    pub(crate) policy_files: Vec<String>,
    /// Tags of the principal, which conditions may ask for. At most 50.
    #[serde(default)]
    pub(crate) tags: Named<String>,
    /// The organization of the account. Default: none.
    pub(crate) organization: Option<Organization>,
}

/// What makes a key temporary.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedSession {
    /// What every request has to carry as `X-Amz-Security-Token`.
    pub(crate) token: Hidden,
    /// When it ends, such as `2026-01-02T03:04:05Z`. Default: never.
    pub(crate) expires: Option<String>,
    /// When it was issued. Default: nobody knows.
    pub(crate) issued: Option<String>,
    /// When a second factor was shown. Default: none was.
    pub(crate) mfa_at: Option<String>,
}

/// The organization of an account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organization {
    /// Such as `o-a1b2c3d4e5`.
    pub(crate) id: String,
    /// Where in it the account is, such as `o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/`. Default: none.
    #[serde(default)]
    pub(crate) paths: Vec<String>,
}

/// A text that no message repeats, whatever was written for it.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(Value);

impl Hidden {
    /// The text, if that is what was written.
    pub(crate) fn text(&self) -> Option<&str> {
        self.0.as_str()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl JsonSchema for Hidden {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Hidden".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-hidden": true })
    }
}
