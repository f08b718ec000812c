//! How long what an authorizer says is remembered, as a scheme has it.

use super::counterpart::Counterpart;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::lower::parse_duration;
use crate::config::openapi::finding::Findings;
use crate::config::openapi::made::{Made, text};
use crate::config::tree::Reading;

const KEY: &str = "authorizerResultTtlInSeconds";

/// Seconds, and where they are said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ttl {
    pub(super) seconds: u64,
    place: Place,
}

impl Ttl {
    /// What the authorizer at `at` says, where it says anything. `None` where that is no number, which
    /// was reported.
    pub(super) fn judge(at: &Cursor<'_>, findings: &mut Findings) -> Option<Option<Self>> {
        let at = at.key(KEY);
        let Some(node) = at.node else {
            return Some(None);
        };
        // Also as text, as the reference of the extension has it.
        match at.scalar().map(str::parse) {
            Some(Ok(seconds)) => Some(Some(Self {
                seconds,
                place: at.place,
            })),
            _ if node.reading() == Reading::Nothing => Some(None),
            _ => {
                findings.refused(&at, "found no number: write seconds, from 0 to 3600");
                None
            }
        }
    }

    /// Adds `key`.
    pub(super) fn write(self, key: &str, made: &mut Made) {
        made.put(key, self.place, text(self.place, &self.written()));
    }

    /// Holds what the definition says at `at` against `key` of the authorizer at `configured`.
    pub(super) fn compare(
        self,
        at: &Cursor<'_>,
        configured: &Cursor<'_>,
        (key, default): (&str, &str),
        counterpart: &mut Counterpart<'_>,
    ) {
        let there = configured.key(key);
        let there = there.scalar().unwrap_or(default);
        let milliseconds = u128::from(self.seconds) * 1000;
        if parse_duration(there).is_none_or(|ttl| ttl.as_millis() != milliseconds) {
            counterpart.compare(&format!("`{key}`"), &self.written(), there, &at.key(KEY));
        }
    }

    fn written(self) -> String {
        format!("{}s", self.seconds)
    }
}
