//! Schemas of a definition, which become models.
//!
//! As in the service every schema of a REST API becomes a model, and a schema that stands in an
//! operation becomes one whose name follows from the operation. References stay as they are written:
//! models resolve those to one another.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value as Json;

use super::finding::Findings;
use super::made::Made;
use super::reference;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::{FileId, Place};
use crate::config::read::read;
use crate::config::tree::{Node, Value};
use crate::language::schema::BUILT_IN;
use crate::model::ApiKind;

/// What begins a reference to a model.
const PREFIXES: [&str; 2] = ["#/definitions/", "#/components/schemas/"];

/// Keywords that change what a schema allows, and that models do not have.
const WITHOUT_EFFECT: [&str; 2] = ["discriminator", "nullable"];
/// Keywords that the service leaves out when it imports a definition.
const LEFT_OUT: [&str; 3] = ["exclusiveMinimum", "maxItems", "minItems"];

/// Longest name that follows from an operation.
const NAME_BYTES_MAX: usize = 200;

/// The models of a definition.
#[derive(Debug)]
pub(super) struct Models {
    place: Place,
    /// Schemas in other files than this one are no models of their own.
    file: FileId,
    models: Vec<Model>,
    names: HashSet<String>,
    /// The models of schemas that stand in operations, which several may share by reference.
    by_place: HashMap<Place, String>,
    /// How many names were taken that begin alike.
    taken: HashMap<String, usize>,
}

#[derive(Debug)]
struct Model {
    name: String,
    place: Place,
    node: Node,
}

impl Models {
    /// Those of the definition with this root.
    pub(super) fn of(root: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Self {
        let section = if root.key("swagger").is_written() {
            root.key("definitions")
        } else {
            root.key("components").key("schemas")
        };
        let mut models = Self {
            place: section.key_place,
            file: root.place.file,
            models: Vec::new(),
            names: HashSet::new(),
            by_place: HashMap::new(),
            taken: HashMap::new(),
        };
        // HTTP APIs have no models, so that schemas only describe.
        if kind == ApiKind::Rest && findings.is_mapping(&section) {
            for (name, at) in section.entries() {
                if findings.is_mapping(&at) {
                    report(&at, findings);
                    if is_built_in(name, &at) {
                        models.names.insert(name.to_owned());
                    } else {
                        models.add(name.to_owned(), &at);
                    }
                }
            }
        }
        models
    }

    fn add(&mut self, name: String, at: &Cursor<'_>) {
        if let Some(node) = at.node {
            self.names.insert(name.clone());
            self.models.push(Model {
                name,
                place: at.key_place,
                node: node.clone(),
            });
        }
    }

    /// The model of the schema at `at`, which stands in the operation `operation`, or in what it
    /// refers to: then the first operation names it. `None` where it
    /// cannot be had, which was reported.
    pub(super) fn of_schema(
        &mut self,
        at: &Cursor<'_>,
        operation: &str,
        findings: &mut Findings,
    ) -> Option<String> {
        if let Some(named) = self.named(at) {
            return Some(named.to_owned());
        }
        if let Some(known) = self.by_place.get(&at.place) {
            return Some(known.clone());
        }
        if !findings.is_mapping(at) {
            return None;
        }
        let mut references = Vec::new();
        collect(at, &mut references);
        let is_own = |text: &&str| at.place.file == self.file && text.starts_with('#');
        if !references.iter().all(is_own) {
            let why = "models refer to the schemas of the definition's own file alone, as in the \
                       service: move what is meant there, and refer to it as \
                       `#/components/schemas/<name>`";
            findings.refused(at, why);
            return None;
        }
        report(at, findings);
        let name = self.free_name(operation);
        self.add(name.clone(), at);
        self.by_place.insert(at.place, name.clone());
        Some(name)
    }

    /// The model that the schema at `at` does nothing but refer to.
    pub(super) fn named<'a>(&self, at: &Cursor<'a>) -> Option<&'a str> {
        let named = reference::text(at).and_then(target)?;
        (self.names.contains(named) && at.place.file == self.file).then_some(named)
    }

    fn free_name(&mut self, operation: &str) -> String {
        let mut name: String = operation
            .to_ascii_lowercase()
            .chars()
            .filter(|c| !matches!(c, '{' | '}' | '+' | ' '))
            .map(|c| match c {
                '/' => '.',
                c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') => c,
                _ => '-',
            })
            .take(NAME_BYTES_MAX)
            .collect();
        name.truncate(name.trim_end_matches('.').len());
        let number = self.taken.entry(name.clone()).or_default();
        loop {
            *number += 1;
            let free = match *number {
                1 => name.clone(),
                number => format!("{name}.{number}"),
            };
            if !self.names.contains(&free) {
                return free;
            }
        }
    }

    /// In the native form; `None` where there are none.
    pub(super) fn write(&self) -> Option<(Place, Node)> {
        if self.models.is_empty() {
            return None;
        }
        let mut made = Made::at(self.place);
        for model in &self.models {
            made.put(&model.name, model.place, model.node.clone());
        }
        Some((self.place, made.finish()))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.name.as_str())
    }

    /// Takes out the model `name` and every one that refers to it. Returns their names.
    pub(super) fn remove(&mut self, name: &str) -> BTreeSet<String> {
        let mut gone = BTreeSet::from([name.to_owned()]);
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            for model in &self.models {
                let mut references = Vec::new();
                collect(&Cursor::root(&model.node), &mut references);
                let is_meant = references.iter().any(|text| first(text) == Some(&name));
                if is_meant && gone.insert(model.name.clone()) {
                    open.push(model.name.clone());
                }
            }
        }
        self.models.retain(|model| !gone.contains(&model.name));
        gone
    }

    /// Takes out every model. Returns their names.
    pub(super) fn clear(&mut self) -> BTreeSet<String> {
        let gone = self.models.drain(..).map(|model| model.name);
        gone.collect()
    }
}

/// The name of the model that a reference leads to as a whole.
fn target(text: &str) -> Option<&str> {
    behind_prefix(text).filter(|name| !name.contains('/'))
}

/// The name of the model that a reference leads to or into.
fn first(text: &str) -> Option<&str> {
    behind_prefix(text)?.split('/').next()
}

fn behind_prefix(text: &str) -> Option<&str> {
    let mut prefixes = PREFIXES.iter();
    prefixes.find_map(|prefix| text.strip_prefix(prefix))
}

/// Every reference in the schema at `at`.
fn collect<'a>(at: &Cursor<'a>, found: &mut Vec<&'a str>) {
    found.extend(reference::text(at));
    match at.node.map(|node| &node.value) {
        Some(Value::Mapping(_)) => at.entries().for_each(|(_, at)| collect(&at, found)),
        Some(Value::Sequence(_)) => at.items().for_each(|at| collect(&at, found)),
        Some(Value::Scalar { .. } | Value::Refused) | None => {}
    }
}

/// Says of the schema at `at` which of its keywords mean something else, or nothing, in a model.
fn report(at: &Cursor<'_>, findings: &mut Findings) {
    let mut found = BTreeSet::new();
    keywords(at, &mut found);
    let of = |group: &[&'static str]| {
        let own = group.iter().filter(|word| found.contains(*word));
        let quoted: Vec<String> = own.map(|word| format!("`{word}`")).collect();
        Some(quoted.join(", ")).filter(|words| !words.is_empty())
    };
    let nothing = of(&WITHOUT_EFFECT)
        .map(|words| format!("{words} changes nothing in a model, here and in the service"));
    let checked =
        of(&LEFT_OUT).map(|words| format!("{words} is checked, which the service leaves out"));
    let told: Vec<String> = nothing.into_iter().chain(checked).collect();
    if !told.is_empty() {
        findings.approximated(at, told.join("; "));
    }
}

/// Whether this is a model that every API has: an export writes those that are referred to.
fn is_built_in(name: &str, at: &Cursor<'_>) -> bool {
    let Some((_, json)) = BUILT_IN.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    let known = serde_json::from_str::<Json>(json).ok();
    let written = at.node.and_then(|node| read::<Json>(node).ok());
    known.is_some() && known == written
}

/// The keywords of the schema at `at` and of all within, of those that are told apart here.
fn keywords(at: &Cursor<'_>, found: &mut BTreeSet<&'static str>) {
    for (key, at) in at.entries() {
        let mut known = WITHOUT_EFFECT.iter().chain(&LEFT_OUT);
        found.extend(known.find(|word| **word == key));
        match key {
            // Below these stand names, not keywords.
            "properties" | "patternProperties" | "definitions" | "dependencies" => {
                at.entries().for_each(|(_, at)| keywords(&at, found));
            }
            "allOf" | "anyOf" | "oneOf" => at.items().for_each(|at| keywords(&at, found)),
            "items" => {
                keywords(&at, found);
                at.items().for_each(|at| keywords(&at, found));
            }
            "additionalProperties" | "additionalItems" | "not" => keywords(&at, found),
            _ => {}
        }
    }
}
