//! Condition operators by name.

use std::str::FromStr;

use super::key::{Key, Kind};

/// How a condition judges the values of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) family: Family,
    /// The `Not` in the name: none of the condition's values may match.
    pub(super) negated: bool,
    /// A key that is not in the request is no hindrance.
    pub(super) if_exists: bool,
    pub(super) quantifier: Quantifier,
}

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Text(Mode),
    Number(Relation),
    Date(Relation),
    Bool,
    Binary,
    IpAddress,
    Arn,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Equals,
    EqualsIgnoreCase,
    Like,
}

/// Of the request's value to the condition's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

/// Which of the request's values have to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// The only one there is.
    Only,
    /// `ForAllValues`.
    All,
    /// `ForAnyValue`.
    Any,
}

/// Why an operator is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// No such name.
    #[error(
        "there is no condition operator `{0}`: write one as in `StringEquals`, `IpAddress`, `BoolIfExists` or `ForAnyValue:StringLike`"
    )]
    Unknown(String),
    /// `Null` with more to it.
    #[error("`{0}` asks for a key's absence twice: write `Null` alone")]
    Null(String),
    /// A key whose values are of another kind.
    #[error(
        "`{operator}` cannot judge `{key}`, whose values are of another kind: write an operator of that kind"
    )]
    OtherKind {
        /// As written.
        operator: String,
        /// What it was to judge.
        key: Key,
    },
    /// A key with several values without saying which.
    #[error(
        "`{key}` has several values: write `ForAnyValue:{operator}` or `ForAllValues:{operator}`"
    )]
    SeveralValues {
        /// As written.
        operator: String,
        /// What it was to judge.
        key: Key,
    },
}

impl FromStr for Operator {
    type Err = OperatorError;

    fn from_str(written: &str) -> Result<Self, OperatorError> {
        let (quantifier, rest) = match written.split_once(':') {
            None => (Quantifier::Only, written),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(_) => return Err(OperatorError::Unknown(written.to_owned())),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let Some((family, negated)) = named(name) else {
            return Err(OperatorError::Unknown(written.to_owned()));
        };
        if family == Family::Null && written != name {
            return Err(OperatorError::Null(written.to_owned()));
        }
        Ok(Self {
            family,
            negated,
            if_exists,
            quantifier,
        })
    }
}

fn named(name: &str) -> Option<(Family, bool)> {
    Some(match name {
        "StringEquals" => (Family::Text(Mode::Equals), false),
        "StringNotEquals" => (Family::Text(Mode::Equals), true),
        "StringEqualsIgnoreCase" => (Family::Text(Mode::EqualsIgnoreCase), false),
        "StringNotEqualsIgnoreCase" => (Family::Text(Mode::EqualsIgnoreCase), true),
        "StringLike" => (Family::Text(Mode::Like), false),
        "StringNotLike" => (Family::Text(Mode::Like), true),
        "NumericEquals" => (Family::Number(Relation::Equals), false),
        "NumericNotEquals" => (Family::Number(Relation::Equals), true),
        "NumericLessThan" => (Family::Number(Relation::LessThan), false),
        "NumericLessThanEquals" => (Family::Number(Relation::LessThanEquals), false),
        "NumericGreaterThan" => (Family::Number(Relation::GreaterThan), false),
        "NumericGreaterThanEquals" => (Family::Number(Relation::GreaterThanEquals), false),
        "DateEquals" => (Family::Date(Relation::Equals), false),
        "DateNotEquals" => (Family::Date(Relation::Equals), true),
        "DateLessThan" => (Family::Date(Relation::LessThan), false),
        "DateLessThanEquals" => (Family::Date(Relation::LessThanEquals), false),
        "DateGreaterThan" => (Family::Date(Relation::GreaterThan), false),
        "DateGreaterThanEquals" => (Family::Date(Relation::GreaterThanEquals), false),
        "Bool" => (Family::Bool, false),
        "BinaryEquals" => (Family::Binary, false),
        "IpAddress" => (Family::IpAddress, false),
        "NotIpAddress" => (Family::IpAddress, true),
        // IAM gives both names of each pair one meaning.
        "ArnEquals" | "ArnLike" => (Family::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Family::Arn, true),
        "Null" => (Family::Null, false),
        _ => return None,
    })
}

impl Operator {
    /// # Errors
    ///
    /// When the operator can never tell anything about `key`. IAM accepts some of these conditions,
    /// but none of them ever does what it says.
    pub(super) fn fits(self, written: &str, key: &Key) -> Result<(), OperatorError> {
        if !self.family.judges(key.kind()) {
            return Err(OperatorError::OtherKind {
                operator: written.to_owned(),
                key: key.clone(),
            });
        }
        let counts = self.family == Family::Null || self.quantifier != Quantifier::Only;
        if key.kind() == Kind::Texts && !counts {
            return Err(OperatorError::SeveralValues {
                operator: written.to_owned(),
                key: key.clone(),
            });
        }
        Ok(())
    }
}

impl Family {
    fn judges(self, kind: Kind) -> bool {
        match self {
            Self::Text(_) | Self::Null => true,
            Self::Number(_) => matches!(kind, Kind::Number | Kind::EpochTime | Kind::Tag),
            Self::Date(_) => matches!(kind, Kind::Time | Kind::EpochTime | Kind::Tag),
            Self::Bool => matches!(kind, Kind::Flag | Kind::Tag),
            Self::Binary => matches!(kind, Kind::Text | Kind::Texts | Kind::Tag),
            Self::IpAddress => matches!(kind, Kind::Address | Kind::Tag),
            Self::Arn => matches!(kind, Kind::Arn | Kind::Tag),
        }
    }
}

impl Relation {
    pub(super) fn holds<T: Ord>(self, found: &T, written: &T) -> bool {
        match self {
            Self::Equals => found == written,
            Self::LessThan => found < written,
            Self::LessThanEquals => found <= written,
            Self::GreaterThan => found > written,
            Self::GreaterThanEquals => found >= written,
        }
    }
}
