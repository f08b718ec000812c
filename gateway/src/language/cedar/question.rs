//! What a store is asked.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr as _;

use cedar_policy::{
    Context, EntityId, EntityTypeName, EntityUid, Request, RequestValidationError,
    RestrictedExpression, Schema,
};
use serde_json::Value;

use super::{ATTRIBUTES_MAX, PARENTS_MAX};

/// The type of an entity, such as `Shop::User`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeName(pub(super) EntityTypeName);

/// A name that no type can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a type of Cedar: write one such as `User` or `Shop::User`")]
pub struct TypeNameError;

impl TypeName {
    /// From its text.
    ///
    /// # Errors
    /// [`TypeNameError`] where no type can be called so.
    pub fn parse(text: &str) -> Result<Self, TypeNameError> {
        let parsed = EntityTypeName::from_str(text);
        parsed.map(Self).map_err(|_error| TypeNameError)
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entity by its name, such as `Shop::User::"alice"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityName {
    /// Its type.
    pub kind: TypeName,
    /// Its id.
    pub id: String,
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.kind, self.id.escape_debug())
    }
}

impl EntityName {
    pub(super) fn uid(&self) -> EntityUid {
        EntityUid::from_type_name_and_id(self.kind.0.clone(), EntityId::new(&self.id))
    }
}

/// An entity with what the request says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: EntityName,
    /// What it has. Where the store says something of the same name, the store is right.
    pub attributes: BTreeMap<String, Attribute>,
    /// What it is in, besides what the store says.
    pub parents: Vec<EntityName>,
}

/// A value that an entity or a context has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A string, a whole number, a boolean, a list or a record.
    Json(Value),
    /// A value of a type that JSON does not have.
    Extension(ExtensionKind, String),
    /// Another entity.
    Entity(EntityName),
    /// Other entities.
    Entities(Vec<EntityName>),
}

/// Types that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionKind {
    /// `ip("192.0.2.1")`.
    Ip,
    /// `decimal("1.25")`.
    Decimal,
    /// `datetime("2026-11-22T10:00:00Z")`.
    Datetime,
}

/// What a store is asked: may this principal do this to that?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub principal: Described,
    /// Does what.
    pub action: EntityName,
    /// To what.
    pub resource: Described,
    /// How.
    pub context: BTreeMap<String, Attribute>,
}

/// Why a store cannot be asked something. Nothing of the request is quoted: logs may hold this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// More attributes or parents than a question may have.
    #[error("the request has {found} {what}: at most {max}")]
    TooMany {
        /// What of.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A value that Cedar has no type for.
    #[error("the value of `{0}` is no string, whole number, boolean, list or record")]
    Value(String),
    /// A principal that is the resource, and two values of an attribute of it.
    #[error(
        "the principal and the resource are one entity, of which the request says two things as `{0}`"
    )]
    Contradiction(String),
    /// An entity that nothing can be added to.
    #[error("the store says of the {0} that it has tags: nothing can be said of it besides")]
    Tagged(&'static str),
    /// A value that is not of the type that it should have.
    #[error("{0} cannot be read as what it should be")]
    Unreadable(&'static str),
    /// What the schema has against the question.
    #[error("{0}")]
    Refused(&'static str),
}

impl Question {
    /// As Cedar takes it.
    pub(super) fn request(&self, schema: Option<&Schema>) -> Result<Request, Unanswerable> {
        let context = expressions(&self.context)?;
        let context = Context::from_pairs(context)
            .map_err(|_error| Unanswerable::Unreadable("a value of the context"))?;
        let request = Request::new(
            self.principal.name.uid(),
            self.action.uid(),
            self.resource.name.uid(),
            context,
            schema,
        );
        request.map_err(|error| Unanswerable::Refused(refusal(&error)))
    }
}

const fn refusal(error: &RequestValidationError) -> &'static str {
    match error {
        RequestValidationError::UndeclaredAction(_) | RequestValidationError::ExternalAction(_) => {
            "the schema does not have the action"
        }
        RequestValidationError::UndeclaredPrincipalType(_)
        | RequestValidationError::UndeclaredResourceType(_) => {
            "the schema does not have the type of the principal or the resource"
        }
        RequestValidationError::InvalidPrincipalType(_) => {
            "by the schema, principals of this type do not act so"
        }
        RequestValidationError::InvalidResourceType(_) => {
            "by the schema, nobody acts so on resources of this type"
        }
        RequestValidationError::InvalidContext(_) | RequestValidationError::TypeOfContext(_) => {
            "the context is not what the schema says of the action"
        }
        // Only ids are left, and what later versions may find.
        _ => "an id is not one of those that the schema has",
    }
}

impl Described {
    /// Whether there is nothing but the name.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.attributes.is_empty() && self.parents.is_empty()
    }

    pub(super) fn attributes(&self) -> Result<HashMap<String, RestrictedExpression>, Unanswerable> {
        expressions(&self.attributes)
    }

    pub(super) fn parents(&self) -> Result<impl Iterator<Item = EntityUid>, Unanswerable> {
        bounded("parents", self.parents.len(), PARENTS_MAX)?;
        Ok(self.parents.iter().map(EntityName::uid))
    }
}

fn expressions(
    attributes: &BTreeMap<String, Attribute>,
) -> Result<HashMap<String, RestrictedExpression>, Unanswerable> {
    bounded("attributes", attributes.len(), ATTRIBUTES_MAX)?;
    let expressions = attributes.iter().map(|(name, value)| {
        let expression = value.expression();
        let expression = expression.ok_or_else(|| Unanswerable::Value(name.clone()))?;
        Ok((name.clone(), expression))
    });
    expressions.collect()
}

pub(super) fn bounded(what: &'static str, found: usize, max: usize) -> Result<(), Unanswerable> {
    if found > max {
        return Err(Unanswerable::TooMany { what, found, max });
    }
    Ok(())
}

impl Attribute {
    fn expression(&self) -> Option<RestrictedExpression> {
        match self {
            Self::Json(value) => of_json(value),
            Self::Extension(kind, text) => Some(match kind {
                ExtensionKind::Ip => RestrictedExpression::new_ip(text),
                ExtensionKind::Decimal => RestrictedExpression::new_decimal(text),
                ExtensionKind::Datetime => RestrictedExpression::new_datetime(text),
            }),
            Self::Entity(name) => Some(RestrictedExpression::new_entity_uid(name.uid())),
            Self::Entities(names) => {
                let names = names.iter().map(EntityName::uid);
                let names = names.map(RestrictedExpression::new_entity_uid);
                Some(RestrictedExpression::new_set(names))
            }
        }
    }
}

/// Nesting is bounded by whoever read the JSON.
fn of_json(value: &Value) -> Option<RestrictedExpression> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(RestrictedExpression::new_bool(*value)),
        Value::Number(number) => number.as_i64().map(RestrictedExpression::new_long),
        Value::String(text) => Some(RestrictedExpression::new_string(text.clone())),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(of_json).collect();
            items.map(RestrictedExpression::new_set)
        }
        Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| Some((name.clone(), of_json(value)?)));
            let entries: Vec<_> = entries.collect::<Option<_>>()?;
            RestrictedExpression::new_record(entries).ok()
        }
    }
}
