//! What a policy set asks, made of a request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::enrich::Records;
use crate::exchange::{ClientParameters, ClientRequest, Context};
use crate::language::cedar::{Attribute, Described, EntityName, Question, Unanswerable};
use crate::language::document::Document;
use crate::language::mapping::http::RequestText;
use crate::language::message::Body;
use crate::language::variable::{Variable, Variables};
use crate::model::{CallMap, EntityMap, QuestionMap, ValueKind, ValueMap};
use crate::step::attempt::Attempt;

/// Why nothing can be asked. Nothing of the request is quoted: logs may hold this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unaskable {
    /// An id that the request does not have.
    #[error("the request has no value for the id of the {0}")]
    Missing(&'static str),
    /// A value of another type.
    #[error("the value of `{0}` is not what the policy set says it is")]
    Misfit(String),
    /// A value that no engine takes.
    #[error(transparent)]
    Unanswerable(#[from] Unanswerable),
    /// No token where one is asked about.
    #[error("the request has no token that its authorizer has accepted")]
    Token,
}

/// What messages call whoever calls.
pub(super) const PRINCIPAL: &str = "principal";

/// What somebody does.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) action: EntityName,
    pub(super) resource: Described,
    pub(super) context: BTreeMap<String, Attribute>,
}

/// What values are made of.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    request: ClientRequest<'a>,
    known: Known<'a>,
}

/// The variables of a request, and what was looked up about it.
#[derive(Debug)]
struct Known<'a> {
    context: Context<'a>,
    records: &'a Records<'a>,
}

impl Variables for Known<'_> {
    fn context(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        self.context.context(variable)
    }

    fn stage_variable(&self, name: &str) -> Option<&str> {
        self.context.stage_variable(name)
    }

    fn claim(&self, name: &str) -> Option<Value> {
        self.context.claim(name)
    }

    fn record(&self, lookup: &str) -> Option<&Value> {
        self.records.get(lookup)
    }
}

impl<'a> Asked<'a> {
    /// An attempt, as mappings read it, with what was found about it.
    pub(super) const fn of(attempt: &Attempt<'a>, records: &'a Records<'a>) -> Self {
        let called = attempt.called;
        Self {
            request: ClientRequest {
                parameters: ClientParameters {
                    headers: &called.head.headers,
                    uri: &called.head.uri,
                    path: called.parameters,
                },
                path: called.path,
                // Nothing that policies ask is in it.
                body: Body::new(b""),
            },
            known: Known {
                context: Context {
                    exchange: attempt.exchange,
                    refused: None,
                },
                records,
            },
        }
    }

    /// What `map` asks of a route.
    pub(super) fn question(&self, map: &QuestionMap, route: &str) -> Result<Question, Unaskable> {
        let Call {
            action,
            resource,
            context,
        } = self.call(&map.call, route)?;
        Ok(Question {
            principal: self.entity(&map.principal, PRINCIPAL)?,
            action,
            resource,
            context,
        })
    }

    /// What somebody does who calls a route.
    pub(super) fn call(&self, map: &CallMap, route: &str) -> Result<Call, Unaskable> {
        let id = match &map.action_id {
            None => route.to_owned(),
            Some(text) => self.id(text, "action")?,
        };
        Ok(Call {
            action: EntityName {
                kind: map.action_kind.clone(),
                id,
            },
            resource: self.entity(&map.resource, "resource")?,
            context: self.values(&map.context)?,
        })
    }

    /// The value of a document.
    pub(super) fn document(&self, document: &Document) -> Option<Value> {
        document.evaluate(&self.request, &self.known)
    }

    /// What a text names. Nobody is called nothing, and nobody knows what that would name.
    pub(super) fn text(&self, text: &RequestText) -> Option<String> {
        let text = text.evaluate(&self.request, &self.known);
        text.filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    fn id(&self, text: &RequestText, what: &'static str) -> Result<String, Unaskable> {
        self.text(text).ok_or(Unaskable::Missing(what))
    }

    /// An entity of the request.
    pub(super) fn entity(
        &self,
        map: &EntityMap,
        what: &'static str,
    ) -> Result<Described, Unaskable> {
        let mut parents = Vec::new();
        for of_type in &map.parents {
            let ids = of_type.ids.evaluate(&self.request, &self.known);
            let ids = ids.map_or_else(Vec::new, items);
            for id in ids {
                let Value::String(id) = id else {
                    return Err(Unaskable::Misfit("parents".to_owned()));
                };
                parents.push(EntityName {
                    kind: of_type.kind.clone(),
                    id,
                });
            }
        }
        Ok(Described {
            name: EntityName {
                kind: map.kind.clone(),
                id: self.id(&map.id, what)?,
            },
            attributes: self.values(&map.attributes)?,
            parents,
        })
    }

    fn values(
        &self,
        maps: &[(String, ValueMap)],
    ) -> Result<BTreeMap<String, Attribute>, Unaskable> {
        let mut values = BTreeMap::new();
        for (name, map) in maps {
            let value = map.value.evaluate(&self.request, &self.known);
            let Some(value) = value.filter(|value| !value.is_null()) else {
                continue;
            };
            let value = convert(value, &map.kind);
            let value = value.ok_or_else(|| Unaskable::Misfit(name.clone()))?;
            values.insert(name.clone(), value);
        }
        Ok(values)
    }
}

/// A value as what it has to be; `None` where it is none.
fn convert(value: Value, kind: &ValueKind) -> Option<Attribute> {
    match kind {
        ValueKind::Own => Some(Attribute::Json(value)),
        ValueKind::Long => {
            let number: i64 = match value {
                Value::Number(number) => number.as_i64()?,
                Value::String(text) => text.parse().ok()?,
                _ => return None,
            };
            Some(Attribute::Json(Value::Number(Number::from(number))))
        }
        ValueKind::Bool => {
            let flag = match value {
                Value::Bool(flag) => flag,
                Value::String(text) => text.parse().ok()?,
                _ => return None,
            };
            Some(Attribute::Json(Value::Bool(flag)))
        }
        ValueKind::Set => Some(Attribute::Json(Value::Array(items(value)))),
        ValueKind::Extension(kind) => Some(Attribute::Extension(*kind, text(value)?)),
        ValueKind::Entity(kind) => {
            let name = |id| EntityName {
                kind: kind.clone(),
                id,
            };
            if let Value::Array(ids) = value {
                let names = ids.into_iter().map(|id| text(id).map(name));
                return names.collect::<Option<_>>().map(Attribute::Entities);
            }
            Some(Attribute::Entity(name(text(value)?)))
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The items of a list, or the words of a text.
fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::String(text) => text.split_whitespace().map(Value::from).collect(),
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::language::cedar::{ExtensionKind, TypeName};

    #[track_caller]
    fn check(value: Value, kind: &ValueKind, expected: Option<Attribute>) {
        assert_eq!(
            convert(value.clone(), kind),
            expected,
            "{value} as {kind:?}"
        );
    }

    #[test]
    fn values_become_what_they_have_to_be_or_nothing() {
        let json = |value| Some(Attribute::Json(value));
        check(json!(["a", 1]), &ValueKind::Own, json(json!(["a", 1])));
        check(json!("-7"), &ValueKind::Long, json(json!(-7)));
        check(json!(7), &ValueKind::Long, json(json!(7)));
        for none in [
            json!("7.5"),
            json!(7.5),
            json!(""),
            json!(true),
            json!("9223372036854775808"),
        ] {
            check(none, &ValueKind::Long, None);
        }
        check(json!("true"), &ValueKind::Bool, json(json!(true)));
        check(json!(false), &ValueKind::Bool, json(json!(false)));
        for none in [json!("True"), json!(1), json!("")] {
            check(none, &ValueKind::Bool, None);
        }
        check(
            json!("a b  c"),
            &ValueKind::Set,
            json(json!(["a", "b", "c"])),
        );
        check(json!(["a b"]), &ValueKind::Set, json(json!(["a b"])));
        check(json!(""), &ValueKind::Set, json(json!([])));
        let ip = ValueKind::Extension(ExtensionKind::Ip);
        let address = Attribute::Extension(ExtensionKind::Ip, "192.0.2.1".to_owned());
        check(json!("192.0.2.1"), &ip, Some(address));
        check(json!(["192.0.2.1"]), &ip, None);
        let kind = TypeName::parse("Team").unwrap();
        let team = |id: &str| EntityName {
            kind: kind.clone(),
            id: id.to_owned(),
        };
        let of_team = ValueKind::Entity(kind.clone());
        check(json!("a b"), &of_team, Some(Attribute::Entity(team("a b"))));
        let both = Attribute::Entities(vec![team("a"), team("7")]);
        check(json!(["a", 7]), &of_team, Some(both));
        check(json!([["a"]]), &of_team, None);
    }
}
