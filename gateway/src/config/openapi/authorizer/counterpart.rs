//! What a scheme says, held against the authorizer of its name in the configuration.

use crate::config::cursor::Cursor;
use crate::config::openapi::finding::Findings;
use crate::config::tree::shortened;

/// The authorizer of the configuration that has a scheme's name.
#[derive(Debug)]
pub(super) struct Counterpart<'a> {
    name: &'a str,
    findings: &'a mut Findings,
}

impl<'a> Counterpart<'a> {
    pub(super) const fn new(name: &'a str, findings: &'a mut Findings) -> Self {
        Self { name, findings }
    }

    /// Refuses what stands at `at`, where both say something else of `what`.
    pub(super) fn compare(&mut self, what: &str, here: &str, there: &str, at: &Cursor<'_>) {
        if here != there {
            let why = format!(
                "the authorizer `{}` of the configuration has the {what} `{}`, not `{}`: make both \
                 the same",
                shortened(self.name),
                shortened(there),
                shortened(here)
            );
            self.findings.refused(at, why);
        }
    }

    /// As [`Self::compare`], of where credentials stand.
    pub(super) fn compare_sources(
        &mut self,
        here: Option<&str>,
        configured: &Cursor<'_>,
        at: &Cursor<'_>,
    ) {
        const DEFAULT: &str = "$request.header.Authorization";
        let there = configured.key("identity_source");
        let there = there.scalar().unwrap_or(DEFAULT);
        let here = here.unwrap_or(DEFAULT);
        // Names of headers have no case; those of parameters of the query do.
        let is_header = here.starts_with("$request.header.");
        if !(is_header && here.eq_ignore_ascii_case(there)) {
            self.compare("identity source", here, there, at);
        }
    }
}

/// Names in order, each once: what they are compared by, and what is told of them.
pub(super) fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
