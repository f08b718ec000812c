//! How many ancestors entities may have.
//!
//! An entity is in all that its parents are in, and Cedar writes that down for each: of a thousand
//! entities, each in the next, half a million. It also calls itself for each parent of a parent. So
//! ancestors are counted before, one entity after another, which ends with the first one too many.

use std::collections::{HashMap, HashSet};

use cedar_policy::EntityUid;

/// Ancestors of all entities of a store together, more of which are refused.
pub const ANCESTORS_MAX: usize = 250_000;

/// Ancestors of all entities of a store whose author is somebody else than the operator.
pub const FOUND_ANCESTORS_MAX: usize = 20_000;

/// Parents of each entity, by its name.
pub(super) type Parents = HashMap<EntityUid, HashSet<EntityUid>>;

/// The ancestors of all entities; `None` where they are more than `max`.
pub(super) fn ancestors(parents: &Parents, max: usize) -> Option<usize> {
    let mut count = 0_usize;
    for entity in parents.keys() {
        let mut seen = HashSet::new();
        let mut above = vec![entity];
        while let Some(entity) = above.pop() {
            for parent in parents.get(entity).into_iter().flatten() {
                if seen.insert(parent) {
                    above.push(parent);
                }
            }
            if count + seen.len() > max {
                return None;
            }
        }
        count += seen.len();
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(number: usize) -> EntityUid {
        format!("A::\"{number}\"").parse().unwrap()
    }

    /// Entities of which each is in the next.
    fn chain(length: usize) -> Parents {
        let link = |number| (entity(number), HashSet::from([entity(number + 1)]));
        (0..length).map(link).collect()
    }

    #[test]
    fn ancestors_of_parents_count_for_each() {
        let count = |parents: &Parents| ancestors(parents, usize::MAX);
        assert_eq!(count(&chain(0)), Some(0));
        assert_eq!(count(&chain(4)), Some(4 + 3 + 2 + 1));
        assert_eq!(ancestors(&chain(9), 45), Some(45));
        assert_eq!(ancestors(&chain(9), 44), None);
        // Each of them is above each, and itself.
        let mut circle = chain(2);
        circle.insert(entity(2), HashSet::from([entity(0), entity(1)]));
        assert_eq!(count(&circle), Some(9));
        // What two parents have above counts once.
        let mut diamond = chain(3);
        diamond.insert(entity(9), HashSet::from([entity(0), entity(1)]));
        assert_eq!(count(&diamond), Some(3 + 2 + 1 + 4));
    }
}
