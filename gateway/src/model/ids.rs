//! Names, each of its own type, so that one cannot stand where another belongs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Arc<str>);

            impl $name {
                /// From text that configuration has already checked.
                #[must_use]
                pub fn new(text: &str) -> Self {
                    Self(Arc::from(text))
                }

                /// The name as written.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl From<&$name> for Arc<str> {
                fn from(name: &$name) -> Self {
                    Self::clone(&name.0)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{:?}", &*self.0)
                }
            }
        )*
    };
}

names! {
    /// Name of this gateway on its host: pins, runtime files and sockets carry it. `[a-z0-9_-]`,
    /// 1 to 32 characters, because bpffs refuses dots.
    InstanceName,
    /// Name of a listener.
    ListenerName,
    /// Name of a list from a file.
    ListName,
    /// Name of an API.
    ApiName,
    /// What ARNs and an API's own host call it: lower-case letters and digits.
    ApiId,
    /// Name of a stage; `$default` serves whatever names no other stage of an HTTP API.
    StageName,
    /// Name of a custom domain's routing rule.
    RoutingRuleId,
    /// Name of an authorizer.
    AuthorizerName,
    /// Name of a lookup.
    LookupName,
    /// Name of a policy set.
    PolicySetName,
    /// Name of a policy store.
    PolicyStoreName,
    /// Name of a client of an authorization server.
    OAuthClientName,
    /// Name of an upstream.
    UpstreamName,
    /// A route as written, such as `GET /pets/{id}`.
    RouteKey,
    /// Name of a usage plan.
    UsagePlanName,
    /// Id of an API key: 10 lower-case letters and digits. It tells nothing of the key's value.
    ApiKeyId,
}

impl std::borrow::Borrow<str> for RouteKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl StageName {
    /// The stage of an HTTP API that serves what names no other one.
    pub const DEFAULT: &str = "$default";

    /// Whether this is [`Self::DEFAULT`].
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }
}

/// Why a text names no usage plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of a usage plan: write 1 to {max} letters, digits, `_` and `-`",
    max = UsagePlanName::CHARACTERS_MAX
)]
pub struct UsagePlanNameError(String);

impl UsagePlanName {
    /// Longest name, as of everything that configurations name.
    pub const CHARACTERS_MAX: usize = 64;

    /// Checks that `text` can name a usage plan, whether there is such a one or not.
    ///
    /// # Errors
    /// Where it is empty, too long or has other characters than letters, digits, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, UsagePlanNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        let length = 1..=Self::CHARACTERS_MAX;
        if length.contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self::new(text))
        } else {
            Err(UsagePlanNameError(text.escape_debug().take(80).collect()))
        }
    }
}

/// A text that is no id of an API key. It is not repeated: who mixes up id and value has written a
/// credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no id of an API key, which has {len} lower-case letters and digits: `gateway keys list` \
     shows them",
    len = ApiKeyId::CHARACTERS
)]
pub struct ApiKeyIdError;

impl ApiKeyId {
    /// Length of every id.
    pub const CHARACTERS: usize = 10;

    /// Checks that `text` can be an id.
    ///
    /// # Errors
    /// It has another length or other characters.
    pub fn parse(text: &str) -> Result<Self, ApiKeyIdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.len() == Self::CHARACTERS && text.bytes().all(allowed) {
            Ok(Self::new(text))
        } else {
            Err(ApiKeyIdError)
        }
    }
}

/// Longest name of an instance.
pub const INSTANCE_NAME_BYTES_MAX: usize = 32;

/// Why a text is no instance name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an instance name: write 1 to {INSTANCE_NAME_BYTES_MAX} lower-case letters, digits, \
     `_` and `-`"
)]
pub struct InstanceNameError(String);

impl InstanceName {
    /// Checks that `text` can name an instance.
    ///
    /// # Errors
    /// Where it is empty, too long or has other characters than `[a-z0-9_-]`.
    pub fn parse(text: &str) -> Result<Self, InstanceNameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        let length = 1..=INSTANCE_NAME_BYTES_MAX;
        if length.contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self::new(text))
        } else {
            Err(InstanceNameError(text.escape_debug().take(80).collect()))
        }
    }

    /// Where the admin socket and the mapped buckets are, unless configured:
    /// `/run/gateway/<instance>`.
    #[must_use]
    pub fn default_runtime_directory(&self) -> PathBuf {
        Path::new("/run/gateway").join(self.as_str())
    }

    /// Where what outlives a reboot is, unless configured: `/var/lib/gateway/<instance>`.
    #[must_use]
    pub fn default_state_directory(&self) -> PathBuf {
        Path::new("/var/lib/gateway").join(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_names_are_safe_as_parts_of_paths() {
        for good in ["default", "a", "edge-1", "a_b", &"x".repeat(32)] {
            assert!(InstanceName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "A", "a b", "\u{e9}", &"x".repeat(33)] {
            assert!(InstanceName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_of_api_keys_are_not_repeated_where_they_are_none() {
        assert_eq!(
            ApiKeyId::parse("abc0123xyz").unwrap().as_str(),
            "abc0123xyz"
        );
        for bad in ["", "abc0123xy", "abc0123xyz0", "Abc0123xyz", "abc-123xyz"] {
            let refused = ApiKeyId::parse(bad).unwrap_err().to_string();
            assert!(bad.is_empty() || !refused.contains(bad), "{refused}");
        }
    }

    #[test]
    fn usage_plans_are_named_as_everything_that_is_configured() {
        for good in ["basic", "A-1_b", &"x".repeat(64)] {
            assert!(UsagePlanName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a.b", "\u{e9}", "a,b", &"x".repeat(65)] {
            assert!(UsagePlanName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn directories_carry_the_instance() {
        let instance = InstanceName::parse("blue").unwrap();
        assert_eq!(
            instance.default_runtime_directory(),
            Path::new("/run/gateway/blue")
        );
        assert_eq!(
            instance.default_state_directory(),
            Path::new("/var/lib/gateway/blue")
        );
    }
}
