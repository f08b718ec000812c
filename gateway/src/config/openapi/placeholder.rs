//! `${name}` in the texts of a definition.
//!
//! The service replaces `${AWS::AccountId}`, `${AWS::Partition}` and `${AWS::Region}` in every text.
//! CloudFormation replaces any name within `Fn::Sub`. Of what others substitute before an import,
//! names without dots are replaced within extensions; names with dots, such as
//! `${stageVariables.host}`, belong to the service and stay, and so does everything in templates.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::config::cursor::Path;
use crate::config::diagnostic::{Collector, Place};
use crate::config::near_miss::suggestion;
use crate::config::tree::{Entry, Mapping, Node, Value, shortened};
use crate::model::Identity;

const SUB: &str = "Fn::Sub";
const PSEUDO: &str = "AWS::";

/// What stands for names.
#[derive(Debug)]
pub(super) struct Placeholders {
    values: HashMap<String, String>,
    /// Those that somebody gave, and not the service.
    given: BTreeSet<String>,
    used: HashSet<String>,
}

/// Where a text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    /// Anywhere.
    Any,
    /// In an extension of the service.
    Extension,
    /// In a mapping template, where `${name}` is a reference of the template's own.
    Template,
    /// In `Fn::Sub`.
    Sub,
}

impl Placeholders {
    /// Those of `identity`, and `variables`, which come first.
    pub(super) fn new(
        identity: &Identity,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let pseudo = [
            ("AWS::AccountId", &identity.account),
            ("AWS::Partition", &identity.partition),
            ("AWS::Region", &identity.region),
        ];
        let pseudo = pseudo
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.clone()));
        let mut values: HashMap<String, String> = pseudo.collect();
        let mut given = BTreeSet::new();
        for (name, value) in variables {
            given.insert(name.clone());
            values.insert(name, value);
        }
        Self {
            values,
            given,
            used: HashSet::new(),
        }
    }

    /// Those that were given and have stood for nothing so far, by name.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        let given = self.given.iter().map(String::as_str);
        given.filter(|name| !self.used.contains(*name))
    }

    /// `node` with every placeholder replaced. One that stands for nothing is reported.
    pub(super) fn replace(&mut self, node: Node, diagnostics: &mut Collector) -> Node {
        let mut replacing = Replacing {
            values: &self.values,
            used: &mut self.used,
            diagnostics,
        };
        replacing.node(node, Area::Any, &Path::default())
    }
}

struct Replacing<'a> {
    values: &'a HashMap<String, String>,
    used: &'a mut HashSet<String>,
    diagnostics: &'a mut Collector,
}

impl Replacing<'_> {
    fn node(&mut self, node: Node, area: Area, path: &Path) -> Node {
        let place = node.place;
        let value = match node.value {
            Value::Scalar { text, plain } => {
                let (text, changed) = self.text(&text, area, &HashMap::new(), place, path);
                Value::Scalar {
                    text,
                    // What stands for a name is text, also where it looks like a number.
                    plain: plain && !changed,
                }
            }
            Value::Sequence(items) => {
                let items = items.into_iter().enumerate();
                let items = items.map(|(index, item)| self.node(item, area, &path.item(index)));
                Value::Sequence(items.collect())
            }
            Value::Mapping(mapping) => match self.function(&mapping, path) {
                Some(value) => value,
                None => return self.mapping(mapping, place, area, path),
            },
            Value::Refused => Value::Refused,
        };
        Node { place, value }
    }

    fn mapping(&mut self, mapping: Mapping, place: Place, area: Area, path: &Path) -> Node {
        let node = Node {
            place,
            value: Value::Mapping(mapping),
        };
        node.with_entries(|entry| {
            let path = path.key(&entry.key);
            let node = self.node(entry.node, below(&entry.key, area), &path);
            Entry { node, ..entry }
        })
    }

    /// What a function of CloudFormation comes to, if `mapping` is one.
    fn function(&mut self, mapping: &Mapping, path: &Path) -> Option<Value> {
        let [entry] = mapping.entries() else {
            return None;
        };
        if !entry.key.starts_with("Fn::") {
            return None;
        }
        let path = path.key(&entry.key);
        let place = entry.node.place;
        let none = HashMap::new();
        let found = match (&entry.node.value, entry.key.as_str()) {
            (Value::Scalar { text, .. }, SUB) => Some((text, none)),
            (Value::Sequence(items), SUB) => match items.as_slice() {
                [text, own] => match (&text.value, local(own)) {
                    (Value::Scalar { text, .. }, Some(own)) => Some((text, own)),
                    _ => None,
                },
                _ => None,
            },
            _ => {
                let shown = shortened(&entry.key);
                let message = format!(
                    "only `{SUB}` is understood of CloudFormation's functions, not `{shown}`: write what it comes to"
                );
                self.diagnostics
                    .error(Some(entry.key_place), path.to_string(), message);
                return Some(Value::Refused);
            }
        };
        let Some((text, own)) = found else {
            let message = format!("write `{SUB}: text` or `{SUB}: [text, {{name: text}}]`");
            self.diagnostics
                .error(Some(place), path.to_string(), message);
            return Some(Value::Refused);
        };
        let (text, _) = self.text(text, Area::Sub, &own, place, &path);
        Some(Value::Scalar { text, plain: false })
    }

    /// The text with its placeholders replaced, and whether there were any.
    fn text(
        &mut self,
        text: &str,
        area: Area,
        own: &HashMap<&str, &str>,
        place: Place,
        path: &Path,
    ) -> (String, bool) {
        let mut whole = String::new();
        let mut changed = false;
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once("${") {
            whole.push_str(literal);
            let Some((name, after)) = behind.split_once('}') else {
                // Nothing ends those that follow either.
                whole.push_str("${");
                rest = behind;
                break;
            };
            rest = after;
            if let Some(escaped) = name.strip_prefix('!').filter(|_| area == Area::Sub) {
                whole.extend(["${", escaped, "}"]);
                changed = true;
                continue;
            }
            if !is_placeholder(name, area) {
                whole.extend(["${", name, "}"]);
                continue;
            }
            changed = true;
            let known = own.get(name).copied();
            if known.is_none() {
                self.used.insert(name.to_owned());
            }
            match known.or_else(|| self.values.get(name).map(String::as_str)) {
                Some(value) => whole.push_str(value),
                None => self.unknown(name, place, path),
            }
        }
        whole.push_str(rest);
        (whole, changed)
    }

    fn unknown(&mut self, name: &str, place: Place, path: &Path) {
        let mut names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        names.sort_unstable();
        let fix = if name.starts_with(PSEUDO) {
            suggestion(name, names.into_iter(), "take it out")
        } else {
            format!(
                ": give it a value with `--variable {}=VALUE`, or in a configuration under `variables`",
                shortened(name)
            )
        };
        let message = format!("nothing stands for `${{{}}}`{fix}", shortened(name));
        self.diagnostics
            .error(Some(place), path.to_string(), message);
    }
}

fn is_placeholder(name: &str, area: Area) -> bool {
    let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    name.starts_with(PSEUDO)
        || match area {
            Area::Any | Area::Template => false,
            Area::Extension => is_bare,
            // Resources of a template have attributes, but stage variables are no resource.
            Area::Sub => !name.starts_with("stageVariables."),
        }
}

fn below(key: &str, area: Area) -> Area {
    match key {
        "requestTemplates" | "responseTemplates" => Area::Template,
        _ if key.starts_with("x-amazon-apigateway-") => Area::Extension,
        _ => area,
    }
}

/// The names of one `Fn::Sub` alone.
fn local(node: &Node) -> Option<HashMap<&str, &str>> {
    let Value::Mapping(mapping) = &node.value else {
        return None;
    };
    let pairs = mapping
        .entries()
        .iter()
        .map(|entry| match &entry.node.value {
            Value::Scalar { text, .. } => Some((entry.key.as_str(), text.as_str())),
            _ => None,
        });
    pairs.collect()
}

#[cfg(test)]
#[path = "placeholder_tests.rs"]
mod tests;
