//! A setting by its keys, with the place a message about it points at.

use std::fmt;

use super::diagnostic::Place;
use super::tree::{Node, Reading, Value, shortened};

/// The keys that lead to a setting: `apis.pets.routes."GET /pets".scopes[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn key(&self, key: &str) -> Self {
        let bare = !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'));
        let dot = if self.0.is_empty() { "" } else { "." };
        let quote = if bare { "" } else { "\"" };
        Self(format!("{}{dot}{quote}{}{quote}", self.0, shortened(key)))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A setting: where it stands or, where it was left out, where it would belong.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) path: Path,
    /// `None` where the setting was left out.
    pub(super) node: Option<&'a Node>,
    /// Of the value.
    pub(super) place: Place,
    /// Of the key that names it; that of the value for items of a list.
    pub(super) key_place: Place,
}

impl<'a> Cursor<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self {
            path: Path::default(),
            node: Some(node),
            place: node.place,
            key_place: node.place,
        }
    }

    /// The setting `key` below this one; where it was left out, messages point at this one.
    pub(super) fn key(&self, key: &str) -> Self {
        let entry = self.node.and_then(|node| node.entry(key));
        Self {
            path: self.path.key(key),
            node: entry.map(|entry| &entry.node),
            place: entry.map_or(self.key_place, |entry| entry.node.place),
            key_place: entry.map_or(self.key_place, |entry| entry.key_place),
        }
    }

    /// The item `index` of this list.
    pub(super) fn item(&self, index: usize) -> Self {
        let node = self.node.and_then(|node| node.item(index));
        let place = node.map_or(self.place, |node| node.place);
        Self {
            path: self.path.item(index),
            node,
            place,
            key_place: place,
        }
    }

    /// What a JSON pointer (RFC 6901) leads to from here.
    pub(super) fn pointer(&self, pointer: &str) -> Self {
        let segments = pointer.split('/').skip(1);
        segments.fold(self.clone(), |at, segment| {
            let name = segment.replace("~1", "/").replace("~0", "~");
            match (name.parse(), at.node.map(|node| &node.value)) {
                (Ok(index), Some(Value::Sequence(_))) => at.item(index),
                _ => at.key(&name),
            }
        })
    }

    /// Whether the user wrote this setting at all, right or wrong.
    pub(super) const fn is_written(&self) -> bool {
        self.node.is_some()
    }

    /// What the user wrote below this one, by key.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Self)> {
        self.names().map(|key| (key, self.key(key)))
    }

    /// The items of this list.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        let count = match self.node.map(|node| &node.value) {
            Some(Value::Sequence(items)) => items.len(),
            _ => 0,
        };
        (0..count).map(|index| self.item(index))
    }

    /// The text as it stands there, also of a number or a boolean.
    pub(super) fn scalar(&self) -> Option<&'a str> {
        match &self.node?.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Sequence(_) | Value::Mapping(_) | Value::Refused => None,
        }
    }

    /// Whether this is `true`.
    pub(super) fn is_true(&self) -> bool {
        self.node.map(Node::reading) == Some(Reading::Boolean(true))
    }

    /// The keys the user wrote below this one, right or wrong.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.node.into_iter().flat_map(Node::keys)
    }
}
