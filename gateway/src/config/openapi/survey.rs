//! What stands where in the files of a definition, as far as references and extensions go.
//!
//! Whether a key is a field or a name that somebody chose follows from the objects around it and, in
//! other files, from what refers there: `schemas` may be a section of schemas, a path or a property.
//! So the survey begins at the root and goes on behind every reference with what that stands for.
//! What nothing leads to has no effect and is not looked at; neither are data and the insides of
//! extensions, operations and integrations excepted.

use std::collections::HashSet;

use super::document::{Document, REFERENCES_MAX};
use super::reference::{self, Reference};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::tree::Value;

/// Bytes of the paths of all references; those that come later are told by their places alone.
const PATH_BYTES_MAX: usize = 32 << 20;

/// What a mapping is, and so what its keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The root or `components`: sections.
    Sections,
    /// Any other object: fields and extensions.
    Fields,
    /// An integration, of which a reference may stand for the whole.
    Integration,
    /// Names that somebody chose, each for an object.
    Names,
    /// As [`Self::Names`], with extensions among them.
    Entries,
    /// A JSON schema: keywords and extensions.
    Schema,
    /// Names that somebody chose, each for a schema.
    SchemaNames,
}

impl Kind {
    /// Whether its keys were chosen, so that none of them is an extension.
    pub(super) const fn is_named(self) -> bool {
        matches!(self, Self::Names | Self::SchemaNames)
    }

    /// Whether it is of a JSON schema. References there are the business of models.
    pub(super) const fn is_schema(self) -> bool {
        matches!(self, Self::Schema | Self::SchemaNames)
    }

    /// Whether a reference may stand for the whole.
    pub(super) const fn is_one(self) -> bool {
        matches!(self, Self::Fields | Self::Integration | Self::Schema)
    }

    /// What stands below `key`; `None` for what is not looked at.
    fn below(self, key: &str) -> Option<Self> {
        match self {
            Self::Integration => None,
            Self::Names => Some(Self::Fields),
            Self::SchemaNames => Some(Self::Schema),
            Self::Sections => of_section(key),
            Self::Entries => (!key.starts_with("x-")).then_some(Self::Fields),
            Self::Fields => of_field(key),
            Self::Schema => of_keyword(key),
        }
    }
}

fn of_section(key: &str) -> Option<Kind> {
    match key {
        "components" => Some(Kind::Sections),
        "paths" => Some(Kind::Entries),
        "schemas" | "definitions" => Some(Kind::SchemaNames),
        "parameters"
        | "requestBodies"
        | "responses"
        | "securitySchemes"
        | "securityDefinitions" => Some(Kind::Names),
        "x-amazon-apigateway-integrations" => Some(Kind::Names),
        other => of_field(other),
    }
}

fn of_field(key: &str) -> Option<Kind> {
    match key {
        "schema" => Some(Kind::Schema),
        "responses" => Some(Kind::Entries),
        "callbacks" | "content" | "encoding" | "headers" | "links" | "scopes" | "variables" => {
            Some(Kind::Names)
        }
        "x-amazon-apigateway-integration" => Some(Kind::Integration),
        "x-amazon-apigateway-any-method" => Some(Kind::Fields),
        "default" | "enum" | "example" | "examples" => None,
        extension if extension.starts_with("x-") => None,
        _ => Some(Kind::Fields),
    }
}

fn of_keyword(key: &str) -> Option<Kind> {
    match key {
        "definitions" | "dependencies" | "patternProperties" | "properties" => {
            Some(Kind::SchemaNames)
        }
        "const" | "default" | "enum" | "example" | "examples" => None,
        extension if extension.starts_with("x-") => None,
        _ => Some(Kind::Schema),
    }
}

/// A reference, and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Referrer {
    pub(super) text: String,
    /// Of the text.
    pub(super) place: Place,
    /// Which setting it is.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// What stands beside it and does more than describe.
    pub(super) sibling: Option<String>,
}

impl Referrer {
    /// What stands for the object, where that can be followed here.
    pub(super) fn target<'a>(&self, document: &'a Document) -> Option<Cursor<'a>> {
        if self.kind.is_schema() || !self.kind.is_one() {
            return None;
        }
        let reference = Reference::parse(&self.text).ok()?;
        document.find(&reference, self.place).ok()
    }
}

/// A walk over a definition. Each mapping is visited once for each kind that it is taken for.
#[derive(Debug, Default)]
pub(super) struct Survey {
    seen: HashSet<(Place, Kind)>,
    references: Vec<Referrer>,
    /// How many of them were followed.
    followed: usize,
    /// What their paths take.
    path_bytes: usize,
}

impl Survey {
    /// Visits every mapping of `document` that anything leads to.
    pub(super) fn each(document: &Document, visit: &mut impl FnMut(&Cursor<'_>, Kind)) {
        let mut survey = Self::default();
        if let Some(root) = document.root() {
            survey.walk(&root, Kind::Sections, visit);
        }
        while let Some(referrer) = survey.next() {
            if let Some(at) = referrer.target(document) {
                survey.walk(&at, referrer.kind, visit);
            }
        }
    }

    /// The first reference that was found and not followed yet; none of too many is.
    pub(super) fn next(&mut self) -> Option<Referrer> {
        if self.references.len() > REFERENCES_MAX {
            return None;
        }
        let next = self.references.get(self.followed)?.clone();
        self.followed += 1;
        Some(next)
    }

    /// All that were found.
    pub(super) fn references(&self) -> &[Referrer] {
        &self.references
    }

    /// Visits what stands at `at`, up to references.
    pub(super) fn walk(
        &mut self,
        at: &Cursor<'_>,
        kind: Kind,
        visit: &mut impl FnMut(&Cursor<'_>, Kind),
    ) {
        match at.node.map(|node| &node.value) {
            Some(Value::Mapping(_)) => {
                if !self.seen.insert((at.place, kind)) {
                    return;
                }
                self.note(at, kind);
                visit(at, kind);
                for (key, at) in at.entries() {
                    if let Some(kind) = kind.below(key) {
                        self.walk(&at, kind, visit);
                    }
                }
            }
            Some(Value::Sequence(_)) => {
                for at in at.items() {
                    self.walk(&at, kind, visit);
                }
            }
            Some(Value::Scalar { .. } | Value::Refused) | None => {}
        }
    }

    /// Notes the reference that stands at `at`, if one does. Of too many one more is noted, which
    /// says that there are too many.
    fn note(&mut self, at: &Cursor<'_>, kind: Kind) {
        if self.references.len() > REFERENCES_MAX {
            return;
        }
        let Some(text) = reference::text(at) else {
            return;
        };
        let written = at.key(reference::KEY);
        // Many of them deep down would take far more than the definition itself.
        let path = if self.path_bytes < PATH_BYTES_MAX {
            written.path.to_string()
        } else {
            String::new()
        };
        self.path_bytes += path.len();
        self.references.push(Referrer {
            text: text.to_owned(),
            place: written.place,
            path,
            kind,
            sibling: reference::sibling(at).map(str::to_owned),
        });
    }
}
