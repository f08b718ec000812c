//! The variables that say where credentials are, with the names that all tools of AWS give them.

use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt;

pub(super) const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub(super) const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
pub(super) const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
pub(super) const PROFILE: &str = "AWS_PROFILE";
pub(super) const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
pub(super) const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
pub(super) const HOME: &str = "HOME";
pub(super) const WEB_IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
pub(super) const CONTAINER_PATH: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
pub(super) const CONTAINER_URL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
pub(super) const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
pub(super) const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
pub(super) const METADATA_OFF: &str = "AWS_EC2_METADATA_DISABLED";
pub(super) const METADATA_URL: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
pub(super) const METADATA_MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";

const NAMES: [&str; 15] = [
    ACCESS_KEY_ID,
    SECRET,
    SESSION_TOKEN,
    PROFILE,
    CREDENTIALS_FILE,
    CONFIG_FILE,
    HOME,
    WEB_IDENTITY,
    CONTAINER_PATH,
    CONTAINER_URL,
    CONTAINER_TOKEN,
    CONTAINER_TOKEN_FILE,
    METADATA_OFF,
    METADATA_URL,
    METADATA_MODE,
];

/// The variables that are set. Its `Debug` shows no value: some are secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

/// A variable whose value is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of the environment variable `{0}` is no text")]
pub struct NoText(pub &'static str);

impl Environment {
    /// Those of this process.
    ///
    /// # Errors
    /// One that is needed is no text.
    pub fn of_process() -> Result<Self, NoText> {
        let mut values = BTreeMap::new();
        for name in NAMES {
            match std::env::var(name) {
                Ok(value) => {
                    values.insert(name, value);
                }
                Err(VarError::NotPresent) => {}
                Err(VarError::NotUnicode(_)) => return Err(NoText(name)),
            }
        }
        Ok(Self(values))
    }

    /// Exactly these.
    #[must_use]
    pub fn of(values: &[(&'static str, &str)]) -> Self {
        let values = values.iter();
        Self(
            values
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        )
    }

    /// The value of a variable; one that is set to nothing is as one that is not set.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
