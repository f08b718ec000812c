//! Objects of a definition in the making.

use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, FileId, Place};
use crate::config::openapi::carried::Carrier;
use crate::config::openapi::made::{Made, list, plain, text};
use crate::config::tree::Node;
use crate::config::yaml::{self, Bounds};

/// What is made here stands in no file yet.
const NOWHERE: Place = Place {
    file: FileId::FIRST,
    line: 1,
    column: 1,
};

/// An object that is being made. Of two values for one key the first stays.
#[derive(Debug)]
pub(super) struct Object(Made);

impl Object {
    pub(super) fn new() -> Self {
        Self(Made::at(NOWHERE))
    }

    /// What stands at `at`.
    pub(super) fn of(at: &Cursor<'_>) -> Self {
        let mut made = Self::new();
        for (key, at) in at.entries() {
            made.copy(key, &at);
        }
        made
    }

    /// What of the settings at `at` has to be carried, whatever its value.
    pub(super) fn carried(at: &Cursor<'_>, carrier: &Carrier) -> Self {
        let mut made = Self::new();
        let carried = |key: &str| carrier.carries(key) && !carrier.mostly_placed.contains(&key);
        for (key, at) in at.entries().filter(|(key, _)| carried(key)) {
            made.copy(key, &at);
        }
        made
    }

    pub(super) fn put(&mut self, key: &str, node: Node) {
        self.0.put(key, NOWHERE, node);
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.put(key, text(NOWHERE, value));
    }

    /// A number or a boolean.
    pub(super) fn word(&mut self, key: &str, value: impl ToString) {
        self.put(key, plain(NOWHERE, &value.to_string()));
    }

    pub(super) fn list(&mut self, key: &str, items: Vec<Node>) {
        self.put(key, list(NOWHERE, items));
    }

    /// An object, also an empty one.
    pub(super) fn object(&mut self, key: &str, object: Self) {
        self.put(key, object.finish());
    }

    /// An object, where there is anything in it.
    pub(super) fn object_if_any(&mut self, key: &str, object: Self) {
        if !object.0.is_empty() {
            self.object(key, object);
        }
    }

    /// A value that is written as JSON, which is YAML; what is none adds nothing.
    pub(super) fn json(&mut self, key: &str, json: &str) {
        let mut diagnostics = Collector::new("");
        let file = FileId::FIRST;
        if let Some(node) = yaml::parse(json, file, Bounds::CONFIGURATION, &mut diagnostics) {
            self.put(key, node);
        }
    }

    /// What stands at `at`, where anything does.
    pub(super) fn copy(&mut self, key: &str, at: &Cursor<'_>) {
        if let Some(node) = at.node {
            self.put(key, node.clone());
        }
    }

    pub(super) fn finish(self) -> Node {
        self.0.finish()
    }
}

/// An object with one text.
pub(super) fn of_text(key: &str, value: &str) -> Object {
    let mut object = Object::new();
    object.text(key, value);
    object
}

/// An item of a list.
pub(super) fn item(value: &str) -> Node {
    text(NOWHERE, value)
}
