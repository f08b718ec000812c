//! `$ref`: within a file (`#/components/parameters/id`) and to files beside it
//! (`paths/pets.yaml#/list`).
//!
//! References within JSON schemas stay: models read them. Here only those into the same file are
//! held against it.

use std::collections::HashSet;

use super::document::{Document, REFERENCES_MAX};
use super::survey::Referrer;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, Place};
use crate::config::files::told;
use crate::config::tree::{Reading, Value, shortened};

/// The key of a reference.
pub(super) const KEY: &str = "$ref";
/// References that lead to references.
pub(super) const CHAIN_MAX: usize = 32;

/// A reference, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// Relative to the file it stands in; `None` for that file itself.
    pub(super) file: Option<&'a str>,
    /// JSON pointer (RFC 6901) in the form of a URI fragment.
    pointer: &'a str,
}

/// Why a text is no reference, or leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReferenceError {
    #[error("URLs are not fetched: save the file beside the definition and name it by its path")]
    Url,
    #[error("absolute paths are not read: name a file in the definition's directory")]
    Absolute,
    #[error(
        "names no place: write `#/` and the keys that lead there, as in `#/components/parameters/id`"
    )]
    Form,
    #[error("leads nowhere: add what it names, or write what is there")]
    Missing,
    #[error("leads to a file that cannot be read")]
    File(#[source] std::io::Error),
    #[error("leads to a file that was not read: correct what is said of that")]
    Unread,
    #[error("leads to itself: write what is meant in one place")]
    Cycle,
    #[error("leads through more than {CHAIN_MAX} references: write what is meant in one place")]
    Chain,
}

impl<'a> Reference<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ReferenceError> {
        let (file, pointer) = text.split_once('#').unwrap_or((text, ""));
        if file.contains("://") || file.starts_with("//") {
            return Err(ReferenceError::Url);
        }
        if file.starts_with('/') {
            return Err(ReferenceError::Absolute);
        }
        let is_pointer = pointer.is_empty() || pointer.starts_with('/');
        if !is_pointer || (file.is_empty() && pointer.is_empty()) || file.contains('\0') {
            return Err(ReferenceError::Form);
        }
        Ok(Self {
            file: Some(file).filter(|file| !file.is_empty()),
            pointer,
        })
    }

    /// What it means in the file with this root.
    pub(super) fn walk<'t>(&self, root: Cursor<'t>) -> Result<Cursor<'t>, ReferenceError> {
        let mut at = root;
        for token in self.pointer.split('/').skip(1) {
            let token = decoded(token).ok_or(ReferenceError::Form)?;
            at = match at.node.map(|node| &node.value) {
                Some(Value::Sequence(_)) => {
                    let index = token.parse().ok().ok_or(ReferenceError::Missing)?;
                    at.item(index)
                }
                _ => at.key(&token),
            };
            if at.node.is_none() {
                return Err(ReferenceError::Missing);
            }
        }
        Ok(at)
    }
}

/// The reference that stands at `at`, if one does.
pub(super) fn text<'a>(at: &Cursor<'a>) -> Option<&'a str> {
    match at.node?.entry(KEY)?.node.reading() {
        Reading::Text(text) => Some(text),
        _ => None,
    }
}

/// What stands beside the reference in the object at `at` and does more than describe.
pub(super) fn sibling<'a>(at: &Cursor<'a>) -> Option<&'a str> {
    at.names()
        .find(|key| !matches!(*key, KEY | "summary" | "description"))
}

/// Reports every one of `referrers` that leads nowhere, and returns where these stand.
pub(super) fn check(
    document: &Document,
    referrers: &[Referrer],
    diagnostics: &mut Collector,
) -> HashSet<Place> {
    let mut broken = HashSet::new();
    if referrers.len() > REFERENCES_MAX {
        let message = format!(
            "there are more than {REFERENCES_MAX} references: divide the definition, or write out \
             what is small"
        );
        let place = document.root().map(|root| root.place);
        diagnostics.error(place, "", message);
        return broken;
    }
    for referrer in referrers {
        let mut wrong = |message: String| {
            broken.insert(referrer.place);
            diagnostics.error(Some(referrer.place), referrer.path.clone(), message);
        };
        let kind = referrer.kind;
        if !kind.is_schema() && !kind.is_one() {
            wrong(
                "a reference stands for one thing, not for several with names: write one at each \
                 name"
                    .to_owned(),
            );
            continue;
        }
        if let Some(other) = referrer.sibling.as_deref().filter(|_| !kind.is_schema()) {
            wrong(format!(
                "`{}` beside a reference would be passed over: move it to what is meant",
                shortened(other)
            ));
        }
        if let Err(error) = check_one(document, &referrer.text, referrer.place, kind.is_schema()) {
            let cause = match &error {
                ReferenceError::File(source) => format!(": {}", told(source)),
                _ => String::new(),
            };
            wrong(format!("`{}` {error}{cause}", shortened(&referrer.text)));
        }
    }
    broken
}

fn check_one(
    document: &Document,
    text: &str,
    place: Place,
    in_schema: bool,
) -> Result<(), ReferenceError> {
    let mut reference = match Reference::parse(text) {
        // Models judge what is not of this definition.
        Ok(Reference { file: Some(_), .. }) | Err(_) if in_schema => return Ok(()),
        parsed => parsed?,
    };
    if in_schema {
        return document.find(&reference, place).map(|_| ());
    }
    let mut place = place;
    let mut passed = HashSet::new();
    for _ in 0..CHAIN_MAX {
        if !passed.insert(place) {
            return Err(ReferenceError::Cycle);
        }
        let target = document.find(&reference, place)?;
        let Some(text) = self::text(&target) else {
            return Ok(());
        };
        reference = Reference::parse(text)?;
        place = target.key(KEY).place;
    }
    Err(ReferenceError::Chain)
}

/// A token of a pointer in a URI fragment: percent-decoded, then `~1` and `~0` undone.
fn decoded(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? << 4 | digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    Some(text.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_parsed(text: &str, expected: Result<(Option<&str>, &str), &str>) {
        let found = Reference::parse(text).map(|found| (found.file, found.pointer));
        let found = found.map_err(|error| error.to_string());
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e),
            "{text}"
        );
    }

    #[test]
    fn a_reference_is_a_file_and_a_pointer() {
        check_parsed("#/paths/~1pets", Ok((None, "/paths/~1pets")));
        check_parsed("pets.yaml", Ok((Some("pets.yaml"), "")));
        check_parsed("./a/b.json#/x", Ok((Some("./a/b.json"), "/x")));
        let url =
            "URLs are not fetched: save the file beside the definition and name it by its path";
        check_parsed("https://example.com/x#/y", Err(url));
        let absolute = "absolute paths are not read: name a file in the definition's directory";
        check_parsed("/etc/passwd", Err(absolute));
        let form = "names no place: write `#/` and the keys that lead there, as in \
                    `#/components/parameters/id`";
        check_parsed("#", Err(form));
        check_parsed("#pets", Err(form));
    }

    #[test]
    fn tokens_are_decoded_once() {
        assert_eq!(decoded("~1pets~1%7Bid%7D").as_deref(), Some("/pets/{id}"));
        assert_eq!(decoded("a~01").as_deref(), Some("a~1"));
        assert_eq!(decoded("%zz"), None);
    }
}
