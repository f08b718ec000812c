//! The files of a definition.
//!
//! A definition is read whole before it is translated: first its own file, then every file that it
//! refers to, which lie in its directory or below. What refers to nothing or to itself is reported
//! then, so that the translation follows references without a doubt; how much they lead to together
//! is bounded.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::Findings;
use super::placeholder::Placeholders;
use super::reference::{self, Reference, ReferenceError};
use super::surrogate;
use super::survey::{Kind, Referrer, Survey};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, FileId, Place};
use crate::config::files::{read as read_file, told};
use crate::config::tree::{Entry, Node, Value};
use crate::config::yaml::{self, Bounds, FILE_BYTES_MAX, NODES_MAX};

/// Files of one definition.
pub(super) const FILES_MAX: usize = 64;
/// References of one definition.
pub(super) const REFERENCES_MAX: usize = 100_000;

/// Bytes of what references lead to, each time that one is followed: few of them can make many
/// copies of much.
pub(super) const FOLLOWED_BYTES_MAX: usize = 64 << 20;

/// Deeper than that of a configuration: schemas nest.
const BOUNDS: Bounds = Bounds {
    depth: 64,
    nodes: NODES_MAX,
};

/// A definition that was read.
#[derive(Debug)]
pub(super) struct Document {
    /// The first is the definition's own. Never empty.
    sources: Vec<Source>,
    /// Of all files together.
    bytes: u64,
    /// Where references stand that were reported.
    broken: HashSet<Place>,
    /// Bytes that references may still lead to; `None` when one would have led to more.
    bytes_left: Cell<Option<usize>>,
}

#[derive(Debug)]
struct Source {
    file: FileId,
    /// Without symbolic links.
    path: PathBuf,
    root: Arc<Node>,
}

/// The file of a definition.
pub(super) struct Location<'a> {
    pub(super) path: &'a Path,
    /// What messages call it.
    pub(super) name: &'a str,
    /// Its number, if it has one already.
    pub(super) file: Option<FileId>,
}

impl Document {
    /// Reads a definition. `None` where its own file cannot be used, which was reported; `at` is
    /// where it was named.
    pub(super) fn read(
        location: &Location<'_>,
        at: Option<&Cursor<'_>>,
        placeholders: &mut Placeholders,
        diagnostics: &mut Collector,
    ) -> Option<Self> {
        let mut reading = Reading {
            directory: PathBuf::new(),
            shown: Path::new(location.name)
                .parent()
                .unwrap_or(Path::new(""))
                .to_owned(),
            bytes_left: FILE_BYTES_MAX as u64,
            placeholders,
            diagnostics,
        };
        let path = match location.path.canonicalize() {
            Ok(path) => path,
            Err(error) => {
                reading.unreadable(at, location.name, &error);
                return None;
            }
        };
        reading.directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let bytes = match read_file(&path, reading.bytes_left) {
            Ok(bytes) => bytes,
            Err(error) => {
                reading.unreadable(at, location.name, &error);
                return None;
            }
        };
        let file = match location.file {
            Some(file) => file,
            None => match reading.diagnostics.add_file(location.name) {
                Some(file) => file,
                None => {
                    let error = std::io::Error::other(
                        "there are too many files for one configuration: put some together",
                    );
                    reading.unreadable(at, location.name, &error);
                    return None;
                }
            },
        };
        let root = Arc::new(reading.parse(bytes, file)?);
        let mut document = Self {
            sources: vec![Source { file, path, root }],
            bytes: 0,
            broken: HashSet::new(),
            bytes_left: Cell::new(Some(FOLLOWED_BYTES_MAX)),
        };
        let survey = reading.read_others(&mut document);
        document.bytes = (FILE_BYTES_MAX as u64).saturating_sub(reading.bytes_left);
        document.broken = reference::check(&document, survey.references(), reading.diagnostics);
        Some(document)
    }

    /// How many bytes its files have together.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The definition's own file.
    pub(super) fn root(&self) -> Option<Cursor<'_>> {
        self.sources
            .first()
            .map(|source| Cursor::root(&source.root))
    }

    /// Every file, for messages that point into it later.
    pub(super) fn files(&self) -> impl Iterator<Item = Arc<Node>> {
        self.sources.iter().map(|source| Arc::clone(&source.root))
    }

    /// What `reference`, which stands at `place`, leads to.
    pub(super) fn find(
        &self,
        reference: &Reference<'_>,
        place: Place,
    ) -> Result<Cursor<'_>, ReferenceError> {
        let here = self.sources.iter().find(|source| source.file == place.file);
        let here = here.ok_or(ReferenceError::Missing)?;
        let source = match reference.file {
            None => here,
            Some(name) => {
                let path = here.path.parent().unwrap_or(Path::new("/")).join(name);
                let path = path.canonicalize().map_err(ReferenceError::File)?;
                let known = self.sources.iter().find(|source| source.path == path);
                known.ok_or(ReferenceError::Unread)?
            }
        };
        reference.walk(Cursor::root(&source.root))
    }

    /// As [`Self::resolve`]. What cannot be had is a refusal, so that nothing goes without what it
    /// refers to.
    pub(super) fn follow<'a>(
        &'a self,
        at: &Cursor<'a>,
        findings: &mut Findings,
    ) -> Option<Cursor<'a>> {
        let found = self.resolve(at);
        if found.is_none() {
            let reference = at.key(reference::KEY);
            if self.broken.contains(&reference.place) || self.is_exhausted() {
                findings.affected();
            } else {
                findings.refused(&reference, "what it refers to cannot be had: write it here");
            }
        }
        found
    }

    /// What stands at `at` or, where that is a reference, what it leads to in the end. `None` where
    /// it leads nowhere, or where references led to too much.
    pub(super) fn resolve<'a>(&'a self, at: &Cursor<'a>) -> Option<Cursor<'a>> {
        let mut at = at.clone();
        for _ in 0..=reference::CHAIN_MAX {
            let Some(text) = reference::text(&at) else {
                return Some(at);
            };
            if self.is_exhausted() {
                return None;
            }
            let place = at.key(reference::KEY).place;
            let parsed = Reference::parse(text).ok()?;
            let key_place = at.key_place;
            at = self.find(&parsed, place).ok()?;
            // What is missing in there is missing where it is referred to.
            if at.node.is_none() {
                at.key_place = key_place;
            }
            let left = self.bytes_left.get();
            let left = left.and_then(|left| at.node.map_or(Some(left), |node| without(left, node)));
            self.bytes_left.set(left);
        }
        None
    }

    /// Whether references led to more than [`FOLLOWED_BYTES_MAX`].
    pub(super) fn is_exhausted(&self) -> bool {
        self.bytes_left.get().is_none()
    }
}

/// What is left of `bytes` without those of `node` and all in it; `None` where it has more.
fn without(bytes: usize, node: &Node) -> Option<usize> {
    let left = bytes.checked_sub(size_of::<Entry>())?;
    match &node.value {
        Value::Scalar { text, .. } => left.checked_sub(text.len()),
        Value::Sequence(items) => items.iter().try_fold(left, without),
        Value::Mapping(mapping) => mapping.entries().iter().try_fold(left, |left, entry| {
            without(left.checked_sub(entry.key.len())?, &entry.node)
        }),
        Value::Refused => Some(left),
    }
}

struct Reading<'a> {
    /// Nothing outside of it is read.
    directory: PathBuf,
    /// What messages call it.
    shown: PathBuf,
    bytes_left: u64,
    placeholders: &'a mut Placeholders,
    diagnostics: &'a mut Collector,
}

impl Reading<'_> {
    fn unreadable(&mut self, at: Option<&Cursor<'_>>, name: &str, error: &std::io::Error) {
        match at {
            Some(at) => self.diagnostics.error(
                Some(at.place),
                at.path.to_string(),
                format!("cannot read `{name}`: {}", told(error)),
            ),
            None => self
                .diagnostics
                .error(None, "", format!("cannot be read: {}", told(error))),
        }
    }

    fn parse(&mut self, bytes: Vec<u8>, file: FileId) -> Option<Node> {
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let place = super::super::not_utf8(&error, file);
                self.diagnostics
                    .error(Some(place), "", super::super::NOT_UTF8);
                return None;
            }
        };
        let text = surrogate::joined(&text);
        let root = yaml::parse(&text, file, BOUNDS, self.diagnostics)?;
        Some(self.placeholders.replace(root, self.diagnostics))
    }

    /// Reads the files that are referred to, those that they refer to, and so on.
    fn read_others(&mut self, document: &mut Document) -> Survey {
        let mut survey = Survey::default();
        if let Some(root) = document.root() {
            survey.walk(&root, Kind::Sections, &mut |_, _| {});
        }
        while let Some(referrer) = survey.next() {
            if !referrer.kind.is_schema() {
                self.read_file_of(&referrer, document);
            }
            if let Some(at) = referrer.target(document) {
                survey.walk(&at, referrer.kind, &mut |_, _| {});
            }
        }
        survey
    }

    /// Reads the file that `referrer` names, unless that was read.
    fn read_file_of(&mut self, referrer: &Referrer, document: &mut Document) {
        let Ok(Reference {
            file: Some(name), ..
        }) = Reference::parse(&referrer.text)
        else {
            return;
        };
        let mut sources = document.sources.iter();
        let Some(here) = sources.find(|source| source.file == referrer.place.file) else {
            return;
        };
        let here = here.path.parent().unwrap_or(Path::new("/"));
        // One that is not there is reported with the reference.
        let Ok(path) = here.join(name).canonicalize() else {
            return;
        };
        if document.sources.iter().all(|known| known.path != path)
            && let Err(message) = self.read_other(path, document)
        {
            let (place, at) = (Some(referrer.place), referrer.path.clone());
            self.diagnostics.error(place, at, message);
        }
    }

    fn read_other(&mut self, path: PathBuf, document: &mut Document) -> Result<(), String> {
        let Ok(relative) = path.strip_prefix(&self.directory) else {
            return Err(
                "leads out of the definition's directory: copy what it means into it".into(),
            );
        };
        let name = self.shown.join(relative).display().to_string();
        if document.sources.len() >= FILES_MAX {
            return Err(format!(
                "there are more than {FILES_MAX} files: put some together"
            ));
        }
        let bytes = read_file(&path, self.bytes_left)
            .map_err(|error| format!("cannot read `{name}`: {}", told(&error)))?;
        let file = self.diagnostics.add_file(&name).ok_or_else(|| {
            "there are too many files for one configuration: put some together".to_owned()
        })?;
        // Why it could not be read was reported; what refers into it is reported too.
        if let Some(root) = self.parse(bytes, file) {
            let root = Arc::new(root);
            document.sources.push(Source { file, path, root });
        }
        Ok(())
    }
}
