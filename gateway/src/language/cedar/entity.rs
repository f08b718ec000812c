//! Entities: those that a store knows, and what a question says of two of them.

use std::borrow::Cow;

use cedar_policy::{Entities, Entity, Schema};
use serde_json::Value;

use super::ENTITIES_MAX;
use super::hierarchy::{Parents, ancestors};
use super::once::Whom;
use super::problem::{Problem, Source, told};
use super::question::{Described, Unanswerable};

/// Reads entities from their JSON, to which the actions of the schema are added, and says how many
/// ancestors they have, of which there may be `ancestors_max`. Nothing comes of what has mistakes, which
/// are reported.
pub(super) fn read(
    source: Option<&Source>,
    schema: Option<&Schema>,
    ancestors_max: usize,
    problems: &mut Vec<Problem>,
) -> (Entities, usize) {
    let Some(source) = source else {
        return (of_schema(schema, problems), 0);
    };
    let read = items(source, problems)
        .and_then(|items| of_items(items, source, schema, ancestors_max, problems));
    read.unwrap_or_else(|| (Entities::empty(), 0))
}

/// The entities that a text lists.
fn items(source: &Source, problems: &mut Vec<Problem>) -> Option<Vec<Value>> {
    let items = match serde_json::from_str::<Value>(&source.text) {
        Ok(Value::Array(items)) => items,
        Ok(_) => {
            problems.push(source.problem(Some(0), "this is no list of entities: write `[..]`"));
            return None;
        }
        Err(error) => {
            let mut problem = source.problem(None, format!("this is no JSON: {error}"));
            problem.at = super::At::Position(error.line(), error.column().max(1));
            problems.push(problem);
            return None;
        }
    };
    if items.len() > ENTITIES_MAX {
        let message = format!(
            "{} entities are too many: at most {ENTITIES_MAX}",
            items.len()
        );
        problems.push(source.problem(Some(0), message));
        return None;
    }
    Some(items)
}

fn of_items(
    items: Vec<Value>,
    source: &Source,
    schema: Option<&Schema>,
    ancestors_max: usize,
    problems: &mut Vec<Problem>,
) -> Option<(Entities, usize)> {
    let before = problems.len();
    let mut parents = Parents::new();
    for (index, item) in items.iter().enumerate() {
        match Entity::from_json_value(item.clone(), schema) {
            Ok(entity) => {
                let (name, _, above) = entity.into_inner();
                parents.insert(name, above);
            }
            Err(error) => problems.push(source.problem_in(index, told(&error, None))),
        }
    }
    if problems.len() > before {
        return None;
    }
    let Some(ancestors) = ancestors(&parents, ancestors_max) else {
        let message = format!(
            "the entities have more than {ancestors_max} ancestors together, those of parents included: \
             have fewer levels or fewer parents"
        );
        problems.push(source.problem(Some(0), message));
        return None;
    };
    let entities = Entities::from_json_value(Value::Array(items), schema);
    let entities = entities.map_err(|error| problems.push(source.diagnosed(&error, None)));
    entities.ok().map(|entities| (entities, ancestors))
}

fn of_schema(schema: Option<&Schema>, problems: &mut Vec<Problem>) -> Entities {
    let Some(schema) = schema else {
        return Entities::empty();
    };
    match Entities::from_entities([], Some(schema)) {
        Ok(entities) => entities,
        Err(error) => {
            problems.push(Problem {
                source: "schema".into(),
                at: super::At::Whole,
                message: told(&error, None),
            });
            Entities::empty()
        }
    }
}

/// `few`, entities of those that a store knows, with the ones that a question describes.
pub(super) fn with(
    few: Entities,
    known: &Entities,
    described: &[(Whom, Cow<'_, Described>)],
    schema: Option<&Schema>,
) -> Result<Entities, Unanswerable> {
    let more = described
        .iter()
        .map(|(whom, one)| joined(known, whom, one))
        .collect::<Result<Vec<_>, _>>()?;
    let all = few.upsert_entities(more, schema);
    let refused =
        "the principal or the resource has attributes or parents that the schema does not allow";
    all.map_err(|_error| Unanswerable::Refused(refused))
}

/// An entity as the store and the question say it together.
fn joined(known: &Entities, whom: Whom, described: &Described) -> Result<Entity, Unanswerable> {
    let uid = described.name.uid();
    let mut attributes = described.attributes()?;
    let mut parents = described
        .parents()?
        .collect::<std::collections::HashSet<_>>();
    if let Some(stored) = known.get(&uid) {
        if stored.tags().next().is_some() {
            return Err(Unanswerable::Tagged(whom));
        }
        let (_, own, above) = stored.clone().into_inner();
        // What clients can choose never stands in for what the store says.
        attributes.extend(own);
        parents.extend(above);
    }
    Entity::new(uid, attributes, parents)
        .map_err(|_error| Unanswerable::Unreadable("an attribute of the principal or the resource"))
}
