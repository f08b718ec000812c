//! What a question says of its entities, of each once.
//!
//! Somebody may do something to himself, and then principal and resource are one entity: it is what either
//! of them is said to be. Where they are said to be two things, nobody knows which is true.

use std::borrow::Cow;
use std::collections::btree_map::Entry;

use super::question::{Described, Unanswerable};

/// Whom a description is of, in messages.
pub(super) type Whom = &'static str;

/// The entities that something is said of besides their names, each once.
///
/// # Errors
/// [`Unanswerable::Contradiction`] where they are one entity with two values of an attribute.
pub fn each_once<'a>(
    principal: Option<&'a Described>,
    resource: &'a Described,
) -> Result<Vec<(Whom, Cow<'a, Described>)>, Unanswerable> {
    let mut entities = match principal {
        Some(principal) if principal.name == resource.name => {
            vec![("principal", Cow::Owned(both(principal, resource)?))]
        }
        Some(principal) => vec![
            ("principal", Cow::Borrowed(principal)),
            ("resource", Cow::Borrowed(resource)),
        ],
        None => vec![("resource", Cow::Borrowed(resource))],
    };
    entities.retain(|(_, described)| !described.is_bare());
    Ok(entities)
}

fn both(one: &Described, other: &Described) -> Result<Described, Unanswerable> {
    let mut both = one.clone();
    for (name, value) in &other.attributes {
        match both.attributes.entry(name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(value.clone());
            }
            Entry::Occupied(entry) if entry.get() == value => {}
            Entry::Occupied(_) => return Err(Unanswerable::Contradiction(name.clone())),
        }
    }
    let more = other.parents.iter();
    let more = more.filter(|parent| !one.parents.contains(parent)).cloned();
    both.parents.extend(more);
    Ok(both)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::language::cedar::{Attribute, EntityName, TypeName};

    fn entity(id: &str) -> EntityName {
        EntityName {
            kind: TypeName::parse("User").unwrap(),
            id: id.to_owned(),
        }
    }

    fn described(id: &str, attributes: &[(&str, Value)], parents: &[&str]) -> Described {
        let attribute =
            |(name, value): &(&str, Value)| ((*name).to_owned(), Attribute::Json(value.clone()));
        Described {
            name: entity(id),
            attributes: attributes.iter().map(attribute).collect::<BTreeMap<_, _>>(),
            parents: parents.iter().map(|id| entity(id)).collect(),
        }
    }

    #[track_caller]
    fn check(principal: Option<&Described>, resource: &Described, expected: &[Described]) {
        let found = each_once(principal, resource).unwrap();
        let found: Vec<_> = found.into_iter().map(|(_, it)| it.into_owned()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_entity_is_what_either_is() {
        let ann = described(
            "ann",
            &[("level", json!(1)), ("on", json!(true))],
            &["a", "b"],
        );
        let same = described(
            "ann",
            &[("on", json!(true)), ("size", json!(2))],
            &["b", "c"],
        );
        let both = described(
            "ann",
            &[("level", json!(1)), ("on", json!(true)), ("size", json!(2))],
            &["a", "b", "c"],
        );
        check(Some(&ann), &same, &[both]);
        let (bob, bare) = (
            described("bob", &[("level", json!(2))], &[]),
            described("ann", &[], &[]),
        );
        check(Some(&ann), &bob, &[ann.clone(), bob.clone()]);
        check(Some(&ann), &bare, std::slice::from_ref(&ann));
        check(Some(&bare), &ann, std::slice::from_ref(&ann));
        check(Some(&bare), &bob, std::slice::from_ref(&bob));
        check(Some(&bare), &bare, &[]);
        check(None, &bob, std::slice::from_ref(&bob));
    }

    #[test]
    fn two_values_of_one_attribute_are_none() {
        let (one, other) = (
            described("ann", &[("level", json!(1))], &[]),
            described("ann", &[("level", json!("1"))], &[]),
        );
        assert_eq!(
            each_once(Some(&one), &other),
            Err(Unanswerable::Contradiction("level".to_owned()))
        );
    }
}
