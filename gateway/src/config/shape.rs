//! Holds a tree against the schema: keys, types, choices and plain ranges.
//!
//! Every mistake is reported, not only the first. What remains is a tree that the written form can
//! be read from: optional settings with a mistake are left out of it, and what cannot stand without
//! them goes with them, so that everything else is still judged for its meaning in the same run.

use serde_json::{Map, Value as Json};

use super::cursor::Cursor;
use super::diagnostic::Collector;
use super::near_miss::{choice, suggestion};
use super::tree::{Entry, Mapping, Node, Reading, Value, shortened};

/// Checks `tree` against `schema` and returns what of it is sound.
pub(super) fn check(schema: &Json, tree: &Node, diagnostics: &mut Collector) -> Option<Node> {
    let mut checker = Checker {
        schema,
        diagnostics,
    };
    checker.value(schema, &Cursor::root(tree), tree)
}

/// Checks `node`, which stands at `at`, against the part of `schema` that `pointer` (RFC 6901) leads
/// to.
pub(super) fn check_part(
    schema: &Json,
    pointer: &str,
    at: &Cursor<'_>,
    node: &Node,
    diagnostics: &mut Collector,
) -> Option<Node> {
    let part = schema.pointer(pointer)?;
    let mut checker = Checker {
        schema,
        diagnostics,
    };
    checker.value(part, at, node)
}

struct Checker<'a> {
    schema: &'a Json,
    diagnostics: &'a mut Collector,
}

/// One way a value may look.
type Alternative<'a> = &'a Map<String, Json>;

impl<'a> Checker<'a> {
    fn value(&mut self, schema: &'a Json, at: &Cursor<'_>, node: &Node) -> Option<Node> {
        // Free JSON, and what no message may quote: what it means is judged later.
        if *schema == Json::Bool(true) || schema.get("x-hidden").is_some() {
            return (!node.holds_refused()).then(|| node.clone());
        }
        let mut alternatives = Vec::new();
        self.alternatives(schema, &mut alternatives);
        let reading = node.reading();
        match reading {
            Reading::Refused => None,
            Reading::Mapping => match objects(&alternatives).as_slice() {
                [] => self.mismatch(&alternatives, at, reading),
                [only] => self.mapping(only, at, node),
                several => {
                    let kind = self.kind(several, at)?;
                    self.mapping(kind, at, node)
                }
            },
            Reading::Sequence => match of_type(&alternatives, "array") {
                Some(alternative) => self.sequence(alternative, at, node),
                None => self.mismatch(&alternatives, at, reading),
            },
            Reading::Text(text) if of_type(&alternatives, "string").is_some() => {
                self.text(&alternatives, at, text).then(|| node.clone())
            }
            Reading::Text(_) => self.mismatch(&alternatives, at, reading),
            Reading::Boolean(_) => match of_type(&alternatives, "boolean") {
                Some(_) => Some(node.clone()),
                None => self.mismatch(&alternatives, at, reading),
            },
            Reading::Integer(value) => {
                let found = of_type(&alternatives, "integer").or(of_type(&alternatives, "number"));
                match found {
                    #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
                    Some(alternative) => self
                        .range(alternative, at, value as f64)
                        .then(|| node.clone()),
                    None => self.mismatch(&alternatives, at, reading),
                }
            }
            Reading::Number(value) => match of_type(&alternatives, "number") {
                Some(alternative) => self.range(alternative, at, value).then(|| node.clone()),
                None => self.mismatch(&alternatives, at, reading),
            },
            Reading::Nothing => {
                self.error(
                    at,
                    "there is no value here: write one or leave the key out".into(),
                );
                None
            }
        }
    }

    /// The one of several kinds of mappings that `type` says, which is then all that is spoken of.
    fn kind(&mut self, kinds: &[Alternative<'a>], at: &Cursor<'_>) -> Option<Alternative<'a>> {
        let said = at.key(KIND);
        let word = said.scalar();
        let found = kinds.iter().find(|kind| kind_of(kind) == word);
        if word.is_some() && found.is_some() {
            return found.copied();
        }
        let words = kinds.iter().filter_map(|kind| kind_of(kind));
        match word {
            None if !said.is_written() => {
                let fix = suggestion("", words, "say which");
                let message = format!("`{KIND}` is missing{fix}");
                let place = Some(at.key_place);
                self.diagnostics.error(place, at.path.to_string(), message);
            }
            None => self.error(
                &said,
                format!("no kind is said here{}", suggestion("", words, "write one")),
            ),
            Some(word) => {
                let fix = suggestion(word, words, "take one that there is");
                self.error(&said, format!("`{}` is not a choice{fix}", shortened(word)));
            }
        }
        None
    }

    fn mapping(&mut self, schema: Alternative<'a>, at: &Cursor<'_>, node: &Node) -> Option<Node> {
        let Value::Mapping(mapping) = &node.value else {
            return None;
        };
        let properties = schema.get("properties").and_then(Json::as_object);
        // For settings this is `false`, for names chosen by the user the schema of what they name,
        // for free JSON `true`.
        let others = schema.get("additionalProperties");
        let others = others.filter(|others| **others != Json::Bool(false));
        let mut sound = Mapping::default();
        for entry in mapping.entries() {
            let property = properties
                .and_then(|known| known.get(&entry.key))
                .or(others);
            let Some(property) = property else {
                let known = properties
                    .into_iter()
                    .flat_map(Map::keys)
                    .map(String::as_str);
                let fix = suggestion(&entry.key, known, "take it out");
                let message = format!("unknown key `{}`{fix}", shortened(&entry.key));
                let place = Some(entry.key_place);
                self.diagnostics.error(place, at.path.to_string(), message);
                continue;
            };
            if let Some(node) = self.value(property, &at.key(&entry.key), &entry.node) {
                let key = entry.key.clone();
                sound.push(Entry {
                    key,
                    node,
                    ..*entry
                });
            }
        }
        if mapping.entries().is_empty() && schema.contains_key("minProperties") {
            self.error(at, "there has to be at least one: add it".into());
        }
        let complete = self.required(schema, at, mapping, &mut sound);
        let value = Value::Mapping(sound);
        complete.then_some(Node {
            place: node.place,
            value,
        })
    }

    /// Reports required keys that are missing. True if the mapping can stand without.
    fn required(
        &mut self,
        schema: Alternative<'a>,
        at: &Cursor<'_>,
        written: &Mapping,
        sound: &mut Mapping,
    ) -> bool {
        let Some(Json::Array(required)) = schema.get("required") else {
            return true;
        };
        let mut complete = true;
        for key in required.iter().filter_map(Json::as_str) {
            let property = schema.get("properties").and_then(|known| known.get(key));
            if written.get(key).is_none() {
                let message = property
                    .and_then(|p| p.get("x-missing"))
                    .and_then(Json::as_str);
                let message =
                    message.map_or_else(|| format!("`{key}` is missing: add it"), str::to_owned);
                let place = Some(at.key_place);
                self.diagnostics.error(place, at.path.to_string(), message);
            }
            if sound.get(key).is_some() {
                continue;
            }
            // Names chosen by the user: without any, the rest can still be judged.
            if property.is_some_and(|p| p.get("additionalProperties").is_some()) {
                sound.push(Entry {
                    key: key.to_owned(),
                    key_place: at.key_place,
                    node: Node {
                        place: at.place,
                        value: Value::Mapping(Mapping::default()),
                    },
                });
            } else {
                complete = false;
            }
        }
        complete
    }

    fn sequence(&mut self, schema: Alternative<'a>, at: &Cursor<'_>, node: &Node) -> Option<Node> {
        let Value::Sequence(items) = &node.value else {
            return None;
        };
        if items.is_empty() && schema.contains_key("minItems") {
            self.error(at, "there has to be at least one: add it".into());
            return None;
        }
        let max = schema.get("maxItems").and_then(Json::as_u64);
        if let Some(max) = max.filter(|max| items.len() as u64 > *max) {
            self.error(at, format!("{} are too many: at most {max}", items.len()));
            return None;
        }
        let mut sound = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match schema.get("items") {
                Some(schema) => sound.extend(self.value(schema, &at.item(index), item)),
                None => sound.push(item.clone()),
            }
        }
        // A list with gaps would number its items differently from the file.
        (sound.len() == items.len()).then_some(Node {
            place: node.place,
            value: Value::Sequence(sound),
        })
    }

    fn text(&mut self, alternatives: &[Alternative<'a>], at: &Cursor<'_>, text: &str) -> bool {
        let texts = || {
            alternatives
                .iter()
                .copied()
                .filter(|a| has_type(a, "string"))
        };
        let mut words = Vec::new();
        for alternative in texts() {
            match words_of(alternative) {
                Some(some) => words.extend(some),
                None => return true,
            }
        }
        if words.contains(&text) {
            return true;
        }
        let reason = texts().find_map(|text_of| text_of.get("x-refused")?.get(text)?.as_str());
        if let Some(reason) = reason {
            self.error(at, format!("`{text}` is refused: {reason}"));
        } else if alternatives
            .iter()
            .all(|alternative| has_type(alternative, "string"))
        {
            let fix = suggestion(text, words.into_iter(), "take it out");
            self.error(at, format!("`{}` is not a choice{fix}", shortened(text)));
        } else {
            self.mismatch(alternatives, at, Reading::Text(text));
        }
        false
    }

    fn range(&mut self, schema: Alternative<'a>, at: &Cursor<'_>, value: f64) -> bool {
        let bound = |keyword| schema.get(keyword).and_then(Json::as_f64);
        let message = match (bound("minimum"), bound("maximum")) {
            (Some(min), _) if value < min => format!("`{value}` is too small: at least {min}"),
            (_, Some(max)) if value > max => format!("`{value}` is too large: at most {max}"),
            _ => return true,
        };
        self.error(at, message);
        false
    }

    fn mismatch(
        &mut self,
        alternatives: &[Alternative<'a>],
        at: &Cursor<'_>,
        found: Reading<'_>,
    ) -> Option<Node> {
        let mut expected: Vec<String> = Vec::new();
        for form in alternatives
            .iter()
            .filter_map(|alternative| form_of(alternative))
        {
            if !expected.contains(&form) {
                expected.push(form);
            }
        }
        let any_text = |alternative: &Alternative<'_>| {
            has_type(alternative, "string") && !alternative.contains_key("x-form")
        };
        let wants = |name| {
            alternatives
                .iter()
                .any(|alternative| has_type(alternative, name))
        };
        let fix = match found {
            Reading::Integer(_) | Reading::Number(_) | Reading::Boolean(_)
                if alternatives.iter().all(any_text) =>
            {
                ": put it in quotes"
            }
            Reading::Text("on" | "yes") if wants("boolean") => ": write `true`",
            Reading::Text("off" | "no") if wants("boolean") => ": write `false`",
            _ => "",
        };
        self.error(
            at,
            format!("expected {}, found {found}{fix}", expected.join(" or ")),
        );
        None
    }

    /// The ways a value may look under `schema`, references and choices resolved.
    fn alternatives(&self, schema: &'a Json, found: &mut Vec<Alternative<'a>>) {
        let Some(object) = schema.as_object() else {
            return;
        };
        if let Some(target) = object.get("$ref").and_then(Json::as_str) {
            let pointer = target.trim_start_matches('#');
            if let Some(definition) = self.schema.pointer(pointer) {
                self.alternatives(definition, found);
            }
            return;
        }
        match object.get("anyOf").or_else(|| object.get("oneOf")) {
            Some(Json::Array(alternatives)) => {
                for alternative in alternatives {
                    self.alternatives(alternative, found);
                }
            }
            _ => found.push(object),
        }
    }

    fn error(&mut self, at: &Cursor<'_>, message: String) {
        self.diagnostics
            .error(Some(at.place), at.path.to_string(), message);
    }
}

/// The key that says of what kind a mapping is, where there are several.
const KIND: &str = "type";

/// What [`KIND`] says of mappings of this kind.
fn kind_of(schema: Alternative<'_>) -> Option<&str> {
    let kind = schema.get("properties")?.get(KIND)?;
    kind.get("const").and_then(Json::as_str)
}

fn objects<'a>(alternatives: &[Alternative<'a>]) -> Vec<Alternative<'a>> {
    let alternatives = alternatives.iter().copied();
    alternatives.filter(|it| has_type(it, "object")).collect()
}

/// What stands where a value of this kind is expected, for people.
fn form_of(alternative: Alternative<'_>) -> Option<String> {
    if let Some(form) = alternative.get("x-form").and_then(Json::as_str) {
        return Some(form.to_owned());
    }
    let name = match alternative.get("type").and_then(Json::as_str)? {
        "object" => "keys with values",
        "array" => "a list",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        _ => match words_of(alternative) {
            Some(words) => return choice(words.into_iter()),
            None => "text",
        },
    };
    Some(name.to_owned())
}

fn of_type<'a>(alternatives: &[Alternative<'a>], name: &str) -> Option<Alternative<'a>> {
    alternatives
        .iter()
        .copied()
        .find(|alternative| has_type(alternative, name))
}

fn has_type(alternative: Alternative<'_>, name: &str) -> bool {
    alternative.get("type").and_then(Json::as_str) == Some(name)
}

/// The words a text must be one of; `None` where any text will do.
fn words_of(alternative: Alternative<'_>) -> Option<Vec<&str>> {
    match (alternative.get("const"), alternative.get("enum")) {
        (Some(Json::String(word)), _) => Some(vec![word]),
        (_, Some(Json::Array(words))) => Some(words.iter().filter_map(Json::as_str).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::diagnostic::FileId;
    use crate::config::yaml::{self, Bounds};

    /// What is said of `text`, of which there may be two kinds.
    fn said(text: &str) -> String {
        let kind = |name: &str, own: &str| {
            json!({
                "type": "object",
                "properties": {"type": {"type": "string", "const": name}, own: {"type": "string"}},
                "additionalProperties": false,
                "required": ["type", own],
            })
        };
        let schema = json!({"oneOf": [kind("cat", "claws"), kind("dog", "leash")]});
        let mut diagnostics = Collector::new("pets.yaml");
        let bounds = Bounds::CONFIGURATION;
        let tree = yaml::parse(text, FileId::FIRST, bounds, &mut diagnostics).unwrap();
        let sound = check(&schema, &tree, &mut diagnostics);
        assert_eq!(sound.is_some(), diagnostics.error_count() == 0);
        diagnostics.into_report().to_string()
    }

    #[test]
    fn of_several_kinds_the_one_that_is_named_is_spoken_of() {
        for (text, expected) in [
            ("{type: cat, claws: sharp}", ""),
            ("{type: dog, leash: long}", ""),
            ("{type: cat, leash: long}", "unknown key `leash`"),
            ("{type: cat}", "`claws` is missing"),
            (
                "{type: dgo, leash: long}",
                "`dgo` is not a choice: did you mean `dog`?",
            ),
            (
                "{leash: long}",
                "`type` is missing: choose from `cat` and `dog`",
            ),
            (
                "{type: [cat]}",
                "no kind is said here: choose from `cat` and `dog`",
            ),
        ] {
            let said = said(text);
            assert!(said.contains(expected), "{text}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{text}: {said}");
        }
    }
}
