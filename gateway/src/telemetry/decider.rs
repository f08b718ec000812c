//! What decided about a request, for those who are told.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::language::policy::StatementName;

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decider {
    /// A statement of the API's resource policy.
    Resource(StatementName),
    /// A statement of a policy of the caller.
    Caller(StatementName),
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(statement) => write!(f, "{statement} of the API's resource policy"),
            Self::Caller(statement) => write!(f, "{statement} of the caller's policies"),
        }
    }
}

impl Serialize for Decider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
