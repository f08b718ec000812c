//! Models: JSON Schema draft 4 with references between the models of one API.
//!
//! All models of an API are made one document in which every reference is local, so nothing is
//! ever fetched. Refused when a definition is loaded: references that lead out of the API or
//! nowhere, and schemas that apply each other to the same value without end. Patterns run in linear
//! time. What is left is bounded by the instance, whose depth has a limit of its own.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

mod document;
mod message;
mod walk;
mod words;

pub use message::{ERRORS_MAX, Invalid, MESSAGE_BYTES_MAX};

/// Models of one API, more of which are refused.
pub const MODELS_MAX: usize = 1024;

/// Schemas within all models of an API, more of which are refused.
pub const SCHEMAS_MAX: usize = 100_000;

/// Depth of a model, deeper ones are refused.
pub const SCHEMA_DEPTH_MAX: usize = 64;

/// Schemas that apply each other to the same value, one behind the other; more are refused,
/// because validating takes stack for each of them.
pub const CHAIN_MAX: usize = 64;

/// Depth of a body, deeper ones are invalid. With [`CHAIN_MAX`] it bounds the stack.
pub const INSTANCE_DEPTH_MAX: usize = 64;

/// Bytes of a compiled pattern.
const PATTERN_PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Models that every API has, as JSON.
pub const BUILT_IN: [(&str, &str); 2] = [
    ("Empty", r#"{"title":"Empty Schema","type":"object"}"#),
    (
        "Error",
        r#"{"title":"Error Schema","type":"object","properties":{"message":{"type":"string"}}}"#,
    ),
];

/// The models of one API, with their references resolved.
#[derive(Debug, Clone)]
pub struct Models {
    definitions: document::Definitions,
}

/// A compiled model.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    explanation: message::Explanation,
}

/// Why models are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// More than [`MODELS_MAX`].
    #[error("there are too many models: at most {MODELS_MAX}")]
    TooManyModels,
    /// More than [`SCHEMAS_MAX`].
    #[error("the models hold too many schemas: at most {SCHEMAS_MAX}")]
    TooManySchemas,
    /// No name of a model.
    #[error("`{0}` is no name of a model: write letters, digits, `.`, `_` and `-`")]
    Name(Box<str>),
    /// Two models of one name.
    #[error("model `{0}` is defined twice: keep one")]
    Twice(Box<str>),
    /// There is no such model.
    #[error("there is no model `{0}`: add it to `models`")]
    Unknown(Box<str>),
    /// Deeper than [`SCHEMA_DEPTH_MAX`].
    #[error("model `{0}` is nested too deep: at most {SCHEMA_DEPTH_MAX} levels")]
    TooDeep(Box<str>),
    /// Not what draft 4 calls a schema.
    #[error("model `{model}`: {problem}: write what JSON Schema draft 4 has there")]
    Syntax {
        /// Which model.
        model: Box<str>,
        /// Where in it, as a JSON pointer.
        at: Box<str>,
        /// In the words of the validator.
        problem: Box<str>,
    },
    /// A reference out of the API.
    #[error(
        "model `{model}`: `{reference}` does not name a model of this API: write the name of one"
    )]
    External {
        /// Which model.
        model: Box<str>,
        /// What it refers to.
        reference: Box<str>,
    },
    /// A reference to nothing.
    #[error("model `{model}`: `{reference}` leads to no schema: write where one stands")]
    Nowhere {
        /// Which model.
        model: Box<str>,
        /// What it refers to.
        reference: Box<str>,
    },
    /// Schemas that apply each other to the same value without end.
    #[error(
        "model `{model}`: the schema at `{at}` applies itself to the same value: refer to it from a property or an item"
    )]
    Endless {
        /// Which model.
        model: Box<str>,
        /// One of the schemas.
        at: Box<str>,
    },
    /// More than [`CHAIN_MAX`] schemas on the way.
    #[error(
        "model `{model}`: behind the schema at `{at}` stand too many others for the same value: at most {CHAIN_MAX}"
    )]
    TooLongChain {
        /// Which model.
        model: Box<str>,
        /// The first of them.
        at: Box<str>,
    },
}

impl SchemaError {
    /// The model that is to blame, and where in it, as a JSON pointer that is empty where only the
    /// model is known.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &str)> {
        match self {
            Self::TooManyModels | Self::TooManySchemas | Self::Unknown(_) => None,
            Self::Name(model) | Self::Twice(model) | Self::TooDeep(model) => Some((model, "")),
            Self::External { model, .. } | Self::Nowhere { model, .. } => Some((model, "")),
            Self::Syntax { model, at, .. } => Some((model, at)),
            Self::Endless { model, at } | Self::TooLongChain { model, at } => {
                Some((model, at.trim_start_matches('#')))
            }
        }
    }
}

impl Models {
    /// From names and schemas. `Empty` and `Error` are there if none is called so.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn new<'m>(
        models: impl IntoIterator<Item = (&'m str, &'m Value)>,
    ) -> Result<Self, SchemaError> {
        let mut written = Map::new();
        for (name, schema) in models {
            if written.len() == MODELS_MAX {
                return Err(SchemaError::TooManyModels);
            }
            if !is_model_name(name) {
                return Err(SchemaError::Name(super::variable::shown(name)));
            }
            check(name, schema)?;
            if written.insert(name.to_owned(), schema.clone()).is_some() {
                return Err(SchemaError::Twice(name.into()));
            }
        }
        for (name, schema) in BUILT_IN {
            if !written.contains_key(name)
                && let Ok(schema) = serde_json::from_str(schema)
            {
                written.insert(name.to_owned(), schema);
            }
        }
        let definitions = document::resolved(written)?;
        Ok(Self { definitions })
    }

    /// Compiles the model of this name.
    ///
    /// # Errors
    /// [`SchemaError::Unknown`] if there is none, [`SchemaError::Syntax`] if it or a model that it
    /// refers to has a pattern that cannot be compiled.
    pub fn compile(&self, name: &str) -> Result<Schema, SchemaError> {
        if !self.definitions.contains(name) {
            return Err(SchemaError::Unknown(super::variable::shown(name)));
        }
        let document = rooted(name, self.definitions.needed_by(name));
        let validator = build(&document).map_err(|problem| SchemaError::Syntax {
            model: name.into(),
            at: "".into(),
            problem,
        })?;
        Ok(Schema {
            validator,
            explanation: message::Explanation::new(name, document),
        })
    }
}

impl Schema {
    /// Judges a body.
    ///
    /// # Errors
    /// [`Invalid`], with the text of `$context.error.validationErrorString`.
    pub fn validate(&self, instance: &Value) -> Result<(), Invalid> {
        if walk::is_deeper(instance, INSTANCE_DEPTH_MAX) {
            return Err(Invalid::too_deep());
        }
        // Deciding remembers what it has seen of recursive schemas, explaining does not.
        if self.validator.is_valid(instance) {
            return Ok(());
        }
        Err(self.explanation.explain(instance))
    }
}

fn is_model_name(name: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=super::variable::NAME_CHARACTERS_MAX).contains(&name.len()) && name.bytes().all(is_name)
}

/// Refuses what is no schema of draft 4, whatever it refers to.
fn check(name: &str, schema: &Value) -> Result<(), SchemaError> {
    if walk::is_deeper(schema, SCHEMA_DEPTH_MAX) {
        return Err(SchemaError::TooDeep(name.into()));
    }
    jsonschema::draft4::meta::validate(schema).map_err(|error| SchemaError::Syntax {
        model: name.into(),
        at: error.instance_path().to_string().into(),
        problem: message::one_line(&error),
    })
}

/// A document whose root is one of its definitions.
fn rooted(name: &str, definitions: Map<String, Value>) -> Value {
    serde_json::json!({
        "$ref": format!("#/definitions/{name}"),
        "definitions": definitions,
    })
}

fn build(document: &Value) -> Result<Validator, Box<str>> {
    jsonschema::draft4::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_PROGRAM_BYTES_MAX))
        .build(document)
        .map_err(|error| message::one_line(&error))
}

#[cfg(test)]
mod tests;
