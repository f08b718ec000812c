//! Records: what lookups find.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::language::object_memory;
use crate::store::decision::{DecisionCache, Digest, Remembered};

/// The record of a key.
pub struct Record {
    key: Box<str>,
    /// An object.
    members: Arc<Value>,
    digest: OnceLock<Digest>,
}

impl Record {
    /// What was found for `key`; `members` is an object.
    pub(super) fn new(key: &str, members: Arc<Value>) -> Self {
        Self {
            key: key.into(),
            members,
            digest: OnceLock::new(),
        }
    }

    /// What it was asked for by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it says, as a digest that `remembered` makes: two records of one digest say the same.
    pub(in crate::step::decide) fn digest<T: Remembered>(
        &self,
        remembered: &DecisionCache<T>,
    ) -> Digest {
        let make = || remembered.digest(&[self.members.to_string().as_bytes()]);
        *self.digest.get_or_init(make)
    }

    /// What it says, which is an object.
    #[must_use]
    pub fn members(&self) -> &Value {
        &self.members
    }
}

impl Remembered for Record {
    fn bytes(&self) -> usize {
        let members = self.members.as_object().map_or(0, object_memory);
        2 * size_of::<Self>() + size_of::<Value>() + self.key.len() + members
    }

    /// It is about whoever its key names.
    fn principal(&self) -> Option<&str> {
        Some(&self.key)
    }
}

// Records and their keys are about people.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").finish_non_exhaustive()
    }
}

/// That there is no record.
#[derive(Debug)]
pub(super) struct Absent {
    key: Box<str>,
}

impl Absent {
    /// Of this key.
    pub(super) fn new(key: &str) -> Self {
        Self { key: key.into() }
    }
}

impl Remembered for Absent {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len()
    }

    fn principal(&self) -> Option<&str> {
        Some(&self.key)
    }
}
