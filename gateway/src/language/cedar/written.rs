//! Questions as Cedar writes them in JSON, for engines elsewhere.
//!
//! What the store of this process would refuse is refused here, too, and so is a record with a key that
//! the JSON form gives a meaning of its own: a claim must not become an entity. Source: Cedar Policy
//! Language Guide, "Entities and context JSON formats".

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::question::bounded;
use super::{
    ATTRIBUTES_MAX, Attribute, Described, EntityName, ExtensionKind, PARENTS_MAX, Unanswerable,
};

/// Keys that are no attributes.
const ESCAPES: [&str; 3] = ["__entity", "__extn", "__expr"];

impl Described {
    /// The entity with all that is said of it.
    ///
    /// # Errors
    /// Something of it cannot be said.
    pub fn written(&self) -> Result<Value, Unanswerable> {
        bounded("parents", self.parents.len(), PARENTS_MAX)?;
        let parents: Vec<Value> = self.parents.iter().map(named).collect();
        Ok(json!({
            "uid": named(&self.name),
            "attrs": members(&self.attributes)?,
            "parents": parents,
        }))
    }
}

/// The members of a context, or of an entity.
///
/// # Errors
/// One of them cannot be said.
pub fn members(
    attributes: &BTreeMap<String, Attribute>,
) -> Result<Map<String, Value>, Unanswerable> {
    bounded("attributes", attributes.len(), ATTRIBUTES_MAX)?;
    let members = attributes.iter().map(|(name, attribute)| {
        let value = attribute.written();
        let value = value.ok_or_else(|| Unanswerable::Value(name.clone()))?;
        Ok((name.clone(), value))
    });
    members.collect()
}

impl Attribute {
    fn written(&self) -> Option<Value> {
        match self {
            Self::Json(value) => plain(value).then(|| value.clone()),
            Self::Extension(kind, text) => {
                let function = match kind {
                    ExtensionKind::Ip => "ip",
                    ExtensionKind::Decimal => "decimal",
                    ExtensionKind::Datetime => "datetime",
                };
                Some(json!({"__extn": {"fn": function, "arg": text}}))
            }
            Self::Entity(name) => Some(json!({ "__entity": named(name) })),
            Self::Entities(names) => {
                let names = names.iter().map(|name| json!({ "__entity": named(name) }));
                Some(Value::Array(names.collect()))
            }
        }
    }
}

fn named(name: &EntityName) -> Value {
    json!({"type": name.kind.to_string(), "id": name.id})
}

/// Whether a value has a type of Cedar, and says what it says here. Nesting is bounded by whoever read
/// the JSON.
fn plain(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.is_i64(),
        Value::Array(items) => items.iter().all(plain),
        Value::Object(entries) => entries
            .iter()
            .all(|(name, value)| !ESCAPES.contains(&name.as_str()) && plain(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::cedar::TypeName;

    fn entity(kind: &str, id: &str) -> EntityName {
        EntityName {
            kind: TypeName::parse(kind).unwrap(),
            id: id.to_owned(),
        }
    }

    fn one(attribute: Attribute) -> BTreeMap<String, Attribute> {
        BTreeMap::from([("a".to_owned(), attribute)])
    }

    #[test]
    fn everything_is_written_as_cedar_reads_it() {
        let ip = Attribute::Extension(ExtensionKind::Ip, "192.0.2.1".to_owned());
        let described = Described {
            name: entity("Shop::User", "a\"b"),
            attributes: BTreeMap::from([
                ("address".to_owned(), ip),
                ("level".to_owned(), Attribute::Json(json!(7))),
                ("team".to_owned(), Attribute::Entity(entity("Team", "x"))),
                (
                    "teams".to_owned(),
                    Attribute::Entities(vec![entity("Team", "x")]),
                ),
            ]),
            parents: vec![entity("Shop::Role", "customer")],
        };
        let expected = json!({
            "uid": {"type": "Shop::User", "id": "a\"b"},
            "attrs": {
                "address": {"__extn": {"fn": "ip", "arg": "192.0.2.1"}},
                "level": 7,
                "team": {"__entity": {"type": "Team", "id": "x"}},
                "teams": [{"__entity": {"type": "Team", "id": "x"}}],
            },
            "parents": [{"type": "Shop::Role", "id": "customer"}],
        });
        let written = described.written().unwrap();
        assert_eq!(written, expected);
        // Cedar itself reads the same.
        let read = cedar_policy::Entity::from_json_value(written, None).unwrap();
        assert_eq!(read.uid(), described.name.uid());
        assert_eq!(read.attrs().count(), 4);
    }

    #[test]
    fn no_value_says_something_else_there() {
        for value in [
            json!(null),
            json!(1.5),
            json!(9_223_372_036_854_775_808_u64),
            json!([null]),
            json!({"__entity": {"type": "Shop::User", "id": "root"}}),
            json!([{"x": {"__extn": {"fn": "ip", "arg": "127.0.0.1"}}}]),
            json!({"__expr": "1"}),
        ] {
            let refused = members(&one(Attribute::Json(value.clone())));
            assert_eq!(refused, Err(Unanswerable::Value("a".to_owned())), "{value}");
        }
        let many = (0..=ATTRIBUTES_MAX).map(|index| (index.to_string(), Attribute::Json(json!(1))));
        assert!(matches!(
            members(&many.collect()),
            Err(Unanswerable::TooMany { .. })
        ));
    }
}
