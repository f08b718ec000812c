//! What stands where in the files that the native form was made from.
//!
//! Definitions become trees of the native form of which every node keeps the place that it came
//! from. What is judged later names settings of the native form, which whoever wrote the definition
//! never saw; here such a name becomes that of the part of the definition at the same place.

use std::collections::HashMap;
use std::sync::Arc;

use super::cursor::Path;
use super::diagnostic::{Diagnostic, Place};
use super::tree::{Node, Value};

/// Files of definitions, as they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins(Vec<Arc<Node>>);

impl Origins {
    pub(super) fn new(files: Vec<Arc<Node>>) -> Self {
        Self(files)
    }

    /// Names in `told` what stands where it points.
    pub(super) fn rename(&self, told: &mut [Diagnostic]) {
        let paths = self.paths(told.iter().filter_map(|told| told.place));
        for told in told {
            let path = told.place.and_then(|place| paths.get(&place));
            if let Some(path) = path {
                told.path.clone_from(path);
            }
        }
    }

    /// What stands at `places`, as keys joined by dots; of those at which nothing stands none is
    /// among them. Where a mapping or a list begins with a key or an item, that one is meant.
    fn paths(&self, places: impl Iterator<Item = Place>) -> HashMap<Place, String> {
        let mut found: HashMap<Place, String> = HashMap::new();
        if self.0.is_empty() {
            return found;
        }
        found.extend(places.map(|place| (place, String::new())));
        if found.is_empty() {
            return found;
        }
        for root in &self.0 {
            let mut search = Search {
                found: &mut found,
                way: Vec::new(),
            };
            search.node(root);
        }
        found.retain(|_, path| !path.is_empty());
        found
    }
}

enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

struct Search<'f, 'a> {
    found: &'f mut HashMap<Place, String>,
    /// From the root to where the search is.
    way: Vec<Step<'a>>,
}

impl<'a> Search<'_, 'a> {
    fn note(&mut self, place: Place) {
        if let Some(found) = self.found.get_mut(&place) {
            let way = self
                .way
                .iter()
                .fold(Path::default(), |path, step| match step {
                    Step::Key(key) => path.key(key),
                    Step::Item(index) => path.item(*index),
                });
            *found = way.to_string();
        }
    }

    /// Looks at what is in `node`; that of a deeper level counts, because it comes later. Trees are
    /// as deep as their readers let them be.
    fn node(&mut self, node: &'a Node) {
        match &node.value {
            Value::Mapping(mapping) => {
                for entry in mapping.entries() {
                    self.way.push(Step::Key(&entry.key));
                    self.note(entry.key_place);
                    self.note(entry.node.place);
                    self.node(&entry.node);
                    self.way.pop();
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.way.push(Step::Item(index));
                    self.note(item.place);
                    self.node(item);
                    self.way.pop();
                }
            }
            Value::Scalar { .. } | Value::Refused => {}
        }
    }
}
