//! All models as one document in which every reference is local.
//!
//! A reference may be a pointer into its own model, `#/definitions/X` or `#/components/schemas/X`
//! for another model, or the address that Amazon's gateway gives models. Keywords that would change
//! what a pointer is relative to are taken out.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::walk::children;
use super::{CHAIN_MAX, SCHEMAS_MAX, SchemaError};
use crate::language::variable::shown;

/// A document's definitions, and which models each of them refers to.
#[derive(Debug, Clone)]
pub(super) struct Definitions {
    schemas: Map<String, Value>,
    references: HashMap<Box<str>, HashSet<Box<str>>>,
}

impl Definitions {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.schemas.contains_key(name)
    }

    /// A model, and all that it needs.
    pub(super) fn needed_by(&self, name: &str) -> Map<String, Value> {
        let mut needed = Map::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            if let Some(schema) = self.schemas.get(name)
                && !needed.contains_key(name)
            {
                needed.insert(name.to_owned(), schema.clone());
                open.extend(
                    self.references
                        .get(name)
                        .into_iter()
                        .flatten()
                        .map(AsRef::as_ref),
                );
            }
        }
        needed
    }
}

/// The definitions of the document, from models that are schemas each for itself.
pub(super) fn resolved(written: Map<String, Value>) -> Result<Definitions, SchemaError> {
    let mut resolver = Resolver {
        models: &written,
        schemas: HashSet::new(),
        applied: HashMap::new(),
        references: Vec::new(),
    };
    let mut definitions = Map::new();
    for (name, schema) in &written {
        let mut schema = schema.clone();
        if let Some(root) = schema.as_object_mut() {
            resolver.schema(name, &format!("/definitions/{name}"), root)?;
        }
        definitions.insert(name.clone(), schema);
    }
    resolver.check_references()?;
    resolver.check_chains()?;
    let mut references: HashMap<Box<str>, HashSet<Box<str>>> = HashMap::new();
    for reference in resolver.references {
        let (target, _) = split(&reference.target);
        references
            .entry(reference.model)
            .or_default()
            .insert(target);
    }
    Ok(Definitions {
        schemas: definitions,
        references,
    })
}

struct Resolver<'m> {
    models: &'m Map<String, Value>,
    /// Pointers of all schemas.
    schemas: HashSet<String>,
    /// Which schemas a schema applies to the same value.
    applied: HashMap<String, Vec<String>>,
    references: Vec<Reference>,
}

struct Reference {
    model: Box<str>,
    written: Box<str>,
    target: String,
}

impl Resolver<'_> {
    /// Resolves the references of a schema and of all within. The depth of models is bounded.
    fn schema(
        &mut self,
        model: &str,
        pointer: &str,
        schema: &mut Map<String, Value>,
    ) -> Result<(), SchemaError> {
        if self.schemas.len() == SCHEMAS_MAX {
            return Err(SchemaError::TooManySchemas);
        }
        self.schemas.insert(pointer.to_owned());
        schema.remove("$schema");
        if schema.get("id").is_some_and(Value::is_string) {
            schema.remove("id");
        }
        let mut applied = Vec::new();
        let reference = schema
            .get("$ref")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned);
        if let Some(written) = &reference {
            let target = self.target(model, written)?;
            schema.insert("$ref".to_owned(), Value::String(encoded(&target)));
            applied.push(target.clone());
            self.references.push(Reference {
                model: model.into(),
                written: shown(written),
                target,
            });
        }
        for child in children(schema) {
            let inner = format!("{pointer}{}", child.pointer);
            self.schema(model, &inner, child.schema)?;
            // Beside a reference every other keyword is ignored.
            if child.is_in_place && reference.is_none() {
                applied.push(inner);
            }
        }
        self.applied.insert(pointer.to_owned(), applied);
        Ok(())
    }

    /// The pointer, in the document, that a reference of this model means.
    fn target(&self, model: &str, written: &str) -> Result<String, SchemaError> {
        let external = || SchemaError::External {
            model: model.into(),
            reference: shown(written),
        };
        if let Some(fragment) = written.strip_prefix('#') {
            let pointer = decoded(fragment).ok_or_else(external)?;
            let own = self.models.get(model).and_then(|own| own.pointer(&pointer));
            if own.is_some() {
                return Ok(format!("/definitions/{model}{pointer}"));
            }
            let rest = ["/definitions/", "/components/schemas/"]
                .iter()
                .find_map(|prefix| pointer.strip_prefix(prefix));
            return self
                .below_model(rest.ok_or_else(external)?)
                .ok_or_else(external);
        }
        let rest = written.strip_prefix("https://apigateway.amazonaws.com/restapis/");
        let (_api, rest) = rest
            .and_then(|rest| rest.split_once("/models/"))
            .ok_or_else(external)?;
        let (name, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let fragment =
            decoded(fragment).filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let pointer = format!("{name}{}", fragment.ok_or_else(external)?);
        self.below_model(&pointer).ok_or_else(external)
    }

    /// The pointer of `X/rest`, if there is a model `X`.
    fn below_model(&self, rest: &str) -> Option<String> {
        let name = rest.split('/').next()?;
        self.models
            .contains_key(name)
            .then(|| format!("/definitions/{rest}"))
    }

    fn check_references(&self) -> Result<(), SchemaError> {
        let nowhere = self
            .references
            .iter()
            .find(|reference| !self.schemas.contains(&reference.target));
        nowhere.map_or(Ok(()), |reference| {
            Err(SchemaError::Nowhere {
                model: reference.model.clone(),
                reference: reference.written.clone(),
            })
        })
    }

    /// Takes away, round by round, the schemas that apply none that is left: after `CHAIN_MAX`
    /// rounds only those are left that stand in front of a longer chain or of a circle.
    fn check_chains(&self) -> Result<(), SchemaError> {
        let mut left: Vec<&String> = self.schemas.iter().collect();
        left.sort();
        let mut done: HashSet<&String> = HashSet::new();
        for _round in 0..CHAIN_MAX {
            let is_done =
                |pointer: &&String| self.applies(pointer).all(|applied| done.contains(applied));
            let (ended, rest): (Vec<&String>, Vec<&String>) =
                left.iter().copied().partition(is_done);
            left = rest;
            if left.is_empty() {
                return Ok(());
            }
            if ended.is_empty() {
                break;
            }
            done.extend(ended);
        }
        let Some(first) = left.first().copied() else {
            return Ok(());
        };
        // Nobody who applies only what is done is left, unless there were too few rounds. Where
        // everybody applies another one that is left, walking on ends in a circle.
        let mut at = first;
        for _step in &left {
            let Some(next) = self.applies(at).find(|applied| !done.contains(applied)) else {
                let (model, at) = split(first);
                return Err(SchemaError::TooLongChain { model, at });
            };
            at = next;
        }
        let (model, at) = split(at);
        Err(SchemaError::Endless { model, at })
    }

    fn applies(&self, pointer: &str) -> impl Iterator<Item = &String> {
        self.applied.get(pointer).into_iter().flatten()
    }
}

/// The model of a pointer, and the pointer within it.
fn split(pointer: &str) -> (Box<str>, Box<str>) {
    let rest = pointer.strip_prefix("/definitions/").unwrap_or(pointer);
    let (model, _) = rest.split_once('/').unwrap_or((rest, ""));
    let at = rest.strip_prefix(model).unwrap_or_default();
    (model.into(), format!("#{}", shown(at)).into())
}

/// A pointer as a reference: a fragment holds only some characters as they are.
fn encoded(pointer: &str) -> String {
    let mut reference = String::from("#");
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"/~-._".contains(&byte) {
            reference.push(char::from(byte));
        } else {
            reference.push_str(&format!("%{byte:02X}"));
        }
    }
    reference
}

/// A fragment without percent-encoding; `None` if it is broken.
fn decoded(fragment: &str) -> Option<Cow<'_, str>> {
    if !fragment.contains('%') {
        return Some(Cow::Borrowed(fragment));
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut pieces = fragment.split('%');
    bytes.extend(pieces.next()?.bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        bytes.push(
            u8::from_str_radix(digits, 16)
                .ok()
                .filter(|_| is_hexadecimal)?,
        );
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
