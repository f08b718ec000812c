//! A last look at a definition: extensions that stand where nobody looks for them.

use super::document::Document;
use super::finding::Findings;
use super::survey::Survey;
use super::treatment;
use crate::config::cursor::Cursor;

/// Judges every extension that no object of the definition has. Of extensions that are known every
/// field was judged, or they were refused as a whole.
pub(super) fn sweep(document: &Document, findings: &mut Findings) {
    Survey::each(document, &mut |at, kind| {
        let extensions = at
            .entries()
            .filter(|(key, _)| !kind.is_named() && key.starts_with("x-"));
        for (key, at) in extensions {
            extension(key, &at, findings);
        }
    });
}

fn extension(key: &str, at: &Cursor<'_>, findings: &mut Findings) {
    if findings.is_judged(at) {
        return;
    }
    if key.starts_with("x-amazon-apigateway-") {
        treatment::misplaced(key, at, findings);
    } else {
        findings.ignored(at);
    }
}
