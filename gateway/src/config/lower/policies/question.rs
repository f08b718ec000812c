//! What policy stores are asked about a request.

use serde_json::Value as Json;

use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::lookups::Records;
use crate::config::tree::shortened;
use crate::config::written::{self, AttributeType};
use crate::language::cedar::{ATTRIBUTES_MAX, ExtensionKind, Store, TypeName};
use crate::language::document::{Document, DocumentError};
use crate::language::mapping::http::RequestText;
use crate::language::variable::{Moment, Variable};
use crate::model::{CallMap, EntityMap, ParentsMap, QuestionMap, ValueKind, ValueMap};

/// The type of actions, where nothing else is said.
const ACTION: &str = "Action";

/// Lowers what the policy set at `at` asks; `None` where it has mistakes, which are reported.
pub(super) fn lower(
    written: &written::CedarPolicies,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<QuestionMap> {
    let records = &Records::of(&written.lookups);
    let principal = lower_entity(records, &written.principal, &at.key("principal"), cx);
    let parts = (written.action.as_ref(), &written.resource, &written.context);
    let call = lower_call(records, parts, at, cx);
    Some(QuestionMap {
        principal: principal?,
        call: call?,
    })
}

/// What the policy set at `at` has of an action, of what that is done to, and of its context.
type CallParts<'w> = (
    Option<&'w written::Action>,
    &'w written::Entity,
    &'w written::Named<written::Attribute>,
);

/// Lowers what somebody does; `None` where it has mistakes, which are reported.
pub(super) fn lower_call(
    records: &Records<'_>,
    (action, resource, context): CallParts<'_>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<CallMap> {
    let action_at = at.key("action");
    let (kind, id) = match action {
        None => (None, None),
        Some(action) => (action.kind.as_deref(), action.id.as_deref()),
    };
    let action_kind = lower_type(kind.unwrap_or(ACTION), &action_at.key("type"), cx);
    let action_id = id.map(|id| lower_id(records, id, &action_at.key("id"), cx));
    let resource = lower_entity(records, resource, &at.key("resource"), cx);
    let context = lower_values(records, context, &at.key("context"), cx);
    Some(CallMap {
        action_kind: action_kind?,
        action_id: match action_id {
            None => None,
            Some(id) => Some(id?),
        },
        resource: resource?,
        context: context?,
    })
}

/// Whether the schema of a store has the types that it is asked about.
pub(super) fn check(question: &QuestionMap, store: &Store, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    for (key, entity) in [
        ("principal", &question.principal),
        ("resource", &question.call.resource),
    ] {
        let at = at.key(key);
        let mut check = |kind: &TypeName, at: &Cursor<'_>| {
            if !store.has_type(kind) {
                let message = format!(
                    "the schema of the store has no type `{kind}`: write one that it has, or add it there"
                );
                cx.error(at, message);
            }
        };
        check(&entity.kind, &at.key("type"));
        for (index, parents) in entity.parents.iter().enumerate() {
            check(&parents.kind, &at.key("parents").item(index).key("type"));
        }
    }
}

pub(super) fn lower_entity(
    records: &Records<'_>,
    written: &written::Entity,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<EntityMap> {
    let kind = lower_type(&written.kind, &at.key("type"), cx);
    let id = lower_id(records, &written.id, &at.key("id"), cx);
    let attributes = lower_values(records, &written.attributes, &at.key("attributes"), cx);
    let mut parents = Vec::new();
    for (index, of_type) in written.parents.iter().enumerate() {
        let at = at.key("parents").item(index);
        let kind = lower_type(&of_type.kind, &at.key("type"), cx);
        let ids = lower_document(
            records,
            &Json::from(of_type.ids.as_str()),
            &at.key("ids"),
            cx,
        );
        let both = kind.zip(ids);
        parents.push(both.map(|(kind, ids)| ParentsMap { kind, ids }));
    }
    Some(EntityMap {
        kind: kind?,
        id: id?,
        attributes: attributes?,
        parents: parents.into_iter().collect::<Option<_>>()?,
    })
}

fn lower_type(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<TypeName> {
    let parsed = TypeName::parse(written);
    parsed
        .inspect_err(|error| cx.error(at, format!("`{}` {error}", shortened(written))))
        .ok()
}

fn lower_id(
    records: &Records<'_>,
    written: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<RequestText> {
    if written.is_empty() {
        cx.error(
            at,
            "an empty id names nothing: write one, with variables of the request",
        );
        return None;
    }
    lower_text(records, written, at, cx)
}

/// Lowers a text that is made of a request and of `records`.
pub(in crate::config::lower) fn lower_text(
    records: &Records<'_>,
    written: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<RequestText> {
    match RequestText::parse(written) {
        Ok(text) => {
            check_known(text.variables(), at, cx);
            records.check(text.lookups(), at, cx);
            Some(text)
        }
        Err(error) => {
            cx.error(at, error.to_string());
            None
        }
    }
}

fn lower_values(
    records: &Records<'_>,
    written: &written::Named<written::Attribute>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Vec<(String, ValueMap)>> {
    let found = written.0.len();
    if found > ATTRIBUTES_MAX {
        cx.error_at_key(
            at,
            format!("{found} values are too many: at most {ATTRIBUTES_MAX}"),
        );
    }
    let values = written.0.iter().map(|(name, value)| {
        let lowered = lower_value(records, value, &at.key(name), cx);
        lowered.map(|value| (name.clone(), value))
    });
    let values: Vec<_> = values.collect();
    values.into_iter().collect()
}

fn lower_value(
    records: &Records<'_>,
    written: &written::Attribute,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<ValueMap> {
    let typed = match written {
        written::Attribute::Text(text) => {
            let value = lower_document(records, &Json::from(text.as_str()), at, cx)?;
            let kind = ValueKind::Own;
            return Some(ValueMap { value, kind });
        }
        written::Attribute::Typed(typed) => typed,
    };
    let value = lower_document(records, &typed.value.0, &at.key("value"), cx);
    let entity_at = at.key("type");
    if typed.entity.is_some() && !matches!(typed.kind, Some(AttributeType::Entity)) {
        cx.error_at_key(
            &entity_at,
            "only entities have a type: write `as: entity`, or take this out",
        );
    }
    let kind = match typed.kind {
        None => ValueKind::Own,
        Some(AttributeType::Long) => ValueKind::Long,
        Some(AttributeType::Bool) => ValueKind::Bool,
        Some(AttributeType::Set) => ValueKind::Set,
        Some(AttributeType::Ip) => ValueKind::Extension(ExtensionKind::Ip),
        Some(AttributeType::Decimal) => ValueKind::Extension(ExtensionKind::Decimal),
        Some(AttributeType::Datetime) => ValueKind::Extension(ExtensionKind::Datetime),
        Some(AttributeType::Entity) => match &typed.entity {
            Some(written) => ValueKind::Entity(lower_type(written, &entity_at, cx)?),
            None => {
                let message = "nothing says of what type the entity is: write `type`";
                cx.error_at_key(at, message);
                return None;
            }
        },
    };
    Some(ValueMap {
        value: value?,
        kind,
    })
}

pub(super) fn lower_document(
    records: &Records<'_>,
    written: &Json,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Document> {
    match Document::parse(written) {
        Ok(document) => {
            check_known(document.variables(), at, cx);
            records.check(document.lookups(), at, cx);
            Some(document)
        }
        Err(error) => {
            let at = match &error {
                DocumentError::Text { pointer, .. } => at.pointer(pointer),
                DocumentError::Deep | DocumentError::Large => at.clone(),
            };
            cx.error(&at, error.to_string());
            None
        }
    }
}

/// Refuses what nobody knows yet when policies decide.
fn check_known<'v>(
    variables: impl IntoIterator<Item = &'v Variable>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) {
    let late = variables
        .into_iter()
        .find(|variable| variable.row().known > Moment::Authorized);
    if let Some(variable) = late {
        let name = variable.row().name;
        let message = format!(
            "`$context.{name}` has no value before the request has been answered: take it out"
        );
        cx.error(at, message);
    }
}
