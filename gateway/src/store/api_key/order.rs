//! What an operator asks of API keys.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::SecretText;

/// An order about API keys. What should be an id may be a value that was mixed up with it, so ids are
/// told no more than values before they are known to be any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyOrder {
    /// Make one.
    Create(NewKey),
    /// Make it good for what its plans say.
    Enable {
        /// Its id.
        id: Unsaid,
    },
    /// Make it good for nothing.
    Disable {
        /// Its id.
        id: Unsaid,
    },
    /// Forget it.
    Delete {
        /// Its id.
        id: Unsaid,
    },
    /// Have it belong to a usage plan.
    Attach {
        /// Its id.
        id: Unsaid,
        /// Name of the plan.
        plan: String,
    },
    /// Have it belong to a usage plan no more.
    Detach {
        /// Its id.
        id: Unsaid,
        /// Name of the plan.
        plan: String,
    },
    /// Make one of each row of a file, which is sent behind a request and not in it.
    #[serde(skip)]
    Import {
        /// The file, comma-separated.
        csv: Unsaid,
        /// Make none where a row deserves a warning.
        fail_on_warnings: bool,
    },
}

/// A key that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Its id, which is then the same on all gateways that share what it may use; drawn where there is none.
    #[serde(default)]
    pub id: Option<Unsaid>,
    /// Its value; drawn where there is none.
    pub value: Option<Unsaid>,
    /// What operators call it.
    pub name: Option<String>,
    /// Whose it is.
    pub customer: Option<String>,
    /// What is said of it.
    pub description: Option<String>,
    /// Whether it is good for nothing yet.
    pub disabled: bool,
    /// Names of usage plans.
    pub plans: Vec<String>,
    /// How often it may be used.
    pub throttle: Option<NewThrottle>,
}

/// How often a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewThrottle {
    /// Millionths of a request per second.
    pub rate_micro_per_second: u64,
    /// Requests.
    pub burst: u64,
    /// Whether it is only noted what it would refuse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub monitor: bool,
}

/// A text that must not be told, as it is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsaid(SecretText);

impl Unsaid {
    /// Of a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(SecretText::new(text))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsaid(..)")
    }
}

impl Serialize for Unsaid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Unsaid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
