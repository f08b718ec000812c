//! What is wrong with a document.

use super::action::ActionError;
use super::arn::ArnPatternError;
use super::cidr::CidrError;
use super::key::KeyError;
use super::number::NumberError;
use super::operator::OperatorError;
use super::place::Place;
use super::principal::PrincipalError;
use super::resource::ResourceError;
use super::template::TemplateError;
use super::timestamp::TimestampError;

/// One thing that is wrong, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct PolicyError {
    /// Of the value or, where one is missing, of the object that lacks it.
    pub place: Place,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A value of another type.
    #[error("this has to be {expected}")]
    Type {
        /// What it has to be.
        expected: &'static str,
    },
    /// A member that has no meaning there.
    #[error(
        "there is no `{member}` here: take it out, or write one of {}",
        listed(known)
    )]
    Unknown {
        /// Its name.
        member: String,
        /// The members with a meaning.
        known: &'static [&'static str],
    },
    /// A member that has to be there.
    #[error("`{member}` is missing: add it")]
    Missing {
        /// Its name.
        member: &'static str,
    },
    /// Two members that say opposite things.
    #[error("`{positive}` and `{negative}` exclude each other: keep one")]
    Both {
        /// What applies.
        positive: &'static str,
        /// What does not.
        negative: &'static str,
    },
    /// Neither of two members.
    #[error("`{positive}` is missing, and so is `{negative}`: write one of them")]
    Neither {
        /// What applies.
        positive: &'static str,
        /// What does not.
        negative: &'static str,
    },
    /// A list or an object with nothing in it. What it means depends on what is around it, and a
    /// list that came out empty by accident must not open anything.
    #[error("`{member}` has nothing in it: write what it has to hold, or take out what needs it")]
    Empty {
        /// The member that holds it.
        member: String,
    },
    /// A version of the language that does not exist.
    #[error("there is no version `{0}`: write `2012-10-17`")]
    Version(String),
    /// Neither effect.
    #[error("`{0}` is no effect: write `Allow` or `Deny`")]
    Effect(String),
    /// A principal where the policy belongs to one.
    #[error("`{member}` has no place in a policy that belongs to its caller: take it out")]
    PrincipalOfCaller {
        /// `Principal` or `NotPrincipal`.
        member: &'static str,
    },
    /// IAM has no such statements: one would allow what nobody listed, anonymous callers included.
    #[error(
        "`NotPrincipal` cannot stand with `Allow`: write `Principal`, and a `Deny` for the others"
    )]
    AllowNotPrincipal,
    /// A `Deny` that spares everybody.
    #[error(
        "`NotPrincipal` with `*` spares everybody, so this would never apply: name who is spared"
    )]
    NotEverybody,
    /// `*` is everybody, but only by itself or below `AWS`.
    #[error("`{0}` is not a principal: write `*`, or `{{\"AWS\": ..}}` with accounts and ARNs")]
    Principal(String),
    /// Neither `true` nor `false`.
    #[error("`{0}` is neither `true` nor `false`: write one")]
    Flag(String),
    /// No base64.
    #[error("`{0}` is not base64: encode it")]
    Base64(String),
    /// A name of somebody.
    #[error(transparent)]
    PrincipalName(#[from] PrincipalError),
    /// An action.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// A resource.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// A condition operator.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A condition key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A text of a condition.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// An ARN of a condition.
    #[error(transparent)]
    Arn(#[from] ArnPatternError),
    /// An address range.
    #[error(transparent)]
    Cidr(#[from] CidrError),
    /// A number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A point in time.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
