//! Pieces of the native form, made while a definition is translated: each has the place of what it
//! was made from.

use crate::config::diagnostic::Place;
use crate::config::tree::{Entry, Mapping, Node, Value};

/// A mapping that is being made.
#[derive(Debug)]
pub(super) struct Made {
    place: Place,
    mapping: Mapping,
}

impl Made {
    pub(super) fn at(place: Place) -> Self {
        Self {
            place,
            mapping: Mapping::default(),
        }
    }

    /// Adds `key`, which was made from what stands at `key_place`.
    pub(super) fn put(&mut self, key: &str, key_place: Place, node: Node) {
        self.mapping.push(Entry {
            key: key.to_owned(),
            key_place,
            node,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.mapping.entries().is_empty()
    }

    pub(super) fn finish(self) -> Node {
        Node {
            place: self.place,
            value: Value::Mapping(self.mapping),
        }
    }
}

/// Text, whatever it looks like.
pub(super) fn text(place: Place, text: &str) -> Node {
    scalar(place, text, false)
}

/// A word, a number or a boolean.
pub(super) fn plain(place: Place, text: &str) -> Node {
    scalar(place, text, true)
}

pub(super) fn list(place: Place, items: Vec<Node>) -> Node {
    Node {
        place,
        value: Value::Sequence(items),
    }
}

/// Nothing that could be read; why was reported.
pub(super) fn refused(place: Place) -> Node {
    Node {
        place,
        value: Value::Refused,
    }
}

fn scalar(place: Place, text: &str, plain: bool) -> Node {
    let value = Value::Scalar {
        text: text.to_owned(),
        plain,
    };
    Node { place, value }
}
