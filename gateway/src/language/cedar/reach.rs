//! Which entities of a store a question can lead to.
//!
//! Cedar takes all entities of a question in one piece. Where a request describes some, they would have to
//! be added to a copy of the whole store, which costs more than the answer. But a policy gets to an entity
//! in few ways: it names it in its own text, the question names it, or an entity that it has got to names
//! it in an attribute or a tag. All others can be left out, and no answer changes. What an entity is in is
//! written down with itself; only what is in an entity that the request describes is worked out anew, and
//! needs all that stands between them.

use std::collections::HashSet;

use cedar_policy::{Entities, Entity, EntityUid, EvalResult, PolicySet};

use super::question::{Attribute, EntityName, Question};

/// The entities of a store that its policies lead to whatever is asked; `None` where it cannot be told which
/// are left out.
pub(super) fn of_policies(known: &Entities, policies: &PolicySet) -> Option<Entities> {
    let literals = policies
        .policies()
        .flat_map(|policy| policy.entity_literals());
    // Of one without attributes, tags and parents a policy learns nothing that it would not without it.
    let telling = reached(known, literals.collect(), &[])?
        .into_iter()
        .filter(|entity| says_something(known, entity));
    Entities::from_entities(telling, None).ok()
}

/// The entities of a store that a question leads to, besides `of_policies`; `None` where it cannot be told
/// which are left out.
pub(super) fn of_question(
    known: &Entities,
    of_policies: &Entities,
    question: &Question,
) -> Option<Vec<Entity>> {
    let described = [&question.principal, &question.resource];
    let subjects = described.map(|described| described.name.uid());
    let mut names = vec![question.action.uid()];
    names.extend(subjects.iter().cloned());
    for described in described {
        names.extend(described.parents.iter().map(EntityName::uid));
    }
    for entity in of_policies.iter() {
        names.extend(between(known, &entity.uid(), &subjects).cloned());
    }
    let attributes = described.iter().flat_map(|it| it.attributes.values());
    for value in attributes.chain(question.context.values()) {
        match value {
            Attribute::Entity(name) => names.push(name.uid()),
            Attribute::Entities(all) => names.extend(all.iter().map(EntityName::uid)),
            Attribute::Json(_) | Attribute::Extension(..) => {}
        }
    }
    reached(known, names, &subjects)
}

fn says_something(known: &Entities, entity: &Entity) -> bool {
    let is_in_something = known
        .ancestors(&entity.uid())
        .is_some_and(|mut above| above.next().is_some());
    is_in_something || entity.attrs().next().is_some() || entity.tags().next().is_some()
}

/// What an entity is in, where one of the subjects is among it.
fn between<'a>(
    known: &'a Entities,
    name: &EntityUid,
    subjects: &[EntityUid],
) -> impl Iterator<Item = &'a EntityUid> {
    let is_in = |subject: &EntityUid| subject != name && known.is_ancestor_of(subject, name);
    let above = subjects.iter().any(is_in).then(|| known.ancestors(name));
    above.flatten().into_iter().flatten()
}

/// The entities of a store that these names lead to, where what is in the subjects is worked out anew.
fn reached(
    known: &Entities,
    mut names: Vec<EntityUid>,
    subjects: &[EntityUid],
) -> Option<Vec<Entity>> {
    let mut seen = HashSet::new();
    let mut reached = Vec::new();
    while let Some(name) = names.pop() {
        let Some(entity) = known.get(&name).filter(|_| !seen.contains(&name)) else {
            continue;
        };
        names.extend(between(known, &name, subjects).cloned());
        for (_, value) in entity.attrs().chain(entity.tags()) {
            named_in(value.ok()?, &mut names);
        }
        seen.insert(name);
        reached.push(entity.clone());
    }
    Some(reached)
}

/// Adds the entities that a value names.
fn named_in(value: EvalResult, names: &mut Vec<EntityUid>) {
    match value {
        EvalResult::EntityUid(name) => names.push(name),
        EvalResult::Set(items) => {
            for item in items.iter() {
                named_in(item.clone(), names);
            }
        }
        EvalResult::Record(members) => {
            for (_, member) in members.iter() {
                named_in(member.clone(), names);
            }
        }
        EvalResult::Bool(_)
        | EvalResult::Long(_)
        | EvalResult::String(_)
        | EvalResult::ExtensionValue(_) => {}
    }
}
