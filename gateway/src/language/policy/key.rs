//! Condition keys: what a policy may ask about a request.

use std::fmt;
use std::str::FromStr;

macro_rules! keys {
    ($($variant:ident $kind:ident $name:literal $doc:literal,)*) => {
        /// What a condition asks about: the keys that API Gateway documents for its resource
        /// policies. Their names do not tell letter case apart.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Key {
            $(#[doc = $doc] $variant,)*
            /// A tag of the caller, by its name. These names do not tell letter case apart either.
            PrincipalTag(String),
        }

        impl Key {
            fn named(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) {
                    return Some(Self::$variant);
                })*
                None
            }

            /// What its values are.
            pub(super) const fn kind(&self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)*
                    Self::PrincipalTag(_) => Kind::Tag,
                }
            }
        }

        impl fmt::Display for Key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($name),)*
                    Self::PrincipalTag(tag) => write!(f, "{PRINCIPAL_TAG}{tag}"),
                }
            }
        }
    };
}

keys! {
    CurrentTime Time "aws:CurrentTime" "The time, shown as a date.",
    EpochTime EpochTime "aws:EpochTime" "The time, shown as seconds since 1970.",
    TokenIssueTime Time "aws:TokenIssueTime" "When the caller's temporary credentials were issued.",
    MultiFactorAuthPresent Flag "aws:MultiFactorAuthPresent" "Whether a second factor stands behind temporary credentials.",
    MultiFactorAuthAge Number "aws:MultiFactorAuthAge" "Seconds since the second factor was shown.",
    PrincipalAccount Text "aws:PrincipalAccount" "The caller's account.",
    PrincipalArn Arn "aws:PrincipalArn" "The caller's user or role.",
    PrincipalType Text "aws:PrincipalType" "What the caller is: `User`, `AssumedRole` and so on.",
    UserId Text "aws:userid" "The caller's unique id.",
    UserName Text "aws:username" "The caller's name, of users alone.",
    PrincipalOrgId Text "aws:PrincipalOrgID" "The organisation of the caller's account.",
    PrincipalOrgPaths Texts "aws:PrincipalOrgPaths" "The caller's place in the organisation; several values.",
    Referer Text "aws:Referer" "The header of that name.",
    UserAgent Text "aws:UserAgent" "The header `User-Agent`.",
    SecureTransport Flag "aws:SecureTransport" "Whether the request came over TLS.",
    SourceArn Arn "aws:SourceArn" "The resource on whose behalf a service calls.",
    SourceIp Address "aws:SourceIp" "The address that the request came from.",
    VpcSourceIp Address "aws:VpcSourceIp" "The address behind a VPC endpoint.",
    SourceVpc Text "aws:SourceVpc" "The VPC of the endpoint that the request came through.",
    SourceVpce Text "aws:SourceVpce" "The VPC endpoint that the request came through.",
}

const PRINCIPAL_TAG: &str = "aws:PrincipalTag/";

/// What the values of a key are, which decides the operators that can judge them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Several values, or none.
    Texts,
    Arn,
    Address,
    Time,
    EpochTime,
    Number,
    Flag,
    /// Text that may hold any of the others.
    Tag,
}

/// Why a text is no condition key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// None of the documented ones.
    #[error(
        "there is no condition key `{0}` for API Gateway: write one that its guide on resource policies lists"
    )]
    Unknown(String),
    /// `aws:PrincipalTag` without a tag.
    #[error("`{0}` names no tag: write `aws:PrincipalTag/team`")]
    NoTag(String),
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(written: &str) -> Result<Self, KeyError> {
        if let Some(key) = Self::named(written) {
            return Ok(key);
        }
        let family = PRINCIPAL_TAG.trim_end_matches('/');
        match written.split_at_checked(PRINCIPAL_TAG.len()) {
            Some((prefix, tag))
                if prefix.eq_ignore_ascii_case(PRINCIPAL_TAG) && !tag.is_empty() =>
            {
                Ok(Self::PrincipalTag(tag.to_owned()))
            }
            _ if written.trim_end_matches('/').eq_ignore_ascii_case(family) => {
                Err(KeyError::NoTag(written.to_owned()))
            }
            _ => Err(KeyError::Unknown(written.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_tell_letter_case_apart() {
        assert_eq!("AWS:sourceip".parse(), Ok(Key::SourceIp));
        assert_eq!("aws:UserID".parse(), Ok(Key::UserId));
        assert_eq!(
            "aws:principaltag/Team".parse(),
            Ok(Key::PrincipalTag("Team".to_owned()))
        );
        assert_eq!(
            Key::PrincipalTag("Team".to_owned()).to_string(),
            "aws:PrincipalTag/Team"
        );
        assert_eq!(Key::SourceVpce.to_string(), "aws:SourceVpce");
    }

    #[test]
    fn other_keys_are_refused() {
        for written in [
            "aws:SourceIP2",
            "s3:prefix",
            "aws:RequestTag/x",
            "SourceIp",
            "",
        ] {
            let unknown = KeyError::Unknown(written.to_owned());
            assert_eq!(written.parse::<Key>(), Err(unknown));
        }
        for written in ["aws:PrincipalTag", "aws:principalTag/"] {
            let no_tag = KeyError::NoTag(written.to_owned());
            assert_eq!(written.parse::<Key>(), Err(no_tag));
        }
    }
}
