//! The files in which the command line of AWS keeps credentials, and their profiles.
//!
//! A profile of the credentials file goes before one of that name in the configuration file. Only keys
//! that stand in them are used: a profile that gets its keys elsewhere (roles, single sign-on, commands)
//! is refused by the name of the setting. Source: AWS SDKs and Tools Reference Guide, "Shared config and
//! credentials files".

use std::io;
use std::path::{Path, PathBuf};

use super::environment::{CONFIG_FILE, CREDENTIALS_FILE, Environment, HOME, PROFILE};
use super::{Credentials, MalformedCredentials, text_of};

/// Largest file.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// The profile where none is named.
const DEFAULT: &str = "default";

/// Settings that say where the keys of a profile are to be had, none of which is supported.
const ELSEWHERE: [&str; 6] = [
    "credential_process",
    "credential_source",
    "role_arn",
    "sso_account_id",
    "sso_session",
    "web_identity_token_file",
];

/// A profile whose credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A file cannot be read.
    #[error("`{}` cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is neither a profile nor a setting.
    #[error("{}:{line}: this is neither `[profile]` nor `name = value`", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// Its keys are to be had elsewhere.
    #[error(
        "the profile `{profile}` takes its keys from `{setting}`, which is not supported: write its \
         keys into the file, or choose another source"
    )]
    Elsewhere {
        /// The profile.
        profile: String,
        /// The setting.
        setting: &'static str,
    },
    /// One half of a key is missing.
    #[error("the profile `{profile}` has no `{setting}`")]
    Incomplete {
        /// The profile.
        profile: String,
        /// The setting.
        setting: &'static str,
    },
    /// What stands there is no key.
    #[error("the profile `{profile}` has keys that cannot be used")]
    Malformed {
        /// The profile.
        profile: String,
        /// What is wrong.
        source: MalformedCredentials,
    },
}

/// The name of the profile to be used, and whether somebody chose it.
pub(super) fn chosen<'a>(
    written: Option<&'a str>,
    environment: &'a Environment,
) -> (&'a str, bool) {
    let name = written.or_else(|| environment.get(PROFILE));
    (name.unwrap_or(DEFAULT), name.is_some())
}

/// The credentials of `profile`; `None` where no file has it.
pub(super) fn read(
    profile: &str,
    environment: &Environment,
) -> Result<Option<Credentials>, ProfileError> {
    let section = if profile == DEFAULT {
        DEFAULT.to_owned()
    } else {
        format!("profile {profile}")
    };
    let files = [
        (CREDENTIALS_FILE, ".aws/credentials", profile.to_owned()),
        (CONFIG_FILE, ".aws/config", section),
    ];
    for (variable, default, section) in files {
        let named = environment.get(variable).map(PathBuf::from);
        let usual = environment
            .get(HOME)
            .map(|home| Path::new(home).join(default));
        let is_named = named.is_some();
        let Some(path) = named.or(usual) else {
            continue;
        };
        let text = match text_of(&path, FILE_BYTES_MAX) {
            Ok(text) => text,
            // Most hosts have neither of the usual ones.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => continue,
            Err(source) => return Err(ProfileError::File { path, source }),
        };
        let settings = Settings::of(&section, &text);
        let settings = settings.map_err(|line| ProfileError::Syntax { path, line })?;
        if let Some(credentials) = settings.credentials(profile)? {
            return Ok(Some(credentials));
        }
    }
    Ok(None)
}

/// What stands in one section. The last of several values of one name counts, as for other readers.
struct Settings<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Settings<'t> {
    /// Reads the section of this name; of a mistake gives the line.
    fn of(name: &str, text: &'t str) -> Result<Self, usize> {
        let mut settings = Vec::new();
        let mut is_in = false;
        for (number, line) in text.lines().enumerate() {
            let words = line.trim();
            if words.is_empty() || words.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = words.strip_prefix('[') {
                let (section, _) = section.split_once(']').ok_or(number + 1)?;
                let words: Vec<&str> = section.split_whitespace().collect();
                is_in = words.join(" ") == name;
                continue;
            }
            // What is indented belongs to the setting before it, none of which is one of ours.
            if line.starts_with([' ', '\t']) {
                continue;
            }
            let (key, value) = words.split_once('=').ok_or(number + 1)?;
            if is_in {
                settings.push((key.trim(), value.trim()));
            }
        }
        Ok(Self(settings))
    }

    fn get(&self, name: &str) -> Option<&'t str> {
        let mut named = self.0.iter().rev().filter(|(key, _)| *key == name);
        let (_, value) = named.next()?;
        (!value.is_empty()).then_some(*value)
    }

    fn credentials(&self, profile: &str) -> Result<Option<Credentials>, ProfileError> {
        const ID: &str = "aws_access_key_id";
        const SECRET: &str = "aws_secret_access_key";
        let profile = || profile.to_owned();
        let (id, secret) = match (self.get(ID), self.get(SECRET)) {
            (Some(id), Some(secret)) => (id, secret),
            (None, None) => {
                let mut elsewhere = ELSEWHERE.iter().filter(|name| self.get(name).is_some());
                return match elsewhere.next() {
                    Some(setting) => Err(ProfileError::Elsewhere {
                        profile: profile(),
                        setting,
                    }),
                    None => Ok(None),
                };
            }
            (Some(_), None) => {
                return Err(ProfileError::Incomplete {
                    profile: profile(),
                    setting: SECRET,
                });
            }
            (None, Some(_)) => {
                return Err(ProfileError::Incomplete {
                    profile: profile(),
                    setting: ID,
                });
            }
        };
        let credentials = Credentials::new(id, secret, self.get("aws_session_token"), None);
        let malformed = |source| ProfileError::Malformed {
            profile: profile(),
            source,
        };
        credentials.map(Some).map_err(malformed)
    }
}
